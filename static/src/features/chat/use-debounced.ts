import { useEffect, useState } from 'react';

/** The value, once it has stayed the same for this time; an empty one at once. */
export function useDebounced(value: string, waitMs: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), waitMs);
    return () => clearTimeout(timer);
  }, [value, waitMs]);
  return value === '' ? '' : settled;
}
