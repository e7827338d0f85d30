import { call, query } from '@/lib/api/client';
import type { OpenReply } from '../reply-stream';

/** Goes on after `lastEventId`, or begins with `start` where there is none. */
export function attachMessage(messageId: string, lastEventId: string | null): OpenReply {
  return (signal) =>
    call(`/chat/messages/${messageId}/stream${query({ last_event_id: lastEventId })}`, {
      headers: { Accept: 'text/event-stream' },
      signal,
    });
}
