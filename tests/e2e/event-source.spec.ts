import { expect, test } from '@playwright/test'
import { generatedText } from '../support/upstream.ts'
import { ChatPage } from './chat-page.ts'

// What a page of one's own would do: the cookie is all that an EventSource has.
test("a plain EventSource follows an answer, and stops by itself after its end", async ({ page }) => {
  const chat = new ChatPage(page)
  await chat.signIn()
  const statuses: number[] = []
  page.on('response', (response) => {
    if (response.url().endsWith('/stream')) statuses.push(response.status())
  })
  const seen = await page.evaluate(async () => {
    const sent = await fetch('/api/v1/chat/messages', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ content: '[[chunks=60 size=12 pace=20]] Follow' }),
    })
    const first = await sent.body!.getReader().read() // then it is left to itself
    const id = /"message":\{"id":"([0-9a-f-]{36})"/.exec(new TextDecoder().decode(first.value))![1]!
    return await new Promise<{ text: string; events: string[]; lastId: string; state: number }>((resolve) => {
      const source = new EventSource(`/api/v1/chat/messages/${id}/stream`)
      const seen = { text: '', events: [] as string[], lastId: '', state: -1 }
      for (const name of ['start', 'delta', 'done', 'error'])
        source.addEventListener(name, (event) => {
          const { data, lastEventId } = event as MessageEvent<string | undefined>
          if (data === undefined) { // the browser's own: the stream ended; at 204 for good
            seen.state = source.readyState
            if (source.readyState === EventSource.CLOSED) resolve(seen)
            return
          }
          seen.events.push(name)
          seen.lastId = lastEventId
          if (name === 'delta') seen.text += JSON.parse(data).content
        })
    })
  })
  expect(seen.text).toBe(generatedText(60, 12))
  expect(seen.events[0]).toBe('start')
  expect(seen.events.filter((name) => name !== 'delta')).toEqual(['start', 'done'])
  expect(seen.lastId).toBe('end')
  expect(seen.state, 'closed').toBe(2)
  expect(statuses, 'it came back once, and was told that there is no more').toEqual([200, 204])
})
