import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { Skeleton } from '@/components/ui/skeleton';
import { toApiError } from '@/lib/api/errors';
import { chatPath } from '@/lib/chat-address';
import { navigate } from '@/lib/router';
import type { Chat } from '../use-chat';

/** What stands in a chat's place where there are no messages to show; else those. */
export function ChatBody({ chat: { sessionId, stored, loaded, items }, children }: { chat: Chat; children: ReactNode }) {
  if (items.length > 0) return children;
  if (sessionId !== null && stored.isPending) return <MessagesSkeleton />;
  if (stored.isError && loaded === null) return <NotLoaded error={stored.error} onAgain={() => void stored.refetch()} />;
  return <EmptyChat />;
}

/** Above the first message: it keeps its height at the chat's beginning too, so that nothing below it moves. */
export function EarlierMessages({ chat: { stored }, onShow }: { chat: Chat; onShow: () => void }) {
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, data } = stored;
  if (!hasNextPage && (data?.pages.length ?? 0) <= 1) return null;
  return (
    <div className="flex h-14 shrink-0 flex-col items-center text-sm text-muted">
      {hasNextPage ? (
        <Button size="small" variant="outline" disabled={isFetchingNextPage} onClick={onShow}>
          {isFetchingNextPage ? 'Loading…' : isFetchNextPageError ? 'Could not load. Try again' : 'Show earlier messages'}
        </Button>
      ) : (
        'This is where the chat begins.'
      )}
    </div>
  );
}

function NotLoaded({ error, onAgain }: { error: unknown; onAgain: () => void }) {
  const shown = toApiError(error);
  return (
    <ErrorNotice error={shown} className="mx-auto mt-8 max-w-md">
      {shown.status === 404 ? (
        <Button size="small" variant="outline" onClick={() => navigate(chatPath(null))}>
          Start a new chat
        </Button>
      ) : (
        <Button size="small" variant="outline" onClick={onAgain}>
          Try again
        </Button>
      )}
    </ErrorNotice>
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
