// A file of its own: it waits for what comes after 15 seconds, while other files run.
import { open } from '../support/http.ts'
import { expect, test } from '../support/test.ts'

test('a completion: silence is bridged by comments, the first one too', async ({ alice }) => {
  const { body } = await open('/api/v1/chat/completions', {
    method: 'POST',
    json: { model: 'Meta-Llama-3.3-70B-Instruct', stream: true, messages: [{ role: 'user', content: '[[chunks=5 stall=1]] Slowly' }] },
    headers: { Authorization: `Bearer ${alice.token}` },
  })
  let text = ''
  for await (const piece of body) {
    text += String(piece)
    if (text.endsWith(': waiting\n\n')) break // which leaves
  }
  expect(text).toMatch(/"content":"0:.*\n\n: waiting\n\n$/s)
}, 40_000)
