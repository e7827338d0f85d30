import { queryOptions } from '@tanstack/react-query';
import { callJson } from '@/lib/api/client';
import type { Features } from '@/lib/api/types';

export const featuresQuery = queryOptions({
  queryKey: ['features'],
  queryFn: ({ signal }) => callJson<Features>('/chat/features', { signal }),
  staleTime: 5 * 60_000,
});
