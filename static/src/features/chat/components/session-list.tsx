import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo, type RefObject } from 'react';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { Skeleton } from '@/components/ui/skeleton';
import { cn } from '@/lib/class-names';
import { toApiError } from '@/lib/api/errors';
import type { Session } from '@/lib/api/types';
import { sessionsQuery } from '../api/list-sessions';
import { groupSessions } from '../session-groups';
import { useToday } from '../use-today';
import { LoadMore } from './load-more';
import { SessionGroups } from './session-groups';
import type { SessionRowProps } from './session-row';

interface SessionListProps {
  archived: boolean;
  /** The element that scrolls. */
  frame: RefObject<HTMLElement | null>;
  rowOf: (session: Session) => SessionRowProps;
}

export function SessionList({ archived, frame, rowOf }: SessionListProps) {
  const list = useInfiniteQuery(sessionsQuery);
  const today = useToday();
  const groups = useMemo(() => {
    const sessions = (list.data?.pages ?? []).flatMap((page) => page.items).filter((session) => session.archived === archived);
    // A pin is for the list: in the archive it raises nothing.
    return groupSessions(archived ? sessions.map((session) => ({ ...session, pinned: false })) : sessions, today);
  }, [list.data, archived, today]);

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
  if (groups.length === 0 && !list.hasNextPage) {
    return (
      <p className="px-3 py-6 text-sm text-balance text-muted">
        {archived ? 'Nothing is archived. Chats that you archive leave the list and are kept here.' : 'Your chats will be listed here.'}
      </p>
    );
  }
  return (
    <>
      <SessionGroups groups={groups} frame={frame} rowOf={rowOf} />
      <LoadMore query={list} frame={frame} />
    </>
  );
}

function ListSkeleton() {
  return (
    <div role="status">
      <span className="sr-only">Loading your chats</span>
      <SkeletonRows />
    </div>
  );
}

export function SkeletonRows() {
  return (
    <div className="flex flex-col gap-4 px-3 py-2.5">
      {['w-4/5', 'w-3/5', 'w-11/12', 'w-2/3', 'w-1/2'].map((width) => (
        <Skeleton key={width} className={cn('h-5', width)} />
      ))}
    </div>
  );
}
