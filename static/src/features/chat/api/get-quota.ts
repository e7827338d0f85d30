import { queryOptions } from '@tanstack/react-query';
import { callJson } from '@/lib/api/client';
import type { Quota } from '@/lib/api/types';

export const quotaQuery = queryOptions({
  queryKey: ['quota'],
  queryFn: ({ signal }) => callJson<Quota>('/chat/quota', { signal }),
  staleTime: 60_000,
});
