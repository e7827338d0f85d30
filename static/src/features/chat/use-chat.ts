import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { sessionQuery } from './api/get-session';
import { chatItems } from './chat-view';
import { useLiveReply, useReplyRuntime } from './reply-context';
import { isOver } from './reply-reducer';
import { NEW_CHAT } from './reply-runtime';
import { flattenSession } from './session-cache';

export type Chat = ReturnType<typeof useChat>;

/** A chat as this page knows it: what is stored, and what is being written. Null: one that has no session yet. */
export function useChat(sessionId: string | null) {
  const key = sessionId ?? NEW_CHAT;
  const runtime = useReplyRuntime();
  const reply = useLiveReply(key);
  const stored = useInfiniteQuery({ ...sessionQuery(key), enabled: sessionId !== null });
  const loaded = useMemo(() => (stored.data === undefined ? null : flattenSession(stored.data)), [stored.data]);
  const items = useMemo(() => chatItems(loaded?.messages ?? [], reply, runtime.thoughts), [loaded, reply, runtime]);

  const title = sessionId === null ? 'New chat' : (loaded?.session.title ?? 'Chat');
  useEffect(() => {
    document.title = sessionId === null ? 'Chat' : `${title} · Chat`;
  }, [sessionId, title]);

  // An answer that was begun elsewhere, or before a reload, is read on here.
  const activeId = loaded?.session.active_message_id ?? null;
  const active = activeId === null ? undefined : loaded?.messages.find(({ id }) => id === activeId);
  useEffect(() => {
    if (sessionId !== null && active?.status === 'streaming') runtime.attach(sessionId, active);
  }, [runtime, sessionId, active]);

  return { key, sessionId, runtime, reply, stored, loaded, items, title, writing: reply !== undefined && !isOver(reply.state) };
}
