// A user of the service: signs every request, and remembers what was shown and how it ended, so that
// invariants.ts can compare it with what is stored.
import { holdAnswer } from './openapi.ts'
import { finish, open, pathOf, request, type Ask, type Headers, type Reply } from './http.ts'
import { AnswerStream } from './sse.ts'
import { freshSub, tokenFor } from './tokens.ts'
import type { components } from './types.ts'

type Schemas = components['schemas']
export type Session = Schemas['Session']
export type Message = Schemas['Message']
export type Quota = Schemas['Quota']
export type ApiError = Schemas['Error']

/** An answer as the client saw it. */
interface Shown {
  content: string
  reasoning: string
  status: string | undefined
}

export interface SendBody {
  content: string
  model?: string
  replaces?: string
}

export class User {
  readonly sub: string
  readonly role: 'user' | 'admin'
  readonly token: string
  readonly url: string | undefined
  /** What the day's counter held before the first send; set by tests that start near a limit. */
  usedBefore = 0
  /** Off where a test expects units that the simple rule of `costsUnit` doesn't know of. */
  checkCounter = true
  /** Whether a worker was killed that may have held a lease of theirs, so far. */
  workerKilled = () => false
  readonly #streams: AnswerStream[] = []
  readonly #shown = new Map<string, Shown>()

  constructor({ role = 'user', name = 'user', url }: { role?: 'user' | 'admin'; name?: string; url?: string } = {}) {
    this.sub = freshSub(name)
    this.role = role
    this.token = tokenFor(this.sub, { role })
    this.url = url
  }

  #ask(ask: Ask): Ask {
    const headers: Headers = Array.isArray(ask.headers)
      ? ['Authorization', `Bearer ${this.token}`, ...ask.headers]
      : { Authorization: `Bearer ${this.token}`, ...ask.headers }
    return { ...(this.url ? { url: this.url } : {}), ...ask, headers }
  }

  request = (path: string, ask: Ask = {}): Promise<Reply> => request(path, this.#ask(ask))
  get = (path: string, headers: Headers = {}) => this.request(path, { headers })
  post = (path: string, json?: unknown, headers: Headers = {}) => this.request(path, { method: 'POST', json, headers })
  patch = (path: string, json: unknown) => this.request(path, { method: 'PATCH', json })
  put = (path: string, json: unknown) => this.request(path, { method: 'PUT', json })
  delete = (path: string) => this.request(path, { method: 'DELETE' })

  async #expect(status: number, reply: Promise<Reply>): Promise<Reply> {
    const got = await reply
    if (got.status !== status) throw new Error(`${status} expected, got ${got.status}: ${got.body}`)
    return got
  }

  async createSession(body: object = {}): Promise<Session> {
    return (await this.#expect(201, this.post('/api/v1/chat/sessions', body))).json<Session>()
  }

  async session(id: string, query = ''): Promise<Schemas['SessionDetail']> {
    return (await this.#expect(200, this.get(`/api/v1/chat/sessions/${id}${query}`))).json()
  }

  async list(query = ''): Promise<Schemas['SessionPage']> {
    return (await this.#expect(200, this.get(`/api/v1/chat/sessions${query}`))).json()
  }

  async message(id: string): Promise<Message> {
    return (await this.#expect(200, this.get(`/api/v1/chat/messages/${id}`))).json<Message>()
  }

  async quota(): Promise<Quota> {
    return (await this.#expect(200, this.get('/api/v1/chat/quota'))).json<Quota>()
  }

  async features(): Promise<Schemas['Features']> {
    return (await this.#expect(200, this.get('/api/v1/chat/features'))).json()
  }

  /** Asks for a stream; a refusal comes back as the reply it is. */
  async tryStream(path: string, ask: Ask = {}): Promise<AnswerStream | Reply> {
    const signed = this.#ask(ask)
    const response = await open(path, signed)
    if (!String(response.headers['content-type']).startsWith('text/event-stream')) return finish(path, signed, response)
    holdAnswer(signed.method ?? 'GET', pathOf(path), { status: response.statusCode, headers: response.headers, body: '' })
    const headers = (Array.isArray(ask.headers) ? {} : ask.headers ?? {}) as Record<string, string>
    const stream = new AnswerStream(response, headers['Last-Event-ID'] ?? /last_event_id=([^&]+)/.exec(path)?.[1])
    if (stream.status !== 200) throw new Error(`a stream with status ${stream.status}`)
    // Only what began with `start` knows its message; a continued stream is the test's to compare.
    this.#streams.push(stream)
    return stream
  }

  async stream(path: string, ask: Ask = {}): Promise<AnswerStream> {
    const got = await this.tryStream(path, ask)
    if (!(got instanceof AnswerStream)) throw new Error(`a stream expected, got ${got.status}: ${got.body}`)
    return got
  }

  /** Sends into a session, or, with null, makes one. */
  send(sessionId: string | null, body: string | SendBody, headers: Record<string, string> = {}): Promise<AnswerStream> {
    return this.stream(sendPath(sessionId), { method: 'POST', json: typeof body === 'string' ? { content: body } : body, headers })
  }

  trySend(sessionId: string | null, body: string | SendBody, headers: Record<string, string> = {}): Promise<AnswerStream | Reply> {
    return this.tryStream(sendPath(sessionId), { method: 'POST', json: typeof body === 'string' ? { content: body } : body, headers })
  }

  /** The same with `stream: false`; whatever comes back. */
  async trySendJson(sessionId: string | null, body: string | SendBody, headers: Record<string, string> = {}): Promise<Reply> {
    const reply = await this.post(sendPath(sessionId), { ...(typeof body === 'string' ? { content: body } : body), stream: false }, headers)
    if (reply.status === 201) {
      const { message } = reply.json<Schemas['SendResult']>()
      this.#shown.set(message.id, { content: message.content, reasoning: message.reasoning ?? '', status: message.status })
    }
    return reply
  }

  async sendJson(sessionId: string | null, body: string | SendBody, headers: Record<string, string> = {}) {
    return (await this.#expect(201, this.trySendJson(sessionId, body, headers))).json<Schemas['FirstSendResult']>()
  }

  attach(messageId: string, lastEventId?: string): Promise<AnswerStream> {
    return this.stream(`/api/v1/chat/messages/${messageId}/stream`, lastEventId === undefined ? {} : { headers: { 'Last-Event-ID': lastEventId } })
  }

  /** Every answer that was shown, by message id: of several streams of one, the longest. */
  shown(): Map<string, Shown> {
    const all = new Map(this.#shown)
    for (const stream of this.#streams) {
      if (!stream.start) continue
      const id = stream.start.message.id
      const known = all.get(id)
      if (known && Buffer.byteLength(known.content) > Buffer.byteLength(stream.content)) continue
      all.set(id, { content: stream.content, reasoning: stream.reasoning, status: stream.closing?.data.message.status ?? known?.status })
    }
    return all
  }

  hangUp(): void {
    for (const stream of this.#streams) stream.leave()
  }
}

export const sendPath = (sessionId: string | null) =>
  sessionId === null ? '/api/v1/chat/messages' : `/api/v1/chat/sessions/${sessionId}/messages`
