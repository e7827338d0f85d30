// How much a user may: per minute, per day, at once; what is counted, and what every answer says about it.
import { keysMatching, leasesOf, redis, useDaily, useMinute } from '../support/stores.ts'
import { AnswerStream } from '../support/sse.ts'
import { describe, expect, test } from '../support/test.ts'
import { holdSchema } from '../support/openapi.ts'
import type { Reply } from '../support/http.ts'
import type { ApiError, Quota, User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const figure = (reply: Reply | AnswerStream, name: string) => Number(reply.headers[name.toLowerCase()])
const epoch = (time: string) => Date.parse(time) / 1000
const nextMidnight = () => Math.floor(Date.now() / 86_400_000) * 86_400 + 86_400

/** The six headers say what the quota object says. */
function expectHeaders(reply: Reply | AnswerStream, quota: Quota): void {
  expect(figure(reply, 'X-RateLimit-Limit')).toBe(quota.rate_limit.limit)
  expect(figure(reply, 'X-RateLimit-Remaining')).toBe(quota.rate_limit.remaining)
  expect(figure(reply, 'X-RateLimit-Reset')).toBe(epoch(quota.rate_limit.reset_at))
  expect(figure(reply, 'X-Daily-Quota-Limit')).toBe(quota.daily.limit)
  expect(figure(reply, 'X-Daily-Quota-Remaining')).toBe(quota.daily.remaining)
  expect(figure(reply, 'X-Daily-Quota-Reset')).toBe(epoch(quota.daily.reset_at))
}

function expectRefusal(reply: Reply | AnswerStream, code: string): ApiError {
  if (reply instanceof AnswerStream) throw new Error('a stream')
  expect(reply.status).toBe(429)
  const { error } = reply.json<{ error: ApiError }>()
  expect(error.code).toBe(code)
  expect(error.retryable, 'what a minute brings back').toBe(error.retry_after! <= 60)
  expect(reply.headers['x-should-retry']).toBe(error.retryable ? undefined : 'false')
  expect(error.retry_after).toBe(figure(reply, 'Retry-After'))
  expect(error.retry_after).toBeGreaterThan(0)
  holdSchema('Quota', error.details!.quota)
  expectHeaders(reply, error.details!.quota!)
  return error
}

/** Both ways to send, since both are admitted by the same step. */
const send = [
  ['streamed', (user: User) => user.trySend(null, '[[text=Yes]] Hello')],
  ['as JSON', (user: User) => user.trySendJson(null, '[[text=Yes]] Hello')],
] as [string, (user: User) => Promise<Reply | AnswerStream>][]

describe('GET /quota', () => {
  test('of a new user: all is left, and asking counts nothing', async ({ alice }) => {
    for (let i = 0; i < 3; i++) {
      const quota = await alice.quota()
      expect(quota.unlimited).toBe(false)
      expect(quota.rate_limit).toMatchObject({ remaining: quota.rate_limit.limit, window_seconds: 60 })
      expect(quota.daily).toMatchObject({ used: 0, remaining: quota.daily.limit })
      expect(epoch(quota.rate_limit.reset_at) % 60).toBe(0)
      expect(epoch(quota.rate_limit.reset_at) - Date.now() / 1000).toBeGreaterThan(-1)
      expect(epoch(quota.rate_limit.reset_at) - Date.now() / 1000).toBeLessThanOrEqual(60)
      expect(epoch(quota.daily.reset_at)).toBe(nextMidnight())
    }
    expect(await keysMatching(`chat:*${alice.sub}*`), 'nothing is written for one who only asks').toEqual([])
  })

  test('an admin has no daily quota', async ({ admin }) => {
    expect((await admin.quota()).unlimited).toBe(true)
  })

  test('is about the user alone', async ({ alice, bob }) => {
    await alice.sendJson(null, '[[text=Yes]] Hello')
    expect((await alice.quota()).daily.used).toBe(1)
    expect((await bob.quota()).daily.used).toBe(0)
  })
})

describe.each(send)('a send %s', (_, trySend) => {
  test('says on its answer where the user stands', async ({ alice }) => {
    const before = await alice.quota()
    const first = await trySend(alice)
    const quota: Quota = first instanceof AnswerStream ? (await first.readDone()).quota : first.json().quota
    if (first instanceof AnswerStream) expect(first.start!.quota).toEqual(quota)
    expectHeaders(first, quota)
    expect(quota.daily).toMatchObject({ used: 1, limit: before.daily.limit, remaining: before.daily.limit! - 1 })
    expect(await alice.quota()).toEqual(quota)
  })

  test('over the minute is 429 and counts nowhere', async ({ alice }) => {
    const { rate_limit } = await alice.quota()
    await useMinute(alice.sub, rate_limit.limit! - 1)
    const last = await trySend(alice)
    if (last instanceof AnswerStream) await last.readDone()
    expect(figure(last, 'X-RateLimit-Remaining')).toBe(0)
    for (let i = 0; i < 3; i++) {
      const error = expectRefusal(await trySend(alice), 'rate_limited')
      expect(error.details!.quota!.rate_limit.remaining).toBe(0)
      expect(error.retry_after).toBeLessThanOrEqual(60)
    }
    expect((await alice.quota()).daily.used).toBe(1)
    const minutes = await redis().mget(...(await keysMatching(`chat:rate:${alice.sub}:*`)))
    expect(Math.max(...minutes.map(Number)), 'a refused request counts in no minute').toBe(rate_limit.limit)
    expect((await alice.list()).items, 'nothing was made for a refused request').toHaveLength(1)
  })

  test('over the day is 429 and counts nowhere', async ({ alice }) => {
    const { daily, rate_limit } = await alice.quota()
    await useDaily(alice.sub, daily.limit! - 1)
    alice.usedBefore = daily.limit! - 1
    const last = await trySend(alice)
    if (last instanceof AnswerStream) await last.readDone()
    expect(figure(last, 'X-Daily-Quota-Remaining')).toBe(0)
    const error = expectRefusal(await trySend(alice), 'quota_exceeded')
    expect(error.details!.quota!.daily).toMatchObject({ used: daily.limit, remaining: 0 })
    expect(Math.abs(error.retry_after! - (nextMidnight() - Date.now() / 1000))).toBeLessThan(5)
    const quota = await alice.quota()
    expect(quota.daily.used).toBe(daily.limit)
    expect(quota.rate_limit.remaining, 'the refused one did not spend a unit of the minute').toBeGreaterThanOrEqual(rate_limit.limit! - 1)
  })

  test('of an admin goes over the day, not over the minute', async ({ admin }) => {
    const { daily, rate_limit } = await admin.quota()
    await useDaily(admin.sub, daily.limit ?? 1_000_000)
    const reply = await trySend(admin)
    expect([200, 201]).toContain(reply.status)
    if (reply instanceof AnswerStream) expect((await reply.readDone()).quota.unlimited).toBe(true)
    await useMinute(admin.sub, rate_limit.limit!)
    const refused = await trySend(admin)
    expect(refused.status).toBe(429)
    if (!(refused instanceof AnswerStream)) expect(refused.json().error.code).toBe('rate_limited')
  })
})

describe('answers at once', () => {
  test('one too many is 429, counts nowhere, and works once another has ended', async ({ alice, skip }) => {
    const limit = (await alice.features()).limits.max_concurrent_streams!
    skip(limit === 0 || limit > 9, 'this stack allows too many to fill')
    const streams = await Promise.all(Array.from({ length: limit }, () => alice.send(null, '[[endless pace=50]] Write on')))
    for (const stream of streams) await stream.readText()
    expect(await leasesOf(alice.sub)).toHaveLength(limit)
    const before = await alice.quota()
    for (const [, trySend] of send) expectRefusal(await trySend(alice), 'too_many_streams')
    expect(await alice.quota()).toEqual({ ...before, rate_limit: expect.anything() })
    for (const stream of streams) {
      await alice.delete(`/api/v1/chat/sessions/${stream.start!.session.id}`)
      await stream.readDone()
    }
    await alice.sendJson(null, '[[text=Yes]] Hello')
  })

  test('a failed answer gives its place back', async ({ alice }) => {
    const limit = (await alice.features()).limits.max_concurrent_streams!
    for (let i = 0; i < Math.min(limit, 3) + 1; i++) await (await alice.send(null, '[[status=400]] Please')).readError()
    await until('no lease is left', async () => (await leasesOf(alice.sub)).length === 0)
    expect((await alice.quota()).daily.used).toBe(0)
  })
})

// (A5) Each is a row for good; that is not what a limit on messages is about.
test('sessions made without a message have a limit of their own', async ({ alice }) => {
  const limit = 60, window = () => Math.floor(Date.now() / 60_000)
  let replies: Reply[] = [], began: number
  do {
    began = window()
    replies = await Promise.all(Array.from({ length: limit + 10 }, () => alice.post('/api/v1/chat/sessions', {})))
  } while (window() !== began)
  const refused = replies.filter((reply) => reply.status !== 201)
  expect(refused).toHaveLength(10)
  for (const reply of refused) {
    const error = expectRefusal(reply, 'rate_limited')
    expect(error.details!.quota!.rate_limit).toMatchObject({ limit, remaining: 0 })
    expect(error.retry_after).toBeLessThanOrEqual(60)
  }
  const { rate_limit } = await alice.quota()
  expect(rate_limit.remaining, 'messages are counted apart').toBe(rate_limit.limit)
  expect(await redis().get((await keysMatching(`chat:create:${alice.sub}:*`)).sort().at(-1)!)).toBe(String(limit))
})

test("the keys are named as documented, and go away by themselves", async ({ alice }) => {
  await alice.sendJson(null, '[[text=Yes]] Hello')
  const today = new Date().toISOString().slice(0, 10)
  const daily = `chat:quota:daily:${alice.sub}:${today}`
  expect(await redis().get(daily)).toBe('1')
  expect(Math.abs((await redis().ttl(daily)) - (nextMidnight() - Date.now() / 1000))).toBeLessThan(5)
  const minutes = await keysMatching(`chat:rate:${alice.sub}:*`)
  expect(minutes).toHaveLength(1)
  const ttl = await redis().ttl(minutes[0]!)
  expect(ttl).toBeGreaterThan(0)
  expect(ttl).toBeLessThanOrEqual(120)
})

test('what is not there costs a unit of the minute, none of the day', async ({ alice }) => {
  const before = await alice.quota()
  const reply = await alice.trySendJson('019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b', 'Hello')
  expect(reply.status).toBe(404)
  expect((await alice.quota()).daily).toEqual(before.daily)
})

test('what is malformed costs nothing', async ({ alice }) => {
  await alice.post('/api/v1/chat/messages', { content: '' })
  await alice.request('/api/v1/chat/messages', { method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' } })
  const quota = await alice.quota()
  expect(quota.rate_limit.remaining).toBe(quota.rate_limit.limit)
  expect(quota.daily.used).toBe(0)
})
