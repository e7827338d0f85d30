import { useState } from 'react';
import type { Features } from '@/lib/api/types';
import type { Chat } from './use-chat';

/** The model that a chat's next answer is asked of: the reader's choice, else the chat's own, else the default. */
export function useChatModel({ models: offered, default_model: usual }: Features, chat: Chat) {
  const [choices, setChoices] = useState<Partial<Record<string, string>>>({});
  const wished = choices[chat.key] ?? chat.loaded?.session.model ?? usual;
  const model = offered.includes(wished) ? wished : usual;
  return {
    model,
    /** Undefined: there is nothing to choose from, so the service decides. */
    sent: offered.length > 1 ? model : undefined,
    choose: (next: string) => setChoices((all) => ({ ...all, [chat.key]: next })),
  };
}
