// What the user thought of an answer.
import { randomUUID } from 'node:crypto'
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'

const path = (id: string) => `/api/v1/chat/messages/${id}/feedback`
const stored = async (id: string) =>
  (await sql<{ feedback: string | null; feedback_comment: string | null }>('SELECT feedback, feedback_comment FROM chat_messages WHERE id = $1', [id]))[0]

test('up, down, and withdrawn: the message has the last one', async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
  const steps: [object, 'up' | 'down' | null, string | null][] = [
    [{ rating: 'up' }, 'up', null],
    [{ rating: 'down', comment: 'The second step is missing. 😀' }, 'down', 'The second step is missing. 😀'],
    [{ rating: 'down', comment: null }, 'down', null],
    [{ rating: 'up', comment: ' \n ' }, 'up', null],
    [{ rating: 'none', comment: 'never mind' }, null, null],
  ]
  for (const [body, feedback, comment] of steps) {
    const reply = await alice.put(path(message.id), body)
    expect(reply.status, reply.body).toBe(200)
    expect(reply.json()).toEqual({ ...message, feedback })
    expect(await alice.message(message.id)).toEqual({ ...message, feedback })
    expect(await stored(message.id)).toEqual({ feedback, feedback_comment: comment })
  }
})

test('it costs nothing, and an answer being written takes it and keeps it', async ({ alice }) => {
  const stream = await alice.send(null, '[[chunks=20 size=8 pace=40]] Slowly')
  await stream.readText()
  const { id } = stream.start!.message
  expect((await alice.put(path(id), { rating: 'up' })).json()).toMatchObject({ id, feedback: 'up' })
  await stream.readDone()
  expect((await alice.message(id)).feedback).toBe('up')
  expect((await alice.quota()).daily.used).toBe(1)
})

test('a comment is counted in code points', async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
  expect((await alice.put(path(message.id), { rating: 'up', comment: '😀'.repeat(2000) })).status).toBe(200)
  const reply = await alice.put(path(message.id), { rating: 'down', comment: '😀'.repeat(2001) })
  expect(reply.status).toBe(422)
  expect(reply.json().error.details.fields).toHaveProperty('comment')
  expect((await alice.message(message.id)).feedback).toBe('up')
})

describe('refused', () => {
  test.for<[string, object, string]>([
    ['no rating', {}, 'rating'], ['a rating null', { rating: null }, 'rating'], ['another rating', { rating: 'Up' }, 'rating'], ['a number', { rating: 1 }, 'rating'],
    ['a comment that is no text', { rating: 'up', comment: 5 }, 'comment'], ['a field it has not', { rating: 'up', user_id: 'bob' }, 'user_id'],
  ])('%s is 422', async ([, body, field], { alice }) => {
    const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    const reply = await alice.put(path(message.id), body)
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty(field)
    expect((await stored(message.id))!.feedback).toBeNull()
  })

  test('a question is 422', async ({ alice }) => {
    const { user_message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    const reply = await alice.put(path(user_message.id), { rating: 'up' })
    expect(reply.status).toBe(422)
    expect(reply.json().error).toMatchObject({ code: 'validation_failed', param: 'id' })
  })

  test("somebody else's is like one that does not exist", async ({ alice, bob }) => {
    const { message } = await bob.sendJson(null, '[[text=Yes]] Hello')
    const [foreign, missing] = [await alice.put(path(message.id), { rating: 'up' }), await alice.put(path(randomUUID()), { rating: 'up' })]
    expect(foreign.status).toBe(404)
    expect(foreign.json().error.code).toBe('message_not_found')
    expect(foreign.body.replaceAll(foreign.requestId, '')).toBe(missing.body.replaceAll(missing.requestId, ''))
    expect((await bob.message(message.id)).feedback).toBeNull()
  })

  test('in a deleted session it is 404', async ({ alice }) => {
    const { session, message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    await alice.delete(`/api/v1/chat/sessions/${session.id}`)
    expect((await alice.put(path(message.id), { rating: 'up' })).status).toBe(404)
  })
})
