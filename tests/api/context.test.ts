// What the model gets to see of a conversation, as strict providers want it.
import { describe, expect } from 'vitest'
import { forgetMinute } from '../support/stores.ts'
import { test } from '../support/test.ts'
import type { User } from '../support/user.ts'

describe('with a provider that wants user and assistant in turns (unanswered-question-in-context)', () => {
  const goesOn = async (alice: User, sessionId: string) => {
    const { message } = await (await alice.send(sessionId, '[[alternate text=Here]] and now?')).readDone()
    expect(message.status).toBe('complete')
    expect((await alice.message(message.id)).content).toBe('Here')
  }

  test.for([['500', 'status=500'], ['nothing but [DONE]', 'empty'], ['400', 'status=400']])(
    'a chat goes on after %s', async ([, marker], { alice }) => {
      const session = await alice.createSession()
      await (await alice.send(session.id, `[[${marker}]] Why?`)).readError()
      await goesOn(alice, session.id)
      await goesOn(alice, session.id)
    })

  test('a chat goes on after a stop before the first token', async ({ alice }) => {
    const session = await alice.createSession()
    const stream = await alice.send(session.id, '[[first=60000 text=never]] Why?')
    await stream.readStart()
    await alice.post(`/api/v1/chat/messages/${stream.start!.message.id}/stop`)
    await stream.readDone()
    await goesOn(alice, session.id)
  })
})

describe('with a model that takes little (chat-outgrows-model)', () => {
  const asked = (text: string) => `[[max_chars=30000 chunks=1 size=7900]] ${text} ${'a'.repeat(7850)}`

  test('a chat goes on without its oldest turns, and says where the model sees it from', async ({ alice }) => {
    const session = await alice.createSession()
    expect(session.context_starts_at).toBeNull()
    for (let i = 0; i < 8; i++) {
      await forgetMinute(alice.sub)
      const { message } = await (await alice.send(session.id, asked(String(i)))).readDone()
      expect(message.status).toBe('complete')
    }
    await forgetMinute(alice.sub)
    const { session: told } = await (await alice.send(session.id, '[[max_chars=30000 text=ok]] ok')).readDone()
    const { messages, context_starts_at } = await alice.session(session.id, '?limit=100')
    expect(context_starts_at).toBe(told.context_starts_at)
    const first = messages.find((m) => m.id === context_starts_at)
    expect(first?.role).toBe('user')
    expect(first!.seq).toBeGreaterThan(1)
  }, 60_000)

  test('a single message that is too long by itself is refused as that, and the next one answered', async ({ alice }) => {
    const session = await alice.createSession()
    const { error } = await (await alice.send(session.id, `[[max_chars=100]] ${'a'.repeat(200)}`)).readError()
    expect(error.code).toBe('context_length_exceeded')
    const { message } = await (await alice.send(session.id, '[[max_chars=100 text=ok]] ok')).readDone()
    expect(message.status).toBe('complete')
  })
})
