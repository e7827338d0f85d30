import { queryOptions } from '@tanstack/react-query';
import { callJson } from '@/lib/api/client';
import type { Features } from '@/lib/api/types';
import { FEATURES_PATH } from './first-requests';

export const featuresQuery = queryOptions({
  queryKey: ['features'],
  queryFn: ({ signal }) => callJson<Features>(FEATURES_PATH, { signal }),
  staleTime: 5 * 60_000,
});
