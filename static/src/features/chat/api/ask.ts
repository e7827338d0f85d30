import { call, callJson } from '@/lib/api/client';
import type { SendResult, Session } from '@/lib/api/types';
import type { OpenReply } from '../reply-stream';

/** An answer in one piece. */
export type WholeReply = SendResult & { session: Session };

/** A question to the model, with both ways to get its answer. */
export interface Ask {
  asEvents: OpenReply;
  /** For a network that holds events back. With the same key, nothing is asked or counted twice. */
  whole: (signal: AbortSignal) => Promise<WholeReply>;
}

/** With the same key the service asks the model at most once, however often and in whichever way it is tried. */
export function ask(path: string, idempotencyKey: string, body: object): Ask {
  const options = (stream: boolean, signal: AbortSignal) => ({
    method: 'POST' as const,
    headers: { Accept: stream ? 'text/event-stream' : 'application/json', 'Idempotency-Key': idempotencyKey },
    body: { ...body, stream },
    signal,
  });
  return {
    asEvents: (signal) => call(path, options(true, signal)),
    whole: async (signal) => {
      const result = await callJson<SendResult & { session?: Session }>(path, options(false, signal));
      // Only the call that makes a session sends it along.
      const session = result.session ?? (await callJson<Session>(`/chat/sessions/${result.message.session_id}`, { signal }));
      return { ...result, session };
    },
  };
}
