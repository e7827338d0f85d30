// Coming back to an answer: while it is written, after it is done, from any byte, without loss or repeat.
import { describe, expect, test } from '../support/test.ts'
import { generatedText } from '../support/upstream.ts'
import { request } from '../support/http.ts'

const streamPath = (id: string) => `/api/v1/chat/messages/${id}/stream`
const from = (text: string, bytes: number) => Buffer.from(text).subarray(bytes).toString('utf8')

describe('while it is being written', () => {
  test('a second reader sees all of it', async ({ alice }) => {
    const first = await alice.send(null, '[[chunks=40 size=12 pace=20]] Slowly')
    await first.readText(60)
    const second = await alice.attach(first.start!.message.id)
    await Promise.all([first.readDone(), second.readDone()])
    expect(second.content).toBe(generatedText(40, 12))
    expect(second.start!.message.id).toBe(first.start!.message.id)
    expect(second.closing!.data.message).toEqual(first.closing!.data.message)
  })

  test('one who left goes on where they were', async ({ alice }) => {
    const first = await alice.send(null, '[[reasoning=10 chunks=40 size=20 pace=15 utf8]] Slowly')
    await first.readText(100)
    const { lastId, content, reasoning } = first
    first.leave()
    const second = await alice.attach(first.start!.message.id, lastId)
    await second.readDone()
    expect(second.start, 'a continued stream begins with the next delta').toBeUndefined()
    expect(content + second.content).toBe(generatedText(40, 20, { utf8: true }))
    expect(reasoning + second.reasoning).toBe(generatedText(10, 20, { prefix: 'r', utf8: true }))
  })

  test('many readers that come and go all read the same', async ({ alice }) => {
    const text = generatedText(60, 10)
    const first = await alice.send(null, '[[chunks=60 size=10 pace=15]] Slowly')
    await first.readStart()
    const id = first.start!.message.id
    const readers = Array.from({ length: 5 }, async (_, i) => {
      let seen = ''
      let last: string | undefined
      for (;;) {
        const stream = await alice.attach(id, last)
        const want = Buffer.byteLength(stream.content) + 40 + i * 30
        while (!stream.closing && Buffer.byteLength(stream.content) < want && (await stream.next()));
        seen += stream.content
        if (stream.closing) return seen
        last = stream.lastId
        stream.leave()
      }
    })
    expect(await Promise.all(readers)).toEqual(Array(5).fill(text))
    await first.readDone()
  })
})

describe('when it is done', () => {
  test('it is replayed, whole or from a byte', async ({ alice }) => {
    const first = await alice.send(null, '[[reasoning=3 chunks=8 size=12 utf8]] Quickly')
    await first.readDone()
    const id = first.start!.message.id
    const whole = await alice.attach(id)
    await whole.readDone()
    expect([whole.content, whole.reasoning]).toEqual([first.content, first.reasoning])
    expect(whole.closing!.data.message).toEqual(first.closing!.data.message)
    for (const event of first.events.filter((e) => e.event === 'delta' || e.event === 'reasoning' || e.event === 'start')) {
      const [r, c] = event.id!.split('.').map(Number) as [number, number]
      const rest = await alice.attach(id, event.id)
      await rest.readDone()
      expect(rest.content).toBe(from(first.content, c))
      expect(rest.reasoning).toBe(from(first.reasoning, r))
    }
  })

  test('the id in the address is as good as the header', async ({ alice }) => {
    const { message } = await alice.sendJson(null, '[[chunks=4 size=10]] Quickly')
    const rest = await alice.stream(`${streamPath(message.id)}?last_event_id=0.10`)
    await rest.readDone()
    expect(rest.content).toBe(from(message.content, 10))
  })

  test('after its closing event there is nothing: 204', async ({ alice }) => {
    const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    expect((await alice.get(streamPath(message.id), { 'Last-Event-ID': 'end' })).status).toBe(204)
    expect((await alice.get(`${streamPath(message.id)}?last_event_id=end`)).status).toBe(204)
  })

  test('a failed one ends with its error again', async ({ alice }) => {
    const first = await alice.send(null, '[[error_at=3 chunks=6 size=8]] Break')
    const { message } = await first.readError()
    const again = await alice.attach(message.id)
    const closing = await again.readAll()
    expect(closing.closing!.event).toBe('error')
    expect(again.content).toBe(first.content)
  })

  test('replaying counts nothing', async ({ alice }) => {
    const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    const before = await alice.quota()
    await (await alice.attach(message.id)).readDone()
    expect((await alice.quota()).daily).toEqual(before.daily)
  })
})

test('the cookie is enough, as EventSource has nothing else', async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
  const reply = await request(streamPath(message.id), { headers: { Cookie: `__Host-chat_token=${alice.token}`, Accept: 'text/event-stream' } })
  expect(reply.status).toBe(200)
  expect(reply.headers['content-type']).toMatch(/^text\/event-stream/)
  expect(reply.body.match(/^event: done$/gm)).toHaveLength(1)
})

test('a question has none: 422', async ({ alice }) => {
  const { user_message } = await alice.sendJson(null, '[[text=Yes]] Hi')
  const reply = await alice.get(streamPath(user_message.id))
  expect(reply.status).toBe(422)
  expect(reply.json().error).toMatchObject({ code: 'validation_failed', details: { fields: { id: expect.stringMatching(/\S/) } } })
})

test("a place that can't be is 400", async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
  for (const id of ['x', '1', '1.', '.1', '-1.0', '0.0x', '0.0.0', '99999999999999999999.0'])
    expect((await alice.get(streamPath(message.id), { 'Last-Event-ID': id })).status, id).toBe(400)
  for (const query of ['last_event_id=%zz', 'last_event_id=0', 'last_event_id=0.1&last_event_id=0.1'])
    expect((await alice.get(`${streamPath(message.id)}?${query}`)).status, query).toBe(400)
})

test("somebody else's is 404", async ({ alice, bob }) => {
  const { message } = await bob.sendJson(null, '[[text=Yes]] Hello')
  const reply = await alice.get(streamPath(message.id))
  expect(reply.status).toBe(404)
  expect(reply.json().error.code).toBe('message_not_found')
})
