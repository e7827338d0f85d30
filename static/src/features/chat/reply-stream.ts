import { ApiError, type LocalCode } from '@/lib/api/errors';
import type { AnswerEvent } from '@/lib/api/types';
import { SseDecoder, type ServerSentEvent } from '@/lib/sse-decoder';
import { onWake } from '@/lib/wake';

/** The service pings after 15 s of silence; a connection that is quiet for three of those is dead. */
const SILENCE_MS = 45_000;
/** On a connection that lets events through something arrives at once, or a ping. One that is quiet from the start doesn't let them through. */
const FIRST_SILENCE_MS = 20_000;
/** After a sleep timers are late, and the connection may be gone without notice: then one missed ping is enough. */
const SILENCE_AT_WAKE_MS = 20_000;

/** How one connection is opened: a send, or an attach to an answer that is being written. */
export type OpenReply = (signal: AbortSignal) => Promise<Response>;

/**
 * The events of one connection, in order. Throws ApiError if the service refuses or can't be
 * reached. Returns when the connection ends. That doesn't mean that the answer has: only `done` and
 * `error` do, so the caller attaches again if neither came.
 */
export async function* replyEvents(open: OpenReply, signal: AbortSignal): AsyncGenerator<AnswerEvent, void> {
  const response = await open(signal);
  if (response.status === 204 || response.body === null) return;
  if (!(response.headers.get('Content-Type') ?? '').startsWith('text/event-stream')) {
    void response.body.cancel().catch(() => undefined);
    throw ApiError.local('events_blocked');
  }

  const reader = response.body.getReader();
  const decoder = new SseDecoder();
  const stop = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop);
  try {
    for (let heard = false; ; heard = true) {
      const { done, value } = await (heard
        ? readBefore(reader, SILENCE_MS, 'connection_lost')
        : readBefore(reader, FIRST_SILENCE_MS, 'events_blocked'));
      if (signal.aborted || done) return;
      for (const raw of decoder.push(value)) {
        const event = toAnswerEvent(raw);
        if (event !== null) yield event;
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Null for an event that this page doesn't know; an event that it knows but can't read is an error. */
export function toAnswerEvent(raw: ServerSentEvent): AnswerEvent | null {
  if (!KNOWN.has(raw.event)) return null;
  let data: unknown;
  try {
    data = JSON.parse(raw.data);
  } catch {
    throw ApiError.local('unreadable');
  }
  if (typeof data !== 'object' || data === null) throw ApiError.local('unreadable');
  // docs/openapi.yaml defines the shapes; tests compare it with the running service.
  return { event: raw.event, id: raw.id ?? '', data } as AnswerEvent;
}

const KNOWN: ReadonlySet<string> = new Set(['start', 'delta', 'reasoning', 'title', 'ping', 'done', 'error']);

async function readBefore(reader: ReadableStreamDefaultReader<Uint8Array>, ms: number, otherwise: LocalCode) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let off = () => {};
  const since = Date.now();
  const silence = new Promise<never>((_, reject) => {
    const lost = () => reject(ApiError.local(otherwise));
    timer = setTimeout(lost, ms);
    off = onWake(() => {
      if (Date.now() - since >= SILENCE_AT_WAKE_MS) lost();
    });
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
    off();
  }
}
