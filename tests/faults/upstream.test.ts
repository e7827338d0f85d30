// A provider that breaks off anywhere, dribbles, refuses, or falls silent in any phase: no answer is shown as complete
// that isn't, each has exactly one closing event, and what is stored is what was shown.
import { afterAll, afterEach, beforeAll } from 'vitest'
import { describe, expect, idOf, report, rowOf, size, test } from '../support/faults.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { closeBreaker } from '../support/stores.ts'
import type { AnswerStream } from '../support/sse.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'

// Time limits short enough to wait for.
const LIMIT_MS = 1_500
let stack: Stack
beforeAll(async () => {
  stack = await startStack({
    CHAT_WORKERS: '2', SAMBANOVA_FIRST_BYTE_TIMEOUT_MS: String(LIMIT_MS), SAMBANOVA_IDLE_TIMEOUT_MS: String(LIMIT_MS), SAMBANOVA_TOTAL_TIMEOUT_MS: '4000',
  })
}, 180_000)
afterAll(() => stack?.down(), 60_000)
afterEach(closeBreaker) // failures on purpose must not refuse the next tests' answers

/** Sends all of these orders, some at a time, each as a user of its own; gives what the streams showed. */
async function each(orders: string[], see: (stream: AnswerStream, order: string, user: User) => Promise<void> | void): Promise<void> {
  const AT_ONCE = 12
  const left = [...orders.entries()]
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next; (next = left.shift()); ) {
      const [, order] = next
      const user = new User({ name: 'broken', url: stack.url })
      await closeBreaker() // five in a row would open it
      let stream = await user.trySend(null, `[[${order}]] Break`)
      while (!('readAll' in stream)) {
        expect(['api_unavailable', 'upstream_rate_limited'], order).toContain(stream.json().error.code) // others' failures and 429s
        await closeBreaker()
        stream = await user.trySend(null, `[[${order}]] Break`)
      }
      await stream.readAll()
      await see(stream, order, user)
      const row = await rowOf(idOf(stream))
      expect(row.content, `${order}: stored as shown`).toBe(stream.content)
      await expectInvariants(user)
    }
  }))
}

describe('upstream', () => {
  test('cut at every byte: what came is shown and stored, and never as complete', async () => {
    const [chunks, bytes] = [3, 8]
    const text = generatedText(chunks, bytes)
    const cuts: number[] = []
    const complete: number[] = []
    const answer = `chunks=${chunks} size=${bytes}`
    // The body's length: where a cut no longer hurts. Its end is `data: [DONE]` and a blank line.
    const whole = 1_300
    for (let at = 0; at < whole; at += size(29, 1)) cuts.push(at)
    await each(cuts.flatMap((at) => [`${answer} cut=${at}`, ...(size(0, 1) ? [`${answer} reset=${at}`] : [])]), (stream, order) => {
      const at = Number(/(?:cut|reset)=(\d+)/.exec(order)![1])
      expect(text.startsWith(stream.content), order).toBe(true)
      if (stream.closing!.event === 'done') {
        complete.push(at)
        expect(stream.content, `${order}: complete`).toBe(text)
        expect(stream.closing!.data.message).toMatchObject({ status: 'complete', finish_reason: 'stop' })
      } else expect(stream.closing!.data.message.status, order).toBe('failed')
    })
    const first = Math.min(...complete)
    report(`cut at ${cuts.length} places: complete only from byte ${first} on, where the end marker was there`)
    expect(complete.length, 'and whole where nothing was cut').toBeGreaterThan(0)
    for (const at of cuts) expect(complete.includes(at), `cut at ${at}`).toBe(at >= first)
  })

  test('a byte at a time: the same text', async () => {
    const spellings = ['', 'crlf', 'cr', 'multidata', 'utf8', 'comments=2', 'bom', 'nullchoices', 'nulldelta', 'http10']
    await each(spellings.map((spelling) => `chunks=6 size=14 split1 ${spelling}`), (stream, order) => {
      expect(stream.closing!.event, order).toBe('done')
      expect(stream.content, order).toBe(generatedText(6, 14, { utf8: order.includes('utf8') }))
    })
  })

  test('every HTTP error: one error event, nothing shown, and the day gets its unit back', { timeout: 300_000 }, async () => {
    const all = Array.from({ length: 200 }, (_, i) => 400 + i)
    const statuses = size(0, 1) ? all : [400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 418, 422, 425, 429, 451, 500, 501, 502, 503, 504, 520, 599]
    const codes: Record<string, number> = {}
    await each(statuses.map((status) => `status=${status} retry_after=0`), (stream, order) => {
      expect(stream.closing!.event, order).toBe('error')
      expect(stream.content + stream.reasoning, order).toBe('')
      const { error, message } = stream.closing!.data
      expect(message.status, order).toBe('failed')
      expect(['upstream_error', 'upstream_rate_limited', 'model_not_found', 'context_length_exceeded', 'upstream_timeout', 'upstream_invalid_response'], order).toContain(error.code)
      codes[error.code] = (codes[error.code] ?? 0) + 1
    })
    report(`${statuses.length} statuses: ${Object.entries(codes).map(([code, count]) => `${count} ${code}`).join(', ')}`)
  })

  test('silent in every phase: a timeout, and the text so far kept', async () => {
    const phases: [string, number][] = [
      ['headers=20000', 0], // before the status line
      ['first=20000', 0], // after the headers
      ['stall=0', 0],
      ['stall=1 chunks=9 size=8', 8],
      ['stall=5 chunks=9 size=8', 40],
      ['stall=9 chunks=9 size=8', 72], // before its end
      ['comments_forever', 0],
      ['stall=3 chunks=9 size=8 comments_forever', 24],
      ['reasoning=4 stall=2 chunks=9 size=8', 0],
      ['endless size=8 pace=50', -1], // never silent, never done
    ]
    await each(phases.map(([order]) => order), (stream, order) => {
      const { error, message } = stream.closing!.data
      expect(stream.closing!.event, order).toBe('error')
      expect(error.code, order).toBe('upstream_timeout')
      expect(message.status, order).toBe('failed')
      const bytes = phases.find(([each]) => each === order)![1]
      if (bytes >= 0) expect(Buffer.byteLength(stream.content), order).toBe(bytes)
    })
  })
})
