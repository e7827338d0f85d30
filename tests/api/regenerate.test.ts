// Another answer to the same question: it takes the old one's place once it has text, and is counted like a send.
import { randomUUID } from 'node:crypto'
import { AnswerStream } from '../support/sse.ts'
import { forgetMinute } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { seenUpstream } from '../support/upstream.ts'
import type { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const path = (id: string) => `/api/v1/chat/messages/${id}/regenerate`
const again = (user: User, id: string, body: object = {}) => user.stream(path(id), { method: 'POST', json: body })

/** Question and answer in a session of their own. The marker is obeyed by each answer to the question. */
async function asked(user: User, content = '[[chunks=3 size=10]] Why?') {
  const { session, user_message, message } = await user.sendJson(null, content)
  return { session, question: user_message, old: message }
}

describe('as events', () => {
  test('start has the question, done the new answer, and the old one is superseded', async ({ alice }) => {
    const { session, question, old } = await asked(alice)
    const stream = await again(alice, old.id)
    const done = await stream.readDone()
    expect(stream.start!.user_message).toEqual(question)
    expect(stream.start!.message).toMatchObject({ session_id: session.id, parent_id: question.id, status: 'streaming', content: '', seq: old.seq + 1 })
    expect(done.message).toMatchObject({ id: stream.start!.message.id, status: 'complete', superseded_by: null })
    expect(done.message.id).not.toBe(old.id)
    expect(stream.content).toBe(old.content)
    expect(await alice.message(old.id)).toEqual({ ...old, superseded_by: done.message.id })
    expect((await alice.session(session.id)).messages.map((m) => m.id)).toEqual([question.id, old.id, done.message.id])
  })

  test('the old answer stands until the new one has ended with text', async ({ alice }) => {
    const { old } = await asked(alice, '[[chunks=30 size=8 pace=40]] Slowly')
    const stream = await again(alice, old.id)
    await stream.readStart()
    expect((await alice.message(old.id)).superseded_by).toBeNull()
    const done = await stream.readDone()
    expect((await alice.message(old.id)).superseded_by).toBe(done.message.id)
  })

  test('no body at all is as good as an empty object', async ({ alice }) => {
    const { old } = await asked(alice)
    const stream = await alice.stream(path(old.id), { method: 'POST' })
    expect((await stream.readDone()).message.status).toBe('complete')
  })

  test('one that fails without text takes no place, and costs nothing of the day', async ({ alice }) => {
    const first = await alice.send(null, '[[status=500]] Broken')
    const { message: old } = await first.readError()
    const { message } = await (await again(alice, old.id)).readError()
    expect(message).toMatchObject({ parent_id: old.parent_id, status: 'failed' })
    await (await again(alice, message.id)).readError()
    const { messages } = await alice.session(old.session_id)
    expect(messages.map((m) => m.superseded_by)).toEqual([null, null, null, null])
    expect((await alice.quota()).daily.used).toBe(0)
  })
})

test('as JSON it is 201 with question, answer and quota', async ({ alice }) => {
  const { question, old } = await asked(alice)
  const reply = await alice.post(path(old.id), { stream: false })
  expect(reply.status, reply.body).toBe(201)
  const { user_message, message, quota } = reply.json()
  expect(user_message).toEqual(question)
  expect(message).toMatchObject({ parent_id: question.id, status: 'complete', content: old.content })
  expect(quota.daily.used).toBe(2)
  expect(reply.headers).toMatchObject({ 'x-ratelimit-remaining': '8', 'x-daily-quota-remaining': '98' })
  alice.usedBefore = 1 // this answer is none of those that `shown` knows
})

test('another model can be asked, and writes it', async ({ alice }) => {
  const { models, default_model } = await alice.features()
  const other = models.find((model) => model !== default_model) ?? default_model
  const { old } = await asked(alice)
  const done = await (await again(alice, old.id, { model: other })).readDone()
  expect(done.message.model).toBe(other)
})

test('the model is asked what it was asked before, without its old answer', async ({ alice }) => {
  const { body, nonce } = await seenUpstream(async (nonce) => {
    await forgetMinute(alice.sub)
    const { session } = await alice.sendJson(null, '[[text=One]] First')
    const { message } = await alice.sendJson(session.id, `[[text=Two]] ${nonce}`)
    await (await again(alice, message.id)).readDone()
  })
  expect(body.messages).toEqual([
    { role: 'user', content: '[[text=One]] First' }, { role: 'assistant', content: 'One' }, { role: 'user', content: `[[text=Two]] ${nonce}` },
  ])
})

describe('refused', () => {
  test('while an answer is being written: 409 names it', async ({ alice }) => {
    const { session, old } = await asked(alice)
    const running = await alice.send(session.id, '[[endless pace=20]] On and on')
    await running.readText()
    const active = running.start!.message.id
    const reply = await alice.post(path(active), {})
    expect(reply.status).toBe(409)
    expect(reply.json().error).toMatchObject({ code: 'generation_in_progress', details: { active_message_id: active } })
    await alice.post(`/api/v1/chat/messages/${active}/stop`)
    await running.readDone()
    expect((await alice.message(old.id)).superseded_by).toBeNull()
  })

  test('two at once: one answer is written, the other is 409', async ({ alice }) => {
    const { old } = await asked(alice, '[[chunks=20 size=8 pace=30]] Race')
    const both = await Promise.all([alice.tryStream(path(old.id), { method: 'POST', json: {} }), alice.tryStream(path(old.id), { method: 'POST', json: {} })])
    const streams = both.filter((got) => got instanceof AnswerStream)
    expect(streams).toHaveLength(1)
    expect(both.find((got) => !(got instanceof AnswerStream))).toMatchObject({ status: 409 })
    await streams[0]!.readDone()
  })

  test('an earlier answer, a question and a superseded answer are 422 and cost nothing of the day', async ({ alice }) => {
    const { session, question, old } = await asked(alice)
    const { message: last } = await alice.sendJson(session.id, '[[text=Yes]] And?')
    const done = await (await again(alice, last.id)).readDone()
    for (const id of [old.id, question.id, last.id]) {
      const reply = await alice.post(path(id), {})
      expect(reply.status).toBe(422)
      expect(reply.json().error).toMatchObject({ code: 'validation_failed', param: 'id', details: { fields: { id: expect.any(String) } } })
      expect(reply.headers['x-daily-quota-remaining']).toBe('97')
    }
    expect((await alice.message(done.message.id)).superseded_by).toBeNull()
    expect((await alice.quota()).daily.used).toBe(3)
  })

  test.for<[string, object, number, string]>([
    ['a model not offered', { model: 'no-such-model' }, 404, 'model_not_found'], ['a field it has not', { content: 'Hello' }, 422, 'validation_failed'],
    ['stream a text', { stream: 'yes' }, 422, 'validation_failed'],
  ])('%s is refused before anything is counted', async ([, body, status, code], { alice }) => {
    const { old } = await asked(alice)
    const reply = await alice.post(path(old.id), body)
    expect(reply.status).toBe(status)
    expect(reply.json().error.code).toBe(code)
    expect((await alice.quota()).rate_limit.remaining).toBe(9)
  })

  test("somebody else's answer is like one that does not exist", async ({ alice, bob }) => {
    const { old } = await asked(bob)
    const [foreign, missing] = [await alice.post(path(old.id), {}), await alice.post(path(randomUUID()), {})]
    expect(foreign.status).toBe(404)
    expect(foreign.json().error.code).toBe('message_not_found')
    expect(foreign.body.replaceAll(foreign.requestId, '')).toBe(missing.body.replaceAll(missing.requestId, ''))
    expect((await alice.quota()).daily.used).toBe(0)
  })
})

test('it is counted like a send', async ({ alice }) => {
  const { old } = await asked(alice)
  const stream = await again(alice, old.id)
  expect(stream.headers).toMatchObject({ 'x-ratelimit-remaining': '8', 'x-daily-quota-remaining': '98' })
  await stream.readDone()
  await until('two units', async () => (await alice.quota()).daily.used === 2)
})
