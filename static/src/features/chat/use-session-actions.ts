import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { toast } from 'sonner';
import { toApiError } from '@/lib/api/errors';
import type { Session, SessionChange } from '@/lib/api/types';
import { chatPath, sessionIdOf } from '@/lib/chat-address';
import { navigate } from '@/lib/router';
import { deleteSession } from './api/delete-session';
import { exportSession, type ExportFormat } from './api/export-session';
import { sessionQuery } from './api/get-session';
import { restoreSession } from './api/restore-session';
import { updateSession } from './api/update-session';
import { useReplyRuntime } from './reply-context';
import type { ReplyRuntime } from './reply-runtime';
import { changeSession, dropSession, refreshSearches, returnSession } from './session-cache';
import { focusReturned } from './text-field';
import { toastError } from './toast-error';

/** Long enough to be reached by keyboard; it also waits while it has the pointer or the focus. */
const UNDO_MS = 10_000;

export interface SessionActions {
  rename: (session: Session, title: string) => void;
  setPinned: (session: Session, pinned: boolean) => void;
  setArchived: (session: Session, archived: boolean) => void;
  save: (session: Session, format: ExportFormat) => void;
  remove: (session: Session) => void;
}

/**
 * The actions on a chat of the list. Each shows at once; if the service refuses, it is taken back, with a
 * notice. They outlive the row, and the drawer, in which they were started.
 */
export function useSessionActions(): SessionActions {
  const client = useQueryClient();
  const runtime = useReplyRuntime();
  return useMemo(
    () => ({
      rename: (session, title) => void change(client, session, { title }, `“${session.title}” keeps its name`),
      setPinned: (session, pinned) =>
        void change(client, session, { pinned }, pinned ? `“${session.title}” is not pinned` : `“${session.title}” is still pinned`),
      setArchived: (session, archived) => void setArchived(client, session, archived),
      save: (session, format) => void save(session, format),
      remove: (session) => void remove(client, runtime, session),
    }),
    [client, runtime],
  );
}

/** One change of a chat after the other, so that the last one decides. */
const changing = new Map<string, Promise<unknown>>();

function inTurn<T>(sessionId: string, act: () => Promise<T>): Promise<T> {
  const turn = (changing.get(sessionId) ?? Promise.resolve()).then(act);
  const settled = turn.catch(() => undefined);
  changing.set(sessionId, settled);
  void settled.then(() => {
    if (changing.get(sessionId) === settled) changing.delete(sessionId);
  });
  return turn;
}

async function change(client: QueryClient, session: Session, wanted: SessionChange, failure: string): Promise<boolean> {
  const before: SessionChange = {};
  if (wanted.title !== undefined) before.title = session.title;
  if (wanted.pinned !== undefined) before.pinned = session.pinned;
  if (wanted.archived !== undefined) before.archived = session.archived;
  changeSession(client, session.id, wanted);
  try {
    await inTurn(session.id, () => updateSession(session.id, wanted));
    return true;
  } catch (error) {
    changeSession(client, session.id, before);
    toastError(toApiError(error), failure);
    return false;
  }
}

async function setArchived(client: QueryClient, session: Session, archived: boolean): Promise<void> {
  const failure = archived ? `“${session.title}” is not archived` : `“${session.title}” is still archived`;
  if (!(await change(client, session, { archived }, failure))) return;
  toast.success(archived ? 'Chat archived' : 'Chat back in your list', {
    description: session.title,
    duration: UNDO_MS,
    action: {
      label: 'Undo',
      onClick: () => {
        void change(client, { ...session, archived }, { archived: !archived }, `“${session.title}” could not be moved back`);
        focusReturned(session.id);
      },
    },
  });
}

async function save(session: Session, format: ExportFormat): Promise<void> {
  try {
    await exportSession(session.id, format);
  } catch (error) {
    toastError(toApiError(error), `“${session.title}” could not be exported`);
  }
}

async function remove(client: QueryClient, runtime: ReplyRuntime, session: Session): Promise<void> {
  const wasOpen = sessionIdOf(window.location.pathname) === session.id;
  const isLeftAlone = () => sessionIdOf(window.location.pathname) === null;
  const openAgain = (): void => {
    if (wasOpen && isLeftAlone()) navigate(chatPath(session.id));
  };
  const gone = inTurn(session.id, () => deleteSession(session.id));
  const asked: { undone: boolean } = { undone: false };
  const undo = async (): Promise<void> => {
    asked.undone = true;
    returnSession(client, session);
    focusReturned(session.id);
    try {
      // Not before the delete has arrived; if that failed, there is nothing to undo.
      if (await gone.then(() => true, () => false)) await inTurn(session.id, () => restoreSession(session.id));
      refreshSearches(client);
      // Only now can it be opened; a reader who was quicker has been told that it doesn't exist.
      void client.invalidateQueries({ queryKey: sessionQuery(session.id).queryKey });
      openAgain();
    } catch (error) {
      dropSession(client, session.id);
      toastError(toApiError(error), `“${session.title}” could not be brought back`, { label: 'Try again', onClick: () => void undo() });
    }
  };

  if (wasOpen) navigate(chatPath(null));
  runtime.drop(session.id);
  dropSession(client, session.id);
  const said = toast('Chat deleted', {
    description: session.title,
    duration: UNDO_MS,
    action: { label: 'Undo', onClick: () => void undo() },
  });
  try {
    await gone;
    client.removeQueries({ queryKey: sessionQuery(session.id).queryKey, type: 'inactive' });
  } catch (caught) {
    const error = toApiError(caught);
    toast.dismiss(said);
    // Another tab was faster: the chat is gone, as wanted.
    if (error.status === 404 || asked.undone) return;
    returnSession(client, session);
    refreshSearches(client);
    openAgain();
    toastError(error, `“${session.title}” was not deleted`, { label: 'Try again', onClick: () => void remove(client, runtime, session) });
  }
}
