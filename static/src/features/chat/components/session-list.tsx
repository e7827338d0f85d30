import { useInfiniteQuery } from '@tanstack/react-query';
import { useState, type MouseEvent } from 'react';
import { toast } from 'sonner';
import { Button } from '@/components/ui/button';
import { ConfirmDialog } from '@/components/ui/confirm-dialog';
import { ErrorNotice } from '@/components/ui/error-notice';
import { TrashIcon } from '@/components/ui/icons';
import { Skeleton } from '@/components/ui/skeleton';
import { cn } from '@/lib/class-names';
import { toApiError } from '@/lib/api/errors';
import type { Session } from '@/lib/api/types';
import { dayGroup } from '@/lib/format-time';
import { chatPath, navigate } from '@/lib/router';
import { useDeleteSession } from '../api/delete-session';
import { sessionsQuery } from '../api/list-sessions';
import { useReplyRuntime } from '../reply-context';
import { toastError } from '../toast-error';

interface SessionListProps {
  activeId: string | null;
  onNavigate: () => void;
}

export function SessionList({ activeId, onNavigate }: SessionListProps) {
  const list = useInfiniteQuery(sessionsQuery);
  const [doomed, setDoomed] = useState<Session | null>(null);
  const runtime = useReplyRuntime();
  const remove = useDeleteSession();

  function confirmDelete(session: Session): void {
    remove.mutate(session.id, {
      onSuccess: () => {
        runtime.drop(session.id);
        if (session.id === activeId) navigate(chatPath(null));
        toast.success('Chat deleted');
      },
      onError: (error) => toastError(toApiError(error)),
    });
  }

  if (list.isPending) return <ListSkeleton />;
  if (list.isError && list.data === undefined) {
    return (
      <ErrorNotice error={toApiError(list.error)} className="m-2">
        <Button size="small" variant="outline" onClick={() => void list.refetch()}>
          Try again
        </Button>
      </ErrorNotice>
    );
  }
  const sessions = list.data.pages.flatMap((page) => page.items);
  if (sessions.length === 0) return <p className="px-3 py-6 text-sm text-muted">Your chats will be listed here.</p>;

  return (
    <>
      {groupByDay(sessions).map(({ name, members }) => (
        <section key={name} aria-label={name} className="mb-4 first:pt-1">
          <h2 className="px-3 pb-1 text-xs font-medium text-muted">{name}</h2>
          <ul>
            {members.map((session) => (
              <SessionRow
                key={session.id}
                session={session}
                active={session.id === activeId}
                onNavigate={onNavigate}
                onDelete={() => setDoomed(session)}
              />
            ))}
          </ul>
        </section>
      ))}
      {list.hasNextPage && (
        <Button
          variant="ghost"
          size="small"
          className="w-full text-muted"
          disabled={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          {list.isFetchingNextPage ? 'Loading…' : 'Show more'}
        </Button>
      )}
      <ConfirmDialog
        open={doomed !== null}
        onOpenChange={(open) => {
          if (!open) setDoomed(null);
        }}
        title="Delete this chat?"
        description={doomed === null ? '' : `“${doomed.title}” and its messages will be removed from your list.`}
        confirmLabel="Delete"
        onConfirm={() => {
          if (doomed !== null) confirmDelete(doomed);
        }}
      />
    </>
  );
}

interface SessionRowProps {
  session: Session;
  active: boolean;
  onNavigate: () => void;
  onDelete: () => void;
}

function SessionRow({ session, active, onNavigate, onDelete }: SessionRowProps) {
  function open(event: MouseEvent): void {
    // With a modifier the browser opens it elsewhere.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(chatPath(session.id));
    onNavigate();
  }

  return (
    <li
      className={cn(
        'group flex items-center rounded-lg text-sm transition-colors hover:bg-hover',
        active && 'bg-accent font-medium hover:bg-accent',
      )}
    >
      <a
        href={chatPath(session.id)}
        onClick={open}
        aria-current={active ? 'page' : undefined}
        className="min-w-0 flex-1 truncate rounded-lg py-2 pr-1 pl-3"
        title={session.title}
      >
        {session.title}
      </a>
      <Button
        variant="ghost"
        size="iconSmall"
        className="mr-1 text-muted opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:text-foreground pointer-coarse:opacity-100"
        aria-label={`Delete “${session.title}”`}
        onClick={onDelete}
      >
        <TrashIcon />
      </Button>
    </li>
  );
}

function groupByDay(sessions: Session[]): { name: string; members: Session[] }[] {
  const groups = new Map<string, Session[]>();
  for (const session of sessions) {
    const name = dayGroup(session.updated_at);
    const members = groups.get(name);
    if (members === undefined) groups.set(name, [session]);
    else members.push(session);
  }
  return [...groups].map(([name, members]) => ({ name, members }));
}

function ListSkeleton() {
  return (
    <div role="status" className="flex flex-col gap-3 px-3 py-2">
      <span className="sr-only">Loading your chats</span>
      {['w-4/5', 'w-3/5', 'w-11/12', 'w-2/3', 'w-1/2'].map((width) => (
        <Skeleton key={width} className={cn('h-5', width)} />
      ))}
    </div>
  );
}
