// A conversation as a file.
import { randomUUID } from 'node:crypto'
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import type { Message } from '../support/user.ts'

const path = (id: string, format?: string) => `/api/v1/chat/sessions/${id}/export${format === undefined ? '' : `?format=${format}`}`
const nameOf = (disposition: unknown) => {
  const [, ascii, encoded] = /^attachment; filename="([A-Za-z0-9_.-]+)"; filename\*=UTF-8''([!#$&+.^_`|~%A-Za-z0-9-]+)$/.exec(String(disposition)) ?? []
  return { ascii, whole: encoded === undefined ? undefined : decodeURIComponent(encoded) }
}

describe('as Markdown', () => {
  test('it has the title, and each message below its role and time', async ({ alice }) => {
    const { session, user_message, message } = await alice.sendJson(null, '[[text=Because_**it**_is]] Why is it so?')
    await alice.patch(`/api/v1/chat/sessions/${session.id}`, { title: 'Why?' })
    const reply = await alice.get(path(session.id))
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe('text/markdown; charset=utf-8')
    expect(nameOf(reply.headers['content-disposition'])).toEqual({ ascii: 'Why.md', whole: 'Why.md' })
    const at = (m: Message) => m.created_at.slice(0, 19).replace('T', ' ')
    expect(reply.body).toBe(
      `# Why?\n\nStarted ${session.created_at.slice(0, 19).replace('T', ' ')} UTC · ${session.model}\n` +
      `\n## User · ${at(user_message)} UTC\n\n[[text=Because_**it**_is]] Why is it so?\n` +
      `\n## Assistant · ${at(message)} UTC\n\nBecause **it** is\n`)
    expect((await alice.get(path(session.id, 'markdown'))).body).toBe(reply.body)
  })

  test('an answer that broke off says so', async ({ alice }) => {
    const stream = await alice.send(null, '[[chunks=2 size=8 error_at=2]] Break')
    await stream.readError()
    const { body } = await alice.get(path(stream.start!.session.id))
    expect(body).toContain(`\n\n${stream.content}\n\n_(failed)_\n`)
  })

  test('a session without messages is its title', async ({ alice }) => {
    const session = await alice.createSession({ title: '*Empty* & <b>' })
    expect((await alice.get(path(session.id))).body).toMatch(/^# \\\*Empty\\\* \\& \\<b\\>\n\nStarted [^\n]+\n$/)
  })
})

describe('as JSON', () => {
  test('it has what the other routes have', async ({ alice }) => {
    const { session } = await alice.sendJson(null, '[[reasoning=2 chunks=2]] Think')
    const reply = await alice.get(path(session.id, 'json'))
    const { messages, next_before: _, active_message_id: __, ...open } = await alice.session(session.id)
    expect(reply.json()).toEqual({ session: open, messages })
    expect(nameOf(reply.headers['content-disposition']).ascii).toMatch(/\.json$/)
  })

  test('a long conversation is whole and in order', async ({ alice }) => {
    const session = await alice.createSession({ title: 'Long' })
    await sql(`INSERT INTO chat_messages (id, session_id, user_id, seq, role, status, content, created_at)
               SELECT gen_random_uuid(), $1, $2, n, 'user', 'complete', 'Message ' || n, now() FROM generate_series(1, 333) n WHERE n % 7 <> 0`, [session.id, alice.sub])
    await sql('UPDATE chat_sessions SET message_count = 286, last_seq = 333 WHERE id = $1', [session.id])
    const reply = await alice.request(path(session.id, 'json'), { hold: false }) // ids of version 4
    const numbers = Array.from({ length: 333 }, (_, i) => i + 1).filter((n) => n % 7 !== 0)
    expect(reply.json().messages.map((m: Message) => m.content)).toEqual(numbers.map((n) => `Message ${n}`))
  })
})

test('what was superseded is left out', async ({ alice }) => {
  const { session, message } = await alice.sendJson(null, '[[text=Kept_question]] One')
  await alice.sendJson(session.id, '[[text=Gone]] Two')
  const again = await alice.stream(`/api/v1/chat/messages/${(await alice.session(session.id)).messages.at(-1)!.id}/regenerate`, { method: 'POST' })
  await again.readDone()
  const question = (await alice.session(session.id)).messages[2]!
  const { user_message, message: last } = await alice.sendJson(session.id, { content: '[[text=Better]] Two, better', replaces: question.id })
  const { messages } = (await alice.get(path(session.id, 'json'))).json()
  expect(messages.map((m: Message) => m.id)).toEqual([message.parent_id, message.id, user_message.id, last.id])
  expect((await alice.get(path(session.id))).body).not.toContain('Gone')
})

describe('the file name', () => {
  test.for<[string, string, string]>([
    ['Plain title', 'Plain-title.md', 'Plain title.md'],
    ['Größe: 日本 "x"', 'Gr-e-x.md', 'Größe- 日本 -x.md'],
    ['../../etc/passwd', 'etc-passwd.md', 'etc-passwd.md'],
    ['日本', 'chat.md', '日本.md'],
    ['...', 'chat.md', 'chat.md'],
    ['a"; filename=evil.exe; x="', 'a-filename-evil-exe-x.md', 'a-; filename=evil.exe; x=.md'],
    ['invoice\u202efdp', 'invoice-fdp.md', 'invoice-fdp.md'],
    ['x'.repeat(200), `${'x'.repeat(60)}.md`, `${'x'.repeat(60)}.md`],
    ['😀'.repeat(200), 'chat.md', `${'😀'.repeat(60)}.md`],
  ])('of %j', async ([title, ascii, whole], { alice }) => {
    const session = await alice.createSession({ title })
    const reply = await alice.get(path(session.id))
    expect(nameOf(reply.headers['content-disposition'])).toEqual({ ascii, whole })
  })
})

test('HEAD tells the same without the file', async ({ alice }) => {
  const session = await alice.createSession()
  const [get, head] = [await alice.get(path(session.id)), await alice.request(path(session.id), { method: 'HEAD' })]
  expect(head.status).toBe(200)
  expect(head.headers['content-disposition']).toBe(get.headers['content-disposition'])
})

describe('refused', () => {
  test.for(['', 'xml', 'JSON', 'json&format=markdown', '%zz', '%00'])('format=%s is 422', async (format, { alice }) => {
    const session = await alice.createSession()
    const reply = await alice.get(path(session.id, format))
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty('format')
  })

  test("somebody else's and a deleted one are 404", async ({ alice, bob }) => {
    const [theirs, mine] = [await bob.createSession(), await alice.createSession()]
    await alice.delete(`/api/v1/chat/sessions/${mine.id}`)
    for (const id of [theirs.id, mine.id, randomUUID()]) {
      const reply = await alice.get(path(id))
      expect(reply.status).toBe(404)
      expect(reply.json().error.code).toBe('session_not_found')
      expect(reply.headers['content-disposition']).toBeUndefined()
    }
  })
})
