import { call, query } from '@/lib/api/client';
import type { OpenReply } from '../reply-stream';

/** Goes on after `lastEventId`; without one it begins with `start`. */
export function attachMessage(messageId: string, lastEventId: string | null): OpenReply {
  return (signal) =>
    call(`/chat/messages/${messageId}/stream${query({ last_event_id: lastEventId })}`, {
      headers: { Accept: 'text/event-stream' },
      signal,
    });
}
