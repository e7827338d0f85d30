import { infiniteQueryOptions, keepPreviousData, type QueryKey } from '@tanstack/react-query';
import { callJson, query } from '@/lib/api/client';
import type { SessionPage } from '@/lib/api/types';

const PAGE = 40;
/** The limit of docs/openapi.yaml, in code points. */
const MAX_SEARCH_LENGTH = 200;

/** The beginning of all searches' keys. */
export const SEARCHES: QueryKey = ['session-search'];

export const sessionsQuery = infiniteQueryOptions({
  queryKey: ['sessions'],
  queryFn: ({ pageParam, signal }) => listSessions({ cursor: pageParam }, signal),
  initialPageParam: null as string | null,
  getNextPageParam: (page: SessionPage) => page.next_cursor,
});

/** Each item has the place where the words were found. The last results stay until there are new ones. */
export function searchQuery(words: string) {
  const q = Array.from(words.trim()).slice(0, MAX_SEARCH_LENGTH).join('');
  return infiniteQueryOptions({
    queryKey: [...SEARCHES, q],
    queryFn: ({ pageParam, signal }) => listSessions({ cursor: pageParam, q }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page: SessionPage) => page.next_cursor,
    placeholderData: keepPreviousData,
    staleTime: 0,
  });
}

function listSessions(wanted: { cursor: string | null; q?: string }, signal: AbortSignal): Promise<SessionPage> {
  return callJson<SessionPage>(`/chat/sessions${query({ limit: PAGE, sort: 'updated_at', ...wanted })}`, { signal });
}
