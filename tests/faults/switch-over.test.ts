// A store's address leads to another one, while the old one lives on, read-only, with connections open: what a failover by
// Sentinel, Patroni or hand is to the service.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, freezeFor, idOf, report, rowOf, size, startAll, test } from '../support/faults.ts'
import { postgresPair, redisPair } from '../support/pairs.ts'
import { startStack } from '../support/stack.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const plenty = { CHAT_WORKERS: '2', CHAT_RATE_LIMIT_PER_MINUTE: '100000', CHAT_DAILY_MESSAGE_QUOTA: '100000', CHAT_MAX_CONCURRENT_STREAMS: '1000' }
const logOf = (stateDir: string) => readFileSync(join(stateDir, 'log/workers.log'), 'utf8')

async function withRedisPair(act: (pair: Awaited<ReturnType<typeof redisPair>>, stack: { url: string; stateDir: string }) => Promise<void>) {
  const pair = await redisPair()
  try {
    const stack = await startStack({ ...plenty, REDIS_URL: pair.url })
    try {
      await act(pair, stack)
    } finally {
      await stack.down()
    }
  } finally {
    await pair.close()
  }
}

/** How long until a send is admitted again. */
async function admittedAgain(user: User): Promise<number> {
  const from = performance.now()
  await until('a send is admitted', async () => (await user.trySendJson(null, '[[text=Yes]] Hello')).status === 201, 5_000)
  return performance.now() - from
}

describe('Redis', () => {
  test('demoted: the first refusal renews all connections, and nobody is refused (redis-demoted-connections)', async ({ crowd }) => {
    await withRedisPair(async (pair, stack) => {
      const users = crowd(size(30, 60), stack.url)
      for (const user of users) user.checkCounter = false // another Redis counted
      await Promise.all(users.map((user) => user.sendJson(null, '[[text=Yes]] Hello')))
      await pair.failOver()
      const ms = await admittedAgain(users[0]!)
      // each worker finds out by itself; 5 s after the switch-over nobody is refused any more
      await until('sends at once are admitted', async () => (await Promise.all(users.slice(20).map((user) => user.trySendJson(null, '[[text=Yes]] Hello')))).every((reply) => reply.status === 201), 5_000 - ms)
      const statuses: number[] = []
      for (const user of users) statuses.push((await user.trySendJson(null, '[[text=Yes]] Hello')).status)
      for (let burst = 0; burst < 4; burst++)
        statuses.push(...(await Promise.all(users.slice(0, 20).map((user) => user.trySendJson(null, '[[text=Yes]] Hello')))).map((reply) => reply.status))
      expect(statuses.filter((status) => status !== 201)).toEqual([])
      for (const user of users.slice(1, 20)) expect((await user.quota()).daily.used, 'read from the new one').toBe(6)
      expect(await pair.first.client.dbsize(), 'the old one follows').toBeGreaterThan(0)
      report(`after a Redis failover a send was admitted after ${Math.round(ms)} ms`)
    })
  })

  test('demoted, the old one cut off: no answer that runs is ended by what it still says (redis-demoted-reaper)', async ({ crowd }) => {
    await withRedisPair(async (pair, stack) => {
      const users = crowd(size(10, 50), stack.url)
      for (const user of users) user.checkCounter = false
      const [chunks, pace] = [size(160, 300), 100] // longer than a word of life, and its look
      const streams = await startAll(users, `[[chunks=${chunks} size=12 pace=${pace}]] Through the switch-over`)
      await pair.failOver()
      await pair.first.client.call('REPLICAOF', '127.0.0.1', '1')
      await Promise.all(streams.map((stream) => stream.readDone()))
      for (const stream of streams) {
        expect(stream.content).toBe(generatedText(chunks, 12))
        expect(await rowOf(idOf(stream))).toMatchObject({ status: 'complete', content: stream.content })
      }
      expect(logOf(stack.stateDir)).not.toContain('answer_reaped')
    })
  })

  // Reads go on: whoever looks for dead writers sees all words of life run out.
  test('pausing writes for longer than a process is thought alive: nobody is taken for dead', async ({ crowd }) => {
    await withRedisPair(async (pair, stack) => {
      const users = crowd(size(4, 20), stack.url)
      for (const user of users) user.checkCounter = false
      const streams = await startAll(users, `[[chunks=200 size=12 pace=100]] Through the pause`)
      await pair.first.client.call('CLIENT', 'PAUSE', '9000', 'WRITE')
      await freezeFor(9_000)
      await Promise.all(streams.map((stream) => stream.readDone()))
      for (const stream of streams) expect(await rowOf(idOf(stream))).toMatchObject({ status: 'complete', content: generatedText(200, 12) })
      expect(logOf(stack.stateDir)).not.toContain('answer_reaped')
    })
  })
})

// Users of their own, whom nobody checks afterwards: what they made is in a database that is gone by then.
describe('Postgres', () => {
  test('demoted: what was written is read by everybody, and nothing comes from the old one (postgres-demoted-reads, B6)', async () => {
    const pair = await postgresPair()
    try {
      const stack = await startStack({ ...plenty, DATABASE_URL: pair.url, MIGRATE_DATABASE_URL: pair.firstUrl })
      try {
        const user = new User({ name: 'demoted', url: stack.url })
        const lists = (count: number) => Promise.all(Array.from({ length: count }, () => user.get('/api/v1/chat/sessions')))
        const complete = (replies: Awaited<ReturnType<typeof lists>>) => replies.every((reply) => reply.status === 200 && reply.json<{ items: unknown[] }>().items.length === 5)
        await lists(40) // all connections are open
        await pair.failOver()
        for (let chat = 0; chat < 5; chat++) await user.createSession()
        const from = performance.now()
        await until('all read what was written', async () => complete(await lists(40)), 5_000)
        const ms = performance.now() - from
        for (let round = 0; round < 20; round++) expect(complete(await lists(40))).toBe(true)
        expect(await pair.first.sql(`SELECT 1 FROM pg_stat_activity WHERE application_name = 'chat-fcgi' AND datname = 'chat' AND query_start > now() - interval '1 s'`)).toEqual([])
        report(`after a Postgres failover all lists were whole after ${Math.round(ms)} ms`)

        await pair.takesWrites(pair.second, false) // no primary anywhere
        const unready = await until('readiness says so', async () => {
          const reply = await user.get('/readyz')
          return reply.status === 503 && reply
        }, 5_000)
        expect(unready.json<{ checks: Record<string, { status: string }> }>().checks).toMatchObject({ postgres: { status: 'unavailable' }, redis: { status: 'ok' } })
        // a connection that only reads looks who is at its other end once a second, and each worker finds out by itself
        await until('no worker takes a list from it', async () => (await lists(10)).every((reply) => reply.status === 503), 5_000)
        for (let round = 0; round < 5; round++) for (const reply of await lists(10)) expect(reply.status, 'never a list from it').toBe(503)
        expect((await user.get('/api/v1/chat/sessions/00000000-0000-7000-8000-000000000000')).status, 'nor that something is not there').toBe(503)
        await pair.takesWrites(pair.second, true)
        await until('each worker has found it again', async () => (await user.get('/readyz')).status === 200 && complete(await lists(40)), 10_000)
      } finally {
        await stack.down()
      }
    } finally {
      await pair.close()
    }
  }, 300_000) // two clusters are made for it
})
