// Redis and Postgres away, frozen, slow, flapping, and Redis back empty, while answers are written.
import pg from 'pg'
import { env } from '../support/env.ts'
import { describe, expect, freezeFor, idOf, long, percentile, readOn, report, rowOf, size, startAll, test, writerOf, type AnswerStream } from '../support/faults.ts'
import { frozen, kill, smallDisk, startAgain, workers } from '../support/processes.ts'
import { redis, sql } from '../support/stores.ts'
import type { User } from '../support/user.ts'
import { generatedText } from '../support/upstream.ts'
import { until } from '../support/wait.ts'

const AWAY_MS = 60_000
const order = '[[chunks=300 size=12 pace=240]] Through the outage'
const text = generatedText(300, 12)
const code = (reply: { json(): any }) => reply.json().error.code as string // eslint-disable-line
const ready = (user: User) => until('ready again', async () => (await user.get('/readyz')).status === 200, 30_000)

async function timed<T>(act: Promise<T>): Promise<{ got: T; ms: number }> {
  const from = performance.now()
  return { got: await act, ms: performance.now() - from }
}

/** All of them are shown whole, end with done, and are stored so, once. */
async function allWhole(streams: AnswerStream[]): Promise<void> {
  await Promise.all(streams.map((stream) => stream.readDone()))
  for (const stream of streams) {
    expect(stream.content).toBe(text)
    await until('it is stored', async () => (await rowOf(idOf(stream))).status !== 'streaming', 30_000)
    expect(await rowOf(idOf(stream))).toMatchObject({ status: 'complete', content: text })
  }
}

/** Now away, now back, faster than anybody notices. */
async function flapping(name: string): Promise<void> {
  for (const until = performance.now() + 20_000; performance.now() < until; ) {
    await frozen(name, () => freezeFor(200))
    await freezeFor(200)
  }
}

/** Refused by the limits in time, again and again, as long as it lasts. */
async function refusedWithoutRedis(user: User, forMs: number): Promise<void> {
  const took: number[] = []
  for (const until = performance.now() + forMs; performance.now() < until; ) {
    const { got, ms } = await timed(user.trySendJson(null, '[[text=Yes]] Hello'))
    expect(got.status).toBe(503)
    expect(code(got)).toBe('quota_unavailable')
    expect(got.headers['retry-after']).toBeDefined()
    expect(ms, 'never a hang').toBeLessThan(1_000)
    took.push(ms)
    await freezeFor(50)
  }
  report(`${took.length} refusals while Redis was away: after ${Math.round(percentile(took, 0.5))} ms (median), ${Math.round(percentile(took, 0.99))} ms (p99), client, TLS and nginx included`)
  expect(percentile(took, 0.5), 'decided within 50 ms').toBeLessThanOrEqual(50)
}

async function refusedWithoutPostgres(user: User, forMs: number): Promise<void> {
  let slowest = 0
  for (const until = performance.now() + forMs; performance.now() < until; ) {
    const { got, ms } = await timed(user.trySendJson(null, '[[text=Yes]] Hello'))
    expect(code(got)).toBe('database_unavailable')
    expect(ms).toBeLessThan(4_000)
    slowest = Math.max(slowest, ms)
    expect((await user.get('/healthz')).status).toBe(200)
    await freezeFor(50)
  }
  report(`refusals while Postgres was away: the slowest after ${Math.round(slowest)} ms`)
}

describe('Redis', () => {
  long('frozen: answers go on, limits refuse in time', async ({ crowd }) => {
    const streams = await startAll(crowd(50), order)
    const [other] = crowd(1)
    await frozen('redis', () => refusedWithoutRedis(other!, AWAY_MS))
    await allWhole(streams)
    await ready(other!)
    expect((await other!.quota()).daily.used, 'what was refused counts nothing').toBe(0)
  })

  long('killed, and back empty: answers are shown and stored whole, once; who comes back reads them', async ({ crowd }) => {
    const users = crowd(50)
    for (const user of users) user.checkCounter = false // Redis forgot it
    const streams = await startAll(users, order)
    const [other] = crowd(1)
    kill('redis')
    await refusedWithoutRedis(other!, AWAY_MS)
    await startAgain()
    const again = await users[0]!.attach(idOf(streams[0]!))
    await allWhole(streams)
    await again.readDone()
    expect(again.content).toBe(text)
    await ready(other!)
  })

  long('flapping: answers go on', async ({ crowd }) => {
    const streams = await startAll(crowd(50), order)
    await flapping('redis')
    await allWhole(streams)
  })

  long('slow: 5 s a command: limits refuse in time, answers go on', async ({ crowd }) => {
    const streams = await startAll(crowd(50), order)
    const [other] = crowd(1)
    for (const until = performance.now() + AWAY_MS; performance.now() < until; ) {
      await redis().call('CLIENT', 'PAUSE', '5000', 'ALL')
      await refusedWithoutRedis(other!, 4_500)
      await freezeFor(550)
    }
    await allWhole(streams)
    await ready(other!)
  })

  test('back empty while an answer is silent: from whichever worker it can be followed and stopped', async ({ crowd }) => {
    const users = crowd(4)
    for (const user of users) user.checkCounter = false // Redis forgot it
    const streams = await startAll(users, '[[stall=2 chunks=9 size=8]] Silence', 16)
    kill('redis')
    await startAgain()
    await ready(users[0]!)
    await Promise.all(streams.map(async (stream, i) => {
      const others = await Promise.all(Array.from({ length: 3 }, () => users[i]!.attach(idOf(stream))))
      await Promise.all(others.map((other) => other.readText(16)))
      expect((await users[i]!.post(`/api/v1/chat/messages/${idOf(stream)}/stop`)).json().status).toBe('stopped')
      for (const each of [stream, ...others]) expect((await each.readDone()).message.status).toBe('stopped')
    }))
  })
})

describe('Postgres', () => {
  long('frozen while answers end: all are shown to their end, stored once it is back', async ({ crowd }) => {
    const users = crowd(50)
    const streams = await startAll(users, order)
    const [other] = crowd(1)
    const reading = Promise.all(streams.map((stream) => stream.readDone()))
    await frozen('postgres', async () => {
      await Promise.all([refusedWithoutPostgres(other!, AWAY_MS), reading])
    })
    await ready(other!)
    await allWhole(streams)
  })

  long('killed: the same', async ({ crowd }) => {
    const users = crowd(50)
    const streams = await startAll(users, order)
    const [other] = crowd(1)
    const reading = Promise.all(streams.map((stream) => stream.readDone()))
    kill('postgres')
    await Promise.all([refusedWithoutPostgres(other!, AWAY_MS), reading])
    await startAgain()
    await ready(other!)
    await allWhole(streams)
  })

  test('killed, and then all workers: what was shown as complete is stored as complete', async ({ crowd }) => {
    const streams = await startAll(crowd(size(4, 50)), '[[chunks=100 size=12 pace=10]] Last words')
    kill('postgres')
    for (const stream of streams) expect((await stream.readDone()).message.status).toBe('complete')
    for (const pid of workers()) process.kill(pid, 'SIGKILL')
    const from = performance.now()
    await startAgain()
    for (const stream of streams) {
      await until('it is stored', async () => (await rowOf(idOf(stream))).status !== 'streaming', 30_000)
      expect(await rowOf(idOf(stream))).toMatchObject({ status: 'complete', content: stream.content })
      expect(stream.content).toBe(generatedText(100, 12))
    }
    report(`shown as complete without Postgres, their workers killed: ${streams.length} answers stored so ${Math.round(performance.now() - from)} ms later`)
  })

  long('flapping: answers go on', async ({ crowd }) => {
    const streams = await startAll(crowd(50), order)
    await flapping('postgres')
    await allWhole(streams)
  })

  // Postgres answers in time, but slowly: finishing what a killed worker left takes long. Who does it still lives.
  long("slow to write: who ends a killed worker's answers is not taken for dead", async ({ crowd }) => {
    const streams = await startAll(crowd(40), '[[chunks=300 size=12 pace=200]] Long', 100)
    const writers = await Promise.all(streams.map((stream) => writerOf(idOf(stream))))
    await sql(`CREATE FUNCTION slow_write() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END' LANGUAGE plpgsql`)
    await sql('CREATE TRIGGER slow_write BEFORE UPDATE ON chat_messages FOR EACH STATEMENT EXECUTE FUNCTION slow_write()')
    try {
      process.kill(workers()[0]!, 'SIGKILL')
      const reading = streams.map(readOn)
      const ended = new Set<AnswerStream>()
      streams.forEach((stream, i) => void reading[i]!.then((closed) => closed || ended.add(stream)))
      await until('the killed one is known', () => ended.size > 0)
      const dead = writers[streams.findIndex((stream) => ended.has(stream))]
      const lost = streams.filter((_, i) => writers[i] === dead)
      const others = streams.filter((_, i) => writers[i] !== dead)
      await until('all of its answers are ended', async () => {
        for (const stream of others) expect((await rowOf(idOf(stream))).status, "the other's go on").not.toBe('interrupted')
        return (await Promise.all(lost.map((stream) => rowOf(idOf(stream))))).every((row) => row.status === 'interrupted')
      }, 120_000)
      await Promise.all(reading)
      for (const stream of others) expect(stream.content).toBe(text)
      report(`slow to write: ${lost.length} answers of a killed worker ended, 1.5 s each; ${others.length} of the other whole`)
    } finally {
      await sql('DROP TRIGGER slow_write ON chat_messages')
      await sql('DROP FUNCTION slow_write')
    }
    await until('all is stored', async () => (await sql(`SELECT 1 FROM chat_messages WHERE status = 'streaming'`)).length === 0, 60_000)
  })

  test('its disk full: answers are shown to their end, new ones refused in time, and all is stored once there is room', async ({ crowd, skip }) => {
    const disk = await smallDisk()
    if (typeof disk === 'string') return skip(`no small disk can be made here: ${disk}`)
    const longer = generatedText(400, 60) // beyond what pages in use have room for
    try {
      const streams = await startAll(crowd(size(6, 50)), `[[chunks=400 size=60 pace=${size(10, 40)}]] Long`)
      const [other] = crowd(1)
      await disk.fill()
      const reading = Promise.all(streams.map((stream) => stream.readDone()))
      const wide = Array.from({ length: 7_900 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000))).join('')
      const { got, ms } = await timed(other!.trySendJson(null, `[[text=Yes]] ${wide}`))
      expect(code(got)).toBe('database_unavailable')
      expect(ms).toBeLessThan(4_000)
      expect((await other!.get('/healthz')).status).toBe(200)
      await reading
      const waiting = (await Promise.all(streams.map((stream) => rowOf(idOf(stream))))).filter((row) => row.status === 'streaming').length
      expect(waiting, 'some could not be stored').toBeGreaterThan(0)
      await disk.empty()
      for (const stream of streams) {
        expect(stream.content).toBe(longer)
        await until('it is stored', async () => (await rowOf(idOf(stream))).status === 'complete', 30_000)
        expect((await rowOf(idOf(stream))).content).toBe(longer)
      }
      await ready(other!)
      report(`disk full: ${streams.length} answers shown whole, ${waiting} of them stored once there was room; a refusal after ${Math.round(ms)} ms`)
    } finally {
      await disk.remove()
    }
  })

  long('slow: a query that takes 5 s is refused in under 4 s, and answers go on', async ({ crowd }) => {
    const streams = await startAll(crowd(50), order)
    const [other] = crowd(1)
    const session = await other!.createSession()
    const locker = new pg.Client({ connectionString: env.databaseUrl })
    await locker.connect()
    await locker.query('BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE')
    const { got, ms } = await timed(other!.trySendJson(session.id, '[[text=Yes]] Hello'))
    expect(code(got)).toBe('database_unavailable')
    expect(ms).toBeLessThan(4_000)
    expect((await other!.get('/healthz')).status).toBe(200)
    await freezeFor(5_000 - ms)
    await locker.query('COMMIT')
    await locker.end()
    await ready(other!)
    await allWhole(streams)
    expect((await other!.session(session.id)).messages.filter((m) => m.status === 'streaming')).toEqual([])
  })
})
