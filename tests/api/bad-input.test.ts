// Requests that are malformed or wrong: each is refused with its own status, and nothing is stored or counted.
import { connect } from 'node:http2'
import { env } from '../support/env.ts'
import { drip, raw, request } from '../support/http.ts'
import { document, holdError, operations } from '../support/openapi.ts'
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { tokenFor } from '../support/tokens.ts'
import { sendPath, type User } from '../support/user.ts'

const json = { 'Content-Type': 'application/json' }
const anyId = '019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b'

async function expectNothingHappened(user: User): Promise<void> {
  expect(await sql('SELECT 1 FROM chat_messages WHERE user_id = $1', [user.sub])).toEqual([])
  expect((await user.quota()).daily.used).toBe(0)
}

describe('a body that is no JSON is 400 invalid_json', () => {
  const deep = (depth: number) => `{"content":"a","x":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const bodies: [string, string | Buffer][] = [
    ['empty', ''],
    ['white space', '  \n'],
    ['cut short', '{"content":"a"'],
    ['trailing bytes', '{"content":"a"}x'],
    ['two values', '{"content":"a"}{"content":"b"}'],
    ['a trailing comma', '{"content":"a",}'],
    ['a comment', '{"content":"a"/*b*/}'],
    ['single quotes', "{'content':'a'}"],
    ['NaN', '{"content":NaN}'],
    ['a number with a leading zero', '{"content":"a","x":01}'],
    ['a line break in a string', '{"content":"a\nb"}'],
    ['an escape that is none', '{"content":"a\\x41"}'],
    ['NUL as an escape', '{"content":"a\\u0000b"}'],
    ['NUL as a byte', Buffer.from('{"content":"a\0b"}')],
    ['NUL after the end', Buffer.from('{"content":"a"}\0')],
    ['a byte that is no UTF-8', Buffer.from([...Buffer.from('{"content":"a'), 0xff, ...Buffer.from('"}')])],
    ['an overlong form', Buffer.from([...Buffer.from('{"content":"a'), 0xc0, 0xaf, ...Buffer.from('"}')])],
    ['a surrogate in UTF-8', Buffer.from([...Buffer.from('{"content":"a'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')])],
    ['a lone surrogate as an escape', '{"content":"a\\ud800"}'],
    ['a low surrogate first', '{"content":"\\udc00\\ud800"}'],
    ['a byte order mark', '\ufeff{"content":"a"}'],
    ['UTF-16', Buffer.from('{"content":"a"}', 'utf16le')],
    ['a doubled key', '{"content":"a","content":"b"}'],
    ['a doubled key, once escaped', '{"content":"a","\\u0063ontent":"b"}'],
    ['a doubled key further in', '{"content":"a","x":{"y":1,"y":2}}'],
    ['33 levels', deep(33)],
    ['1,001 levels', deep(1001)],
    ['30,000 levels without an end', '['.repeat(30_000)],
  ]
  test.for(bodies)('%s', async ([, body], { alice }) => {
    for (const path of [sendPath(null), '/api/v1/chat/sessions']) {
      if (path.endsWith('/sessions') && body === '') continue // there a body is optional
      const reply = await alice.request(path, { method: 'POST', body, headers: json })
      expect(reply.status, reply.body).toBe(400)
      expect(reply.json().error).toMatchObject({ code: 'invalid_json', retryable: false })
    }
    await expectNothingHappened(alice)
  })
})

describe('a body that is well formed and wrong is 422', () => {
  test.for(['[]', '"content"', 'null', '7', 'true', '[{"content":"a"}]'])('%s at the top', async (body, { alice }) => {
    for (const path of [sendPath(null), '/api/v1/chat/sessions']) {
      const reply = await alice.request(path, { method: 'POST', body, headers: json })
      expect(reply.status, `${path} ${reply.body}`).toBe(422)
      expect(reply.json().error).toMatchObject({ code: 'validation_failed', details: { fields: { body: expect.stringMatching(/\S/) } } })
    }
    await expectNothingHappened(alice)
  })

  const wrong: [string, object, string][] = [
    ['no content', {}, 'content'],
    ['content null', { content: null }, 'content'],
    ['content a number', { content: 7 }, 'content'],
    ['content a list', { content: ['a'] }, 'content'],
    ['content empty', { content: '' }, 'content'],
    ['content white space', { content: ' \n\t\r ' }, 'content'],
    ['content Unicode white space', { content: '\u00a0\u2003\u3000\u2028' }, 'content'],
    ['stream a text', { content: 'a', stream: 'yes' }, 'stream'],
    ['stream null', { content: 'a', stream: null }, 'stream'],
    ['stream a number', { content: 'a', stream: 1 }, 'stream'],
    ['model a number', { content: 'a', model: 7 }, 'model'],
    ['a role', { content: 'a', role: 'system' }, 'role'],
    ['a user', { content: 'a', user_id: 'bob' }, 'user_id'],
    ['an id', { content: 'a', id: anyId }, 'id'],
    ['a session', { content: 'a', session_id: anyId }, 'session_id'],
    ['messages', { content: 'a', messages: [] }, 'messages'],
    ['a field in another case', { Content: 'a', content: 'a' }, 'Content'],
    ['__proto__', JSON.parse('{"content":"a","__proto__":{}}'), '__proto__'],
  ]
  test.for(wrong)('%s', async ([, body, field], { alice }) => {
    const session = await alice.createSession()
    for (const path of [sendPath(null), sendPath(session.id)]) {
      const reply = await alice.post(path, body)
      expect(reply.status, reply.body).toBe(422)
      expect(reply.json().error).toMatchObject({ code: 'validation_failed', details: { fields: { [field]: expect.stringMatching(/\S/) } } })
    }
    await expectNothingHappened(alice)
  })

  test('replaces is not for the one-call send', async ({ alice }) => {
    const reply = await alice.post(sendPath(null), { content: 'a', replaces: anyId })
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty('replaces')
  })

  test('several wrong fields are all named', async ({ alice }) => {
    const reply = await alice.post(sendPath(null), { content: 'a', stream: 'yes', colour: 'red' })
    expect(reply.status).toBe(422)
    expect(Object.keys(reply.json().error.details.fields)).toEqual(expect.arrayContaining(['colour', 'stream']))
  })

  test('content is counted in code points', async ({ alice }) => {
    const { max_message_length } = (await alice.features()).limits
    const marker = '[[text=Yes]]'
    const longest = '😀'.repeat(Math.min(max_message_length - marker.length, 30_000)) + marker
    if ([...longest].length === max_message_length) {
      const { user_message } = await alice.sendJson(null, longest)
      expect(user_message.content).toBe(longest)
    }
    const reply = await alice.post(sendPath(null), { content: 'a'.repeat(max_message_length + 1) })
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty('content')
  })
})

describe('Content-Type', () => {
  test.for(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonp', 'application/json-patch+json', 'text/json', 'json', ''])(
    '"%s" is 415', async (type, { alice }) => {
      for (const path of [sendPath(null), '/api/v1/chat/sessions']) {
        const reply = await alice.request(path, { method: 'POST', body: '{"content":"a"}', headers: type ? { 'Content-Type': type } : {} })
        expect(reply.status).toBe(415)
        expect(reply.json().error.code).toBe('unsupported_media_type')
      }
      await expectNothingHappened(alice)
    })

  test.for(['application/json', 'application/json; charset=utf-8', 'application/json;charset=UTF-8', 'Application/JSON'])('"%s" is taken', async (type, { alice }) => {
    const reply = await alice.request('/api/v1/chat/sessions', { method: 'POST', body: '{}', headers: { 'Content-Type': type } })
    expect(reply.status).toBe(201)
  })
})

describe('size', () => {
  const KiB = 1024
  const padded = (size: number) => {
    const head = '{"content":"'
    return `${head}${'a'.repeat(size - head.length - 2)}"}`
  }
  test('a send over 128 KiB is 413, one of just that is read', async ({ alice }) => {
    const over = await alice.request(sendPath(null), { method: 'POST', body: padded(128 * KiB + 1), headers: json })
    expect(over.status).toBe(413)
    expect(over.json().error).toMatchObject({ code: 'payload_too_large', details: { max_bytes: 128 * KiB } })
    const just = await alice.request(sendPath(null), { method: 'POST', body: padded(128 * KiB), headers: json })
    expect([201, 200, 422]).toContain(just.status)
    expect(just.json().error.details.fields).toHaveProperty('content')
  })

  test('a session over 64 KiB is 413, one of just that is read', async ({ alice }) => {
    const over = await alice.request('/api/v1/chat/sessions', { method: 'POST', body: padded(64 * KiB + 1), headers: json })
    expect(over.status).toBe(413)
    expect(over.json().error.details).toEqual({ max_bytes: 64 * KiB })
    expect((await alice.request('/api/v1/chat/sessions', { method: 'POST', body: padded(64 * KiB), headers: json })).status).toBe(422)
  })

  test('what nginx itself refuses is the same JSON', async ({ alice }) => {
    const body = Buffer.alloc(3 * KiB * KiB, 'a')
    for (const [path, max_bytes] of [[sendPath(null), 128 * KiB], [sendPath(anyId), 128 * KiB], ['/api/v1/chat/sessions', 64 * KiB]] as const) {
      const reply = await alice.request(path, { method: 'POST', body, headers: json })
      expect(reply.status).toBe(413)
      expect(reply.json().error).toMatchObject({ code: 'payload_too_large', details: { max_bytes } })
    }
  })

  test('an address that is too long is 414 or 404, as JSON', async ({ alice }) => {
    const reply = await alice.get(`/api/v1/chat/sessions/${'a'.repeat(6000)}`)
    expect([404, 414]).toContain(reply.status)
  })

  test('headers that are too large are 400, as JSON', async ({ alice }) => {
    const reply = await alice.get('/api/v1/chat/sessions', { 'X-Pad': 'a'.repeat(30_000) })
    expect([400, 431, 494]).toContain(reply.status)
    expect(reply.json().error.code).toBe('invalid_request')
  })
})

// (A10) nginx makes one FastCGI record of them, or an error of its own.
describe('headers of 65 KB in all', () => {
  const shapes: Record<string, string[]> = {
    'four large ones': Array.from({ length: 4 }, (_, i) => [`X-Pad-${i}`, 'a'.repeat(16_000)]).flat(),
    'many small ones': Array.from({ length: 4000 }, (_, i) => [`X-${i}`, 'abcdefgh']).flat(),
    'many of one letter': Array.from({ length: 5000 }, () => ['A', 'b']).flat(),
  }
  test.for(Object.entries(shapes))('%s: 400, as JSON', async ([, headers], { alice }) => {
    const reply = await alice.request('/api/v1/chat/sessions', { headers: [...headers, 'Authorization', `Bearer ${alice.token}`] })
    expect([reply.status, reply.json().error.code]).toEqual([400, 'invalid_request'])
  })
  test('over HTTP/2 nginx ends the connection, as a client that asks too much (ENHANCE_YOUR_CALM)', async () => {
    const session = connect(env.url, { ca: env.ca })
    const ended = new Promise((resolve) => session.on('goaway', (code) => resolve(code)).on('error', () => undefined))
    const stream = session.request({ ':path': '/api/v1/chat/sessions', ...Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`x-pad-${i}`, 'a'.repeat(15_000)])) })
    stream.on('error', () => undefined).on('response', (reply) => session.emit('goaway', reply[':status']))
    expect(await ended).toBe(11)
    session.destroy()
  })
  test('two tokens of 8 KB fit, in header and cookie', async ({ alice }) => {
    const reply = await alice.request('/api/v1/chat/sessions', { headers: { Authorization: `Bearer ${alice.token}`, Cookie: `a=${'c'.repeat(8192)}`, 'X-Pad': 'a'.repeat(8192) } })
    expect(reply.status).toBe(200)
  })
})

test('(A10) a Referer with escape sequences is refused before it can get into a log', async ({ alice }) => {
  for (const path of ['/api/v1/chat/sessions', '/chat', '/nowhere']) {
    const reply = await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nReferer: https://x/\x1b[31mred\r\nAuthorization: Bearer ${alice.token}\r\nConnection: close\r\n\r\n`)
    expect(reply.status, path).toBe(400)
    expect(reply.head).toMatch(/X-Request-Id: /i)
    if (path.startsWith('/api/')) expect(reply.body).toContain('"code":"invalid_request"')
  }
})

describe('methods', () => {
  const all = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
  const paths = Object.keys(document.paths).filter((path) => path.startsWith('/api/') || ['/healthz', '/readyz'].includes(path))
  const cases = paths.flatMap((path) => {
    const taken = operations.filter((o) => o.path === path).map((o) => o.method)
    return all.filter((method) => !taken.includes(method)).map((method) => ({ method, path, taken }))
  })
  test.for(cases)('$method $path is 405 and says what is allowed', async ({ method, path, taken }, { alice }) => {
    const reply = await alice.request(path.replace('{id}', anyId), { method, ...(method === 'GET' ? {} : { json: {} }) })
    expect(reply.status).toBe(405)
    const allow = String(reply.headers['allow']).split(/, */)
    expect(allow.sort()).toEqual([...taken, ...(taken.includes('GET') ? ['HEAD'] : [])].sort())
    if (path.startsWith('/api/')) expect(reply.json().error.code).toBe('method_not_allowed')
  })

  const readable = operations.filter((o) => o.method === 'GET' && !/[{]|swagger|metrics/.test(o.path))
  test.for(readable)('HEAD $path answers as GET without the body', async ({ path }, { alice }) => {
    const [head, get] = [await alice.request(path, { method: 'HEAD' }), await alice.get(path)]
    expect(head.status).toBe(get.status)
    expect(head.headers['content-type']).toBe(get.headers['content-type'])
    expect(head.body).toBe('')
  })

  test.for(['OPTIONS', 'TRACE', 'PROPFIND', 'NONSENSE'])('%s is refused', async (method, { alice }) => {
    const reply = await request('/api/v1/chat/sessions', { method, headers: { Authorization: `Bearer ${alice.token}` } })
    expect([400, 405]).toContain(reply.status)
    expect(reply.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('paths', () => {
  test.for([
    '/api/v1/chat/sessions/', '/api/v1/chat/features/', '/api/v1/chat', '/api/v1', '/api/', '/api/v2/chat/sessions', '/api/v1/chat/sessionsx',
    '/api/v1/chat/../admin', '/api/v1/chat/%2e%2e/admin', '/api/v1/chat/sessions%2f', '/API/v1/chat/sessions', '/api/v1/chat/sessions;x=1', '/api/v1/chat/features.',
    `/api/v1/chat/sessions/${anyId}/nothing`, `/api/v1/chat/messages/${anyId}/nothing`, '/api/v1/chat/messages',
  ])('%s', async (path, { alice }) => {
    const reply = await alice.get(path)
    expect(reply.status).toBe(path === '/api/v1/chat/messages' ? 405 : 404)
    if (path.startsWith('/api/') && reply.status === 404) expect(reply.json().error.code).toMatch(/not_found$/)
  })

  test('dots lead to the route they spell', async ({ alice }) => {
    expect((await alice.get('/api/v1/chat/x/../features')).json().user.id).toBe(alice.sub)
    expect((await alice.get('/assets/../api/v1/chat/features')).status).toBe(200)
    expect((await request('/assets/../api/v1/chat/features')).status).toBe(401)
  })
})

describe('X-Request-Id', () => {
  test.for(['a', 'Abc-123', 'a'.repeat(64)])('%s is taken over', async (id, { alice }) => {
    const ok = await alice.get('/api/v1/chat/features', { 'X-Request-Id': id })
    expect(ok.requestId).toBe(id)
    const refused = await alice.get('/api/v1/nothing', { 'X-Request-Id': id })
    expect(refused.requestId).toBe(id)
    expect(refused.json().error.request_id).toBe(id)
  })

  test.for(['', 'a'.repeat(65), 'a b', 'a_b', 'a.b', '{"x":1}', '<script>', 'é'])('"%s" is not', async (id, { alice }) => {
    const reply = await alice.get('/api/v1/chat/features', { 'X-Request-Id': id })
    expect(reply.requestId).not.toBe(id)
    expect(reply.requestId).toMatch(/^[A-Za-z0-9-]{1,64}$/)
  })

  test('each request has another one', async ({ alice }) => {
    const ids = await Promise.all(Array.from({ length: 10 }, async () => (await alice.get('/api/v1/chat/features')).requestId))
    expect(new Set(ids).size).toBe(10)
  })
})

describe('HTTP that does not hold together', () => {
  const host = new URL(env.url).host
  const cases: [string, string, number[]][] = [
    ['Content-Length and Transfer-Encoding', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, [400]],
    ['a transfer encoding that is none', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: xchunked\r\n\r\n`, [501]],
    ['two lengths', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, [400]],
    ['a negative length', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nContent-Length: -1\r\n\r\n`, [400]],
    ['two idempotency keys', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${tokenFor('two-keys')}\r\nContent-Type: application/json\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, [400]],
    ['two types', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${tokenFor('two-types')}\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, [415]],
    ['a type twice', `POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${tokenFor('two-types')}\r\nContent-Type: application/json\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, [415]],
    ['no host', 'GET /api/v1/chat/sessions HTTP/1.1\r\n\r\n', [400]],
  ]
  test.for(cases)('%s', async ([, bytes, statuses]) => {
    const reply = await raw(bytes)
    expect(statuses).toContain(reply.status)
    expect(reply.head).toMatch(/^x-request-id: [A-Za-z0-9-]{1,64}\r?$/im)
    expect(reply.head).not.toMatch(/nginx\/\d/)
  })

  test('a version of HTTP that is none is an error as any other', async () => {
    const reply = await raw(`GET /api/v1/chat/quota HTTP/3.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect(reply.status).toBe(505)
    holdError({ status: 505, headers: { 'x-request-id': /^x-request-id: (\S+)/im.exec(reply.head)?.[1], 'x-should-retry': /^x-should-retry: (\S+)/im.exec(reply.head)?.[1] }, body: reply.body })
    expect(JSON.parse(reply.body).error).toMatchObject({ code: 'invalid_request', retryable: false })
  })

  test('a status line has its second blank, which strict clients insist on', async () => {
    const reply = await raw(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    // RFC 9112, section 4: the blank stands even where the reason is empty.
    expect(reply.head.split('\r\n')[0]).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a header that comes byte by byte is cut off, long before its end', { timeout: 120_000 }, async () => {
    // 32 KiB at 4 bytes a second would take two hours; client_header_timeout counts for the whole of it.
    const slow = drip(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `, 'a')
    await slow.began
    expect(await slow.closed).toMatch(/^$|^HTTP\/1\.1 408 /)
  })

  test('bodies that come byte by byte cost no thread: 64 at once, and others are answered', async ({ alice }) => {
    // More than all request threads of all workers.
    const slow = Array.from({ length: 64 }, () =>
      drip(`POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n`, ' '))
    try {
      await Promise.all(slow.map((each) => each.began))
      for (let i = 0; i < 20; i++) expect((await alice.get('/api/v1/chat/features')).status).toBe(200)
      expect((await alice.post('/api/v1/chat/sessions', {})).status).toBe(201)
    } finally {
      for (const each of slow) each.stop()
    }
  })

  test('a body that never comes whole ends in time', async ({ alice }) => {
    const reply = await raw(`POST /api/v1/chat/sessions HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"ti`)
    // nginx closes after client_body_timeout, with or without a word.
    expect(Number.isNaN(reply.status) || [400, 408].includes(reply.status)).toBe(true)
    expect(await sql('SELECT 1 FROM chat_sessions WHERE user_id = $1', [alice.sub])).toEqual([])
  })
})
