import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useDeferredValue, useEffect, useId, useLayoutEffect, useMemo, useState, type ReactNode } from 'react';
import { toast } from 'sonner';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { AlertIcon, ArrowDownIcon, KeyboardIcon, MenuIcon, PlusIcon } from '@/components/ui/icons';
import { Skeleton } from '@/components/ui/skeleton';
import { toApiError } from '@/lib/api/errors';
import type { Features, Message } from '@/lib/api/types';
import { chatPath } from '@/lib/chat-address';
import { navigate } from '@/lib/router';
import { useOnline } from '@/lib/use-online';
import { sessionQuery } from '../api/get-session';
import { useRateMessage } from '../api/rate-message';
import { chatItems, lastScreen, type ChatItem } from '../chat-view';
import { useLiveReply, useReplyRuntime } from '../reply-context';
import { isOver } from '../reply-reducer';
import { NEW_CHAT } from '../reply-runtime';
import { flattenSession } from '../session-cache';
import { useShortcuts, type ShortcutName } from '../shortcuts';
import { focusMessageField, keepFocus } from '../text-field';
import { useStickToBottom } from '../use-stick-to-bottom';
import { Announcer } from './announcer';
import { Composer } from './composer';
import type { MessageActions, MessageItemProps } from './message-item';
import { DRAWN_WHOLE, MessageList } from './message-list';
import { ModelPicker } from './model-picker';
import { QuotaLine, useQuotaUsedUp } from './quota-line';
import { ShortcutsDialog } from './shortcuts-dialog';

/** Earlier messages are fetched when this much is left above the part that is read. */
const LOAD_EARLIER_PX = 600;

interface ChatWindowProps {
  sessionId: string | null;
  features: Features;
  /** There is no room for the list beside the window at the moment. */
  listHidden: boolean;
  onOpenList: () => void;
  onToggleList: () => void;
  onSearch: () => void;
}

export function ChatWindow({ sessionId, features, listHidden, onOpenList, onToggleList, onSearch }: ChatWindowProps) {
  const chatKey = sessionId ?? NEW_CHAT;
  const runtime = useReplyRuntime();
  const reply = useLiveReply(chatKey);
  const stored = useInfiniteQuery({ ...sessionQuery(chatKey), enabled: sessionId !== null });
  const loaded = useMemo(() => (stored.data === undefined ? null : flattenSession(stored.data)), [stored.data]);
  const items = useMemo(() => chatItems(loaded?.messages ?? [], reply, runtime.thoughts), [loaded, reply, runtime]);
  const hasItems = items.length > 0;
  const opened = hasItems ? chatKey : null;
  const long = items.length > DRAWN_WHOLE;
  // The messages above the first screenful are drawn once that is seen.
  const whole = useDeferredValue(opened, null) === opened || long;
  const drawn = whole ? items : lastScreen(items, window.innerHeight);
  const { frame, content, away, stick, release, onScroll } = useStickToBottom(
    chatKey,
    whole ? loaded?.messages[0]?.id : drawn[0]?.key,
    long,
  );
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

  const [models, setModels] = useState<Partial<Record<string, string>>>({});
  const offered = features.models;
  const sessionModel = loaded?.session.model;
  const wished = models[chatKey] ?? sessionModel ?? features.default_model;
  const model = offered.includes(wished) ? wished : features.default_model;
  const modelSent = offered.length > 1 ? model : undefined;

  const [edits, setEdits] = useState<Partial<Record<string, { id: string; text: string }>>>({});
  const edit = edits[chatKey];
  const [versions, setVersions] = useState<Partial<Record<string, Message>>>({});
  const [helpOpen, setHelpOpen] = useState(false);
  const { mutate: rate } = useRateMessage();
  const quotaId = useId();
  const usedUp = useQuotaUsedUp();
  const hintId = useId();
  const online = useOnline();

  const actions = useMemo<MessageActions>(() => {
    const setEdit = (next: { id: string; text: string } | undefined) => setEdits((all) => ({ ...all, [chatKey]: next }));
    return {
      rate: (message, rating) => rate({ message, rating }),
      regenerate: (message) => {
        if (sessionId === null) return;
        setVersions((all) => ({ ...all, [message.parent_id ?? '']: undefined }));
        runtime.regenerate(sessionId, message, modelSent);
        stick();
        keepFocus();
      },
      showVersion: (version) => setVersions((all) => ({ ...all, [version.parent_id ?? '']: version })),
      edit: (message) => setEdit({ id: message.id, text: message.content }),
      changeEdit: (text) => setEdits((all) => ({ ...all, [chatKey]: { id: all[chatKey]?.id ?? '', text } })),
      saveEdit: (message, text) => {
        runtime.send(sessionId, text, { model: modelSent, replaces: message });
        stick();
        keepFocus();
      },
      cancelEdit: () => {
        setEdit(undefined);
        // A refused question goes with it.
        if (runtime.get(chatKey)?.question?.replaces != null) runtime.takeBack(chatKey);
        focusMessageField();
      },
      takeBack: () => {
        runtime.takeBack(chatKey);
        keepFocus();
      },
    };
  }, [runtime, rate, stick, sessionId, chatKey, modelSent]);

  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = stored;

  // Where the list begins in the scrolled content, to find the part of a long list that is drawn.
  const [heights] = useState(() => new Map<string, number>());
  const [listOffset, setListOffset] = useState(0);
  useLayoutEffect(() => {
    setListOffset(content.current?.querySelector('ol[aria-label="Messages"]')?.parentElement?.offsetTop ?? 0);
  }, [content, hasItems, whole, hasNextPage, chatKey]);

  const showEarlier = useCallback(() => {
    content.current?.querySelectorAll<HTMLElement>('li[data-key]').forEach((element) => {
      heights.set(element.dataset.key ?? '', element.offsetHeight);
    });
    release();
    void fetchNextPage();
  }, [content, heights, release, fetchNextPage]);

  function onFrameScroll(): void {
    onScroll();
    const element = frame.current;
    if (element === null || !away || !hasNextPage || isFetchingNextPage || isFetchNextPageError) return;
    if (element.scrollTop < LOAD_EARLIER_PX) showEarlier();
  }

  function send(text: string): void {
    runtime.send(sessionId, text, { model: modelSent });
    stick();
  }

  useShortcuts((name: ShortcutName): boolean => {
    switch (name) {
      case 'help':
        setHelpOpen(true);
        return true;
      case 'newChat':
        navigate(chatPath(null));
        return true;
      case 'search':
        onSearch();
        return true;
      case 'focusMessage':
        focusMessageField();
        return true;
      case 'stop':
        if (writing) void runtime.stop(chatKey);
        return writing;
      case 'copyAnswer': {
        const last = items.findLast(({ role, content: text }) => role === 'assistant' && text !== '');
        if (last === undefined) return false;
        const text = versions[last.message?.parent_id ?? '']?.content ?? last.content;
        navigator.clipboard.writeText(text).then(
          () => toast.success('Answer copied'),
          () => toast.error('Could not copy'),
        );
        return true;
      }
      case 'toggleList':
        onToggleList();
        return true;
      case 'notifications':
        // The toaster has the key itself.
        return false;
    }
  });

  function againOf(item: ChatItem): (() => void) | null {
    if (item.error !== null) return item.error.retryable || item.status === 'unsent' ? () => runtime.retry(chatKey) : null;
    const { message } = item;
    if (message === null || sessionId === null) return null;
    return () => runtime.regenerate(sessionId, message, modelSent);
  }

  function retryOf(item: ChatItem): (() => void) | null {
    const again = againOf(item);
    if (again === null) return null;
    return () => {
      again();
      keepFocus();
    };
  }

  const lastQuestion = items.findLastIndex(({ role }) => role === 'user');
  function propsOf(item: ChatItem, index: number): MessageItemProps {
    const last = index === items.length - 1;
    const question = item.message?.parent_id ?? '';
    const version = item.role === 'assistant' ? versions[question] : undefined;
    return {
      item,
      reconnecting: reply?.reconnecting === true && last,
      onRetry: last ? retryOf(item) : null,
      actions,
      version: version === undefined ? null : (item.versions.find(({ id }) => id === version.id) ?? null),
      changeable: !writing && sessionId !== null && (item.role === 'user' ? index === lastQuestion : last),
      editing: !writing && edit !== undefined && item.message?.id === edit.id ? edit.text : null,
      maxLength: features.limits.max_message_length,
      showsModel: offered.length > 1,
    };
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
        {whole && (hasNextPage || (stored.data?.pages.length ?? 0) > 1) && (
          // It keeps its height at the chat's beginning too, so that nothing below it moves.
          <div className="flex h-14 shrink-0 flex-col items-center text-sm text-muted">
            {hasNextPage ? (
              <Button size="small" variant="outline" disabled={isFetchingNextPage} onClick={showEarlier}>
                {isFetchingNextPage ? 'Loading…' : isFetchNextPageError ? 'Could not load. Try again' : 'Show earlier messages'}
              </Button>
            ) : (
              'This is where the chat begins.'
            )}
          </div>
        )}
        <div>
          <MessageList
            items={drawn}
            frame={frame}
            heights={heights}
            offset={listOffset}
            propsOf={(item, index) => propsOf(item, index + items.length - drawn.length)}
          />
        </div>
      </>
    );
  }

  return (
    <main className="flex h-full min-w-0 flex-1 flex-col">
      <header className="flex h-14 shrink-0 items-center gap-1 border-b px-2 md:px-6">
        <Button variant="ghost" size="icon" className={listHidden ? undefined : 'md:hidden'} data-opens-drawer aria-label="Open the chat list" onClick={onOpenList}>
          <MenuIcon />
        </Button>
        <h1 className="min-w-0 flex-1 truncate px-1 text-[0.95rem] font-semibold">{title}</h1>
        <ModelPicker models={offered} value={model} onChange={(next) => setModels((all) => ({ ...all, [chatKey]: next }))} />
        <Button
          variant="ghost"
          size="icon"
          className="hidden text-muted md:inline-flex"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts"
          onClick={() => setHelpOpen(true)}
        >
          <KeyboardIcon />
        </Button>
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
          onScroll={onFrameScroll}
          data-testid="messages"
          className="h-full overflow-y-auto contain-content overscroll-contain [overflow-anchor:none]"
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
          <p role="status" className={online ? 'sr-only' : 'mb-2 flex items-center justify-center gap-1.5 text-sm text-warning [&_svg]:size-4'}>
            {!online && (
              <>
                <AlertIcon /> You’re offline. What you write is kept.
              </>
            )}
          </p>
          <Composer
            chatKey={chatKey}
            maxLength={features.limits.max_message_length}
            writing={writing}
            stopping={reply?.stopping === true}
            blockedBy={writing ? hintId : usedUp ? quotaId : null}
            onSend={send}
            onStop={() => void runtime.stop(chatKey)}
          />
          <div className="mt-2 flex justify-center gap-4 px-3 text-xs text-muted sm:justify-between">
            <span id={hintId} className={usedUp ? 'hidden' : 'hidden sm:inline'}>
              {writing ? 'You can send again once the answer is complete, or stopped' : 'Enter to send, Shift + Enter for a new line'}
            </span>
            <QuotaLine id={quotaId} />
          </div>
        </div>
      </div>
      <Announcer reply={reply} />
      <ShortcutsDialog open={helpOpen} onOpenChange={setHelpOpen} />
    </main>
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
