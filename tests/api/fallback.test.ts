// The fallback model, on a stack that has one and offers a model which the provider doesn't know.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { open } from '../support/http.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { sql } from '../support/stores.ts'
import { expect, test } from '../support/test.ts'
import { seenUpstream } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack({
    CHAT_WORKERS: '1', SAMBANOVA_MODELS: 'withdrawn', SAMBANOVA_FALLBACK_MODEL: 'test-spare', SAMBANOVA_PRICES: 'withdrawn=9/9,test-spare=1000000/1000000',
  })
}, 180_000)
afterAll(() => stack?.down(), 60_000)

const completions = '/api/v1/chat/completions'
const user = () => new User({ name: 'fallback', url: stack.url })
const logged = async (word: string, event: string) =>
  (await readFile(join(stack.stateDir, 'log', 'workers.log'), 'utf8')).split('\n')
    .filter((line) => line.includes(word)).map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.event === event)

test('an answer: start names the model wanted; done, row, cost and log the one that wrote it', async () => {
  const alice = user()
  const session = await alice.createSession({ model: 'withdrawn' })
  const seen = await seenUpstream(async (nonce) => {
    const stream = await alice.send(session.id, `[[chunks=2]] ${nonce}`)
    const done = await stream.readDone()
    expect(stream.start!.message.model).toBe('withdrawn')
    expect(done.message.model).toBe('test-spare')
    expect(done.session.model, 'the session keeps its own').toBe('withdrawn')
    const stored = await alice.message(done.message.id)
    expect(stored).toMatchObject({ model: 'test-spare', status: 'complete', content: stream.content })
    const [row] = await sql<{ cost_micro_usd: string }>('SELECT cost_micro_usd FROM chat_messages WHERE id = $1', [stored.id])
    expect(Number(row!.cost_micro_usd), 'a dollar a token').toBe(stored.usage!.total_tokens * 1_000_000)
    const [line] = await until('the change is in the log', async () => {
      const lines = await logged(stored.id, 'upstream_fallback')
      return lines.length > 0 ? lines : undefined
    })
    expect(line).toMatchObject({ code: 'model_not_found', model: 'test-spare', attempt: 1 })
    expect(await logged(stored.id, 'answer_ended')).toMatchObject([{ model: 'test-spare', tries: 2 }])
  })
  expect(seen.body.model).toBe('test-spare')
  expect((await alice.quota()).daily.used).toBe(1)
})

test.for([true, false])('a completion, streamed %s: every field as it came but the model, which the answer tells', async (stream) => {
  const alice = user()
  const seen = await seenUpstream(async (nonce) => {
    const json = { messages: [{ role: 'user', content: `[[chunks=2]] "model": ${nonce}` }], seed: 7, model: 'withdrawn', stream, unheard_of: { model: 'withdrawn' } }
    const reply = await open(completions, { url: stack.url, method: 'POST', headers: { Authorization: `Bearer ${alice.token}` }, json })
    expect(reply.statusCode).toBe(200)
    const body = await reply.body.text()
    expect(body).toContain('"model":"test-spare"')
    expect(body).not.toContain('model_not_found')
  })
  expect(seen.body).toMatchObject({ model: 'test-spare', seed: 7, unheard_of: { model: 'withdrawn' } })
  expect((await alice.quota()).daily.used).toBe(1)
})

test('what the model is not to blame for stays an error', async () => {
  expect((await user().post(completions, { messages: [{ role: 'user', content: '[[status=422]] Hi' }] })).status).toBe(400)
  expect((await user().trySendJson(null, '[[status=500]] Hi')).status).toBe(502)
})
