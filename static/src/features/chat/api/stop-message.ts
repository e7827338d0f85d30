import { callJson } from '@/lib/api/client';
import type { Message } from '@/lib/api/types';

/** The text so far is kept; the stream then closes with `done`. */
export function stopMessage(messageId: string): Promise<Message> {
  return callJson<Message>(`/chat/messages/${messageId}/stop`, { method: 'POST' });
}
