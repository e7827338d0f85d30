import { infiniteQueryOptions } from '@tanstack/react-query';
import { callJson, query } from '@/lib/api/client';
import type { SessionPage } from '@/lib/api/types';

const PAGE = 30;

export const sessionsQuery = infiniteQueryOptions({
  queryKey: ['sessions'],
  queryFn: ({ pageParam, signal }) =>
    callJson<SessionPage>(`/chat/sessions${query({ limit: PAGE, sort: 'updated_at', cursor: pageParam })}`, { signal }),
  initialPageParam: null as string | null,
  getNextPageParam: (page: SessionPage) => page.next_cursor,
});
