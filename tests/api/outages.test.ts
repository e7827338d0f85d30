// Postgres and Redis away, on a stack with stores of its own: what is refused is refused in time, what needs neither goes
// on, and all of it comes back by itself.
import { afterAll, beforeAll, describe } from 'vitest'
import { frozen as freeze } from '../support/processes.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack({ CHAT_WORKERS: '1', CHAT_RATE_LIMIT_PER_MINUTE: '1000' }, { ownStores: true })
}, 180_000)
afterAll(() => stack?.down(), 60_000)

const frozen = <T>(name: string, act: () => Promise<T>) => freeze(name, act, stack.stateDir)
const ready = (user: User) => until('ready again', async () => (await user.get('/readyz')).status === 200, 20_000)
const code = (reply: { json(): unknown }) => (reply.json() as { error: { code: string } }).error.code

async function timed<T>(act: Promise<T>): Promise<{ got: T; ms: number }> {
  const from = performance.now()
  const got = await act
  return { got, ms: performance.now() - from }
}

describe('Postgres frozen', () => {
  test('what needs it is 503 in under 4 s, the rest goes on, and it comes back', async () => {
    const user = new User({ name: 'pg', url: stack.url })
    await user.createSession()
    await frozen('postgres', async () => {
      const { got, ms } = await timed(user.get('/api/v1/chat/sessions'))
      expect(got.status).toBe(503)
      expect(code(got)).toBe('database_unavailable')
      expect(ms).toBeLessThan(4_000)
      // more of them than there are request threads starve nobody
      const many = Array.from({ length: 24 }, () => timed(user.get('/api/v1/chat/sessions')))
      expect((await user.get('/healthz')).status).toBe(200)
      expect((await user.get('/api/v1/chat/quota')).status).toBe(200)
      expect((await user.request('/api/v1/chat/quota', { headers: { Authorization: 'Bearer x' } })).status).toBe(401)
      for (const each of await Promise.all(many)) {
        expect(each.got.status).toBe(503)
        expect(each.ms).toBeLessThan(4_000)
      }
      const send = await timed(user.trySendJson(null, '[[text=Yes]] Hello'))
      expect(code(send.got)).toBe('database_unavailable')
      expect(send.ms).toBeLessThan(4_000)
      expect((await user.quota()).daily.used, 'it was given back').toBe(0)
      expect((await user.get('/readyz')).json<{ status: string }>().status).toBe('unavailable')
    })
    await ready(user)
    await user.sendJson(null, '[[text=Yes]] Hello')
  }, 60_000)

  test('an answer that is being written is shown to its end, and stored once Postgres is back', async () => {
    const user = new User({ name: 'pg-stream', url: stack.url })
    const stream = await user.send(null, '[[chunks=40 size=9 pace=20]] Write')
    await stream.read((event) => event.event === 'delta')
    const done = await frozen('postgres', () => stream.readDone())
    expect(done.message.status).toBe('complete')
    await ready(user)
    const stored = await until('it is stored', async () => {
      const message = await user.message(done.message.id)
      return message.status === 'streaming' ? undefined : message
    }, 20_000)
    expect(stored).toMatchObject({ status: 'complete', content: stream.content })
    await until('its lease is gone', async () => (await user.trySendJson(done.session.id, '[[text=Yes]] On')).status === 201, 20_000)
  }, 90_000)
})

describe('Redis frozen', () => {
  test('limits refuse with 503, what needs none goes on, and it comes back', async () => {
    const user = new User({ name: 'redis', url: stack.url })
    const session = await user.createSession()
    await frozen('redis', async () => {
      const send = await timed(user.trySendJson(session.id, '[[text=Yes]] Hello'))
      expect(send.got.status).toBe(503)
      expect(code(send.got)).toBe('quota_unavailable')
      expect(send.got.headers['retry-after']).toBeDefined()
      expect(send.ms, 'never a hang').toBeLessThan(1_000)
      expect((await user.session(session.id)).messages).toHaveLength(0)
      expect((await user.get('/healthz')).status).toBe(200)
    })
    await ready(user)
    await user.sendJson(session.id, '[[text=Yes]] Hello')
    expect((await user.quota()).daily.used, 'what was asked of a frozen Redis counts nothing').toBe(1)
  }, 60_000)

  test('an answer that is being written is shown and stored all the same', async () => {
    const user = new User({ name: 'redis-stream', url: stack.url })
    const stream = await user.send(null, '[[chunks=40 size=9 pace=20]] Write')
    await stream.read((event) => event.event === 'delta')
    const done = await frozen('redis', () => stream.readDone())
    expect(await user.message(done.message.id)).toMatchObject({ status: 'complete', content: stream.content })
    await ready(user)
  }, 60_000)
})
