// Clients that leave, drop and come back, read nothing, half-close, or only sit there.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { env } from '../support/env.ts'
import { drip } from '../support/http.ts'
import { describe, expect, idOf, percentile, report, rowOf, size, startAll, test, whole } from '../support/faults.ts'
import { pssKb, workers } from '../support/processes.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { sql } from '../support/stores.ts'
import { AnswerStream } from '../support/sse.ts'
import { cancelOf, freshTag, generatedText, stats } from '../support/upstream.ts'
import { sendPath, User } from '../support/user.ts'
import { expectInvariants } from '../support/invariants.ts'
import { until } from '../support/wait.ts'

const { hostname, port } = new URL(env.url)

/** A connection whose bytes nobody reads but who asks for them. */
function connected(): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 443), ca: env.ca, servername: hostname, ALPNProtocols: ['http/1.1'] })
    socket.pause()
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined) // the service may let it go
      resolve(socket)
    })
  })
}

function rawSend(user: User, content: string): string {
  const body = JSON.stringify({ content })
  return `POST ${sendPath(null)} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${user.token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

function rawCompletion(user: User, content: string): string {
  const body = JSON.stringify({ stream: true, messages: [{ role: 'user', content }] })
  return `POST /api/v1/chat/completions HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${user.token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Reads so many bytes a second of a connection. */
function slowly(socket: TLSSocket, bytesPerSecond: number): { seen: string; closed: boolean } {
  const reader = { seen: '', closed: false }
  socket.on('readable', () => undefined) // a paused stream that is asked for what it has
  const reading = setInterval(() => {
    const bytes = socket.read(Math.min(socket.readableLength, Math.ceil(bytesPerSecond / 20))) as Buffer | null
    if (bytes) reader.seen += bytes.toString('latin1')
  }, 50)
  socket.once('close', () => {
    clearInterval(reading)
    reader.closed = true
  })
  return reader
}

/** The only answer of a user, once it is final. */
const answerOf = (user: User) =>
  until(`the answer of ${user.sub} is over`, async () =>
    (await sql<{ id: string; status: string; content: string }>(`SELECT id, status, content FROM chat_messages WHERE user_id = $1 AND role = 'assistant' AND status <> 'streaming'`, [user.sub]))[0], 60_000)

/** Numbers that look random and are the same each time. */
function* drawn(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    yield state / 2 ** 32
  }
}

describe('a client that drops', () => {
  test('at random places and attaches again, at whichever worker answers, has the text byte by byte', async ({ crowd }) => {
    const drops = size(50, 1000)
    const [chunks, bytes] = [size(150, 900), 14]
    const text = generatedText(chunks, bytes, { utf8: true })
    const readers = size(5, 20)
    let dropped = 0
    await Promise.all(crowd(readers).map(async (user, i) => {
      const random = drawn(i + 1)
      // all before the last fifth, so that each reader drops as often as it should
      const places = Array.from({ length: drops / readers }, () => Math.floor(random.next().value * Buffer.byteLength(text) * 0.8)).sort((a, b) => a - b)
      let stream: AnswerStream = await user.send(null, `[[chunks=${chunks} size=${bytes} pace=12 utf8]] Long`)
      await stream.readText(1)
      const id = idOf(stream)
      let last = stream.lastId
      let seen = ''
      let before = 0
      for (const place of places) {
        while (!stream.closing && before + Buffer.byteLength(stream.content) < place && (await stream.next()));
        expect(stream.closing, 'the answer goes on').toBeUndefined()
        seen += stream.content
        before = Buffer.byteLength(seen)
        expect(text.startsWith(seen), `what was shown up to ${last} is the beginning of the text`).toBe(true)
        last = stream.lastId ?? last
        stream.leave()
        dropped++
        stream = await user.attach(id, last)
      }
      await stream.readDone()
      seen += stream.content
      expect(seen).toBe(text)
      expect(await rowOf(id)).toMatchObject({ status: 'complete', content: text })
    }))
    report(`${dropped} drops and attaches over ${readers} answers of ${Buffer.byteLength(text)} bytes: byte-identical`)
    expect(dropped).toBe(drops)
  })
})

describe('a client that attaches', () => {
  test('at whichever worker is at most 100 ms behind the one that was there first', async ({ crowd }) => {
    const owners = crowd(size(4, 20))
    const order = `[[chunks=${size(120, 600)} size=24 pace=25 timestamps]] Follow`
    const late: number[] = []
    await Promise.all(owners.map(async (user) => {
      const first = await user.send(null, order)
      await first.readText(24)
      const seconds = await Promise.all(Array.from({ length: 4 }, () => user.attach(idOf(first)))) // some at the other worker
      const arrivals = new Map<AnswerStream, number[]>()
      await Promise.all([first, ...seconds].map(async (stream) => {
        const at: number[] = [] // when the chunk of that number was there
        arrivals.set(stream, at)
        while (await stream.next()) while (at.length < Math.floor(stream.content.length / 24)) at.push(performance.now())
        expect(stream.closing?.event).toBe('done')
      }))
      const owner = arrivals.get(first)!
      for (const second of seconds) {
        expect(second.content).toBe(first.content)
        // not what was there before it came, nor what the first beat after it brings
        arrivals.get(second)!.forEach((at, i) => i >= 20 && late.push(at - owner[i]!))
      }
    }))
    report(`attached: behind the first by ${percentile(late, 0.5).toFixed(1)} ms (p50), ${percentile(late, 0.99).toFixed(1)} ms (p99), ${Math.max(...late).toFixed(1)} ms (last) over ${late.length} chunks`)
    expect(percentile(late, 0.5)).toBeLessThanOrEqual(100)
    if (whole) expect(percentile(late, 0.99)).toBeLessThanOrEqual(100)
  })
})

describe('a client that stops an answer', () => {
  test('at whichever worker: upstream is closed within 200 ms, silent or not, and the text so far is kept', async ({ crowd }) => {
    const late: number[] = []
    const stopOne = async (user: User, order: string) => {
      const tag = freshTag()
      const stream = await user.send(null, `[[chunks=3000 size=8 ${order} tag=${tag}]] Long`)
      if (order.startsWith('first')) {
        await stream.readStart()
        await until('the provider is asked', async () => (await stats()).recent_chats.some((chat) => chat.body.includes(tag)))
      } else await stream.readText(24)
      const asked = Date.now()
      const [reply] = await Promise.all([user.post(`/api/v1/chat/messages/${idOf(stream)}/stop`), stream.readDone()])
      expect(reply.status).toBe(200)
      late.push((await until('upstream is closed', () => cancelOf(tag))).epoch_ms - asked)
      expect(stream.closing!.data.message.status).toBe('stopped')
      expect(await rowOf(idOf(stream))).toMatchObject({ status: 'stopped', content: stream.content })
    }
    // no more at once than there are request threads: each waits for the end of its answer
    for (const order of ['pace=20', 'pace=20 stall=3', 'first=60000'])
      for (let at = 0; at < size(1, 10); at++) await Promise.all(crowd(6).map((user) => stopOne(user, order)))
    report(`stopped: upstream closed after ${percentile(late, 0.5).toFixed(1)} ms (p50), ${percentile(late, 0.99).toFixed(1)} ms (p99) of ${late.length}`)
    expect(percentile(late, 0.5)).toBeLessThanOrEqual(200)
    if (whole) expect(percentile(late, 0.99)).toBeLessThanOrEqual(200)
  })
})

describe('a client that leaves for good', () => {
  const leaves = size(20, 200)

  test('without grace: upstream is closed, silent or not, and the text so far is kept', async () => {
    const stack = await startStack({ CHAT_DETACH_GRACE_SECONDS: '0', CHAT_MAX_CONCURRENT_STREAMS: '1000', CHAT_RATE_LIMIT_PER_MINUTE: '100000' })
    try {
      const late: number[] = []
      for (const order of ['pace=20', 'pace=20 stall=3']) {
        const user = new User({ name: 'leaver', url: stack.url })
        await Promise.all(Array.from({ length: leaves / 2 }, async () => {
          const tag = freshTag()
          const stream = await user.send(null, `[[chunks=3000 size=8 ${order} tag=${tag}]] Long`)
          await stream.readText(24)
          const left = Date.now()
          stream.leave()
          const cancel = await until('upstream is closed', () => cancelOf(tag))
          late.push(cancel.epoch_ms - left)
        }))
        await expectInvariants(user)
        const ends = await sql<{ status: string }>(`SELECT DISTINCT status FROM chat_messages WHERE user_id = $1 AND role = 'assistant'`, [user.sub])
        expect(ends).toEqual([{ status: 'stopped' }])
      }
      report(`left: upstream closed after ${percentile(late, 0.5).toFixed(1)} ms (p50), ${percentile(late, 0.99).toFixed(1)} ms (p99) of ${late.length}`)
      if (whole) expect(percentile(late, 0.99)).toBeLessThanOrEqual(200)
    } finally {
      await stack.down()
    }
  })

  test('of a completion: upstream is closed', async ({ alice }) => {
    const late: number[] = []
    alice.checkCounter = false // completions are counted, but are no answers
    for (const order of ['pace=20', 'pace=20 stall=3']) {
      // all are there before the first leaves: what is measured is the leaving, not this process' handshakes
      const open = await Promise.all(Array.from({ length: leaves / 2 }, async () => {
        const tag = freshTag()
        const socket = await connected()
        const body = JSON.stringify({ stream: true, messages: [{ role: 'user', content: `[[chunks=3000 size=8 ${order} tag=${tag}]] Long` }] })
        socket.write(`POST /api/v1/chat/completions HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
        await new Promise<void>((resolve, reject) => {
          let seen = ''
          const look = (bytes: Buffer) => {
            seen += bytes.toString()
            if (seen.length > 12 && !seen.startsWith('HTTP/1.1 200')) reject(new Error(seen))
            if (seen.split('"content":"').length <= 3) return
            socket.off('data', look) // to look on through all that has come would take longer the more there is
            resolve()
          }
          socket.on('data', look)
          socket.resume()
        })
        return { tag, socket }
      }))
      await Promise.all(open.map(async ({ tag, socket }) => {
        const left = Date.now()
        socket.destroy()
        const cancel = await until('upstream is closed', () => cancelOf(tag))
        late.push(cancel.epoch_ms - left)
      }))
    }
    report(`left a completion: upstream closed after ${percentile(late, 0.5).toFixed(1)} ms (p50), ${percentile(late, 0.99).toFixed(1)} ms (p99) of ${late.length}`)
    if (whole) expect(percentile(late, 0.99)).toBeLessThanOrEqual(200)
  })
})

describe('a client that', () => {
  test('reads nothing holds nobody up, and its answer is whole', async ({ crowd }) => {
    const idle = crowd(size(10, 100))
    const [chunks, bytes] = [1500, 400] // far beyond what sockets hold
    const before = Math.max(...workers().map(pssKb))
    const sockets = await Promise.all(idle.map(async (user) => {
      const socket = await connected()
      socket.write(rawSend(user, `[[chunks=${chunks} size=${bytes} pace=1]] Much`))
      return socket
    }))
    try {
      const others = await startAll(crowd(size(5, 50)), '[[chunks=100 size=12 pace=10]] Beside')
      await Promise.all(others.map((stream) => stream.readDone()))
      for (const stream of others) expect(stream.content).toBe(generatedText(100, 12))
      const text = generatedText(chunks, bytes)
      for (const user of idle) expect(await answerOf(user)).toMatchObject({ status: 'complete', content: text })
      const after = Math.max(...workers().map(pssKb))
      const each = Math.round((after - before) / (idle.length / workers().length))
      report(`${idle.length} clients that read nothing of ${(chunks * bytes) / 1000} kB: at most ${each} KiB each in a worker`)
      // its text once, what waits for it (64 KiB), and the buffers' growth in powers of two
      expect(each).toBeLessThan(6 * 1024)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })

  test('reads a byte a second holds nobody up, and is let go', async ({ crowd }) => {
    const slow = crowd(size(5, 50))
    const [chunks, bytes] = [400, 400]
    const sockets = await Promise.all(slow.map(async (user) => {
      const socket = await connected()
      socket.on('readable', () => undefined) // a paused stream that is asked for what it has
      const reading = setInterval(() => socket.read(1), 1_000)
      socket.once('close', () => clearInterval(reading))
      socket.write(rawSend(user, `[[chunks=${chunks} size=${bytes} pace=1]] Much`))
      return socket
    }))
    try {
      const others = await startAll(crowd(size(5, 50)), '[[chunks=100 size=12 pace=10]] Beside')
      await Promise.all(others.map((stream) => stream.readDone()))
      for (const stream of others) expect(stream.content).toBe(generatedText(100, 12))
      for (const user of slow) expect(await answerOf(user)).toMatchObject({ status: 'complete', content: generatedText(chunks, bytes) })
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })

  // B1: what a completion's client has not taken yet slows the provider down, and is not kept here
  test.for([['600,000 bytes at once', 'chunks=600 size=1000'], ['20,000 empty deltas', 'chunks=20000 size=0']] as const)(
    'reads a completion slowly gets all of it: %s', async ([, order], { alice }) => {
      alice.checkCounter = false
      const socket = await connected()
      const reader = slowly(socket, size(3_000_000, 20_000))
      socket.write(rawCompletion(alice, `[[${order} pace=0]] Much`))
      await until('it has the end', () => reader.seen.endsWith('data: [DONE]\n\n\r\n0\r\n\r\n'), 400_000)
      const frames = reader.seen.replace(/\r\n[0-9a-f]+\r\n/g, '').match(/^data: \{.*\}$/gm)!
      expect(frames.length).toBe(Number(/\d+/.exec(order)![0]) + 1) // and the one that says why it ended
      expect(reader.seen).not.toContain('"error"')
      socket.destroy()
    })

  test('reads nothing of a completion makes the provider wait, and is let go after 30 s', async ({ alice }) => {
    alice.checkCounter = false
    const before = Math.max(...workers().map(pssKb))
    const tags = Array.from({ length: size(5, 50) }, freshTag)
    const sockets = await Promise.all(tags.map(async (tag) => {
      const socket = await connected()
      socket.write(rawCompletion(alice, `[[chunks=20000 size=1000 pace=0 tag=${tag}]] Much`))
      return socket
    }))
    try {
      await until('all are asked', async () => (await stats()).open_streams >= tags.length)
      const others = await startAll([alice], '[[chunks=100 size=12 pace=10]] Beside')
      await Promise.all(others.map((stream) => stream.readDone()))
      const each = Math.round((Math.max(...workers().map(pssKb)) - before) / (tags.length / workers().length))
      report(`${tags.length} completions of 20 MB that nobody reads: at most ${each} KiB each in a worker`)
      if (whole) expect(each).toBeLessThan(1024)
      const cancels = await Promise.all(tags.map((tag) => until('it is let go', () => cancelOf(tag), 60_000)))
      for (const { deltas } of cancels) expect(deltas, 'the provider had to wait').toBeLessThan(20_000)
      // what there is to read then does not look whole
      const reader = slowly(sockets[0]!, 10_000_000)
      await until('it reads the end', () => reader.closed || reader.seen.endsWith('\r\n0\r\n\r\n'))
      expect(reader.seen.includes('[DONE]')).toBe(false)
      expect(reader.closed || reader.seen.includes('"code":"interrupted"'), `closed: ${reader.closed}, ${reader.seen.length} bytes, ${JSON.stringify(reader.seen.slice(-300))}`).toBe(true)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })

  test('sends its head or its body a byte at a time takes nothing from others, and is let go', async ({ crowd, alice }) => {
    const head = `POST ${sendPath(null)} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\n`
    const slow = Array.from({ length: size(100, 500) }, (_, i) => (i % 2 ? drip(`${head}X-Slow: `, 'a') : drip(`${head}Content-Length: 60000\r\n\r\n`, ' ')))
    try {
      await Promise.all(slow.map((each) => each.began))
      const streams = await startAll(crowd(size(5, 50)), '[[chunks=60 size=12 pace=10]] Beside')
      await Promise.all(streams.map((stream) => stream.readDone()))
      for (const stream of streams) expect(stream.content).toBe(generatedText(60, 12))
      // a head has so many seconds in all; a body that keeps coming is bounded by its size
      if (whole) for (const [i, each] of slow.entries()) if (i % 2) expect(await each.closed).toMatch(/^$|^HTTP\/1\.1 408 /)
      report(`${slow.length} heads and bodies a byte at a time: ${streams.length} answers beside them whole`)
    } finally {
      for (const each of slow) each.stop()
    }
  })

  test('closes its half has left: the answer goes on for who comes back', async ({ alice }) => {
    const socket = await connected()
    socket.end(rawSend(alice, '[[chunks=100 size=12 pace=10]] Half'))
    socket.resume()
    const row = await answerOf(alice)
    expect(row).toMatchObject({ status: 'complete', content: generatedText(100, 12) })
    const again = await alice.attach(row.id)
    await again.readDone()
    expect(again.content).toBe(row.content)
    socket.destroy()
  })

  test('only sits there takes nothing from others', async ({ crowd }) => {
    const sockets: TLSSocket[] = []
    const count = size(200, 1000)
    try {
      while (sockets.length < count) sockets.push(...(await Promise.all(Array.from({ length: 50 }, connected))))
      const streams = await startAll(crowd(size(5, 50)), '[[chunks=60 size=12 pace=10]] Beside')
      await Promise.all(streams.map((stream) => stream.readDone()))
      for (const stream of streams) expect(stream.content).toBe(generatedText(60, 12))
      report(`${count} idle connections: ${streams.length} answers beside them whole`)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })
})

// (A1, A2) Two request threads in all. While every one of these waits, another user is served: nothing here is told by a clock.
describe('clients that wait hold no request thread:', () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ CHAT_WORKERS: '1', CHAT_REQUEST_THREADS: '2', CHAT_RATE_LIMIT_PER_MINUTE: '100000', CHAT_DAILY_MESSAGE_QUOTA: '100000' })
  })
  afterAll(() => stack.down())

  const othersAreServed = async () => {
    const other = new User({ name: 'other', url: stack.url })
    for (let i = 0; i < 5; i++) {
      await other.quota()
      expect((await other.get('/healthz')).status).toBe(200)
    }
  }

  const readers = async (count: number) => {
    const admin = new User({ role: 'admin', name: 'scraper', url: stack.url })
    return new RegExp(`^chat_readers ${count}$`, 'm').test((await admin.get('/metrics')).body)
  }

  test('replays over one HTTP/2 connection whose windows are shut', async () => {
    const owner = new User({ name: 'replays', url: stack.url })
    const [chunks, bytes] = [500, 400]
    const { message } = await owner.sendJson(null, `[[chunks=${chunks} size=${bytes}]] Much`)
    const client = http2.connect(stack.url, { ca: readFileSync(join(stack.stateDir, 'tls/ca.pem')), settings: { initialWindowSize: 0 } })
    try {
      let ended = 0
      const bodies = Array.from({ length: 24 }, async () => {
        const stream = client.request({ ':path': `/api/v1/chat/messages/${message.id}/stream`, authorization: `Bearer ${owner.token}` })
        let body = ''
        stream.setEncoding('utf8').on('data', (text: string) => (body += text))
        await once(stream, 'end').finally(() => ended++)
        return body
      })
      const all = Promise.all(bodies)
      all.catch(() => undefined) // it is awaited below
      // nginx keeps a head back as long as the window is shut: that all are there the service itself says
      await until('all of them are shown to', () => readers(24))
      await othersAreServed()
      expect(ended, 'all of them waited').toBe(0)
      expect(await readers(24)).toBe(true)
      client.setLocalWindowSize(64 << 20)
      client.settings({ initialWindowSize: 4 << 20 })
      for (const body of await all) {
        const deltas = [...body.matchAll(/event: delta\ndata: (.*)\n/g)].map(([, data]) => (JSON.parse(data!) as { content: string }).content)
        expect(deltas.join(''), 'who reads after all gets all of it').toBe(generatedText(chunks, bytes))
      }
    } finally {
      client.destroy()
    }
  })

  test('repeats of a first that was deleted', async () => {
    const owner = new User({ name: 'gone', url: stack.url })
    const headers = { 'Idempotency-Key': randomUUID() }
    const session = (await owner.post('/api/v1/chat/sessions', { title: 'Once' }, headers)).json<{ id: string }>()
    await owner.delete(`/api/v1/chat/sessions/${session.id}`)
    const repeats = Array.from({ length: 40 }, () => owner.post('/api/v1/chat/sessions', { title: 'Once' }, headers))
    await othersAreServed()
    for (const reply of await Promise.all(repeats)) expect(reply.status).toBe(404)
  })

  test('repeats of a first that is still at it; then they get its answer', async () => {
    const owner = new User({ name: 'pending', url: stack.url })
    const headers = { 'Idempotency-Key': randomUUID() }
    const lock = new pg.Client({ connectionString: env.databaseUrl })
    await lock.connect()
    try {
      await lock.query('BEGIN; LOCK TABLE chat_messages IN SHARE MODE') // rows can be read, not made
      const first = owner.send(null, '[[text=Yes]] Once', headers)
      await until('the first waits for its row', async () =>
        (await sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%chat_messages%'`)).length > 0)
      let answered = 0
      const repeats = Array.from({ length: 16 }, () => owner.send(null, '[[text=Yes]] Once', headers).finally(() => answered++))
      await until('all of them wait', () => readers(16))
      await othersAreServed()
      expect(answered, 'all of them waited').toBe(0)
      await lock.query('COMMIT')
      const streams = await Promise.all([first, ...repeats])
      await Promise.all(streams.map((stream) => stream.readDone()))
      expect(new Set(streams.map((stream) => stream.start!.message.id)).size).toBe(1)
      expect((await owner.quota()).daily.used).toBe(1)
    } finally {
      await lock.end()
    }
  })
})
