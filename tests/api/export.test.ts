// A conversation as a file.
import { randomUUID } from 'node:crypto'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { env } from '../support/env.ts'
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import type { Message, User } from '../support/user.ts'
import { until } from '../support/wait.ts'

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

  test('an answer that was cut off says so (C4)', async ({ alice }) => {
    const { session, message } = await alice.sendJson(null, '[[chunks=2 size=8 finish=length]] Tell me all')
    const { body } = await alice.get(path(session.id))
    expect(body).toContain(`\n\n${message.content}\n\n_(cut off: as long as an answer may be)_\n`)
  })

  test('no text swallows what follows (export-fence-in-list)', async ({ alice }) => {
    // The page's parser, of its own packages.
    const { micromark } = (await import(new URL('../../static/node_modules/micromark/index.js', import.meta.url).href)) as { micromark: (text: string) => string }
    const texts = [
      '- ```sh\n  make\n  ```\n\nDone.', '1. ```sh\n   make\n   ```\n2. Next', '- a\n\n  ```py\n  code ', '> ```\n> quoted', '> <!--', '- <pre>\n  x',
      ...['<!--', '<?', '<![CDATA[', '<!X', '<pre>', '<script>', '<style', '<textarea>', '~~~~', '   ```` js', '```\n```` x'].map((open) => `a\n\n${open}\n\nb`),
    ]
    const bits = ['```', '~~~~', '   ', '\t', '\n', '\n\n', '- a', '\n  ', '1. b', '> ', '# c', 'd', '===', '---', '<!--', '-->', '<pre>', '</pre>', '<?', '?>', '<![CDATA[', '<!X', '>', '<div>', '<a b="c">', '<script/>', '```sh', '\n```\n', '\n    ']
    let seed = 1
    const random = (below: number) => ((seed = (seed * 48271) % 2147483647), seed % below)
    while (texts.length < 600) texts.push(`e${Array.from({ length: 1 + random(20) }, () => bits[random(bits.length)]).join('')}`)
    const session = await alice.createSession({ title: 'Hostile' })
    await sql(`INSERT INTO chat_messages (id, session_id, user_id, seq, role, status, content, created_at)
               SELECT gen_random_uuid(), $1, $2, n, 'user', 'complete', text, now() FROM unnest($3::text[]) WITH ORDINALITY AS t (text, n)`, [session.id, alice.sub, texts])
    await sql('UPDATE chat_sessions SET message_count = $2, last_seq = $2 WHERE id = $1', [session.id, texts.length])
    const { body } = await alice.get(path(session.id))
    expect(micromark(body).match(/^<h2>User · [-0-9]+ [:0-9]+ UTC<\/h2>$/gm)).toHaveLength(texts.length)
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

/** A session with so many messages of so many bytes each, stored as they are. */
async function longSession(user: User, count: number, bytes: number): Promise<string> {
  const session = await user.createSession({ title: 'Long' })
  await sql(`INSERT INTO chat_messages (id, session_id, user_id, seq, role, status, content, created_at)
             SELECT gen_random_uuid(), $1, $2, n, 'user', 'complete', rpad(n || ' ', $4::int, 'x'), now() FROM generate_series(1, $3::int) n`, [session.id, user.sub, count, bytes])
  await sql('UPDATE chat_sessions SET message_count = $2::int, last_seq = $2::int WHERE id = $1', [session.id, count])
  return session.id
}

/** An export whose body nobody reads yet. */
const unread = (user: User, id: string) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    request(new URL(path(id, 'json'), env.url), { ca: env.ca, headers: { Authorization: `Bearer ${user.token}` } }, (reply) => resolve(reply.pause()))
      .on('error', reject)
      .end()
  })

describe('a conversation longer than memory should hold (A6)', () => {
  test('an export of 72 MB comes whole, by pages', async ({ alice }) => {
    const id = await longSession(alice, 180, 400_000)
    const reply = await unread(alice, id)
    expect(reply.headers['content-length']).toBeUndefined()
    let text = ''
    for await (const piece of reply.setEncoding('utf8')) text += piece as string
    const { messages } = JSON.parse(text) as { messages: Message[] }
    expect(messages.map((m) => m.content.length)).toEqual(Array.from({ length: 180 }, () => 400_000))
  }, 90_000)

  test('one is under way at a time; a second says so', async ({ alice }) => {
    const id = await longSession(alice, 60, 400_000)
    const first = await Promise.all([unread(alice, id), unread(alice, id), unread(alice, id), unread(alice, id), unread(alice, id)])
    // a worker shows a user one, and there are two workers
    expect(first.filter((reply) => reply.statusCode === 200).length).toBeLessThanOrEqual(2)
    const refused = first.find((reply) => reply.statusCode !== 200)
    expect(refused?.statusCode).toBe(429)
    expect(refused?.headers['retry-after']).toBe('5')
    for (const reply of first) reply.destroy()
    await until('an export is possible again', async () => (await alice.get(path(id))).status === 200)
  })

  test('one that can\'t be ended breaks: nobody takes it for the whole', async ({ alice }) => {
    const id = await longSession(alice, 180, 400_000)
    const reply = await unread(alice, id)
    expect(reply.statusCode).toBe(200)
    expect((await alice.delete(`/api/v1/chat/sessions/${id}`)).status).toBe(204)
    const ended = new Promise<string>((resolve) => reply.on('error', () => resolve('broken')).on('end', () => resolve('whole')))
    reply.resume()
    expect(await ended).toBe('broken')
    expect(reply.complete).toBe(false)
  })

  test('a page of long messages has fewer of them, and none is left out', async ({ alice }) => {
    const id = await longSession(alice, 40, 400_000)
    const seen: string[] = []
    let before: string | null = ''
    while (before !== null) {
      const page = (await alice.request(`/api/v1/chat/sessions/${id}?limit=100${before && `&before=${before}`}`, { hold: false })).json() as { messages: Message[]; next_before: string | null }
      expect(page.messages.length).toBeGreaterThan(0)
      expect(page.messages.length).toBeLessThanOrEqual(12)
      seen.unshift(...page.messages.map((m) => m.content.split(' ')[0] ?? ''))
      before = page.next_before
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => String(i + 1)))
  })
})
