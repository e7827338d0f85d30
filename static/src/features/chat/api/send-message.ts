import { call } from '@/lib/api/client';
import type { OpenReply } from '../reply-stream';

export interface SendMessage {
  /** Null makes the session in the same call. */
  sessionId: string | null;
  content: string;
  /** The same key sends the same message at most once, however often it is tried. */
  idempotencyKey: string;
}

export function sendMessage({ sessionId, content, idempotencyKey }: SendMessage): OpenReply {
  return (signal) =>
    call(sessionId === null ? '/chat/messages' : `/chat/sessions/${sessionId}/messages`, {
      method: 'POST',
      headers: { Accept: 'text/event-stream', 'Idempotency-Key': idempotencyKey },
      body: { content, stream: true },
      signal,
    });
}
