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

/** What all lists of chats give their rows: the actions, who is being renamed, and where the focus goes when a row goes. */
export function useSessionRows({ activeId, maxTitleLength, area, onNavigate }: SessionRows): (session: Session) => SessionRowProps {
  const actions = useSessionActions();
  const [renaming, setRenaming] = useState<string | null>(null);

  const focusAfter = useCallback(
    (id: string) => {
      const ids = rowsOf(area.current).map((row) => row.dataset.session ?? '');
      const at = ids.indexOf(id);
      // The row itself where it is still there, else the one that took its place.
      const wanted = at < 0 ? [id] : [id, ...ids.slice(at + 1, at + 2), ...ids.slice(Math.max(0, at - 1), at)];
      // Once the change is drawn: the cache tells the page of it a task later.
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
