// Sessions: made, listed, opened, deleted, and never another's.
import { randomUUID } from 'node:crypto'
import { leasesOf, sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import type { Session } from '../support/user.ts'

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
const anyId = '019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b'

/** What two answers must share to be the same but for the request id. */
const without = (body: string, requestId: string) => body.replaceAll(requestId, '…')

describe('making a session', () => {
  test('without a title it is a new chat with the default model', async ({ alice }) => {
    const reply = await alice.post('/api/v1/chat/sessions', {})
    expect(reply.status).toBe(201)
    const session = reply.json<Session>()
    const { default_model } = await alice.features()
    expect(session).toMatchObject({ title: 'New chat', model: default_model, message_count: 0, last_message_at: null, pinned: false, archived: false, context_starts_at: null })
    expect(session.created_at).toBe(session.updated_at)
    expect(Math.abs(Date.parse(session.created_at) - Date.now())).toBeLessThan(10_000)
    expect(reply.headers['location']).toBe(`/api/v1/chat/sessions/${session.id}`)
    expect((await alice.get(String(reply.headers['location']))).json()).toMatchObject(session)
  })

  test('with a title and a model it has them', async ({ alice }) => {
    const model = (await alice.features()).models.at(-1)!
    expect(await alice.createSession({ title: 'Travel plans 🧳', model })).toMatchObject({ title: 'Travel plans 🧳', model })
  })

  test('a title is counted in code points', async ({ alice }) => {
    const title = '😀'.repeat(200)
    expect((await alice.createSession({ title })).title).toBe(title)
    expect((await alice.post('/api/v1/chat/sessions', { title: title + 'a' })).status).toBe(422)
  })

  test.for([['empty', ''], ['white space alone', ' \t\n '], ['too long', 'a'.repeat(201)], ['a number', 7], ['a list', ['a']]] as [string, unknown][])('a title that is %s is 422', async ([, title], { alice }) => {
    const reply = await alice.post('/api/v1/chat/sessions', { title })
    expect(reply.status).toBe(422)
    expect(reply.json().error).toMatchObject({ code: 'validation_failed', details: { fields: { title: expect.any(String) } } })
  })

  test('a title never becomes a header', async ({ alice }) => {
    const reply = await alice.post('/api/v1/chat/sessions', { title: 'a\r\nSet-Cookie: x=1' })
    expect([201, 422]).toContain(reply.status)
    expect(reply.headers['set-cookie']).toBeUndefined()
  })

  test('a model that is not offered is 404', async ({ alice }) => {
    const reply = await alice.post('/api/v1/chat/sessions', { model: 'no-such-model' })
    expect(reply.status).toBe(404)
    expect(reply.json().error.code).toBe('model_not_found')
  })

  test.for(['user_id', 'id', 'role', 'created_at', 'deleted_at', 'pinned', 'message_count'])('%s is none of the client’s fields: 422, and nothing is stored', async (field, { alice }) => {
    const reply = await alice.post('/api/v1/chat/sessions', { title: 'Mine', [field]: anyId })
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty(field)
    expect(await sql('SELECT 1 FROM chat_sessions WHERE user_id = $1', [alice.sub])).toEqual([])
  })

  test("text that looks like SQL is text", async ({ alice }) => {
    const title = `'); DROP TABLE chat_messages;-- " \\ %s %n $1`
    const session = await alice.createSession({ title })
    expect((await alice.session(session.id)).title).toBe(title)
  })
})

describe('listing', () => {
  test('newest first, in pages, each once', async ({ alice }) => {
    const made: Session[] = []
    for (let i = 0; i < 7; i++) made.push(await alice.createSession({ title: `Session ${i}` }))
    const seen: Session[] = []
    let query = '?limit=3'
    for (const sizes of [3, 3, 1]) {
      const page = await alice.list(query)
      expect(page.items).toHaveLength(sizes)
      seen.push(...page.items)
      query = `?limit=3&cursor=${encodeURIComponent(page.next_cursor ?? '')}`
      if (sizes === 1) expect(page.next_cursor).toBeNull()
    }
    expect(seen).toEqual([...made].reverse())
  })

  test('no row is skipped or repeated while others are inserted and deleted', async ({ alice }) => {
    const before: string[] = []
    for (let i = 0; i < 12; i++) before.push((await alice.createSession()).id)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await alice.list(`?limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
      seen.push(...page.items.map((s) => s.id))
      cursor = page.next_cursor
      await Promise.all([alice.createSession(), alice.createSession(), alice.delete(`/api/v1/chat/sessions/${seen[0]}`)])
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.filter((id) => before.includes(id)).sort()).toEqual([...before].sort())
  })

  test('sessions made at the same moment keep their order over pages', async ({ alice }) => {
    const made = await Promise.all(Array.from({ length: 20 }, () => alice.createSession()))
    const seen: Session[] = []
    let cursor: string | null = null
    do {
      const page = await alice.list(`?limit=3${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
      seen.push(...page.items)
      cursor = page.next_cursor
    } while (cursor !== null)
    expect([...seen].sort(byId)).toEqual([...made].sort(byId))
    for (let i = 1; i < seen.length; i++) expect(seen[i - 1]!.created_at >= seen[i]!.created_at).toBe(true)
  })

  test('by updated_at, what was last talked in is first', async ({ alice }) => {
    const [first, second] = [await alice.createSession(), await alice.createSession()]
    await (await alice.send(first.id, '[[text=Yes]] Hello')).readDone()
    expect((await alice.list('?sort=updated_at')).items.map((s) => s.id)).toEqual([first.id, second.id])
    expect((await alice.list('?sort=created_at')).items.map((s) => s.id)).toEqual([second.id, first.id])
    const page = await alice.list('?sort=updated_at&limit=1')
    expect((await alice.list(`?sort=updated_at&limit=1&cursor=${encodeURIComponent(page.next_cursor!)}`)).items.map((s) => s.id)).toEqual([second.id])
  })

  test('each user has a list of their own', async ({ alice, bob }) => {
    const mine = await alice.createSession()
    await bob.createSession()
    expect((await alice.list()).items.map((s) => s.id)).toEqual([mine.id])
  })

  test('20 a page unless asked, 100 at most', async ({ alice }) => {
    await Promise.all(Array.from({ length: 21 }, () => alice.createSession()))
    const page = await alice.list()
    expect(page.items).toHaveLength(20)
    expect(page.next_cursor).not.toBeNull()
    expect((await alice.list('?limit=100')).items).toHaveLength(21)
  })

  test.for(['0', '101', '-1', '1e9', 'abc', '1.5', '', '%20', '1%00', '99999999999999999999', '+5', '01', '007', '5&limit=6', '5&%6cimit=5', '5&l%69mit=0'])('limit=%s is 422', async (limit, { alice }) => {
    for (const path of [`/api/v1/chat/sessions?limit=${limit}`, `/api/v1/chat/sessions/${(await alice.createSession()).id}?limit=${limit}`]) {
      const reply = await alice.get(path)
      expect(reply.status, path).toBe(422)
      expect(reply.json().error.details.fields).toHaveProperty('limit')
    }
  })

  test('a sort that is none is 422', async ({ alice }) => {
    expect((await alice.get('/api/v1/chat/sessions?sort=title')).status).toBe(422)
    expect((await alice.get('/api/v1/chat/sessions?sort=created_at&sort=updated_at')).status).toBe(422)
  })

  test.for(['x', '', '%00', 'AAAA', "' OR 1=1", 'a'.repeat(3000), anyId])('cursor %j is 400', async (cursor, { alice }) => {
    const reply = await alice.get(`/api/v1/chat/sessions?cursor=${cursor.startsWith('%') ? cursor : encodeURIComponent(cursor)}`)
    expect(reply.status).toBe(400)
    expect(reply.json().error.code).toBe('invalid_request')
  })

  test("a cursor changed in one place is 400 or another place of the user's own list", async ({ alice, bob }) => {
    await bob.createSession()
    for (let i = 0; i < 3; i++) await alice.createSession()
    const cursor = (await alice.list('?limit=1')).next_cursor!
    for (let i = 0; i < cursor.length; i++) {
      const changed = cursor.slice(0, i) + (cursor[i] === 'A' ? 'B' : 'A') + cursor.slice(i + 1)
      const reply = await alice.get(`/api/v1/chat/sessions?cursor=${encodeURIComponent(changed)}`)
      expect([200, 400]).toContain(reply.status)
    }
    const own = await bob.list(`?cursor=${encodeURIComponent(cursor)}`)
    const mine = (await alice.list()).items.map((s) => s.id)
    expect(own.items.filter((s) => mine.includes(s.id))).toEqual([])
  })

  test('query parameters we do not know are ignored', async ({ alice }) => {
    expect((await alice.get('/api/v1/chat/sessions?utm_source=x&deleted=true')).status).toBe(200)
  })
})

describe('opening', () => {
  test('messages come oldest first, in pages from the newest', async ({ alice }) => {
    const session = await alice.createSession()
    for (let i = 0; i < 4; i++) await alice.sendJson(session.id, `[[text=Answer_${i}]] Question ${i}`)
    const all = await alice.session(session.id)
    expect(all.messages.map((m) => m.content.replace(/\[\[.*\]\] /, ''))).toEqual(
      ['Question 0', 'Answer 0', 'Question 1', 'Answer 1', 'Question 2', 'Answer 2', 'Question 3', 'Answer 3'])
    expect(all.messages.map((m) => m.seq)).toEqual([...all.messages.map((m) => m.seq)].sort((a, b) => a - b))
    expect(new Set(all.messages.map((m) => m.seq)).size).toBe(8)
    expect(all).toMatchObject({ message_count: 8, next_before: null, active_message_id: null })
    expect(all.last_message_at).not.toBeNull()
    for (const [i, message] of all.messages.entries()) {
      expect(message).toMatchObject({ session_id: session.id, status: 'complete', superseded_by: null, feedback: null, reasoning: null })
      expect(message.role).toBe(i % 2 ? 'assistant' : 'user')
      expect(message.content_bytes).toBe(Buffer.byteLength(message.content))
      if (i % 2) expect(message.parent_id).toBe(all.messages[i - 1]!.id)
    }

    const pages = []
    for (let query = '?limit=3'; query; ) {
      const page = await alice.session(session.id, query)
      pages.unshift(...page.messages)
      query = page.next_before === null ? '' : `?limit=3&before=${encodeURIComponent(page.next_before)}`
    }
    expect(pages).toEqual(all.messages)
  })

  test.for(['x', '', '-1', '%00', "' OR 1=1"])('before=%s is 400', async (before, { alice }) => {
    const session = await alice.createSession()
    expect((await alice.get(`/api/v1/chat/sessions/${session.id}?before=${before.startsWith('%') ? before : encodeURIComponent(before)}`)).status).toBe(400)
  })

  test('an id in upper case is the same id', async ({ alice }) => {
    const session = await alice.createSession()
    expect((await alice.session(session.id.toUpperCase())).id).toBe(session.id)
  })

  test('while an answer is being written it is named', async ({ alice }) => {
    const session = await alice.createSession()
    const stream = await alice.send(session.id, '[[chunks=40 pace=50]] Take your time')
    await stream.readText()
    const open = await alice.session(session.id)
    expect(open.active_message_id).toBe(stream.start!.message.id)
    expect(open.messages.at(-1)).toMatchObject({ id: stream.start!.message.id, status: 'streaming' })
    await stream.readDone()
    expect((await alice.session(session.id)).active_message_id).toBeNull()
  })
})

describe('deleting', () => {
  test('it is gone from the list and by its address; a second time is 404', async ({ alice }) => {
    const [kept, gone] = [await alice.createSession(), await alice.createSession()]
    const path = `/api/v1/chat/sessions/${gone.id}`
    const reply = await alice.delete(path)
    expect(reply.status).toBe(204)
    expect((await alice.list()).items.map((s) => s.id)).toEqual([kept.id])
    for (const again of [await alice.delete(path), await alice.get(path), await alice.post(`${path}/messages`, { content: 'Hello' })]) {
      expect(again.status).toBe(404)
      expect(again.json().error.code).toBe('session_not_found')
    }
    expect((await sql<{ deleted_at: Date }>('SELECT deleted_at FROM chat_sessions WHERE id = $1', [gone.id]))[0]!.deleted_at).toBeInstanceOf(Date)
  })

  test('two at once: one 204, one 404', async ({ alice }) => {
    const session = await alice.createSession()
    const replies = await Promise.all([1, 2, 3, 4].map(() => alice.delete(`/api/v1/chat/sessions/${session.id}`)))
    expect(replies.map((r) => r.status).sort()).toEqual([204, 404, 404, 404])
  })

  test('its messages are gone with it', async ({ alice }) => {
    const { session, message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    await alice.delete(`/api/v1/chat/sessions/${session.id}`)
    const reply = await alice.get(`/api/v1/chat/messages/${message.id}`)
    expect(reply.status).toBe(404)
    expect(reply.json().error.code).toBe('message_not_found')
  })

  test('an answer being written in it is stopped', async ({ alice }) => {
    const stream = await alice.send(null, '[[endless pace=20]] Write on')
    await stream.readText(64)
    expect((await alice.delete(`/api/v1/chat/sessions/${stream.start!.session.id}`)).status).toBe(204)
    expect((await stream.readDone()).message.status).toBe('stopped')
  })
})

describe("somebody else's", () => {
  test('session is answered like one that does not exist, byte for byte', async ({ alice, bob }) => {
    const theirs = await bob.createSession({ title: 'Private' })
    const routes: [string, string, unknown?][] = [
      ['GET', ''], ['DELETE', ''], ['POST', '/messages', { content: 'Hello' }], ['POST', '/messages', { content: 'Hello', stream: false }],
    ]
    for (const [method, rest, json] of routes) {
      const ask = (id: string) => alice.request(`/api/v1/chat/sessions/${id}${rest}`, { method, ...(json === undefined ? {} : { json }) })
      const [foreign, missing, malformed] = [await ask(theirs.id), await ask(randomUUID()), await ask('no-uuid')]
      expect(foreign.status).toBe(404)
      expect(foreign.json().error.code).toBe('session_not_found')
      expect(without(foreign.body, foreign.requestId)).toBe(without(missing.body, missing.requestId))
      expect(malformed.status).toBe(404)
      expect(without(malformed.body, malformed.requestId)).toBe(without(missing.body, missing.requestId))
    }
    expect(await bob.session(theirs.id)).toMatchObject({ title: 'Private', message_count: 0 })
    expect(await leasesOf(alice.sub)).toEqual([])
    expect((await alice.quota()).daily.used, 'what was not found costs nothing of the day').toBe(0)
  })

  test('message likewise', async ({ alice, bob }) => {
    const { message } = await bob.sendJson(null, '[[text=Secret]] Hello')
    const foreign = await alice.get(`/api/v1/chat/messages/${message.id}`)
    const missing = await alice.get(`/api/v1/chat/messages/${randomUUID()}`)
    expect(foreign.status).toBe(404)
    expect(foreign.json().error.code).toBe('message_not_found')
    expect(without(foreign.body, foreign.requestId)).toBe(without(missing.body, missing.requestId))
  })
})

describe('an id that is none', () => {
  test.for(['1', '1;drop table', '%00', 'a'.repeat(200), `${anyId}x`, anyId.replaceAll('-', ''), `{${anyId}}`, '019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5g', '%2e%2e', 'null'])(
    '%s is 404', async (id, { alice }) => {
      const reply = await alice.get(`/api/v1/chat/sessions/${id.startsWith('%') ? id : encodeURIComponent(id)}`)
      // nginx itself refuses a NUL in a path.
      expect(id === '%00' ? [400, 404] : [404]).toContain(reply.status)
    })
})
