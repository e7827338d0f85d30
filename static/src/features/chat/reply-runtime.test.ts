import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MockApi, refuse } from '@/testing/mock-api';
import { putSession } from './session-cache';
import { quotaQuery } from './api/get-quota';
import { ReplyRuntime, type RuntimeEvents } from './reply-runtime';

// The runtime against a service that is played call by call; time is the test's.

const api = new MockApi();
const session = api.addSession('Title');
const question = api.addMessage(session, 'user', 'Hi');
const answer = api.addMessage(session, 'assistant', '', { status: 'streaming', parent_id: question.id });

type Reply = () => Response | Promise<Response>;

/** What comes for the next calls, in order; a call beyond them stays without an answer. */
let script: Reply[] = [];
let calls: string[] = [];
const opened: ReplyRuntime[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  script = [];
  calls = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const path = String(input instanceof Request ? input.url : input).replace(/^.*\/api\/v1\/chat/, '');
    calls.push(`${init?.method ?? 'GET'} ${path.replace(answer.id, 'ANSWER').replace(session.id, 'SESSION')}`);
    const reply = script.shift();
    return reply === undefined ? new Promise<Response>(() => undefined) : reply();
  });
});
afterEach(() => {
  // Its streams end here, or they would be attached to again in the tests of other files.
  for (const runtime of opened.splice(0)) runtime.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const start = `id: 0.0\nevent: start\ndata: ${JSON.stringify({ session, user_message: question, message: answer, quota: api.quota })}\n\n`;
const delta = (from: number, text: string) => `id: 0.${from + text.length}\nevent: delta\ndata: ${JSON.stringify({ content: text })}\n\n`;
const ping = 'event: ping\ndata: {}\n\n';
const final = (bytes: number, status: string) => ({ ...answer, content: undefined, reasoning: undefined, status, content_bytes: bytes });
const done = (bytes: number) => `id: end\nevent: done\ndata: ${JSON.stringify({ message: final(bytes, 'complete'), session, quota: api.quota })}\n\n`;
const failed = (code: string) =>
  `id: end\nevent: error\ndata: ${JSON.stringify({ error: { code, message: 'x', retryable: true, details: null }, message: final(0, 'failed') })}\n\n`;

/** Events, and then the connection ends. */
const events = (...all: string[]): Reply => () => new Response(all.join(''), { headers: { 'Content-Type': 'text/event-stream' } });
/** Events of which more can be sent. */
function open(...all: string[]): { reply: Reply; send: (text: string) => void } {
  let to: ReadableStreamDefaultController<Uint8Array> | undefined;
  const send = (text: string) => to?.enqueue(new TextEncoder().encode(text));
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (to = controller) });
  for (const text of all) send(text);
  return { reply: () => new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }), send };
}
const stored = (content: string, status: string): Reply => () => Response.json({ ...answer, content, content_bytes: content.length, status });

/** All that is due within this time happens. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

function page(): { runtime: ReplyRuntime; client: QueryClient; errors: string[]; returned: string[] } {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const errors: string[] = [];
  const returned: string[] = [];
  const told: RuntimeEvents = {
    onError: (error) => void errors.push(error.code),
    onSessionStarted: () => undefined,
    onTextReturned: (key, content) => void returned.push(`${key === session.id ? 'SESSION' : key}: ${content}`),
    prepareText: () => false,
  };
  const runtime = new ReplyRuntime(client, told);
  opened.push(runtime);
  return { runtime, client, errors, returned };
}

test('an answer that ends out of step is shown as it is stored', async () => {
  const { runtime } = page();
  // Three bytes more were stored than were shown.
  script = [events(start, delta(0, 'ab'), done(5)), stored('abcde', 'complete')];
  runtime.send(session.id, 'Hi');
  await pass(100);
  expect(calls).toEqual(['POST /sessions/SESSION/messages', 'GET /messages/ANSWER']);
  expect(runtime.get(session.id)?.state).toMatchObject({ phase: 'done', content: 'abcde' });
});

test('an answer whose stored row says interrupted is no finished one', async () => {
  const { runtime } = page();
  script = [events(start, delta(0, 'ab')), events(), stored('ab', 'interrupted')];
  runtime.send(session.id, 'Hi');
  await pass(5_000);
  expect(calls.at(-1)).toBe('GET /messages/ANSWER');
  expect(runtime.get(session.id)?.state).toMatchObject({ phase: 'failed', content: 'ab', message: { status: 'interrupted' } });
});

test('text that went out of step is asked for from the beginning once, then on from where it is', async () => {
  const { runtime } = page();
  script = [events(start, delta(0, 'ab'), delta(7, 'x')), events(start, delta(0, 'abc')), events()];
  runtime.send(session.id, 'Hi');
  await pass(2_000);
  expect(calls.slice(0, 3)).toEqual([
    'POST /sessions/SESSION/messages',
    'GET /messages/ANSWER/stream',
    'GET /messages/ANSWER/stream?last_event_id=0.3',
  ]);
});

test('connections that bring pings alone come slower and slower', async () => {
  const { runtime } = page();
  const again: Reply = async () => (calls.at(-1)?.includes('/stream') === true ? events(ping)() : stored('', 'streaming')());
  script = [events(start), ...Array.from({ length: 20 }, () => again)];
  runtime.send(session.id, 'Hi');
  await pass(300);
  const attaches = () => calls.filter((call) => call.startsWith('GET /messages/ANSWER/stream')).length;
  expect(attaches()).toBe(1);
  await pass(1_000);
  expect(attaches()).toBe(2);
  // A ping that counted as progress would begin the pauses anew: 300 ms each time.
  await pass(1_900);
  expect(attaches()).toBe(2);
});

test('attaching goes on where the service says 503, and ends where it says 404', async () => {
  const { runtime, errors } = page();
  const away = () => refuse({ status: 503, code: 'database_unavailable' });
  script = [events(start, delta(0, 'ab')), away, stored('', 'streaming'), events(delta(2, 'cd'), done(4))];
  runtime.send(session.id, 'Hi');
  await pass(3_000);
  expect(runtime.get(session.id)?.state).toMatchObject({ phase: 'done', content: 'abcd' });

  script = [events(start, delta(0, 'ab')), () => refuse({ status: 404, code: 'message_not_found' })];
  runtime.send(session.id, 'Hi');
  await pass(3_000);
  expect(runtime.get(session.id)?.state).toMatchObject({ phase: 'failed', content: 'ab' });
  expect(errors).toEqual(['message_not_found']);
});

test('a stop that is asked for before the start is made as soon as the answer is known', async () => {
  const { runtime } = page();
  const stream = open();
  script = [stream.reply, stored('', 'stopped')];
  runtime.send(session.id, 'Hi');
  await pass();
  await runtime.stop(session.id);
  expect(calls).toEqual(['POST /sessions/SESSION/messages']);
  stream.send(start);
  await pass();
  expect(calls).toEqual(['POST /sessions/SESSION/messages', 'POST /messages/ANSWER/stop']);
});

test('where another tab writes in this chat the text goes back to the field', async () => {
  const { runtime, client, returned, errors } = page();
  putSession(client, session);
  script = [() => refuse({ status: 409, code: 'generation_in_progress' })];
  runtime.send(session.id, 'And then?');
  await pass(100);
  expect(returned).toEqual(['SESSION: And then?']);
  expect(errors).toEqual(['generation_in_progress']);
  expect(runtime.get(session.id)).toBeUndefined();
});

test('the quota of a failed answer is asked for: what its start said is old by then', async () => {
  const { runtime, client } = page();
  const stream = open(start);
  script = [stream.reply];
  runtime.send(session.id, 'Hi');
  await pass();
  const later = { ...api.quota, daily: { ...api.quota.daily, used: 50, remaining: 50 } };
  client.setQueryData(quotaQuery.queryKey, later);
  stream.send(failed('upstream_error'));
  await pass(100);
  expect(runtime.get(session.id)?.state.phase).toBe('failed');
  expect(client.getQueryData(quotaQuery.queryKey)).toEqual(later);
  expect(client.getQueryState(quotaQuery.queryKey)?.isInvalidated).toBe(true);
});

test('where events are held back the answer is asked for in one piece once, and one still being written is attached to', async () => {
  const { runtime } = page();
  const whole = () => Response.json({ user_message: question, message: answer, session, quota: api.quota });
  script = [() => new Response('', { headers: { 'Content-Type': 'text/html' } }), whole, events(), stored('', 'streaming'), events()];
  runtime.send(session.id, 'Hi');
  await pass(3_000);
  expect(calls.filter((call) => call.startsWith('POST'))).toEqual(['POST /sessions/SESSION/messages', 'POST /sessions/SESSION/messages']);
  expect(calls[2]).toBe('GET /messages/ANSWER/stream');
});
