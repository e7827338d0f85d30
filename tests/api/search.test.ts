// `q` in the list: words of titles and of message text.
import { describe, expect, test } from '../support/test.ts'
import type { User } from '../support/user.ts'

const find = (user: User, q: string, more = '') => user.list(`?q=${encodeURIComponent(q)}${more}`)

test('a title that has the words, without a message', async ({ alice }) => {
  const session = await alice.createSession({ title: 'Travel plans for Łódź' })
  await alice.createSession({ title: 'Something else' })
  for (const q of ['travel', 'PLANS travel', 'łódź', 'trav']) {
    const page = await find(alice, q)
    expect(page.items, q).toEqual([{ ...session, match: { message_id: null, snippet: 'Travel plans for Łódź' } }])
    expect(page.next_cursor).toBeNull()
  }
})

test('the newest message that has them, with plain text around', async ({ alice }) => {
  const { session, user_message, message } = await alice.sendJson(null, '[[text=The_<b>platypus</b>_lays_eggs]] Name an odd mammal')
  await alice.patch(`/api/v1/chat/sessions/${session.id}`, { title: 'Animals' })
  const [item] = (await find(alice, 'eggs')).items
  expect(item!.match).toEqual({ message_id: message.id, snippet: 'The <b>platypus</b> lays eggs' })
  expect((await find(alice, 'mammal')).items[0]!.match!.message_id).toBe(user_message.id)
  await alice.sendJson(session.id, '[[text=No]] Name a reptile')
  expect((await find(alice, 'mammal reptile')).items, 'all words must be in one message').toEqual([])
})

test('a long text is cut to what is around the words', async ({ alice }) => {
  const filler = 'lorem ipsum dolor '.repeat(100)
  await alice.sendJson(null, `${filler}needle ${filler}[[text=Yes]]`)
  const { snippet } = (await find(alice, 'needle')).items[0]!.match!
  expect(snippet).toContain('needle')
  expect([...snippet].length).toBeLessThanOrEqual(202)
  expect(snippet).toMatch(/^….*…$/s)
})

test('Chinese and Japanese are found within a run', async ({ alice }) => {
  const session = await alice.createSession({ title: '東京旅行の計画' })
  for (const q of ['旅行', '東京旅行', '計画']) expect((await find(alice, q)).items.map((s) => s.id), q).toEqual([session.id])
  expect((await find(alice, '京都')).items).toEqual([])
})

describe('letters with marks are found however they are spelt, and shown as they were written', () => {
  // Escapes, as an editor may compose what it saves.
  const spellings: [string, string, string][] = [
    ['one code point, two', 'le caf\u00e9', 'le cafe\u0301'],
    ['another letter', '\u00fcber', 'u\u0308ber'],
    ['kana with a voiced mark', '\u304c\u3044\u3053\u304f', '\u304b\u3099\u3044\u3053\u304f'],
    ['Hangul syllables, and their parts', '\ud55c\uad6d\uc5b4', '\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165'],
    ['several marks', 'Ti\u1ebfng Vi\u1ec7t', 'Tie\u0302\u0301ng Vie\u0323\u0302t'],
    ['several marks in another order', 'Vi\u1ec7t Nam', 'Vie\u0302\u0323t Nam'],
  ]
  test.for(spellings)('%s', async ([, composed, decomposed], { alice }) => {
    for (const [written, searched] of [[composed, decomposed], [decomposed, composed]] as const) {
      const { session, user_message } = await alice.sendJson(null, `[[text=Yes]] ${written}`)
      await alice.patch(`/api/v1/chat/sessions/${session.id}`, { title: 'Words' })
      const [item, ...more] = (await find(alice, searched)).items
      expect(item?.match).toEqual({ message_id: user_message.id, snippet: `[[text=Yes]] ${written}` })
      expect(more).toEqual([])
      await alice.delete(`/api/v1/chat/sessions/${session.id}`)

      const titled = await alice.createSession({ title: written })
      const renamed = await alice.createSession({ title: 'Words' })
      await alice.patch(`/api/v1/chat/sessions/${renamed.id}`, { title: written })
      const match = { message_id: null, snippet: written }
      expect((await find(alice, searched)).items).toMatchObject([{ id: renamed.id, title: written, match }, { id: titled.id, title: written, match }])
      await alice.delete(`/api/v1/chat/sessions/${titled.id}`)
      await alice.delete(`/api/v1/chat/sessions/${renamed.id}`)
    }
  })

  test('in an answer too', async ({ alice }) => {
    const { message } = await alice.sendJson(null, '[[text=cafe\u0301_au_lait]] Breakfast')
    expect((await find(alice, 'caf\u00e9')).items[0]?.match).toEqual({ message_id: message.id, snippet: 'cafe\u0301 au lait' })
    expect((await find(alice, 'cafe')).items, 'a mark is still a mark').toEqual([])
  })
})

test('in pages, each session once, in the order of the list', async ({ alice }) => {
  const made: string[] = []
  for (let i = 0; i < 5; i++) made.push((await alice.createSession({ title: `Paging ${i}` })).id)
  await alice.createSession({ title: 'Other' })
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page = await find(alice, 'paging', `&limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
    seen.push(...page.items.map((s) => s.id))
    cursor = page.next_cursor
  } while (cursor !== null)
  expect(seen).toEqual(made.reverse())
})

test('neither what was superseded nor what was deleted is found; a restored session is again', async ({ alice }) => {
  const { session, user_message } = await alice.sendJson(null, '[[text=Yes]] About walruses')
  const edit = await alice.sendJson(session.id, { content: '[[text=Yes]] About otters', replaces: user_message.id })
  await alice.patch(`/api/v1/chat/sessions/${session.id}`, { title: 'Animals' })
  expect((await find(alice, 'walruses')).items).toEqual([])
  expect((await find(alice, 'otters')).items[0]!.match!.message_id).toBe(edit.user_message.id)
  await alice.delete(`/api/v1/chat/sessions/${session.id}`)
  expect((await find(alice, 'otters')).items).toEqual([])
  await alice.post(`/api/v1/chat/sessions/${session.id}/restore`)
  expect((await find(alice, 'otters')).items).toHaveLength(1)
})

test("somebody else's is never found", async ({ alice, bob }) => {
  await bob.sendJson(null, '[[text=Xylophone]] Zebra')
  for (const q of ['xylophone', 'zebra']) expect((await find(alice, q)).items).toEqual([])
})

describe('what a user types is words, never syntax', () => {
  test.for(["'", '\\', '& | ! ( ) :*', "a' OR 1=1 --", '%', '_', '<->', '"unclosed', '\u{1F600}', '-'.repeat(200)])('%j', async (q, { alice }) => {
    await alice.createSession({ title: 'Anything' })
    const reply = await alice.get(`/api/v1/chat/sessions?q=${encodeURIComponent(q)}`)
    expect(reply.status, reply.body).toBe(200)
    expect(reply.json().items).toEqual([])
  })

  test('white space alone asks for nothing: the whole list', async ({ alice }) => {
    const session = await alice.createSession()
    expect((await find(alice, ' \t ')).items).toEqual([session])
    expect((await find(alice, '')).items).toEqual([session])
  })

  test('more than 200 characters are 422, bad encoding is 400', async ({ alice }) => {
    expect((await alice.get(`/api/v1/chat/sessions?q=${encodeURIComponent('é'.repeat(200))}`)).status).toBe(200)
    const reply = await alice.get(`/api/v1/chat/sessions?q=${'a'.repeat(201)}`)
    expect(reply.status).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty('q')
    for (const q of ['%ff', '%00', '%zz']) expect((await alice.get(`/api/v1/chat/sessions?q=${q}`)).status, q).toBe(400)
  })
})
