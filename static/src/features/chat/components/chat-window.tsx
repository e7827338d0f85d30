import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, type ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { ArrowDownIcon, MenuIcon, PlusIcon } from '@/components/ui/icons';
import { Skeleton } from '@/components/ui/skeleton';
import { toApiError } from '@/lib/api/errors';
import type { Features } from '@/lib/api/types';
import { chatPath, navigate } from '@/lib/router';
import { sessionQuery } from '../api/get-session';
import { chatItems, type ChatItem } from '../chat-view';
import { useLiveReply, useReplyRuntime } from '../reply-context';
import { isOver } from '../reply-reducer';
import { NEW_CHAT, type LiveReply } from '../reply-runtime';
import { flattenSession } from '../session-cache';
import { useStickToBottom } from '../use-stick-to-bottom';
import { Composer } from './composer';
import { MessageItem } from './message-item';
import { QuotaLine } from './quota-line';

interface ChatWindowProps {
  sessionId: string | null;
  features: Features;
  onOpenList: () => void;
}

export function ChatWindow({ sessionId, features, onOpenList }: ChatWindowProps) {
  const chatKey = sessionId ?? NEW_CHAT;
  const runtime = useReplyRuntime();
  const reply = useLiveReply(chatKey);
  const stored = useInfiniteQuery({ ...sessionQuery(chatKey), enabled: sessionId !== null });
  const loaded = useMemo(() => (stored.data === undefined ? null : flattenSession(stored.data)), [stored.data]);
  const items = useMemo(() => chatItems(loaded?.messages ?? [], reply), [loaded, reply]);
  const { frame, content, away, stick, release, onScroll } = useStickToBottom(chatKey, loaded?.messages[0]?.id);
  const writing = reply !== undefined && !isOver(reply.state);

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

  function showEarlier(): void {
    release();
    void stored.fetchNextPage();
  }

  function send(text: string): void {
    runtime.send(sessionId, text);
    stick();
  }

  let body: ReactNode;
  if (sessionId !== null && stored.isPending && items.length === 0) body = <MessagesSkeleton />;
  else if (stored.isError && loaded === null && items.length === 0) {
    const error = toApiError(stored.error);
    body = (
      <ErrorNotice error={error} className="mx-auto mt-8 max-w-md">
        {error.status === 404 ? (
          <Button size="small" variant="outline" onClick={() => navigate(chatPath(null))}>
            Start a new chat
          </Button>
        ) : (
          <Button size="small" variant="outline" onClick={() => void stored.refetch()}>
            Try again
          </Button>
        )}
      </ErrorNotice>
    );
  } else if (items.length === 0) body = <EmptyChat />;
  else {
    body = (
      <>
        {stored.hasNextPage && (
          <div className="flex justify-center pb-6">
            <Button size="small" variant="outline" disabled={stored.isFetchingNextPage} onClick={showEarlier}>
              {stored.isFetchingNextPage ? 'Loading…' : 'Show earlier messages'}
            </Button>
          </div>
        )}
        <ol aria-label="Messages" className="flex flex-col gap-6">
          {items.map((item, index) => (
            <MessageItem
              key={item.key}
              item={item}
              reconnecting={reply?.reconnecting === true && index === items.length - 1}
              onRetry={index === items.length - 1 ? retryOf(item) : null}
              onTakeBack={() => runtime.takeBack(chatKey)}
            />
          ))}
        </ol>
      </>
    );
  }

  function retryOf(item: ChatItem): (() => void) | null {
    if (item.error !== null) return item.error.retryable || item.status === 'unsent' ? () => runtime.retry(chatKey) : null;
    const { message } = item;
    if (message === null || sessionId === null) return null;
    return () => runtime.regenerate(sessionId, message);
  }

  return (
    <main className="flex h-full min-w-0 flex-1 flex-col">
      <header className="flex h-14 shrink-0 items-center gap-1 border-b px-2 md:px-6">
        <Button variant="ghost" size="icon" className="md:hidden" aria-label="Open the chat list" onClick={onOpenList}>
          <MenuIcon />
        </Button>
        <h1 className="min-w-0 flex-1 truncate px-1 text-[0.95rem] font-semibold">{title}</h1>
        <Button
          variant="ghost"
          size="icon"
          className="md:hidden"
          aria-label="New chat"
          onClick={() => navigate(chatPath(null))}
        >
          <PlusIcon />
        </Button>
      </header>
      <div className="relative min-h-0 flex-1">
        <div
          ref={frame}
          onScroll={onScroll}
          className="h-full overflow-y-auto overscroll-contain [overflow-anchor:none]"
        >
          <div ref={content} className="mx-auto flex min-h-full w-full max-w-3xl flex-col px-4 pt-6 pb-8 md:px-6">
            {body}
          </div>
        </div>
        {away && (
          <Button
            variant="outline"
            size="icon"
            className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-md"
            aria-label="Go to the newest message"
            onClick={stick}
          >
            <ArrowDownIcon />
          </Button>
        )}
      </div>
      <div className="shrink-0 pb-[max(0.75rem,env(safe-area-inset-bottom))]">
        <div className="mx-auto w-full max-w-3xl px-3 md:px-6">
          <Composer
            chatKey={chatKey}
            maxLength={features.limits.max_message_length}
            writing={writing}
            stopping={reply?.stopping === true}
            onSend={send}
            onStop={() => void runtime.stop(chatKey)}
          />
          <div className="mt-2 flex justify-center gap-4 px-3 text-xs text-muted sm:justify-between">
            <span className="hidden sm:inline">Enter to send, Shift + Enter for a new line</span>
            <QuotaLine />
          </div>
        </div>
      </div>
      <Announcer reply={reply} />
    </main>
  );
}

/** Says how the answer stands, once per step; never its words one by one. */
function Announcer({ reply }: { reply: LiveReply | undefined }) {
  let text = '';
  if (reply?.state.phase === 'waiting') text = 'Message sent. Waiting for the answer.';
  else if (reply?.state.phase === 'writing') text = 'The answer is being written.';
  else if (reply?.state.phase === 'done') {
    text = reply.state.message?.status === 'stopped' ? 'The answer was stopped.' : 'The answer is complete.';
  }
  return (
    <div role="status" className="sr-only" data-testid="announcer">
      {text}
    </div>
  );
}

function EmptyChat() {
  return (
    <div className="flex flex-1 flex-col items-center justify-center pb-10 text-center">
      <p className="text-2xl font-semibold tracking-tight">What can I help with?</p>
      <p className="mt-2 max-w-sm text-sm text-balance text-muted">
        Ask a question, paste some code, or start from a rough idea. Answers can be wrong, so check what matters.
      </p>
    </div>
  );
}

function MessagesSkeleton() {
  return (
    <div role="status" className="flex flex-col gap-6">
      <span className="sr-only">Loading the chat</span>
      <Skeleton className="h-11 w-2/5 self-end rounded-2xl" />
      <div className="flex flex-col gap-2.5">
        <Skeleton className="h-4 w-full" />
        <Skeleton className="h-4 w-11/12" />
        <Skeleton className="h-4 w-3/5" />
      </div>
      <Skeleton className="h-11 w-3/5 self-end rounded-2xl" />
      <div className="flex flex-col gap-2.5">
        <Skeleton className="h-4 w-full" />
        <Skeleton className="h-4 w-4/5" />
      </div>
    </div>
  );
}
