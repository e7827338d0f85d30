// Redis and Postgres away, frozen, slow, flapping, and Redis back empty, while answers are written (SPEC.md §§4-6).
import pg from 'pg'
import { env } from '../support/env.ts'
import { describe, expect, freezeFor, idOf, report, rowOf, size, startAll, test, type AnswerStream } from '../support/faults.ts'
import { frozen, kill, startAgain } from '../support/processes.ts'
import type { User } from '../support/user.ts'
import { generatedText } from '../support/upstream.ts'
import { until } from '../support/wait.ts'

const AWAY_MS = size(5_000, 60_000)
const pace = size(15, 150)
const order = `[[chunks=300 size=12 pace=${pace}]] Through the outage`
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

/** Refused by the limits in time, again and again, as long as it lasts. */
async function refusedWithoutRedis(user: User, forMs: number): Promise<void> {
  const slowest = { ms: 0 }
  for (const until = performance.now() + forMs; performance.now() < until; ) {
    const { got, ms } = await timed(user.trySendJson(null, '[[text=Yes]] Hello'))
    expect(got.status).toBe(503)
    expect(code(got)).toBe('quota_unavailable')
    expect(got.headers['retry-after']).toBeDefined()
    expect(ms, 'never a hang').toBeLessThan(1_000)
    slowest.ms = Math.max(slowest.ms, ms)
    await freezeFor(50)
  }
  report(`refusals while Redis was away: the slowest after ${Math.round(slowest.ms)} ms, client, TLS and nginx included`)
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
  test('frozen: answers go on, limits refuse in time', async ({ crowd }) => {
    const streams = await startAll(crowd(size(6, 50)), order)
    const [other] = crowd(1)
    await frozen('redis', () => refusedWithoutRedis(other!, AWAY_MS))
    await allWhole(streams)
    await ready(other!)
    expect((await other!.quota()).daily.used, 'what was refused counts nothing').toBe(0)
  })

  test('killed, and back empty: answers are shown and stored whole, once; who comes back reads them', async ({ crowd }) => {
    const users = crowd(size(6, 50))
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

  test('flapping: answers go on', async ({ crowd }) => {
    const streams = await startAll(crowd(size(6, 50)), order)
    for (const until = performance.now() + Math.min(AWAY_MS, 20_000); performance.now() < until; ) {
      await frozen('redis', () => freezeFor(200))
      await freezeFor(200)
    }
    await allWhole(streams)
  })
})

describe('Postgres', () => {
  test('frozen while answers end: all are shown to their end, stored once it is back', async ({ crowd }) => {
    const users = crowd(size(6, 50))
    const streams = await startAll(users, order)
    const [other] = crowd(1)
    const reading = Promise.all(streams.map((stream) => stream.readDone()))
    await frozen('postgres', async () => {
      await Promise.all([refusedWithoutPostgres(other!, AWAY_MS), reading])
    })
    await ready(other!)
    await allWhole(streams)
  })

  test('killed: the same', async ({ crowd }) => {
    const users = crowd(size(6, 50))
    const streams = await startAll(users, order)
    const [other] = crowd(1)
    const reading = Promise.all(streams.map((stream) => stream.readDone()))
    kill('postgres')
    await Promise.all([refusedWithoutPostgres(other!, AWAY_MS), reading])
    await startAgain()
    await ready(other!)
    await allWhole(streams)
  })

  test('slow: a query that takes 5 s is refused in under 4 s, and answers go on', async ({ crowd }) => {
    const streams = await startAll(crowd(size(6, 50)), order)
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
