// What every answer carries, whoever makes it: nginx' pages and errors, the workers' JSON and errors, streams.
import { env } from '../support/env.ts'
import { raw, request, type Ask } from '../support/http.ts'
import { operations } from '../support/openapi.ts'
import { describe, expect, test } from '../support/test.ts'

const wanted: Record<string, string> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=63072000',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
}
const never = ['access-control-allow-origin', 'access-control-allow-credentials', 'x-powered-by', 'via']

/** Once each, as strings: a header that came twice is a list, and no policy. */
function holdHeaders(headers: Record<string, string | string[] | undefined>, what: string): void {
  for (const [name, value] of Object.entries(wanted)) expect(headers[name], `${what}: ${name}`).toBe(value)
  for (const name of never) expect(headers[name], `${what}: ${name}`).toBeUndefined()
  expect(headers['server'], what).toBe('nginx') // no version
  expect(headers['x-request-id'], what).toMatch(/^[A-Za-z0-9-]{1,64}$/)
  expect(headers['cache-control'], what).toBe('no-store')
}

const id = '019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b'
describe('every route', () => {
  // With a token and without: an answer or its refusal. Nothing is sent that would be counted or stored.
  test.each(operations.filter(({ method }) => method === 'GET' || method === 'DELETE'))('$method $path', async ({ method, path }) => {
    const address = path.replace('{id}', id).replace('{model}', 'nothing')
    for (const ask of [{ method }, { method, headers: { Authorization: 'Bearer nonsense' } }] as Ask[])
      holdHeaders((await request(address, ask)).headers, `${method} ${address}`)
  })

  test.each(operations.filter(({ method }) => method === 'POST' || method === 'PUT' || method === 'PATCH'))('$method $path, refused', async ({ method, path }) => {
    const address = path.replace('{id}', id)
    holdHeaders((await request(address, { method })).headers, 'no token')
  })

  test('signed in: JSON, a stream, an export, errors of each kind', async ({ alice }) => {
    const stream = await alice.send(null, '[[chunks=2]] headers')
    await stream.readDone()
    holdHeaders(stream.headers, 'a stream')
    const session = stream.start!.session.id
    const asks: [number, string, Ask][] = [
      [200, '/api/v1/chat/sessions', {}],
      [200, `/api/v1/chat/sessions/${session}/export?format=markdown`, {}],
      [404, `/api/v1/chat/sessions/${id}`, {}],
      [405, '/api/v1/chat/quota', { method: 'POST', json: {} }],
      [415, '/api/v1/chat/messages', { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/plain' } }],
      [400, '/api/v1/chat/messages', { method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' } }],
      [422, '/api/v1/chat/messages', { method: 'POST', json: { content: '' } }],
      [413, '/api/v1/chat/sessions', { method: 'POST', json: { title: 'x'.repeat(70_000) } }],
    ]
    for (const [status, path, ask] of asks) {
      const reply = await alice.request(path, ask)
      expect(reply.status, path).toBe(status)
      holdHeaders(reply.headers, `${status} ${path}`)
    }
  })

  test('a stream tells every proxy on the way not to hold it back', async ({ alice, bob }) => {
    const sent = await alice.send(null, '[[chunks=2]] headers')
    await sent.readDone()
    const path = `/api/v1/chat/messages/${sent.start!.message.id}/stream`
    const attached = await alice.stream(path)
    await attached.readDone()
    const head = await alice.request(path, { method: 'HEAD' })
    const completion = await bob.post('/api/v1/chat/completions', { messages: [{ role: 'user', content: '[[chunks=2]] headers' }], stream: true })
    for (const [what, { status, headers }] of Object.entries({ sent, attached, head, completion })) {
      expect(status, what).toBe(200)
      expect(headers['content-type'], what).toMatch(/^text\/event-stream/)
      expect(headers['cache-control'], what).toBe('no-store')
      expect(headers['x-accel-buffering'], what).toBe('no')
    }
    expect((await alice.get('/api/v1/chat/quota')).headers['x-accel-buffering']).toBeUndefined()
  })

  test.each([['/', 302], ['/chat', 302], ['/swagger-ui/', 302], ['/sign-in', 200], ['/nothing/here', 404], ['/assets/nothing.js', 404], ['/assets/../../etc/passwd', 400], ['/api/nothing', 401], ['/%00', 400]])(
    'nginx: %s', async (path, status) => {
      const { status: got, head } = await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
      expect(got).toBe(status)
      holdHeaders(headersOf(head), path)
    })

  test.each([
    ['a header too large', `GET /chat HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(70_000)}\r\n\r\n`],
    ['an address too long', `GET /api/v1/${'x'.repeat(9_000)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`],
    ['no such method', 'BREW /api/v1/chat/quota HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
    ['length and chunked at once', 'POST /api/v1/chat/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n'],
  ])("nginx' own refusal: %s", async (_, bytes) => {
    const { status, head } = await raw(bytes)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    holdHeaders(headersOf(head), String(status))
  })

  test('a hashed asset is the one thing that may be kept', async () => {
    const page = (await request('/sign-in', { hold: false })).body
    const asset = /\/assets\/[^"]+\.js/.exec(page)![0]
    const { headers } = await request(asset, { hold: false, headers: { 'Accept-Encoding': 'gzip' } })
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
    holdHeaders({ ...headers, 'cache-control': 'no-store' }, asset)
    expect(page, 'no inline script: the policy forbids it').not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>[^<]/)
  })

  test("a worker's answer is never compressed: what a client chooses stands beside what it must not learn", async ({ alice }) => {
    for (const path of ['/api/v1/chat/features', '/api/v1/chat/sessions', '/api/v1/models', '/metrics']) {
      const ask = { headers: { 'Accept-Encoding': 'gzip, br, deflate' }, hold: false }
      const reply = path === '/metrics' ? await request(path, ask) : await alice.request(path, ask)
      expect(reply.status, path).toBe(200)
      expect(reply.headers['content-encoding'], path).toBeUndefined()
    }
  })
})

function headersOf(head: string): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {}
  for (const line of head.split('\r\n').slice(1)) {
    const [, name, value] = /^([^:]+): ?(.*)$/.exec(line)!
    const key = name!.toLowerCase()
    all[key] = key in all ? [all[key]!, value!].flat() : value!
  }
  return all
}

test('plain HTTP on the TLS port is told so, and given nothing', async () => {
  const reply = await fetch(env.url.replace('https:', 'http:'), { redirect: 'manual' })
  expect(reply.status).toBe(400)
  expect(await reply.text()).not.toMatch(/<div id="root"/)
})
