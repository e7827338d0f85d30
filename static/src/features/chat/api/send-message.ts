import { ask, type Ask } from './ask';

export interface SendMessage {
  /** Null makes the session in the same call. */
  sessionId: string | null;
  content: string;
  idempotencyKey: string;
  model?: string | undefined;
  /** The question that this one replaces, with all that came after it. */
  replaces?: string | undefined;
}

export function sendMessage({ sessionId, content, idempotencyKey, model, replaces }: SendMessage): Ask {
  return ask(sessionId === null ? '/chat/messages' : `/chat/sessions/${sessionId}/messages`, idempotencyKey, { content, model, replaces });
}
