import { callJson } from '@/lib/api/client';
import type { Message } from '@/lib/api/types';

export function getMessage(messageId: string, signal?: AbortSignal): Promise<Message> {
  return callJson<Message>(`/chat/messages/${messageId}`, { signal });
}
