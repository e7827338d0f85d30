import { useCallback, useState, type RefObject } from 'react';
import type { Session } from '@/lib/api/types';
import type { SessionRowProps } from './components/session-row';
import { useSessionActions } from './use-session-actions';

interface SessionRows {
  activeId: string | null;
  maxTitleLength: number;
  /** The element that has the rows. */
  area: RefObject<HTMLElement | null>;
  onNavigate: () => void;
}

/** Given by all lists of chats to their rows: the actions, the row that is being renamed, and the place of the focus when a row goes. */
export function useSessionRows({ activeId, maxTitleLength, area, onNavigate }: SessionRows): (session: Session) => SessionRowProps {
  const actions = useSessionActions();
  const [renaming, setRenaming] = useState<string | null>(null);

  const focusAfter = useCallback(
    (id: string) => {
      const ids = rowsOf(area.current).map((row) => row.dataset.session ?? '');
      const at = ids.indexOf(id);
      // The row itself if it is still there, otherwise the one in its place.
      const wanted = at < 0 ? [id] : [id, ...ids.slice(at + 1, at + 2), ...ids.slice(Math.max(0, at - 1), at)];
      // Once the change is drawn: the cache reports it to the page a task later.
      setTimeout(() => {
        const rows = new Map(rowsOf(area.current).map((row) => [row.dataset.session, row]));
        const row = wanted.map((other) => rows.get(other)).find((element) => element !== undefined);
        (row?.querySelector<HTMLElement>('[data-row-menu]') ?? area.current)?.focus();
      }, 0);
    },
    [area],
  );

  return useCallback(
    (session: Session) => ({
      session,
      active: session.id === activeId,
      renaming: session.id === renaming,
      maxTitleLength,
      actions,
      onNavigate,
      onRename: () => setRenaming(session.id),
      onRenamed: (title: string | null, byKey: boolean) => {
        setRenaming(null);
        if (title !== null) actions.rename(session, title);
        if (byKey) focusAfter(session.id);
      },
      onMoved: () => focusAfter(session.id),
    }),
    [activeId, renaming, maxTitleLength, actions, onNavigate, focusAfter],
  );
}

function rowsOf(area: HTMLElement | null): HTMLElement[] {
  return area === null ? [] : [...area.querySelectorAll<HTMLElement>('[data-session]')];
}
