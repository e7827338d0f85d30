import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { AlertIcon } from '@/components/ui/icons';
import { formatFullTime, formatWait } from '@/lib/format-time';
import { quotaQuery } from '../api/get-quota';

/** From this share of the day's messages on, the reader is warned. */
const WARN_FROM = 0.8;
const TICK_MS = 30_000;
/** The service's clock and this one may differ a little. */
const AFTER_RESET_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Whether today's messages are used up, as far as the page knows. */
export function useQuotaUsedUp(): boolean {
  const { data } = useQuery(quotaQuery);
  return data !== undefined && !data.unlimited && data.daily.remaining !== null && data.daily.remaining <= 0;
}

/** How many messages the reader has left today; draws nothing while that is not known. */
export function QuotaLine({ id }: { id: string }) {
  const client = useQueryClient();
  const { data } = useQuery(quotaQuery);
  const resetAt = data?.daily.reset_at;

  useEffect(() => {
    if (resetAt === undefined) return undefined;
    const wait = Date.parse(resetAt) - Date.now() + AFTER_RESET_MS;
    // A reset time in the past was asked about already: this is the answer.
    if (!(wait > 0) || wait > LONGEST_TIMER_MS) return undefined;
    const timer = setTimeout(() => void client.invalidateQueries({ queryKey: quotaQuery.queryKey }), wait);
    return () => clearTimeout(timer);
  }, [client, resetAt]);

  if (data === undefined) return null;
  const { unlimited, daily } = data;
  if (unlimited || daily.limit === null || daily.remaining === null) return <span data-testid="quota">No daily limit</span>;
  const usedUp = daily.remaining <= 0;
  const low = daily.used >= daily.limit * WARN_FROM;
  return (
    <span
      id={id}
      data-testid="quota"
      data-level={usedUp ? 'error' : low ? 'warning' : 'ok'}
      role="status"
      className="inline-flex items-center gap-1.5 data-[level=error]:font-medium data-[level=error]:text-danger data-[level=warning]:text-warning [&_svg]:size-3.5 [&_svg]:shrink-0"
    >
      {(usedUp || low) && <AlertIcon />}
      <span>
        {daily.remaining.toLocaleString()} of {daily.limit.toLocaleString()} messages left today
        {(usedUp || low) && (
          <>
            , renewed <Until iso={daily.reset_at} />
          </>
        )}
      </span>
    </span>
  );
}

/** Not announced each time it changes: the line around it has announced what matters. */
function Until({ iso }: { iso: string }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  const wait = formatWait(Date.parse(iso) - now);
  return (
    <time dateTime={iso} title={formatFullTime(iso)} aria-live="off">
      {wait === '' ? 'now' : `in ${wait}`}
    </time>
  );
}
