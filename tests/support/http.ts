// Requests to the running stack. Each answer is held against docs/openapi.yaml before a test sees it.
//
// undici's own request and not fetch: paths go out as written, header names may repeat, nothing is added.
import { connect } from 'node:tls'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { env } from './env.ts'
import { holdAnswer } from './openapi.ts'

export type Headers = Record<string, string> | string[]

export interface Ask {
  method?: string
  /** A value to send as JSON … */
  json?: unknown
  /** … or exactly these bytes. */
  body?: string | Buffer
  headers?: Headers
  /** Another stack than the one of the environment. */
  url?: string
  /** Off for answers that are none of ours (a page). */
  hold?: boolean
}

export interface Reply {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
  requestId: string
  /** Parsed; throws where it is no JSON. The type is the caller's claim, the document has been checked. */
  json<T = any>(): T // eslint-disable-line
}

// Where hundreds ask at once on a busy machine, a client that begins all its handshakes together is done with none of them
// before the service takes it for one that sends nothing.
const HANDSHAKES_AT_ONCE = 16

function inTurn(connector: buildConnector.connector): buildConnector.connector {
  const waiting: (() => void)[] = []
  let underWay = 0
  return (options, callback) => {
    const begin = () => {
      underWay++
      connector(options, (...result) => {
        underWay--
        waiting.shift()?.()
        callback(...result)
      })
    }
    if (underWay < HANDSHAKES_AT_ONCE) begin()
    else waiting.push(begin)
  }
}

const agents = new Map<string, Agent>()

/** Takes a stack's own certificate authority for its certificate. `fresh`: each request has a connection of its own. */
export function trust(url: string, ca: string, { fresh = false } = {}): void {
  agents.set(url, new Agent({ connect: inTurn(buildConnector({ ca })), connections: 4096, pipelining: fresh ? 0 : 1, headersTimeout: 30_000, bodyTimeout: 60_000 }))
}
trust(env.url, env.ca)

export function pathOf(path: string): string {
  return path.split('?')[0]!
}

export async function open(path: string, ask: Ask): Promise<Dispatcher.ResponseData> {
  const headers = Array.isArray(ask.headers) ? [...ask.headers] : Object.entries(ask.headers ?? {}).flat()
  const body = ask.json === undefined ? ask.body : JSON.stringify(ask.json)
  const given = headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  if (ask.json !== undefined && !given.includes('content-type')) headers.push('Content-Type', 'application/json')
  const origin = ask.url ?? env.url
  return agents.get(origin)!.request({
    origin,
    path,
    method: (ask.method ?? 'GET') as Dispatcher.HttpMethod,
    headers,
    ...(body === undefined ? {} : { body }),
  })
}

export async function finish(path: string, ask: Ask, response: Dispatcher.ResponseData): Promise<Reply> {
  const body = await response.body.text()
  const reply: Reply = {
    status: response.statusCode,
    headers: response.headers,
    body,
    requestId: String(response.headers['x-request-id'] ?? ''),
    json: () => JSON.parse(body),
  }
  if (ask.hold !== false) holdAnswer(ask.method ?? 'GET', pathOf(path), reply)
  return reply
}

/** One request, its whole answer. */
export async function request(path: string, ask: Ask = {}): Promise<Reply> {
  return finish(path, ask, await open(path, ask))
}

/**
 * Sends `head` at once and then a byte a while, for ever. `began`: the head and a first byte are on their way; `closed`:
 * the service closed it, and what it had said by then.
 */
export function drip(head: string, byte: string, everyMs = 250): { began: Promise<void>; closed: Promise<string>; stop(): void } {
  const { hostname, port } = new URL(env.url)
  const socket = connect({ host: hostname, port: Number(port || 443), ca: env.ca, servername: hostname, ALPNProtocols: ['http/1.1'] })
  let timer: NodeJS.Timeout | undefined
  const began = new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      timer = setInterval(() => socket.write(byte), everyMs)
      socket.write(head + byte, () => resolve())
    })
  })
  const closed = new Promise<string>((resolve) => {
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', () => undefined).on('end', () => socket.end()).on('close', () => {
      clearInterval(timer)
      resolve(text)
    })
  })
  return { began, closed, stop: () => socket.destroy() }
}

/** Exactly these bytes on a connection; what comes back until the service closes it. For requests no client makes. */
export function raw(bytes: string): Promise<{ status: number; head: string; body: string }> {
  const { hostname, port } = new URL(env.url)
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ host: hostname, port: Number(port || 443), ca: env.ca, servername: hostname, ALPNProtocols: ['http/1.1'] }, () => socket.write(bytes))
    socket.setEncoding('utf8').setTimeout(15_000, () => socket.destroy(new Error(`no end after: ${text.slice(0, 500)}`)))
    socket.on('data', (chunk: string) => (text += chunk))
    // A connection that is reset is closed too; `status` is NaN where nothing was said before.
    socket.on('error', (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || reject(error))
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      const cut = text.indexOf('\r\n\r\n')
      resolve({ status: Number(text.split(/\s/)[1]), head: text.slice(0, cut), body: text.slice(cut + 4) })
    })
  })
}
