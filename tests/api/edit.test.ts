// Sending in the place of an earlier question: it and all after it are superseded.
import { randomUUID } from 'node:crypto'
import { forgetMinute } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { seenUpstream } from '../support/upstream.ts'
import { sendPath, type User } from '../support/user.ts'

/** Three questions with their answers: q1 a1 q2 a2 q3 a3. */
async function threeAsked(user: User) {
  const { session } = await user.sendJson(null, '[[text=One]] First')
  await user.sendJson(session.id, '[[text=Two]] Second')
  await user.sendJson(session.id, '[[text=Three]] Third')
  return { session, messages: (await user.session(session.id)).messages }
}

test('it and all after it are superseded by the new question, what is before stays', async ({ alice }) => {
  const { session, messages } = await threeAsked(alice)
  const stream = await alice.send(session.id, { content: '[[text=New]] Second, better', replaces: messages[2]!.id })
  const done = await stream.readDone()
  const question = stream.start!.user_message
  expect(question).toMatchObject({ parent_id: messages[1]!.id, seq: 7, superseded_by: null })
  const after = (await alice.session(session.id)).messages
  expect(after.map((m) => m.superseded_by)).toEqual([null, null, question.id, question.id, question.id, question.id, null, null])
  expect(after.slice(0, 6).map((m) => m.content)).toEqual(messages.map((m) => m.content))
  expect(after.at(-1)!.id).toBe(done.message.id)
})

test('the model sees the edited conversation alone', async ({ alice }) => {
  const { body, nonce } = await seenUpstream(async (nonce) => {
    await forgetMinute(alice.sub)
    const { session } = await alice.sendJson(null, '[[text=One]] First')
    const { user_message } = await alice.sendJson(session.id, '[[text=Two]] Second')
    await alice.sendJson(session.id, { content: `[[text=New]] ${nonce}`, replaces: user_message.id })
  })
  expect(body.messages).toEqual([
    { role: 'user', content: '[[text=One]] First' }, { role: 'assistant', content: 'One' }, { role: 'user', content: `[[text=New]] ${nonce}` },
  ])
})

test('the first question too; then the edit itself', async ({ alice }) => {
  const { session, user_message } = await alice.sendJson(null, '[[text=One]] First')
  const edit = await alice.sendJson(session.id, { content: '[[text=Two]] First, better', replaces: user_message.id.toUpperCase() })
  expect(edit.user_message.parent_id).toBeNull()
  const second = await alice.sendJson(session.id, { content: '[[text=Three]] First, best', replaces: edit.user_message.id })
  const { messages } = await alice.session(session.id)
  expect(messages.filter((m) => m.superseded_by === null).map((m) => m.id)).toEqual([second.user_message.id, second.message.id])
})

test('the edit stands though its answer failed', async ({ alice }) => {
  const { session, user_message } = await alice.sendJson(null, '[[text=One]] First')
  const stream = await alice.send(session.id, { content: '[[status=500]] Broken', replaces: user_message.id })
  await stream.readError()
  expect((await alice.message(user_message.id)).superseded_by).toBe(stream.start!.user_message.id)
})

describe('refused, and nothing is superseded', () => {
  test.for<[string, (messages: { id: string }[], foreign: string) => unknown, number, string]>([
    ['an answer', (messages) => messages[1]!.id, 422, 'validation_failed'],
    ['a message of another session', (_, foreign) => foreign, 404, 'message_not_found'],
    ['a message that does not exist', () => randomUUID(), 404, 'message_not_found'],
    ['no UUID', () => 'x', 422, 'validation_failed'],
    ['a number', () => 5, 422, 'validation_failed'],
  ])('%s', async ([, replaces, status, code], { alice }) => {
    const other = await alice.sendJson(null, '[[text=Elsewhere]] Other')
    const { session } = await alice.sendJson(null, '[[text=One]] First')
    const before = (await alice.session(session.id)).messages
    const reply = await alice.post(sendPath(session.id), { content: 'Hello', replaces: replaces(before, other.user_message.id) })
    expect(reply.status, reply.body).toBe(status)
    expect(reply.json().error.code).toBe(code)
    if (status === 422) expect(reply.json().error.details.fields).toHaveProperty('replaces')
    expect((await alice.session(session.id)).messages).toEqual(before)
    expect((await alice.quota()).daily.used).toBe(2)
  })

  test('a question that was replaced already', async ({ alice }) => {
    const { session, user_message } = await alice.sendJson(null, '[[text=One]] First')
    await alice.sendJson(session.id, { content: '[[text=Two]] Better', replaces: user_message.id })
    const reply = await alice.post(sendPath(session.id), { content: 'Again', replaces: user_message.id })
    expect(reply.status).toBe(422)
    expect(reply.json().error.param).toBe('replaces')
  })

  test('while an answer is being written', async ({ alice }) => {
    const stream = await alice.send(null, '[[endless pace=20]] On')
    await stream.readText()
    const { session, user_message, message } = stream.start!
    const reply = await alice.post(sendPath(session.id), { content: 'Better', replaces: user_message.id })
    expect(reply.status).toBe(409)
    expect((await alice.message(user_message.id)).superseded_by).toBeNull()
    await alice.post(`/api/v1/chat/messages/${message.id}/stop`)
    await stream.readDone()
  })
})
