import { ask, type Ask } from './ask';

/** A new answer to the same question. */
export function regenerateMessage(messageId: string, idempotencyKey: string, model?: string): Ask {
  return ask(`/chat/messages/${messageId}/regenerate`, idempotencyKey, { model });
}
