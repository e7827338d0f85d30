import { useQuery } from '@tanstack/react-query';
import { formatTime } from '@/lib/format-time';
import { quotaQuery } from '../api/get-quota';

/** Where the reader stands today; nothing while that is not known. */
export function QuotaLine() {
  const { data } = useQuery(quotaQuery);
  if (data === undefined) return null;
  const { unlimited, daily } = data;
  if (unlimited || daily.limit === null || daily.remaining === null) return <span data-testid="quota">No daily limit</span>;
  return (
    <span data-testid="quota" className={daily.remaining === 0 ? 'text-danger' : undefined}>
      {daily.remaining.toLocaleString()} of {daily.limit.toLocaleString()} messages left today
      {daily.remaining === 0 && `, more from ${formatTime(daily.reset_at)}`}
    </span>
  );
}
