// Changing a session: title, pin, archive; and bringing a deleted one back.
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'

const path = (id: string) => `/api/v1/chat/sessions/${id}`

describe('changing', () => {
  test('each field alone and all together', async ({ alice }) => {
    const session = await alice.createSession({ title: 'Before' })
    const changes = [{ title: 'After' }, { pinned: true }, { archived: true }, { title: 'Again', pinned: false, archived: false }]
    let expected: object = session
    for (const change of changes) {
      const reply = await alice.patch(path(session.id), change)
      expect(reply.status, reply.body).toBe(200)
      expected = { ...expected, ...change, updated_at: expect.any(String) }
      expect(reply.json()).toEqual(expected)
      expect(await alice.session(session.id)).toMatchObject(change)
    }
  })

  test('an empty object changes nothing, not even updated_at', async ({ alice }) => {
    const session = await alice.createSession({ title: 'Same' })
    const reply = await alice.patch(path(session.id), {})
    expect(reply.status).toBe(200)
    expect(reply.json()).toEqual(session)
  })

  test('pinned and archived sessions are listed like all others', async ({ alice }) => {
    const made = [await alice.createSession(), await alice.createSession(), await alice.createSession()]
    await alice.patch(path(made[0]!.id), { pinned: true })
    await alice.patch(path(made[1]!.id), { archived: true })
    const { items } = await alice.list()
    expect(items.map((s) => s.id)).toEqual([made[2]!.id, made[1]!.id, made[0]!.id])
    expect(items.map((s) => [s.pinned, s.archived])).toEqual([[false, false], [false, true], [true, false]])
  })

  test('a deleted one is 404', async ({ alice }) => {
    const session = await alice.createSession()
    await alice.delete(path(session.id))
    expect((await alice.patch(path(session.id), { title: 'Back' })).status).toBe(404)
  })

  test('a title that was given is not replaced by the first message', async ({ alice }) => {
    const session = await alice.createSession()
    await alice.patch(path(session.id), { title: 'Mine' })
    await alice.sendJson(session.id, '[[text=Yes]] Hello')
    expect((await alice.session(session.id)).title).toBe('Mine')
  })

  test.for<[string, object, string]>([
    ['an empty title', { title: '' }, 'title'], ['a long title', { title: 'a'.repeat(201) }, 'title'], ['a title null', { title: null }, 'title'],
    ['pinned a text', { pinned: 'yes' }, 'pinned'], ['archived a number', { archived: 1 }, 'archived'], ['the model', { model: 'x' }, 'model'],
    ['the owner', { user_id: 'bob' }, 'user_id'], ['deleted_at', { deleted_at: null }, 'deleted_at'],
  ])('%s is 422 and changes nothing', async ([, change, field], { alice }) => {
    const session = await alice.createSession({ title: 'Kept' })
    const reply = await alice.patch(path(session.id), { ...change })
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty(field)
    expect(await alice.session(session.id)).toMatchObject(session)
  })

  test("somebody else's is 404 and stays", async ({ alice, bob }) => {
    const session = await bob.createSession({ title: 'Kept' })
    const reply = await alice.patch(path(session.id), { title: 'Taken' })
    expect(reply.status).toBe(404)
    expect(reply.json().error.code).toBe('session_not_found')
    expect((await bob.session(session.id)).title).toBe('Kept')
  })
})

describe('restoring', () => {
  test('brings a deleted session back with its messages', async ({ alice }) => {
    const { session } = await alice.sendJson(null, '[[text=Yes]] Hello')
    const before = await alice.session(session.id)
    await alice.delete(path(session.id))
    const reply = await alice.post(`${path(session.id)}/restore`)
    expect(reply.status, reply.body).toBe(200)
    expect(reply.json().id).toBe(session.id)
    expect((await alice.session(session.id)).messages).toEqual(before.messages)
    expect((await alice.list()).items.map((s) => s.id)).toEqual([session.id])
  })

  test('one that is not deleted is answered as it is', async ({ alice }) => {
    const session = await alice.createSession({ title: 'Here' })
    for (const _ of [1, 2]) {
      const reply = await alice.post(`${path(session.id)}/restore`)
      expect(reply.status).toBe(200)
      expect(reply.json()).toEqual(session)
    }
  })

  test('one that is purged is gone', async ({ alice }) => {
    const session = await alice.createSession()
    await sql('DELETE FROM chat_sessions WHERE id = $1', [session.id])
    const reply = await alice.post(`${path(session.id)}/restore`)
    expect(reply.status).toBe(404)
    expect(reply.json().error.code).toBe('session_not_found')
  })

  test("somebody else's is 404 and stays deleted", async ({ alice, bob }) => {
    const session = await bob.createSession()
    await bob.delete(path(session.id))
    expect((await alice.post(`${path(session.id)}/restore`)).status).toBe(404)
    expect((await bob.get(path(session.id))).status).toBe(404)
  })
})
