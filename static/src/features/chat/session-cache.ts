import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import type { Message, Quota, Session, SessionDetail, SessionPage } from '@/lib/api/types';
import { quotaQuery } from './api/get-quota';
import { sessionQuery } from './api/get-session';
import { SEARCHES, sessionsQuery } from './api/list-sessions';

// Puts sessions, messages and quota from a stream into the query cache, so that the page shows one
// state, whichever way it arrived.

export type SessionPages = InfiniteData<SessionDetail>;

/** The session as its newest page has it, with all loaded messages, oldest first. */
export function flattenSession(data: SessionPages): { session: SessionDetail; messages: Message[] } | null {
  const newest = data.pages[0];
  if (newest === undefined) return null;
  return { session: newest, messages: data.pages.toReversed().flatMap((page) => page.messages) };
}

export function putMessages(client: QueryClient, session: Session, messages: Message[]): void {
  const { queryKey } = sessionQuery(session.id);
  // A refetch under way has an older state and would overwrite this one.
  void client.cancelQueries({ queryKey });
  client.setQueryData(queryKey, (data) => withMessages(data, session, messages));
}

/** Changes a message where it is loaded. */
export function updateMessage(client: QueryClient, { session_id, id }: Message, change: (message: Message) => Message): void {
  const { queryKey } = sessionQuery(session_id);
  void client.cancelQueries({ queryKey });
  client.setQueryData(queryKey, (data) => withEach(data, (message) => (message.id === id ? change(message) : message)));
}

/** After an edit: the old question and all that came after it give way to the new one. */
export function supersedeFrom(client: QueryClient, replaced: Message, by: Message): void {
  client.setQueryData(sessionQuery(replaced.session_id).queryKey, (data) =>
    withEach(data, (message) =>
      message.superseded_by === null && message.seq >= replaced.seq && message.seq < by.seq
        ? { ...message, superseded_by: by.id }
        : message,
    ),
  );
}

function withEach(data: SessionPages | undefined, change: (message: Message) => Message): SessionPages | undefined {
  return data && { ...data, pages: data.pages.map((page) => ({ ...page, messages: page.messages.map(change) })) };
}

export function withMessages(data: SessionPages | undefined, session: Session, messages: Message[]): SessionPages {
  if (data?.pages[0] === undefined) {
    // Only a session we have just made is complete with the messages at hand.
    const page = { ...session, messages, next_before: null, active_message_id: activeOf(messages) };
    return { pages: [page], pageParams: [null] };
  }
  const [newest, ...older] = data.pages;
  const known = new Map(messages.map((message) => [message.id, message]));
  const replace = (message: Message) => {
    const fresh = known.get(message.id);
    known.delete(message.id);
    return fresh ?? message;
  };
  const olderNow = older.map((page) => ({ ...page, messages: page.messages.map(replace) }));
  const kept = newest.messages.map(replace);
  const all = [...kept, ...known.values()].sort((a, b) => a.seq - b.seq);
  const page = { ...newest, ...session, messages: all, active_message_id: activeOf(all) };
  return { ...data, pages: [page, ...olderNow] };
}

function activeOf(messages: Message[]): string | null {
  return messages.findLast((message) => message.status === 'streaming')?.id ?? null;
}

/** Sorted by last change, so a session that changes goes to the top. */
export function putSession(client: QueryClient, session: Session): void {
  client.setQueryData(sessionsQuery.queryKey, (data) => {
    if (data === undefined) return data;
    const [top, ...others] = withoutSession(data, session.id).pages;
    return top === undefined ? data : { ...data, pages: [{ ...top, items: [session, ...top.items] }, ...others] };
  });
}

/** Changes a session wherever it is loaded: in the list, in what was found, and as the open one. */
export function changeSession(client: QueryClient, id: string, change: Partial<Session>): void {
  updateLists(client, (data) => ({
    ...data,
    pages: data.pages.map((page) => ({ ...page, items: page.items.map((item) => (item.id === id ? { ...item, ...change } : item)) })),
  }));
  client.setQueryData(sessionQuery(id).queryKey, (data) => data && { ...data, pages: data.pages.map((page) => ({ ...page, ...change })) });
}

/** Takes a session out of all lists. */
export function dropSession(client: QueryClient, id: string): void {
  updateLists(client, (data) => withoutSession(data, id));
}

/** Puts back into the list the session that dropSession took out; only the service knows its search results. */
export function returnSession(client: QueryClient, session: Session): void {
  void client.cancelQueries({ queryKey: sessionsQuery.queryKey });
  putSession(client, session);
}

/** Asks for the search results again. */
export function refreshSearches(client: QueryClient): void {
  void client.invalidateQueries({ queryKey: SEARCHES });
}

function updateLists(client: QueryClient, change: (data: InfiniteData<SessionPage>) => InfiniteData<SessionPage>): void {
  for (const queryKey of [sessionsQuery.queryKey, SEARCHES]) {
    // A request under way has an older state and would overwrite this one.
    void client.cancelQueries({ queryKey });
    client.setQueriesData<InfiniteData<SessionPage>>({ queryKey }, (data) => data && change(data));
  }
}

function withoutSession<T extends InfiniteData<SessionPage>>(data: T, id: string): T {
  return { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.filter((item) => item.id !== id) })) };
}

export function putQuota(client: QueryClient, quota: Quota): void {
  void client.cancelQueries({ queryKey: quotaQuery.queryKey });
  client.setQueryData(quotaQuery.queryKey, quota);
}
