import { useEffect, useState } from 'react';
import { msToMidnight } from '@/lib/format-time';

/** A time of the reader's present day; a new one once that day is over. */
export function useToday(): Date {
  const [today, setToday] = useState(() => new Date());
  useEffect(() => {
    const timer = setTimeout(() => setToday(new Date()), msToMidnight(today) + 1_000);
    return () => clearTimeout(timer);
  }, [today]);
  return today;
}
