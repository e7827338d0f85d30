// Reads an event stream and holds it to the contract while it does: one `event:` and one `data:` line
// an event, ids that count bytes, one closing event and nothing after it.
import { holdError, holdEvent } from './openapi.ts'
import type { components } from './types.ts'

export interface StreamEvent {
  event: string
  id?: string
  data: any // eslint-disable-line -- held against the document
}

/** Cuts bytes into events. UTF-8 must be valid, and every block as the service writes it. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) yield parseEvent(text.slice(0, end))
  }
  text += decoder.decode()
  if (text !== '') throw new Error(`the stream ends within an event: ${JSON.stringify(text)}`)
}

export function parseEvent(block: string): StreamEvent {
  const fields: Record<string, string> = {}
  for (const line of block.split('\n')) {
    const [, name, value] = /^(id|event|data): ?([^\r]*)$/.exec(line) ?? []
    if (name === undefined || name in fields) throw new Error(`not one id, event and data line: ${JSON.stringify(block)}`)
    fields[name] = value!
  }
  if (!fields['event'] || fields['data'] === undefined) throw new Error(`no event or no data: ${JSON.stringify(block)}`)
  const event: StreamEvent = { event: fields['event'], data: JSON.parse(fields['data']) }
  if (fields['id'] !== undefined) event.id = fields['id']
  return event
}

type Schemas = components['schemas']

/** An answer as far as it has been read. */
export class AnswerStream {
  readonly events: StreamEvent[] = []
  content = ''
  reasoning = ''
  start: Schemas['StartEvent'] | undefined
  closing: StreamEvent | undefined
  /** The last id, to go on from. */
  lastId: string | undefined
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly #events: AsyncGenerator<StreamEvent>
  readonly #hangUp: () => void
  readonly #from: { reasoning: number; content: number } | undefined

  constructor(
    response: { statusCode: number; headers: Record<string, string | string[] | undefined>; body: AsyncIterable<Uint8Array> & { destroy(): unknown; on?(event: 'error', listener: () => void): unknown } },
    from?: string,
  ) {
    this.status = response.statusCode
    this.headers = response.headers
    this.#events = eventsOf(response.body)
    this.#hangUp = () => {
      response.body.on?.('error', () => undefined) // that we hung up
      response.body.destroy()
    }
    const match = from && /^(\d+)\.(\d+)$/.exec(from)
    this.#from = match ? { reasoning: Number(match[1]), content: Number(match[2]) } : undefined
  }

  #expectedId(): string {
    const reasoning = (this.#from?.reasoning ?? 0) + Buffer.byteLength(this.reasoning)
    return `${reasoning}.${(this.#from?.content ?? 0) + Buffer.byteLength(this.content)}`
  }

  #take(event: StreamEvent): void {
    holdEvent(event)
    if (this.closing) throw new Error(`${event.event} after the closing ${this.closing.event}`)
    const first = !this.events.some((e) => e.event !== 'ping' && e.event !== 'title')
    this.events.push(event)
    if (event.event === 'ping' || event.event === 'title') {
      if (event.id !== undefined) throw new Error(`${event.event} has an id`)
      return
    }
    if (first && !this.#from && event.event !== 'start') throw new Error(`the stream begins with ${event.event}`)
    if (event.event === 'start') {
      if (!first || this.#from) throw new Error('start is not at the beginning')
      this.start = event.data
    }
    if (event.event === 'delta') this.content += event.data.content
    if (event.event === 'reasoning') this.reasoning += event.data.content
    if (event.event === 'done' || event.event === 'error') this.closing = event
    const expected = this.closing ? 'end' : this.#expectedId()
    if (event.id !== expected) throw new Error(`id ${event.id} of ${event.event}, but ${expected} has been sent`)
    this.lastId = event.id
    if (event.event === 'done' && event.data.message.content_bytes !== Number(this.#expectedId().split('.')[1]))
      throw new Error(`done says ${event.data.message.content_bytes} bytes, shown were ${this.#expectedId()}`)
    if (event.event === 'error') this.#holdErrorEvent(event)
  }

  #holdErrorEvent(event: StreamEvent): void {
    const id = String(this.headers['x-request-id'])
    const { status } = event.data.message as Schemas['ClosingMessage']
    if (status !== 'failed' && status !== 'interrupted') throw new Error(`an error event with a message that is ${status}`)
    // `interrupted` is an event's alone; the others are held as the error bodies they also are.
    const codes: Record<string, number> = { model_not_found: 404, context_length_exceeded: 422, upstream_rate_limited: 429, upstream_error: 502, upstream_invalid_response: 502, upstream_timeout: 504 }
    const answer = codes[event.data.error.code]
    const retry = event.data.error.retryable ? {} : { 'x-should-retry': 'false' } // a header, which an event has none of
    if (answer) holdError({ status: answer, headers: { 'x-request-id': id, ...retry }, body: JSON.stringify({ error: event.data.error }) })
  }

  /** The next event; undefined at the end. */
  async next(): Promise<StreamEvent | undefined> {
    const { value, done } = await this.#events.next()
    if (done) return undefined
    this.#take(value)
    return value
  }

  /** Reads until an event is what the test waits for. */
  async read(wanted: (event: StreamEvent, self: this) => boolean): Promise<StreamEvent> {
    for (let event; (event = await this.next()); ) if (wanted(event, this)) return event
    throw new Error(`the stream ended before; it had ${this.events.map((e) => e.event).join(' ')}`)
  }

  readStart = () => this.read((e) => e.event === 'start')
  readText = (bytes = 1) => this.read(() => Buffer.byteLength(this.content) >= bytes)

  /** Reads to the end, which must be a closing event. */
  async readAll(): Promise<this> {
    while (await this.next());
    if (!this.closing) throw new Error(`the stream ended without done or error after ${this.events.map((e) => e.event).join(' ')}`)
    return this
  }

  /** Reads to the end, which must be `done`. */
  async readDone(): Promise<Schemas['DoneEvent']> {
    await this.readAll()
    if (this.closing!.event !== 'done') throw new Error(`error instead of done: ${JSON.stringify(this.closing!.data.error)}`)
    return this.closing!.data
  }

  /** Reads to the end, which must be `error`. */
  async readError(): Promise<Schemas['ErrorEvent']> {
    await this.readAll()
    if (this.closing!.event !== 'error') throw new Error('done instead of error')
    return this.closing!.data
  }

  /** Goes away as a browser does whose tab is closed. */
  leave(): void {
    this.#hangUp()
  }
}
