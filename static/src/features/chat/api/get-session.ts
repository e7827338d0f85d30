import { infiniteQueryOptions } from '@tanstack/react-query';
import { callJson, query } from '@/lib/api/client';
import type { SessionDetail } from '@/lib/api/types';
import { newestPagePath } from './first-requests';

/** Of earlier messages. */
const PAGE = 50;
/** Begins the keys of all sessions. */
export const SESSION = ['session'];

/** The session with its newest messages, past the cache. */
export function getSession(sessionId: string): Promise<SessionDetail> {
  return callJson<SessionDetail>(`/chat/sessions/${sessionId}`);
}

/** The first page has the newest messages; the "next" page is the one before it in time. */
export function sessionQuery(sessionId: string) {
  return infiniteQueryOptions({
    queryKey: [...SESSION, sessionId],
    queryFn: ({ pageParam, signal }) =>
      callJson<SessionDetail>(
        pageParam === null ? newestPagePath(sessionId) : `/chat/sessions/${sessionId}${query({ limit: PAGE, before: pageParam })}`,
        { signal },
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: SessionDetail) => page.next_before,
  });
}
