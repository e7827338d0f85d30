// Sending, answered as events. AnswerStream (support/sse.ts) checks each event, each id and the one end of
// every stream here; the invariants check what is stored.
import { randomUUID } from 'node:crypto'
import { forgetMinute, sql } from '../support/stores.ts'
import { AnswerStream } from '../support/sse.ts'
import { describe, expect, test } from '../support/test.ts'
import { cancelOf, freshTag, generatedText, seenUpstream } from '../support/upstream.ts'
import { sendPath, type User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const routes: [string, (user: User) => Promise<string | null>][] = [
  ['into a session', async (user) => (await user.createSession()).id],
  ['in one call', async () => null],
]

describe.each(routes)('%s', (_, place) => {
  test('start, deltas, done', async ({ alice }) => {
    const sessionId = await place(alice)
    const content = '[[chunks=12 size=10 pace=2]] Tell me'
    const stream = await alice.send(sessionId, content)
    expect(stream.headers['content-type']).toMatch(/^text\/event-stream/)
    expect(stream.headers['cache-control']).toBe('no-store')
    expect(stream.headers['content-encoding']).toBeUndefined()
    const done = await stream.readDone()

    const { session, user_message, message, quota } = stream.start!
    expect(session.id).toBe(sessionId ?? session.id)
    expect(user_message).toMatchObject({ session_id: session.id, role: 'user', content, status: 'complete', content_bytes: Buffer.byteLength(content) })
    expect(message).toMatchObject({ session_id: session.id, parent_id: user_message.id, role: 'assistant', content: '', content_bytes: 0, status: 'streaming', seq: user_message.seq + 1 })
    expect(quota.daily.used).toBe(1)

    expect(stream.content).toBe(generatedText(12, 10))
    expect(done.message).toMatchObject({ id: message.id, status: 'complete', finish_reason: 'stop', content_bytes: 120, tokens_estimated: false })
    expect(done.message.usage).toMatchObject({ completion_tokens: 12 })
    expect(done.message.usage!.total_tokens).toBe(done.message.usage!.prompt_tokens + 12)
    expect(done.message.token_count).toBe(12)
    expect(done.session).toMatchObject({ id: session.id, message_count: 2 })
    expect(done.quota.daily.used).toBe(1)

    const stored = (await alice.session(session.id)).messages
    expect(stored.map((m) => m.id)).toEqual([user_message.id, message.id])
    expect(stored[0]).toEqual(user_message)
    const { content: text, reasoning, ...rest } = stored[1]!
    expect({ text, reasoning, rest }).toEqual({ text: stream.content, reasoning: null, rest: done.message })
    expect(await alice.message(message.id)).toEqual(stored[1])
  })

  test('ids count bytes, not characters', async ({ alice }) => {
    const stream = await alice.send(await place(alice), '[[chunks=20 size=24 utf8 pace=1]] Ünïcödé 漢字 😀')
    await stream.readDone()
    expect(stream.content).toBe(generatedText(20, 24, { utf8: true }))
    expect(stream.content).toContain('😀é漢')
    const offsets = stream.events.filter((e) => e.event === 'delta').map((e) => Number(e.id!.split('.')[1]))
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    expect(offsets.at(-1)).toBe(Buffer.byteLength(stream.content))
  })
})

test('deltas arrive while the answer is being written', async ({ alice }) => {
  const stream = await alice.send(null, '[[chunks=10 size=8 pace=100]] Slowly')
  await stream.readText(8)
  expect(stream.closing).toBeUndefined()
  expect(Buffer.byteLength(stream.content), 'the first text is there long before the last').toBeLessThan(80)
  await stream.readDone()
})

test('thinking aloud is told apart from the text, and counted apart', async ({ alice }) => {
  for (const field of ['reasoning', 'reasoning_content', 'think']) {
    const stream = await alice.send(null, `[[reasoning=4 field=${field} chunks=4 size=10]] Think`)
    const done = await stream.readDone()
    expect(stream.reasoning.trim(), field).toBe(generatedText(4, 10, { prefix: 'r' }))
    expect(stream.content.trim(), field).toBe(generatedText(4, 10))
    const order = stream.events.map((e) => e.event).filter((name) => name === 'reasoning' || name === 'delta')
    expect(order.lastIndexOf('reasoning')).toBeLessThan(order.indexOf('delta'))
    expect((await alice.message(done.message.id)).reasoning).toBe(stream.reasoning)
  }
})

test('what the model writes never becomes an event', async ({ alice }) => {
  const stream = await alice.send(null, '[[inject]] Break out')
  await stream.readDone()
  expect(stream.events.filter((e) => e.event === 'done')).toHaveLength(1)
  expect(stream.content).toContain('event: done')
  expect(stream.content).toContain('\u2028')
})

test.for(['crlf', 'cr', 'bom', 'nospace', 'multidata', 'comments=3', 'nullchoices', 'nulldelta', 'partsarray', 'split1', 'n2', 'usage_twice', 'interim', 'http10', 'close'])(
  'upstream spelled with %s gives the same text', async (spelling, { alice }) => {
    const stream = await alice.send(null, `[[${spelling} chunks=6 size=12 utf8]] Spell`)
    await stream.readDone()
    expect(stream.content).toBe(generatedText(6, 12, { utf8: true }))
  })

test.for(['badutf8', 'nulchar'])('upstream with %s is still valid text', async (fault, { alice }) => {
  const stream = await alice.send(null, `[[${fault} chunks=3 size=8]] Spoil`)
  await stream.readAll()
  expect(stream.content).not.toContain('\0')
  if (stream.closing!.event === 'done') expect(stream.content.endsWith(generatedText(3, 8))).toBe(true)
})

test('absurd usage figures are left out of the account', async ({ alice }) => {
  const done = await (await alice.send(null, '[[usage_absurd chunks=5 size=8]] Count')).readDone()
  expect(done.message.token_count).toBeGreaterThan(0)
  expect(done.message.token_count).toBeLessThan(1_000)
})

test('without usage the tokens are estimated, and said to be', async ({ alice }) => {
  const done = await (await alice.send(null, '[[nousage chunks=5 size=8]] Count')).readDone()
  expect(done.message.tokens_estimated).toBe(true)
  expect(done.message.token_count).toBeGreaterThan(0)
})

test('a cut by max_tokens is told', async ({ alice }) => {
  const done = await (await alice.send(null, '[[finish=length chunks=3]] Short')).readDone()
  expect(done.message).toMatchObject({ status: 'complete', finish_reason: 'length' })
})

describe('the title', () => {
  const titles: [string, string, string][] = [
    ['is the message on one line', '  Hello \n\n\t there  ', 'Hello there'],
    ['is the message as it is', 'Ça va? 漢字 😀', 'Ça va? 漢字 😀'],
  ]
  test.for(titles)('%s', async ([, content, title], { alice }) => {
    const done = await (await alice.send(null, content)).readDone()
    expect(done.session.title).toBe(title)
    expect((await alice.list()).items[0]!.title).toBe(title)
  })

  test('is cut at a word within 60 code points', async ({ alice }) => {
    const words = 'Please compare the weather of Lisbon and Reykjavík over a whole year 😀 and draw a table of it'
    const { title } = (await (await alice.send(null, `${words} [[text=Yes]]`)).readDone()).session
    expect(title.endsWith('…')).toBe(true)
    expect([...title].length).toBeLessThanOrEqual(61)
    expect([...title].length).toBeGreaterThan(40)
    const kept = title.slice(0, -1).trimEnd()
    expect(words.startsWith(`${kept} `), title).toBe(true)
  })

  test('of one long word is cut within it', async ({ alice }) => {
    const { title } = (await (await alice.send(null, `${'漢'.repeat(100)} [[text=Yes]]`)).readDone()).session
    expect([...title].length).toBeLessThanOrEqual(61)
    expect(title).toMatch(/^漢+…$/)
  })

  test('comes from the first message alone, and not over one that was given', async ({ alice }) => {
    const [named, unnamed] = [await alice.createSession({ title: 'Mine' }), await alice.createSession()]
    expect((await (await alice.send(named.id, 'Hello')).readDone()).session.title).toBe('Mine')
    expect((await (await alice.send(unnamed.id, 'Hello')).readDone()).session.title).toBe('Hello')
    expect((await (await alice.send(unnamed.id, 'Thanks')).readDone()).session.title).toBe('Hello')
  })
})

describe('what is sent upstream', () => {
  const turns = (body: { messages: { role: string; content: string }[] }) => body.messages.filter((m) => m.role !== 'system')

  test('the conversation, oldest first, the question last', async ({ alice }) => {
    const model = (await alice.features()).models[0]!
    const session = await alice.createSession({ model })
    await alice.sendJson(session.id, '[[text=One]] First')
    await alice.sendJson(session.id, '[[text=Two]] Second')
    const sent: string[] = []
    const { body, headers, nonce } = await seenUpstream(async (nonce) => {
      sent.push(`[[text=Three]] ${nonce}`)
      await (await alice.send(session.id, sent.at(-1)!)).readDone()
    })
    expect(turns(body).slice(0, 4)).toEqual([
      { role: 'user', content: '[[text=One]] First' }, { role: 'assistant', content: 'One' },
      { role: 'user', content: '[[text=Two]] Second' }, { role: 'assistant', content: 'Two' },
    ])
    expect(turns(body).at(-1)).toEqual({ role: 'user', content: `[[text=Three]] ${nonce}` })
    expect(body).toMatchObject({ model, stream: true, stream_options: { include_usage: true } })
    const { limits } = await alice.features()
    expect(body.max_tokens ?? (body as { max_completion_tokens?: number }).max_completion_tokens).toBe(limits.max_tokens)
    expect(JSON.stringify(headers)).not.toContain(alice.token)
    expect(JSON.stringify({ body, headers })).not.toContain(alice.sub)
  })

  test('failed answers are left out, and their question is one turn with the next (unanswered-question-in-context)', async ({ alice }) => {
    const session = await alice.createSession()
    await alice.sendJson(session.id, '[[text=One]] First')
    await (await alice.send(session.id, '[[status=400]] Refused')).readError()
    const { body } = await seenUpstream(async (nonce) => void (await (await alice.send(session.id, `[[text=Three]] ${nonce}`)).readDone()))
    expect(turns(body).map((m) => m.role)).toEqual(['user', 'assistant', 'user'])
    expect(turns(body)[2]!.content).toMatch(/^\[\[status=400\]\] Refused\n\n\[\[text=Three\]\] /)
  })

  test('the last messages alone, never beginning with an answer', async ({ alice }) => {
    const { limits } = await alice.features()
    const session = await alice.createSession()
    const count = limits.max_context_messages / 2 + 2
    for (let i = 0; i < count; i++) {
      await alice.sendJson(session.id, `[[text=A${i}]] Q${i}`)
      await forgetMinute(alice.sub)
    }
    const { body } = await seenUpstream(async (nonce) => void (await (await alice.send(session.id, `[[text=End]] ${nonce}`)).readDone()))
    const sent = turns(body)
    expect(sent[0]!.role).toBe('user')
    expect(sent.length).toBeLessThanOrEqual(limits.max_context_messages + 1)
    expect(sent.length).toBeGreaterThanOrEqual(limits.max_context_messages - 1)
    const all = (await alice.session(session.id, '?limit=100')).messages.map((m) => m.content)
    const last = all.indexOf(sent.at(-1)!.content)
    expect(sent.map((m) => m.content)).toEqual(all.slice(last + 1 - sent.length, last + 1))
  }, 60_000)

  test('another user’s text never', async ({ alice, bob }) => {
    const secret = randomUUID()
    await bob.sendJson(null, `[[text=Yes]] ${secret}`)
    const { body } = await seenUpstream(async (nonce) => void (await (await alice.send(null, `[[text=Yes]] ${nonce}`)).readDone()))
    expect(JSON.stringify(body)).not.toContain(secret)
  })
})

describe('one answer at a time', () => {
  test('a second send is 409 and names the first', async ({ alice }) => {
    const session = await alice.createSession()
    const stream = await alice.send(session.id, '[[chunks=30 pace=50]] Take your time')
    await stream.readText()
    for (const reply of [await alice.trySend(session.id, 'Me too'), await alice.trySendJson(session.id, 'Me too')]) {
      expect(reply.status).toBe(409)
      if (reply instanceof AnswerStream) throw new Error('a stream')
      expect(reply.json().error).toMatchObject({ code: 'generation_in_progress', details: { active_message_id: stream.start!.message.id } })
    }
    await stream.readDone()
    expect((await alice.session(session.id)).messages).toHaveLength(2)
    expect((await alice.quota()).daily.used, 'a refused send costs nothing of the day').toBe(1)
  })

  test('ten at once: one is answered', async ({ alice }) => {
    const session = await alice.createSession()
    const limit = (await alice.features()).limits.max_concurrent_streams!
    const replies = await Promise.all(Array.from({ length: Math.min(limit, 10) }, () => alice.trySend(session.id, '[[chunks=20 pace=20]] Race')))
    const streams = replies.filter((r) => r instanceof AnswerStream)
    expect(streams).toHaveLength(1)
    expect(replies.filter((r) => r.status === 409)).toHaveLength(replies.length - 1)
    await streams[0]!.readDone()
    expect(await sql('SELECT 1 FROM chat_messages WHERE session_id = $1', [session.id])).toHaveLength(2)
  })

  test('the next send after done is never refused', async ({ alice }) => {
    const session = await alice.createSession()
    for (let i = 0; i < 9; i++) {
      const stream = await alice.send(session.id, `[[text=Answer_${i}]] Question ${i}`)
      await stream.read((e) => e.event === 'done')
    }
    expect((await alice.session(session.id)).message_count).toBe(18)
  })
})

describe('a client that leaves', () => {
  test('finds the whole answer later', async ({ alice }) => {
    const stream = await alice.send(null, '[[chunks=40 size=16 pace=25]] Go on without me')
    await stream.readText(16)
    stream.leave()
    const { message } = stream.start!
    const stored = await until('the answer is complete', async () => {
      const now = await alice.message(message.id)
      return now.status === 'streaming' ? undefined : now
    })
    expect(stored).toMatchObject({ status: 'complete', content: generatedText(40, 16) })
  })

  test('leaves nothing running upstream once its session is deleted', async ({ alice }) => {
    const tag = freshTag()
    const stream = await alice.send(null, `[[endless pace=20 tag=${tag}]] Write on`)
    await stream.readText(16)
    stream.leave()
    expect((await alice.delete(`/api/v1/chat/sessions/${stream.start!.session.id}`)).status).toBe(204)
    await until('upstream saw the close', () => cancelOf(tag), 3_000)
    const rows = await until('it is stored as stopped', async () => {
      const found = await sql<{ status: string; content: string }>('SELECT status, content FROM chat_messages WHERE id = $1', [stream.start!.message.id])
      return found[0]?.status === 'stopped' ? found : undefined
    })
    expect(rows[0]!.content.startsWith(stream.content)).toBe(true)
  })
})

test('ten streams of one user after each other leave no trace of each other', async ({ alice }) => {
  const seen = new Set<string>()
  for (let i = 0; i < 10; i++) {
    const stream = await alice.send(null, `[[text=Number_${i}]] Say it`)
    await stream.readDone()
    expect(stream.content).toBe(`Number ${i}`)
    seen.add(stream.start!.session.id)
  }
  expect(seen.size).toBe(10)
})

test('a model that is not offered is 404 before anything is counted or stored', async ({ alice }) => {
  const reply = await alice.post(sendPath(null), { content: 'Hello', model: 'no-such-model' })
  expect(reply.status).toBe(404)
  expect(reply.json().error.code).toBe('model_not_found')
  expect((await alice.list()).items).toEqual([])
  expect((await alice.quota()).daily.used).toBe(0)
})
