import { call, callJson } from '@/lib/api/client';
import type { SendResult, Session } from '@/lib/api/types';
import type { OpenReply } from '../reply-stream';

/** An answer in one piece. */
export type WholeReply = SendResult & { session: Session };

/** A question to the model, in both ways in which its answer can be had. */
export interface Ask {
  asEvents: OpenReply;
  /** For where events don't get through. With the key it had, nothing is asked or counted twice. */
  whole: (signal: AbortSignal) => Promise<WholeReply>;
}

/** The same key asks the same at most once, however often and in whichever way it is tried. */
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
