// The circuit breaker, on a stack of its own: others' failures must not open it, nor it refuse others.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { open } from '../support/http.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

let stack: Stack
let redis: Redis
beforeAll(async () => {
  stack = await startStack({ CHAT_WORKERS: '2', CHAT_RATE_LIMIT_PER_MINUTE: '1000' }, { ownStores: true })
  redis = new Redis(stack.redisUrl)
}, 180_000)
afterAll(async () => {
  redis?.disconnect()
  await stack?.down()
}, 60_000)
beforeEach(() => redis.del('chat:breaker'))

const completions = '/api/v1/chat/completions'
const user = () => new User({ name: 'breaker', url: stack.url })
const ask = (script: string) => ({ messages: [{ role: 'user', content: `[[${script}]] Hi` }] })
const readiness = async (who: User) => (await who.get('/readyz')).json<{ status: string; checks: { breaker: { status: string } } }>()

async function openIt(who: User): Promise<void> {
  for (let i = 0; i < 5; i++)
    expect((i % 2 ? await who.post(completions, ask('status=500')) : await who.trySendJson(null, '[[status=500]] Hi')).status).toBe(502)
}

/** Its time is over: the state as it stands, with an end that has passed. */
async function letTimePass(): Promise<void> {
  const [state, failures, , generation] = (await redis.get('chat:breaker'))!.split(' ')
  await redis.set('chat:breaker', `${state} ${failures} 1 ${generation}`)
}

test('five failures in a row open it for all: 503 with the time to wait, nothing counted, ready but degraded', async () => {
  const alice = user()
  const session = await alice.createSession()
  await openIt(alice)
  for (const refused of [await alice.post(completions, ask('chunks=1')), await alice.trySendJson(null, 'Hi'), await alice.trySendJson(session.id, 'Hi')]) {
    expect(refused.status).toBe(503)
    expect(refused.json<{ error: { code: string } }>().error.code).toBe('api_unavailable')
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(30)
  }
  expect((await alice.quota()).daily.used).toBe(0)
  expect(await readiness(alice)).toMatchObject({ status: 'degraded', checks: { breaker: { status: 'open' } } })
  expect((await alice.list()).items.length, 'what needs no provider goes on').toBeGreaterThan(0)
})

test('after its time one request is let through; its success closes it', async () => {
  const alice = user()
  await openIt(alice)
  await letTimePass()
  const trial = alice.post(completions, ask('first=1500 chunks=1'))
  await until('half-open', async () => (await readiness(alice)).checks.breaker.status === 'half_open')
  expect((await alice.post(completions, ask('chunks=1'))).status).toBe(503)
  expect((await trial).status).toBe(200)
  expect(await readiness(alice)).toMatchObject({ status: 'ok', checks: { breaker: { status: 'ok' } } })
  expect((await alice.post(completions, ask('chunks=1'))).status).toBe(200)
})

test('a trial that brings text closes it, long before its own end', async () => {
  const alice = user()
  for (const begin of [
    async () => (await alice.send(null, '[[endless pace=20]] Write on')).readText(8),
    () => open(completions, { url: stack.url, method: 'POST', headers: { Authorization: `Bearer ${alice.token}` }, json: { ...ask('endless pace=20'), stream: true } }),
  ]) {
    await openIt(alice)
    await letTimePass()
    const begun = await begin()
    await until('closed', async () => (await readiness(alice)).checks.breaker.status === 'ok')
    if (typeof begun === 'object' && 'body' in begun) begun.body.destroy()
  }
  alice.hangUp()
})

test('a client’s mistakes don’t count', async () => {
  const alice = user()
  for (let i = 0; i < 6; i++) expect((await alice.post(completions, ask('status=400'))).status).toBe(400)
  expect((await alice.post(completions, ask('chunks=1'))).status).toBe(200)
})

test('a refused request frees its Idempotency-Key', async () => {
  const alice = user()
  await openIt(alice)
  expect((await alice.trySendJson(null, '[[chunks=2]] Hi', { 'Idempotency-Key': 'once' })).status).toBe(503)
  await redis.del('chat:breaker')
  expect((await alice.trySendJson(null, '[[chunks=2]] Hi', { 'Idempotency-Key': 'once' })).status).toBe(201)
})
