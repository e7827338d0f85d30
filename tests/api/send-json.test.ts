// Sending with `stream: false`: the finished answer as one object, and what goes wrong as a status.
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { generatedText } from '../support/upstream.ts'

test('into a session: question, answer and quota', async ({ alice }) => {
  const session = await alice.createSession()
  const result = await alice.sendJson(session.id, '[[chunks=5 size=9 utf8]] Héllo')
  expect(result.user_message).toMatchObject({ session_id: session.id, role: 'user', content: '[[chunks=5 size=9 utf8]] Héllo', status: 'complete' })
  expect(result.message).toMatchObject({
    session_id: session.id, parent_id: result.user_message.id, role: 'assistant', status: 'complete', finish_reason: 'stop',
    content: generatedText(5, 9, { utf8: true }), content_bytes: 45,
  })
  expect(result.quota.daily.used).toBe(1)
  expect((await alice.session(session.id)).messages).toEqual([result.user_message, result.message])
})

test('in one call: the session with it', async ({ alice }) => {
  const result = await alice.sendJson(null, '[[text=Yes]] Hello')
  expect(result.session).toMatchObject({ id: result.message.session_id, message_count: 2 })
  expect((await alice.list()).items).toEqual([result.session])
})

test('reasoning is kept apart', async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[reasoning=3 chunks=3 size=8]] Think')
  expect(message.reasoning).toBe(generatedText(3, 8, { prefix: 'r' }))
  expect(message.content).toBe(generatedText(3, 8))
})

test('text that looks like SQL, a script or an escape is stored as it is', async ({ alice }) => {
  const content = `'); DROP TABLE chat_messages;-- <script>alert(1)</script> \\u0041 %s \u2028 \u{1f600} [[text=Yes]]`
  const { user_message } = await alice.sendJson(null, content)
  expect((await alice.message(user_message.id)).content).toBe(content)
  expect((await sql<{ content: string }>('SELECT content FROM chat_messages WHERE id = $1', [user_message.id]))[0]!.content).toBe(content)
})

describe('what the provider does wrong is a status', () => {
  const faults: [string, number, string][] = [
    ['[[status=500]]', 502, 'upstream_error'],
    ['[[status=401]]', 502, 'upstream_error'],
    ['[[status=402 form=balance]]', 502, 'upstream_error'],
    ['[[status=422 form=text]]', 502, 'upstream_error'],
    ['[[status=404 code=model_not_found]]', 404, 'model_not_found'],
    ['[[status=400 code=context_length_exceeded]]', 422, 'context_length_exceeded'],
    ['[[html200]]', 502, 'upstream_invalid_response'],
  ]
  test.for(faults)('%s is %i %s', async ([marker, status, code], { alice }) => {
    const reply = await alice.trySendJson(null, `${marker} Please`)
    expect(reply.status).toBe(status)
    expect(reply.json().error.code).toBe(code)
    expect((await alice.quota()).daily.used, 'it failed before its first token').toBe(0)
    await alice.sendJson(null, '[[text=Yes]] Works again')
  })
})
