import { call } from '@/lib/api/client';
import type { OpenReply } from '../reply-stream';

/** A new answer to the same question. */
export function regenerateMessage(messageId: string, idempotencyKey: string, model?: string): OpenReply {
  return (signal) =>
    call(`/chat/messages/${messageId}/regenerate`, {
      method: 'POST',
      headers: { Accept: 'text/event-stream', 'Idempotency-Key': idempotencyKey },
      body: { stream: true, model },
      signal,
    });
}
