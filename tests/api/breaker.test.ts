// The circuit breaker, on a stack of its own: others' failures must not open it, nor it refuse others.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { open, type Reply } from '../support/http.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const sick = 'test-model', well = 'test-spare'
let stack: Stack
let redis: Redis
beforeAll(async () => {
  stack = await startStack({ CHAT_WORKERS: '2', CHAT_RATE_LIMIT_PER_MINUTE: '1000', SAMBANOVA_MODEL: sick, SAMBANOVA_MODELS: well }, { ownStores: true })
  redis = new Redis(stack.redisUrl)
}, 180_000)
afterAll(async () => {
  redis?.disconnect()
  await stack?.down()
}, 60_000)
beforeEach(() => redis.del('chat:breakers'))

const completions = '/api/v1/chat/completions'
const user = () => new User({ name: 'breaker', url: stack.url })
const ask = (script: string) => ({ messages: [{ role: 'user', content: `[[${script}]] Hi` }] })
const readiness = async (who: User) => (await who.get('/readyz')).json<{ status: string; checks: { breaker: { status: string; models: Record<string, string> } } }>()

async function openIt(who: User): Promise<void> {
  for (let i = 0; i < 5; i++)
    expect((i % 2 ? await who.post(completions, ask('status=500')) : await who.trySendJson(null, '[[status=500]] Hi')).status).toBe(502)
}

/** Its time is over: the state as it stands, with an end that has passed. */
async function letTimePass(): Promise<void> {
  const [state, failures, , generation, rest] = (await redis.hget('chat:breakers', sick))!.split(' ')
  await redis.hset('chat:breakers', sick, `${state} ${failures} 1 ${generation} ${rest}`)
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

// (A3, one-model-down)
test('one model’s trouble leaves the others alone, and each is named', async () => {
  const alice = user(), bob = user()
  const session = await bob.createSession({ model: well })
  await openIt(alice)
  expect(await readiness(bob)).toMatchObject({ status: 'degraded', checks: { breaker: { status: 'open', models: { [sick]: 'open', [well]: 'ok' } } } })
  const metrics = (await new User({ role: 'admin', url: stack.url }).get('/metrics')).body
  expect(metrics).toContain(`chat_breaker_state{model="${sick}",state="open"} 1`)
  expect(metrics).toContain(`chat_breaker_state{model="${well}",state="closed"} 1`)
  expect((await bob.post(completions, { ...ask('chunks=1'), model: well })).status).toBe(200)
  expect((await bob.trySendJson(session.id, 'Hi')).status, 'the session’s model').toBe(201)
  expect((await bob.trySendJson(null, 'Hi')).status, 'the default').toBe(503)
})

// (A3)
test('nothing that a caller can bring about opens it, and what took tokens is counted', async () => {
  const alice = user()
  const empty = ['chunks=0', 'chunks=0 nousage', 'reasoning=3 chunks=0', 'text=_', 'error_at=0 chunks=3', 'error_at=2 chunks=3', 'error_at=0 chunks=3 error_form=event', 'longline=2200000']
  for (const script of empty)
    for (let i = 0; i < 6; i++) {
      const reply = await alice.trySendJson(null, `[[${script}]] Hi`)
      expect([201, 502], `${script}: ${reply.body}`).toContain(reply.status)
    }
  expect((await readiness(alice)).checks.breaker).toEqual({ status: 'ok', models: { [sick]: 'ok', [well]: 'ok' } })
  expect((await user().trySendJson(null, '[[text=Yes]] Hi')).status).toBe(201)
})

// (B5, retries-multiply)
test('a 429 makes the model rest: it is not asked meanwhile, whoever asks', async () => {
  const alice = user(), bob = user()
  for (const met of [await alice.post(completions, { ...ask('error_at=0 code=rate_limit_exceeded'), stream: true }), await (await redis.del('chat:breakers'), alice.trySendJson(null, '[[status=429]] Hi'))]) {
    expect(met.status).toBe(429)
    expect(met.headers['retry-after'], 'where the provider told none').toBe('1')
  }
  await redis.del('chat:breakers')
  const first = await alice.post(completions, ask('status=429 retry_after=30'))
  expect(first.status).toBe(429)
  expect(first.headers['retry-after']).toBe('30')
  for (const refused of [await bob.post(completions, ask('chunks=1')), await bob.trySendJson(null, 'Hi'), await bob.trySend(null, 'Hi') as Reply]) {
    expect(refused.status).toBe(429)
    const { error } = refused.json<{ error: { code: string; details: { quota: unknown } } }>()
    expect(error.code).toBe('upstream_rate_limited')
    expect(error.details.quota).toBeTruthy()
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(30)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(20)
  }
  expect((await bob.quota()).daily.used).toBe(0)
  expect((await readiness(bob)).checks.breaker).toEqual({ status: 'ok', models: { [sick]: 'resting', [well]: 'ok' } })
  expect((await bob.post(completions, { ...ask('chunks=1'), model: well })).status).toBe(200)
})

test("the provider's own limit is 429 with its Retry-After, and costs nothing of the day", async () => {
  const alice = user()
  const reply = await alice.trySendJson(null, '[[status=429 retry_after=2]] Please')
  expect(reply.status).toBe(429)
  const { error } = reply.json<{ error: { details: { quota: { daily: unknown } } } }>()
  expect(error).toMatchObject({ code: 'upstream_rate_limited', retry_after: 2, retryable: true })
  expect(reply.headers['retry-after']).toBe('2')
  const { daily } = await alice.quota()
  expect(daily.used).toBe(0)
  expect(error.details.quota.daily).toEqual(daily)
  expect(reply.headers['x-daily-quota-remaining'], 'the unit is back').toBe(String(daily.remaining))
  await until('it is asked again', async () => (await alice.trySendJson(null, '[[text=Yes]] Works again')).status === 201, 10_000)
})

test('a refused request frees its Idempotency-Key', async () => {
  const alice = user()
  await openIt(alice)
  expect((await alice.trySendJson(null, '[[chunks=2]] Hi', { 'Idempotency-Key': 'once' })).status).toBe(503)
  await redis.del('chat:breakers')
  expect((await alice.trySendJson(null, '[[chunks=2]] Hi', { 'Idempotency-Key': 'once' })).status).toBe(201)
})
