// Idempotency-Key: a request sent again is the same request, gets what the first one made, and counts nothing.
import { randomUUID } from 'node:crypto'
import { describe, expect, test } from '../support/test.ts'
import { sql } from '../support/stores.ts'
import { generatedText } from '../support/upstream.ts'
import type { components } from '../support/types.ts'

type Schemas = components['schemas']

const keyed = (key: string = randomUUID()) => ({ 'Idempotency-Key': key })

test('a session is made once', async ({ alice }) => {
  const headers = keyed()
  const first = await alice.post('/api/v1/chat/sessions', { title: 'Once' }, headers)
  const again = await alice.post('/api/v1/chat/sessions', { title: 'Once' }, headers)
  expect([first.status, again.status]).toEqual([201, 201])
  expect(again.json()).toEqual(first.json())
  expect((await alice.list()).items).toHaveLength(1)
})

test('a finished answer is given again, as events and as JSON', async ({ alice }) => {
  const headers = keyed()
  const first = await alice.send(null, '[[chunks=5 size=9]] Once', headers)
  const done = await first.readDone()
  const events = await alice.send(null, '[[chunks=5 size=9]] Once', headers)
  await events.readDone()
  expect(events.start!.message.id).toBe(done.message.id)
  expect(events.content).toBe(generatedText(5, 9))
  const json = await alice.sendJson(null, '[[chunks=5 size=9]] Once', headers)
  expect(json.message).toMatchObject({ id: done.message.id, content: generatedText(5, 9) })
  expect(json.session.id).toBe(done.session.id)
  expect((await alice.quota()).daily.used).toBe(1)
  expect((await alice.session(done.session.id)).messages).toHaveLength(2)
})

test('an answer being written is attached to', async ({ alice }) => {
  const headers = keyed()
  const first = await alice.send(null, '[[chunks=40 size=9 pace=20]] Slow', headers)
  await first.read((event) => event.event === 'delta')
  const second = await alice.send(null, '[[chunks=40 size=9 pace=20]] Slow', headers)
  await Promise.all([first.readDone(), second.readDone()])
  expect(second.start!.message.id).toBe(first.start!.message.id)
  expect(second.content).toBe(generatedText(40, 9))
  expect((await alice.quota()).daily.used).toBe(1)
})

test('ten at once: one question, one answer, ten times the same', async ({ alice }) => {
  const headers = keyed()
  const session = await alice.createSession()
  const streams = await Promise.all(
    Array.from({ length: 10 }, () => alice.send(session.id, '[[chunks=20 size=9 pace=10]] All', headers)),
  )
  await Promise.all(streams.map((stream) => stream.readDone()))
  expect(new Set(streams.map((stream) => stream.start!.message.id)).size).toBe(1)
  for (const stream of streams) expect(stream.content).toBe(generatedText(20, 9))
  expect((await alice.session(session.id)).messages).toHaveLength(2)
  const quota = await alice.quota()
  expect(quota.daily.used).toBe(1)
})

test('a regenerate is made once', async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[text=Yes]] Again')
  const headers = keyed()
  const path = `/api/v1/chat/messages/${message.id}/regenerate`
  const first = await alice.stream(path, { method: 'POST', json: {}, headers })
  const done = await first.readDone()
  const again = await alice.stream(path, { method: 'POST', json: {}, headers })
  await again.readDone()
  expect(again.start!.message.id).toBe(done.message.id)
  expect((await alice.session(message.session_id)).messages).toHaveLength(3)
})

test('key and fingerprint are stored with the row that the request made first', async ({ alice }) => {
  const headers = [keyed(), keyed(), keyed()] as const
  const { user_message, session } = await alice.sendJson(null, '[[text=Yes]] One', headers[0])
  const second = await alice.sendJson(session.id, '[[text=Yes]] Two', headers[1])
  const stream = await alice.stream(`/api/v1/chat/messages/${second.message.id}/regenerate`, { method: 'POST', json: {}, headers: headers[2] })
  const anew = await stream.readDone()
  await alice.sendJson(session.id, '[[text=Yes]] Without')
  const rows = await sql<{ id: string; key: string }>(
    `SELECT id, idempotency_key AS key FROM chat_messages
     WHERE user_id = $1 AND idempotency_key IS NOT NULL AND length(idempotency_fingerprint) = 16 ORDER BY seq`, [alice.sub])
  const keys = headers.map((header) => header['Idempotency-Key'])
  expect(rows).toEqual([
    { id: user_message.id, key: keys[0] }, { id: second.user_message.id, key: keys[1] }, { id: anew.message.id, key: keys[2] },
  ])
})

describe('another request with the same key', () => {
  const others: [string, object][] = [
    ['other content', { content: '[[text=No]] Other' }],
    ['another model', { content: '[[text=Yes]] Same', model: 'Meta-Llama-3.3-70B-Instruct' }],
  ]
  test.for(others)('%s is 422', async ([, body], { alice }) => {
    const headers = keyed()
    await alice.sendJson(null, '[[text=Yes]] Same', headers)
    const reply = await alice.post('/api/v1/chat/messages', body, headers)
    expect(reply.status).toBe(422)
    expect(reply.json<Schemas['ErrorBody']>().error.code).toBe('idempotency_mismatch')
    expect((await alice.quota()).daily.used).toBe(1)
  })

  test('another route is 422', async ({ alice }) => {
    const headers = keyed()
    const session = await alice.createSession()
    await alice.sendJson(session.id, '[[text=Yes]] Same', headers)
    const reply = await alice.trySendJson(null, '[[text=Yes]] Same', headers)
    expect(reply.status).toBe(422)
  })

  test('`stream` makes no other request', async ({ alice }) => {
    const headers = keyed()
    const first = await alice.sendJson(null, '[[text=Yes]] Same', headers)
    const stream = await alice.send(null, '[[text=Yes]] Same', headers)
    expect((await stream.readDone()).message.id).toBe(first.message.id)
  })

  test("is another user's own", async ({ alice, bob }) => {
    const headers = keyed()
    const [a, b] = [await alice.sendJson(null, '[[text=Yes]] Same', headers), await bob.sendJson(null, '[[text=Yes]] Same', headers)]
    expect(a.message.id).not.toBe(b.message.id)
  })
})

describe('what the first made was deleted since (A1)', () => {
  test('a session: 404 at once, with its id', async ({ alice }) => {
    const headers = keyed()
    const { id } = (await alice.post('/api/v1/chat/sessions', { title: 'Once' }, headers)).json<Schemas['Session']>()
    await alice.delete(`/api/v1/chat/sessions/${id}`)
    const again = await Promise.all(Array.from({ length: 20 }, () => alice.post('/api/v1/chat/sessions', { title: 'Once' }, headers)))
    for (const reply of again) {
      expect(reply.status).toBe(404)
      expect(reply.json<Schemas['ErrorBody']>().error).toMatchObject({ code: 'session_not_found', details: { was: id } })
    }
    expect((await alice.list()).items).toHaveLength(0)
  })

  test('an answer: 404 at once, with its id, in either form', async ({ alice }) => {
    const headers = keyed()
    const { message, session } = await alice.sendJson(null, '[[text=Yes]] Once', headers)
    await alice.delete(`/api/v1/chat/sessions/${session.id}`)
    for (const reply of [await alice.trySendJson(null, '[[text=Yes]] Once', headers), await alice.post('/api/v1/chat/messages', { content: '[[text=Yes]] Once' }, headers)]) {
      expect(reply.status).toBe(404)
      expect(reply.json<Schemas['ErrorBody']>().error).toMatchObject({ code: 'message_not_found', details: { was: message.id } })
    }
    expect((await alice.quota()).daily.used).toBe(1)
  })
})

test('a request that was refused frees its key', async ({ alice }) => {
  const headers = keyed()
  const refused = await alice.post(`/api/v1/chat/sessions/${randomUUID()}/messages`, { content: 'Hi' }, headers)
  expect(refused.status).toBe(404)
  await alice.sendJson(null, '[[text=Yes]] Fine', headers)
})

describe('the body is looked at before the key', () => {
  const bodies: [string, object, number, string][] = [
    ['messages', { content: '' }, 422, 'validation_failed'],
    ['messages', { content: '  ' }, 422, 'validation_failed'],
    ['messages', { content: 'Hi', model: 'no-such-model' }, 404, 'model_not_found'],
    ['sessions', { title: '' }, 422, 'validation_failed'],
    ['sessions', { model: 'no-such-model' }, 404, 'model_not_found'],
  ]
  test.for(bodies)('%s %o', async ([what, body, status, code], { alice }) => {
    const used = keyed()
    expect((await alice.post('/api/v1/chat/sessions', { title: 'Once' }, used)).status).toBe(201)
    for (const headers of [used, keyed('k'.repeat(129))]) {
      const reply = await alice.post(`/api/v1/chat/${what}`, body, headers)
      expect(reply.status, reply.body).toBe(status)
      const { error } = reply.json<Schemas['ErrorBody']>()
      expect(error.code).toBe(code)
      if (status === 422) expect(error.details!.fields).toHaveProperty([error.param!])
    }
  })
})

describe('what is no key', () => {
  test.for([['k'.repeat(129)], ['two words'], ['tab\tbed'], ['']])('"%s" is 400', async ([key], { alice }) => {
    const reply = await alice.post('/api/v1/chat/sessions', {}, keyed(key!))
    expect(reply.status).toBe(400)
    expect(reply.json<Schemas['ErrorBody']>().error).toMatchObject({ code: 'invalid_request', param: 'Idempotency-Key' })
  })
})
