import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { preloadMarkdown, prepareMarkdown, warmUpMarkdown } from '@/components/markdown/markdown';
import { Button } from '@/components/ui/button';
import { Drawer } from '@/components/ui/drawer';
import { ErrorNotice } from '@/components/ui/error-notice';
import { LogoIcon } from '@/components/ui/icons';
import { Skeleton } from '@/components/ui/skeleton';
import { toApiError } from '@/lib/api/errors';
import { signOut } from '@/lib/api/sign-out';
import type { Features } from '@/lib/api/types';
import { chatPath, sessionIdOf } from '@/lib/chat-address';
import { onOtherTabs } from '@/lib/other-tabs';
import { leave, navigate, usePathname } from '@/lib/router';
import { featuresQuery } from '../api/get-features';
import { quotaQuery } from '../api/get-quota';
import { SESSION, sessionQuery } from '../api/get-session';
import { sessionsQuery } from '../api/list-sessions';
import { Drafts, DraftsContext, forgetDrafts } from '../drafts';
import { ReplyRuntimeContext } from '../reply-context';
import { NEW_CHAT, ReplyRuntime } from '../reply-runtime';
import { toastError } from '../toast-error';
import { ChatWindow } from './chat-window';
import { Sidebar } from './sidebar';

const WARM_UP_AFTER_MS = 800;

export function ChatPage() {
  const features = useQuery(featuresQuery);

  const client = useQueryClient();
  useEffect(() => {
    const sessionId = sessionIdOf(window.location.pathname);
    if (typeof sessionId === 'string') {
      // The requests that showing a chat needs go out together, not one after the other.
      preloadMarkdown();
      client.infiniteQuery(sessionQuery(sessionId)).catch(() => undefined); // the component that shows it reports the failure
      return undefined;
    }
    const timer = setTimeout(warmUpMarkdown, WARM_UP_AFTER_MS);
    return () => clearTimeout(timer);
  }, [client]);

  if (features.isPending) return <PageSkeleton />;
  if (features.data === undefined) {
    return (
      <Notice title="Chat can’t be loaded">
        <ErrorNotice error={toApiError(features.error)} className="text-left">
          <Button size="small" variant="outline" onClick={() => void features.refetch()}>
            Try again
          </Button>
        </ErrorNotice>
      </Notice>
    );
  }
  if (!features.data.enabled) {
    return (
      <Notice title="Chat isn’t switched on for you yet">
        <p className="text-sm text-muted">
          You’re signed in as {features.data.user.id}, but chat is only open to some accounts at the moment. Ask whoever
          runs this service, or come back later.
        </p>
        <Button variant="outline" className="mt-5" onClick={() => void signOut().finally(leaveForGood)}>
          Sign out
        </Button>
      </Notice>
    );
  }
  return <Chat features={features.data} />;
}

function isInView(key: string): boolean {
  return document.visibilityState === 'visible' && (sessionIdOf(window.location.pathname) ?? NEW_CHAT) === key;
}

function leaveForGood(): void {
  forgetDrafts();
  leave.to('/sign-in');
}

function Chat({ features }: { features: Features }) {
  const client = useQueryClient();
  const [drafts] = useState(() => new Drafts(features.user.id));
  const [runtime] = useState(() => {
    const replies: ReplyRuntime = new ReplyRuntime(client, {
      onError: (error, key) => {
        // If the reader looks at that chat, the chat itself shows it, with the same actions.
        if (key !== null && isInView(key)) return;
        const again = key === null || !error.retryable ? undefined : { label: 'Retry', onClick: () => replies.retry(key) };
        toastError(error, undefined, again);
      },
      onTextReturned: (key, content) => {
        if (drafts.get(key) === '') drafts.set(key, content);
      },
      prepareText: (key, content) => isInView(key) && prepareMarkdown(content),
      onSessionStarted: (session) => {
        // Unless the reader has gone to another chat meanwhile.
        if (sessionIdOf(window.location.pathname) === null) navigate(chatPath(session.id), { replace: true });
      },
    });
    return replies;
  });
  const [listOpen, setListOpen] = useState(false);
  const [listHidden, setListHidden] = useState(false);
  const asideSearch = useRef<HTMLInputElement>(null);
  const drawerSearch = useRef<HTMLInputElement>(null);
  const sessionId = sessionIdOf(usePathname());

  useEffect(
    () =>
      onOtherTabs(() => {
        for (const queryKey of [SESSION, sessionsQuery.queryKey, quotaQuery.queryKey]) void client.invalidateQueries({ queryKey });
      }),
    [client],
  );

  useEffect(() => () => runtime.close(), [runtime]);

  if (sessionId === undefined) {
    return (
      <Notice title="There’s nothing here">
        <Button onClick={() => navigate(chatPath(null))}>Go to the chat</Button>
      </Notice>
    );
  }
  return (
    <DraftsContext value={drafts}>
      <ReplyRuntimeContext value={runtime}>
        <div className="flex h-dvh overflow-hidden">
          {!listHidden && (
            <aside aria-label="Your chats" inert={listOpen} className="hidden w-72 shrink-0 flex-col border-r bg-surface md:flex">
              <Sidebar activeId={sessionId} features={features} searchRef={asideSearch} />
            </aside>
          )}
          <Drawer open={listOpen} onOpenChange={setListOpen} title="Your chats">
            <Sidebar activeId={sessionId} features={features} onNavigate={() => setListOpen(false)} searchRef={drawerSearch} />
          </Drawer>
          <div className="contents" inert={listOpen}>
            <ChatWindow
              sessionId={sessionId}
              features={features}
              listHidden={listHidden}
              onOpenList={() => (isWide() ? setListHidden(false) : setListOpen(true))}
              onSearch={() => {
                // The field has to exist before it can get the focus.
                flushSync(() => (isWide() ? setListHidden(false) : setListOpen(true)));
                (isWide() ? asideSearch : drawerSearch).current?.focus();
              }}
              onToggleList={() => (isWide() ? setListHidden((hidden) => !hidden) : setListOpen(true))}
            />
          </div>
        </div>
      </ReplyRuntimeContext>
    </DraftsContext>
  );
}

/** From this width on the list is beside the window; below it, the list comes in over the window. */
function isWide(): boolean {
  return window.matchMedia('(min-width: 48rem)').matches;
}

function Notice({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh items-center justify-center p-6">
      <div className="max-w-md text-center">
        <h1 className="mb-3 text-xl font-semibold">{title}</h1>
        {children}
      </div>
    </main>
  );
}

function PageSkeleton() {
  return (
    <div role="status" className="flex h-dvh">
      <span className="sr-only">Loading</span>
      <div className="hidden w-72 shrink-0 border-r bg-surface md:block">
        <div className="flex h-14 items-center gap-2.5 px-4 text-[0.95rem] font-semibold">
          <span className="text-2xl">
            <LogoIcon />
          </span>
          Chat
        </div>
        <div className="flex flex-col gap-4 px-3">
          <Skeleton className="h-10 w-full" />
          <Skeleton className="h-9 w-full" />
          <Skeleton className="h-5 w-4/5" />
          <Skeleton className="h-5 w-3/5" />
        </div>
      </div>
      <div className="flex min-w-0 flex-1 flex-col">
        <div className="flex h-14 items-center border-b px-4 text-[0.95rem] font-semibold md:px-7">
          <span className="md:sr-only">Chat</span>
        </div>
        <div className="mx-auto mt-auto w-full max-w-3xl px-3 pb-9 md:px-6">
          <Skeleton className="h-14 w-full rounded-2xl" />
        </div>
      </div>
    </div>
  );
}
