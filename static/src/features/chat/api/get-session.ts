import { infiniteQueryOptions } from '@tanstack/react-query';
import { callJson, query } from '@/lib/api/client';
import type { SessionDetail } from '@/lib/api/types';

/** What a chat is opened with fills any screen; who reads back gets more at once. */
const FIRST_PAGE = 24;
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
      callJson<SessionDetail>(`/chat/sessions/${sessionId}${query({ limit: pageParam === null ? FIRST_PAGE : PAGE, before: pageParam })}`, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page: SessionDetail) => page.next_before,
  });
}
