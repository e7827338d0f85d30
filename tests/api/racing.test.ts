// On a stack of its own, with two workers and limits that a race can reach.
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { closeBreaker, dailyUnits, leasesOf, sql } from '../support/stores.ts'
import { AnswerStream } from '../support/sse.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { cancelOf, freshTag } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { expectInvariants } from '../support/invariants.ts'
import { until } from '../support/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack({
    CHAT_WORKERS: '2', CHAT_DAILY_MESSAGE_QUOTA: '20', CHAT_RATE_LIMIT_PER_MINUTE: '100000', CHAT_MAX_CONCURRENT_STREAMS: '100000',
    CHAT_DETACH_GRACE_SECONDS: '0', SAMBANOVA_FIRST_BYTE_TIMEOUT_MS: '800', SAMBANOVA_IDLE_TIMEOUT_MS: '800',
  })
}, 180_000)
afterAll(() => stack?.down(), 60_000)
beforeEach(closeBreaker)

test('of 200 racing sends at a daily quota of 20 exactly 20 are admitted', async () => {
  const user = new User({ name: 'racer', url: stack.url })
  const replies = await Promise.all(Array.from({ length: 200 }, (_, i) =>
    i % 2 ? user.trySend(null, '[[chunks=5 pace=5]] Race') : user.trySendJson(null, '[[chunks=5 pace=5]] Race')))
  for (const reply of replies) {
    if (reply instanceof AnswerStream) await reply.readDone()
    else if (reply.status !== 201) expect(reply.json().error.code).toBe('quota_exceeded')
  }
  expect(replies.filter((r) => r.status === 200 || r.status === 201)).toHaveLength(20)
  expect(await dailyUnits(user.sub)).toBe(20)
  expect((await user.quota()).daily).toMatchObject({ used: 20, remaining: 0 })
  expect(await sql('SELECT 1 FROM chat_sessions WHERE user_id = $1', [user.sub])).toHaveLength(20)
  await expectInvariants(user)
}, 60_000)

test('at a grace of 0 an answer that nobody reads is stopped, stored and counted', async () => {
  const user = new User({ name: 'leaver', url: stack.url })
  const tag = freshTag()
  const stream = await user.send(null, `[[endless pace=20 tag=${tag}]] Write on`)
  await stream.readText(48)
  const left = Date.now()
  stream.leave()
  const cancel = await until('upstream saw the close', () => cancelOf(tag), 5_000)
  expect(cancel.epoch_ms - left).toBeLessThan(1_000)
  const stored = await until('it is stored', async () => {
    const message = await user.message(stream.start!.message.id)
    return message.status === 'streaming' ? undefined : message
  })
  expect(stored.status).toBe('stopped')
  expect(stored.content.startsWith(stream.content)).toBe(true)
  expect(stored.token_count).toBeGreaterThan(0)
  await until('the lease is gone', async () => (await leasesOf(user.sub)).length === 0)
  await expectInvariants(user)
})

test.for([['stall=0', 504], ['stall=3 chunks=9', 200], ['stall=2 chunks=9 comments_forever', 200]] as const)(
  'a completion whose upstream falls silent by %s is a timeout', async ([script, status]) => {
    const user = new User({ name: 'waiter', url: stack.url })
    const ask = { stream: true, messages: [{ role: 'user', content: `[[${script}]] Well?` }] }
    const reply = await user.request('/api/v1/chat/completions', { method: 'POST', json: ask })
    expect(reply.status).toBe(status)
    const error = status === 200 ? reply.body.trimEnd().split('\n\n').at(-1)!.replace('data: ', '') : reply.body
    expect(JSON.parse(error).error.code).toBe('upstream_timeout')
    expect(reply.body).not.toContain('[DONE]')
    expect(await dailyUnits(user.sub)).toBe(status === 200 ? 1 : 0)
  })

test('an upstream that falls silent before the first byte is a timeout, and costs nothing of the day', async () => {
  const user = new User({ name: 'waiter', url: stack.url })
  const { error, message } = await (await user.send(null, '[[stall=0]] Well?')).readError()
  expect(error.code).toBe('upstream_timeout')
  expect(message.status).toBe('failed')
  await user.sendJson(null, '[[text=Yes]] Again')
  await expectInvariants(user)
})

test('an upstream that falls silent in mid-answer is a timeout, and the text is kept', async () => {
  const user = new User({ name: 'waiter', url: stack.url })
  const stream = await user.send(null, '[[stall=3 chunks=9 size=8]] Well?')
  const { error, message } = await stream.readError()
  expect(error.code).toBe('upstream_timeout')
  expect(message.content_bytes).toBe(24)
  await user.sendJson(null, '[[text=Yes]] Again')
  await expectInvariants(user)
})

test('comments keep no answer alive', async () => {
  const user = new User({ name: 'waiter', url: stack.url })
  const { error } = await (await user.send(null, '[[stall=2 chunks=9 comments_forever]] Well?')).readError()
  expect(error.code).toBe('upstream_timeout')
  await user.sendJson(null, '[[text=Yes]] Again')
  await expectInvariants(user)
})
