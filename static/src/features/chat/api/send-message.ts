import { call } from '@/lib/api/client';
import type { OpenReply } from '../reply-stream';

export interface SendMessage {
  /** Null makes the session in the same call. */
  sessionId: string | null;
  content: string;
  /** The same key sends the same message at most once, however often it is tried. */
  idempotencyKey: string;
  model?: string | undefined;
  /** The question this one takes the place of, with all that came after it. */
  replaces?: string | undefined;
}

export function sendMessage({ sessionId, content, idempotencyKey, model, replaces }: SendMessage): OpenReply {
  return (signal) =>
    call(sessionId === null ? '/chat/messages' : `/chat/sessions/${sessionId}/messages`, {
      method: 'POST',
      headers: { Accept: 'text/event-stream', 'Idempotency-Key': idempotencyKey },
      body: { content, stream: true, model, replaces },
      signal,
    });
}
