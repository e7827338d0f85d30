import { useMemo, useState } from 'react';
import type { Message } from '@/lib/api/types';
import { useRateMessage } from './api/rate-message';
import type { MessageActions } from './components/message-item';
import { focusMessageField, keepFocus } from './text-field';
import type { Chat } from './use-chat';

/** What can be done with messages, the edit that is open, and the earlier answer that is shown, by its question. */
export function useMessageActions({ key, sessionId, runtime }: Chat, model: string | undefined, stick: () => void) {
  const [edits, setEdits] = useState<Partial<Record<string, { id: string; text: string }>>>({});
  const [versions, setVersions] = useState<Partial<Record<string, Message>>>({});
  const { mutate: rate } = useRateMessage();

  const actions = useMemo<MessageActions>(() => {
    const setEdit = (next: { id: string; text: string } | undefined) => setEdits((all) => ({ ...all, [key]: next }));
    return {
      rate: (message, rating) => rate({ message, rating }),
      regenerate: (message) => {
        if (sessionId === null) return;
        setVersions((all) => ({ ...all, [message.parent_id ?? '']: undefined }));
        runtime.regenerate(sessionId, message, model);
        stick();
        keepFocus();
      },
      showVersion: (version) => setVersions((all) => ({ ...all, [version.parent_id ?? '']: version })),
      edit: (message) => setEdit({ id: message.id, text: message.content }),
      changeEdit: (text) => setEdits((all) => ({ ...all, [key]: { id: all[key]?.id ?? '', text } })),
      saveEdit: (message, text) => {
        runtime.send(sessionId, text, { model, replaces: message });
        stick();
        keepFocus();
      },
      cancelEdit: () => {
        setEdit(undefined);
        // A refused question goes with it.
        if (runtime.get(key)?.question?.replaces != null) runtime.takeBack(key);
        focusMessageField();
      },
      takeBack: () => {
        runtime.takeBack(key);
        keepFocus();
      },
    };
  }, [runtime, rate, stick, sessionId, key, model]);

  return { actions, edit: edits[key], versions };
}
