import { http, HttpResponse, type HttpHandler } from 'msw';
import type { Features, Message, Quota, Session, SessionChange, SessionListItem, StartEvent } from '@/lib/api/types';
import { codePointLength, utf8Length } from '@/lib/text-size';
import { SAMPLE_ANSWER } from './sample-answer';

const MODEL = 'Meta-Llama-3.3-70B-Instruct';

/** A refusal, as docs/openapi.yaml has it. */
export interface Refusal {
  status: number;
  code: string;
  message?: string;
  retryable?: boolean;
  retry_after?: number;
  details?: unknown;
}

interface SendBody {
  content?: string;
  model?: string;
  replaces?: string;
}

type SessionRoute = 'list' | 'update' | 'delete' | 'restore' | 'export';

interface Answer {
  start: StartEvent;
  chunks: string[];
  shown: number;
  over: boolean;
  error: Refusal | null;
  wake: (() => void)[];
}

/**
 * The service in memory, for tests and for `npm run dev`. It answers in the shapes of docs/openapi.yaml; the
 * knobs below make it misbehave.
 */
export class MockApi {
  signedIn = true;
  goodToken = 'good-token';
  paceMs = 0;
  answerText = SAMPLE_ANSWER;
  chunkLength = 7;
  /** The next send is refused with this. */
  refuseSend: Refusal | null = null;
  /** Answers end with this error event after their text. */
  failAnswer: Refusal | null = null;
  /** The connection breaks after this many text events, once. */
  breakAfter: number | null = null;
  /** Answers stay where they are until let go. */
  hold = false;
  /** The next rating is refused with this. */
  refuseRating: Refusal | null = null;
  /** The next call of a route for sessions is refused with this. */
  readonly refusals: Partial<Record<SessionRoute, Refusal | undefined>> = {};
  /** Calls that change sessions wait for this. */
  held: Promise<void> = Promise.resolve();
  /** The calls for sessions, in order: `PATCH {"pinned":true}`, `DELETE`, `POST restore`, `GET ?q=x`. */
  readonly sessionCalls: string[] = [];
  readonly deleted: Session[] = [];
  readonly ratings: { id: unknown; rating: unknown }[] = [];
  readonly regenerations: { id: unknown; model: string | undefined }[] = [];
  readonly sends: { path: string; body: SendBody; idempotencyKey: string | null }[] = [];
  readonly attaches: (string | null)[] = [];
  readonly sessions: Session[] = [];
  readonly messages: Message[] = [];
  features: Features = {
    enabled: true,
    user: { id: 'alice', role: 'user' },
    models: [MODEL],
    default_model: MODEL,
    limits: { max_message_length: 8000, max_title_length: 200, max_concurrent_streams: 3, max_tokens: 2048, max_context_messages: 20 },
  };
  quota: Quota = {
    unlimited: false,
    rate_limit: { limit: 10, remaining: 10, reset_at: '2030-01-01T12:01:00.000Z', window_seconds: 60 },
    daily: { limit: 100, used: 3, remaining: 97, reset_at: '2030-01-02T00:00:00.000Z' },
  };
  private readonly answers = new Map<string, Answer>();
  private ids = 0;

  id(): string {
    return `019c1a2b-0000-7000-8000-${String(++this.ids).padStart(12, '0')}`;
  }

  addSession(title: string, at: string = new Date().toISOString()): Session {
    const session: Session = {
      id: this.id(), title, model: MODEL, created_at: at, updated_at: at,
      message_count: 0, last_message_at: null, pinned: false, archived: false, context_starts_at: null,
    };
    this.sessions.unshift(session);
    return session;
  }

  addMessage(session: Session, role: 'user' | 'assistant', content: string, change: Partial<Message> = {}): Message {
    const earlier = this.messages.filter((message) => message.session_id === session.id);
    const message: Message = {
      id: this.id(), session_id: session.id, seq: earlier.length + 1, parent_id: earlier.at(-1)?.id ?? null, role, content,
      content_bytes: utf8Length(content), reasoning: null, status: 'complete', model: role === 'assistant' ? MODEL : null,
      finish_reason: null, token_count: null, tokens_estimated: false, usage: null, feedback: null,
      created_at: session.updated_at, superseded_by: null, ...change,
    };
    this.messages.push(message);
    session.message_count++;
    session.last_message_at = message.created_at;
    return message;
  }

  /** Begins an answer without a reader, as another tab would. */
  beginAnswer(session: Session, content: string): Message {
    const question = this.addMessage(session, 'user', content);
    return this.answer(session, question).start.message;
  }

  /** Lets held answers go on. */
  release(): void {
    this.hold = false;
    for (const answer of this.answers.values()) this.wake(answer);
  }

  private answer(session: Session, question: Message): Answer {
    const message = this.addMessage(session, 'assistant', '', { status: 'streaming', parent_id: question.id });
    const chunks = this.answerText.match(new RegExp(`[\\s\\S]{1,${this.chunkLength}}`, 'gu')) ?? [];
    const answer: Answer = {
      start: { session: { ...session }, user_message: question, message: { ...message }, quota: this.quota },
      chunks, shown: 0, over: false, error: this.failAnswer, wake: [],
    };
    this.answers.set(message.id, answer);
    void this.write(answer);
    return answer;
  }

  private async write(answer: Answer): Promise<void> {
    while (answer.shown < answer.chunks.length) {
      await new Promise((resolve) => setTimeout(resolve, this.paceMs));
      if (answer.over) return;
      if (this.hold) {
        await new Promise<void>((resolve) => answer.wake.push(resolve));
        continue;
      }
      answer.shown++;
      this.wake(answer);
    }
    this.settle(answer, answer.error === null ? 'complete' : 'failed');
  }

  private settle(answer: Answer, status: Message['status']): void {
    if (answer.over) return;
    answer.over = true;
    const message = this.message(answer.start.message.id);
    if (message !== undefined) {
      message.status = status;
      message.content = answer.chunks.slice(0, answer.shown).join('');
      message.content_bytes = utf8Length(message.content);
      message.finish_reason = status === 'complete' ? 'stop' : null;
    }
    this.wake(answer);
  }

  private wake(answer: Answer): void {
    answer.wake.splice(0).forEach((resolve) => resolve());
  }

  private async turn(route: SessionRoute, id: unknown, call: string, act: (session: Session, at: number) => Response): Promise<Response> {
    this.sessionCalls.push(call);
    await this.held;
    const refusal = this.refusals[route];
    this.refusals[route] = undefined;
    if (refusal !== undefined) return refuse(refusal);
    const at = this.sessions.findIndex((session) => session.id === id);
    const session = this.sessions[at];
    return session === undefined ? refuse({ status: 404, code: 'session_not_found' }) : act(session, at);
  }

  private update(session: Session, change: Partial<Record<string, unknown>>): Response {
    const { title, pinned, archived, ...unknown } = change;
    const wrong = Object.keys(unknown);
    if (title !== undefined && (typeof title !== 'string' || title.trim() === '' || codePointLength(title) > 200)) wrong.push('title');
    if (pinned !== undefined && typeof pinned !== 'boolean') wrong.push('pinned');
    if (archived !== undefined && typeof archived !== 'boolean') wrong.push('archived');
    if (wrong.length > 0) {
      const fields = Object.fromEntries(wrong.map((field) => [field, 'is not accepted']));
      return refuse({ status: 422, code: 'validation_failed', retryable: false, details: { fields } });
    }
    if (Object.keys(change).length > 0) Object.assign(session, change as SessionChange, { updated_at: new Date().toISOString() });
    return HttpResponse.json(session);
  }

  /** All words in the title, or all in one message; the last one may be a beginning. */
  private found(session: Session, q: string): SessionListItem[] {
    const has = (text: string) => {
      const words = wordsOf(text);
      return wordsOf(q).every((word, at, { length }) => words.some((other) => (at === length - 1 ? other.startsWith(word) : other === word)));
    };
    if (has(session.title)) return [{ ...session, match: { message_id: null, snippet: session.title } }];
    const message = this.messages.findLast((other) => other.session_id === session.id && other.superseded_by === null && has(other.content));
    if (message === undefined) return [];
    return [{ ...session, match: { message_id: message.id, snippet: message.content.slice(0, 200) } }];
  }

  private message(id: unknown): Message | undefined {
    return this.messages.find((message) => message.id === id);
  }

  private stream(answer: Answer, lastEventId: string | null): Response {
    const encoder = new TextEncoder();
    const breakAfter = this.breakAfter;
    this.breakAfter = null;
    const body = new ReadableStream<Uint8Array>({
      start: async (controller) => {
        const emit = (event: string, id: string, data: unknown) =>
          controller.enqueue(encoder.encode(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
        try {
          if (lastEventId === null) emit('start', '0.0', answer.start);
          const from = Number(lastEventId?.split('.')[1] ?? 0);
          let bytes = 0;
          let sent = 0;
          for (let at = 0; ; ) {
            const chunk = answer.chunks[at];
            if (at < answer.shown && chunk !== undefined) {
              at++;
              bytes += utf8Length(chunk);
              if (bytes <= from) continue;
              emit('delta', `0.${bytes}`, { content: chunk });
              if (++sent === breakAfter) break;
            } else if (answer.over) {
              const { content: _content, reasoning: _reasoning, ...message } = this.message(answer.start.message.id) ?? answer.start.message;
              if (message.status === 'failed' && answer.error !== null) emit('error', 'end', { error: errorObject(answer.error), message });
              else emit('done', 'end', { message, session: answer.start.session, quota: this.quota });
              break;
            } else await new Promise<void>((resolve) => answer.wake.push(resolve));
          }
          controller.close();
        } catch {
          // The reader has gone.
        }
      },
    });
    return new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' } });
  }

  private send(path: string, request: Request, body: SendBody, session: Session | undefined): Response {
    this.sends.push({ path, body, idempotencyKey: request.headers.get('Idempotency-Key') });
    if (this.refuseSend !== null) {
      const refusal = this.refuseSend;
      this.refuseSend = null;
      return refuse(refusal);
    }
    const content = body.content ?? '';
    const home = session ?? this.addSession(content.trim().slice(0, 60));
    home.updated_at = new Date().toISOString();
    const replaced = this.message(body.replaces);
    const earlier = this.messages.filter((message) => message.session_id === home.id);
    if (body.model !== undefined) home.model = body.model;
    const question = this.addMessage(home, 'user', content);
    if (replaced !== undefined) {
      for (const message of earlier) if (message.seq >= replaced.seq) message.superseded_by ??= question.id;
    }
    const { daily } = this.quota;
    this.quota = { ...this.quota, daily: { ...daily, used: daily.used + 1, remaining: Math.max(0, (daily.remaining ?? 0) - 1) } };
    return this.stream(this.answer(home, question), null);
  }

  readonly handlers: HttpHandler[] = [
    http.post('*/api/v1/auth/session', ({ request }) => {
      const token = request.headers.get('Authorization')?.replace('Bearer ', '');
      if (token !== this.goodToken) return refuse({ status: 401, code: 'unauthenticated' });
      this.signedIn = true;
      return new HttpResponse(null, { status: 204 });
    }),
    http.all('*/api/v1/*', () => (this.signedIn ? undefined : refuse({ status: 401, code: 'unauthenticated' }))),
    http.delete('*/api/v1/auth/session', () => {
      this.signedIn = false;
      return new HttpResponse(null, { status: 204 });
    }),
    http.get('*/api/v1/chat/features', () => HttpResponse.json(this.features)),
    http.get('*/api/v1/chat/quota', () => HttpResponse.json(this.quota)),
    http.get('*/api/v1/chat/sessions', ({ request }) => {
      const { search, searchParams } = new URL(request.url);
      this.sessionCalls.push(`GET ${search}`);
      const refusal = this.refusals.list;
      this.refusals.list = undefined;
      if (refusal !== undefined) return refuse(refusal);
      const q = searchParams.get('q') ?? '';
      if (codePointLength(q) > 200) return refuse({ status: 422, code: 'validation_failed', details: { fields: { q: 'is too long' } } });
      const sort = searchParams.get('sort') === 'updated_at' ? 'updated_at' : 'created_at';
      const sorted = this.sessions.toSorted((a, b) => b[sort].localeCompare(a[sort]));
      // White space alone asks for nothing; signs alone are no words and find nothing.
      const items = q.trim() === '' ? sorted : wordsOf(q).length === 0 ? [] : sorted.flatMap((session) => this.found(session, q));
      const from = Number(searchParams.get('cursor') ?? 0);
      const to = from + Number(searchParams.get('limit') ?? 20);
      return HttpResponse.json({ items: items.slice(from, to), next_cursor: to < items.length ? String(to) : null });
    }),
    http.get('*/api/v1/chat/sessions/:id', ({ request, params }) => {
      const session = this.sessions.find(({ id }) => id === params.id);
      if (session === undefined) return refuse({ status: 404, code: 'session_not_found' });
      const search = new URL(request.url).searchParams;
      const all = this.messages.filter((message) => message.session_id === session.id);
      const to = Number(search.get('before') ?? all.length);
      const from = Math.max(0, to - Number(search.get('limit') ?? 50));
      return HttpResponse.json({
        ...session,
        messages: all.slice(from, to),
        next_before: from > 0 ? String(from) : null,
        active_message_id: all.find(({ status }) => status === 'streaming')?.id ?? null,
      });
    }),
    http.patch('*/api/v1/chat/sessions/:id', async ({ request, params }) => {
      const change = (await request.json()) as Partial<Record<string, unknown>>;
      return this.turn('update', params.id, `PATCH ${JSON.stringify(change)}`, (session) => this.update(session, change));
    }),
    http.delete('*/api/v1/chat/sessions/:id', ({ params }) =>
      this.turn('delete', params.id, 'DELETE', (session, at) => {
        this.sessions.splice(at, 1);
        this.deleted.push(session);
        return new HttpResponse(null, { status: 204 });
      }),
    ),
    http.post('*/api/v1/chat/sessions/:id/restore', ({ params }) => {
      const at = this.deleted.findIndex(({ id }) => id === params.id);
      // One that is not deleted is answered as it is.
      if (this.refusals.restore === undefined) this.sessions.push(...this.deleted.splice(at, at < 0 ? 0 : 1));
      return this.turn('restore', params.id, 'POST restore', (session) => HttpResponse.json(session));
    }),
    http.get('*/api/v1/chat/sessions/:id/export', ({ request, params }) => {
      const format = new URL(request.url).searchParams.get('format') ?? 'markdown';
      return this.turn('export', params.id, `GET export ${format}`, (session) => {
        const messages = this.messages.filter((message) => message.session_id === session.id && message.superseded_by === null);
        const ending = format === 'json' ? 'json' : 'md';
        const headers = { 'Content-Disposition': `attachment; filename="chat.${ending}"; filename*=UTF-8''${encodeURIComponent(session.title)}.${ending}` };
        if (format === 'json') return HttpResponse.json({ session, messages }, { headers });
        const text = messages.map(({ role, content }) => `\n## ${role === 'user' ? 'User' : 'Assistant'}\n\n${content}\n`);
        return new HttpResponse(`# ${session.title}\n${text.join('')}`, { headers: { 'Content-Type': 'text/markdown; charset=utf-8', ...headers } });
      });
    }),
    http.post('*/api/v1/chat/messages', async ({ request }) =>
      this.send('/chat/messages', request, (await request.json()) as SendBody, undefined),
    ),
    http.post('*/api/v1/chat/sessions/:id/messages', async ({ request, params }) => {
      const session = this.sessions.find(({ id }) => id === params.id);
      if (session === undefined) return refuse({ status: 404, code: 'session_not_found' });
      return this.send(`/chat/sessions/${session.id}/messages`, request, (await request.json()) as SendBody, session);
    }),
    http.put('*/api/v1/chat/messages/:id/feedback', async ({ request, params }) => {
      const { rating } = (await request.json()) as { rating: 'up' | 'down' | 'none' };
      this.ratings.push({ id: params.id, rating });
      const message = this.message(params.id);
      if (message === undefined) return refuse({ status: 404, code: 'message_not_found' });
      if (this.refuseRating !== null) {
        const refusal = this.refuseRating;
        this.refuseRating = null;
        return refuse(refusal);
      }
      message.feedback = rating === 'none' ? null : rating;
      return HttpResponse.json(message);
    }),
    http.post('*/api/v1/chat/messages/:id/regenerate', async ({ request, params }) => {
      const { model } = (await request.json()) as SendBody;
      this.regenerations.push({ id: params.id, model });
      const old = this.message(params.id);
      const session = this.sessions.find(({ id }) => id === old?.session_id);
      const question = this.message(old?.parent_id);
      if (session === undefined || question === undefined) return refuse({ status: 404, code: 'message_not_found' });
      return this.stream(this.answer(session, question), null);
    }),
    http.get('*/api/v1/chat/messages/:id/stream', ({ request, params }) => {
      const answer = this.answers.get(String(params.id));
      if (answer === undefined) return refuse({ status: 404, code: 'message_not_found' });
      const lastEventId = new URL(request.url).searchParams.get('last_event_id');
      this.attaches.push(lastEventId);
      return this.stream(answer, lastEventId);
    }),
    http.post('*/api/v1/chat/messages/:id/stop', ({ params }) => {
      const answer = this.answers.get(String(params.id));
      if (answer !== undefined) this.settle(answer, 'stopped');
      return HttpResponse.json(this.message(params.id));
    }),
    http.get('*/api/v1/chat/messages/:id', ({ params }) => {
      const message = this.message(params.id);
      return message === undefined ? refuse({ status: 404, code: 'message_not_found' }) : HttpResponse.json(message);
    }),
  ];
}

function wordsOf(text: string): string[] {
  return text.normalize('NFC').toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

export const REQUEST_ID = '7f1c0ad2b94e4d6f8a1b';

function errorObject(refusal: Refusal) {
  return {
    type: 'api_error', param: null, retryable: true, retry_after: null, details: null, message: 'The service says no.',
    request_id: REQUEST_ID, ...refusal, status: undefined,
  };
}

export function refuse(refusal: Refusal): Response {
  return HttpResponse.json({ error: errorObject(refusal) }, { status: refusal.status, headers: { 'X-Request-Id': REQUEST_ID } });
}
