// Clients that leave, drop and come back, read nothing, half-close, or only sit there.
import { connect, type TLSSocket } from 'node:tls'
import { env } from '../support/env.ts'
import { describe, expect, idOf, percentile, report, rowOf, size, startAll, test, whole } from '../support/faults.ts'
import { pssKb, workers } from '../support/processes.ts'
import { startStack } from '../support/stack.ts'
import { sql } from '../support/stores.ts'
import { AnswerStream } from '../support/sse.ts'
import { cancelOf, freshTag, generatedText } from '../support/upstream.ts'
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
    const [chunks, bytes] = [size(150, 600), 14]
    const text = generatedText(chunks, bytes, { utf8: true })
    const readers = size(5, 20)
    let dropped = 0
    await Promise.all(crowd(readers).map(async (user, i) => {
      const random = drawn(i + 1)
      const share = drops / readers
      let stream: AnswerStream = await user.send(null, `[[chunks=${chunks} size=${bytes} pace=12 utf8]] Long`)
      await stream.readText(1)
      const id = idOf(stream)
      let seen = ''
      for (let at = 0; ; ) {
        // as far as a random share of what is left allows for all the drops
        const left = Buffer.byteLength(text) - Buffer.byteLength(seen)
        const want = at < share ? Math.ceil((left / (share - at)) * 1.6 * random.next().value) : Infinity
        while (!stream.closing && Buffer.byteLength(stream.content) < want && (await stream.next()));
        seen += stream.content
        expect(text.startsWith(seen), `what was shown after ${at} drops is the beginning of the text`).toBe(true)
        if (stream.closing) break
        const last = stream.lastId
        stream.leave()
        at++
        dropped++
        stream = await user.attach(id, last)
      }
      expect(stream.closing.event).toBe('done')
      expect(seen).toBe(text)
      expect(await rowOf(id)).toMatchObject({ status: 'complete', content: text })
    }))
    report(`${dropped} drops and attaches over ${readers} answers of ${Buffer.byteLength(text)} bytes: byte-identical`)
    expect(dropped, 'enough drops before the end').toBeGreaterThanOrEqual(drops * 0.8)
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
    for (const order of ['pace=20', 'pace=20 stall=3'])
      await Promise.all(Array.from({ length: leaves / 2 }, async () => {
        const tag = freshTag()
        const socket = await connected()
        const body = JSON.stringify({ stream: true, messages: [{ role: 'user', content: `[[chunks=3000 size=8 ${order} tag=${tag}]] Long` }] })
        socket.write(`POST /api/v1/chat/completions HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
        await new Promise<void>((resolve, reject) => {
          let seen = ''
          socket.on('data', (bytes: Buffer) => {
            seen += bytes.toString()
            if (seen.length > 12 && !seen.startsWith('HTTP/1.1 200')) reject(new Error(seen))
            if (seen.split('"content":"').length > 3) resolve()
          })
          socket.resume()
        })
        const left = Date.now()
        socket.destroy()
        const cancel = await until('upstream is closed', () => cancelOf(tag))
        late.push(cancel.epoch_ms - left)
      }))
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
      // its text once, what waits for it (LAG_MAX_BYTES), and the buffers' growth in powers of two
      expect(each).toBeLessThan(6 * 1024)
    } finally {
      for (const socket of sockets) socket.destroy()
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
