// What the provider does wrong after `start`: an `error` event, the text so far kept, never an answer that
// only looks complete, and nothing of the provider's own words.
//
// Five failures in a row open the breaker for everybody, so each test ends with an answer that works.
import { afterEach } from 'vitest'
import { env } from '../support/env.ts'
import { describe, expect, test } from '../support/test.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

afterEach(async () => {
  await until('an answer works', async () => (await new User({ name: 'healer' }).trySendJson(null, '[[text=Yes]] Well?')).status === 201, 40_000)
}, 45_000)

describe('before the first text', () => {
  const faults: [string, string][] = [
    ['[[status=500]]', 'upstream_error'],
    ['[[status=500 form=html]]', 'upstream_error'],
    ['[[status=503 form=text]]', 'upstream_error'],
    ['[[status=401]]', 'upstream_error'],
    ['[[status=402 form=balance]]', 'upstream_error'],
    ['[[status=400]]', 'upstream_error'],
    ['[[status=400 form=text message=Invalid_request_body:_xyzzy]]', 'upstream_error'],
    ['[[status=404 code=model_not_found]]', 'model_not_found'],
    ['[[status=400 code=context_length_exceeded]]', 'context_length_exceeded'],
    ['[[redirect=http://127.0.0.1:9/v1/chat/completions]]', 'upstream_error'],
    ['[[html200]]', 'upstream_invalid_response'],
    ['[[gzip chunks=3]]', 'upstream_invalid_response'], // not asked for (A9)
    ['[[empty]]', 'upstream_invalid_response'],
    ['[[error_at=0 chunks=5]]', 'upstream_error'],
  ]
  test.for(faults)('%s is %s, and the day gets its unit back', { timeout: 30_000 }, async ([marker, code], { alice }) => {
    const stream = await alice.send(null, `${marker} Please`)
    const { error, message } = await stream.readError()
    // A redirect, a page or an empty body may be called either.
    if (/redirect|html200|empty|error_at/.test(marker)) expect(['upstream_error', 'upstream_invalid_response']).toContain(error.code)
    else expect(error.code).toBe(code)
    expect(message).toMatchObject({ id: stream.start!.message.id, status: 'failed', content_bytes: 0 })
    expect(stream.content + stream.reasoning).toBe('')
    expect(JSON.stringify(error)).not.toMatch(/xyzzy|<html|balance_units|error_model_output|127\.0\.0\.1|api[_-]?key/i)
    expect(await until('the unit is back', async () => (await alice.quota()).daily.used === 0)).toBe(true)
    expect((await alice.session(stream.start!.session.id)).messages.map((m) => m.status)).toEqual(['complete', 'failed'])
  })
})

describe('after some text', () => {
  const breaks = ['error_at=4', 'error_at=4 error_form=event', 'error_at=4 error_form=string', 'error_at=4 error_done', 'cut=1200', 'reset=1200', 'nodone nofinish']
  test.for(breaks)('%s is one error event, and the text is kept', async (how, { alice }) => {
    const stream = await alice.send(null, `[[${how} chunks=8 size=16 pace=5]] Break`)
    const { error, message } = await stream.readError()
    expect(['upstream_error', 'upstream_invalid_response']).toContain(error.code)
    expect(message.status).toBe('failed')
    expect(message.content_bytes).toBe(Buffer.byteLength(stream.content))
    expect(generatedText(8, 16).startsWith(stream.content)).toBe(true)
    expect(stream.content).not.toBe('')
    expect((await alice.message(message.id)).content).toBe(stream.content)
    expect(JSON.stringify(error)).not.toContain('error_model_output')
    expect((await alice.quota()).daily.used, 'what had text is counted').toBe(1)
  })

  test('the session takes the next send at once', async ({ alice }) => {
    const stream = await alice.send(null, '[[error_at=2 chunks=4]] Break')
    await stream.readError()
    await (await alice.send(stream.start!.session.id, '[[text=Yes]] Again')).readDone()
    expect((await alice.session(stream.start!.session.id)).messages.map((m) => m.status)).toEqual(['complete', 'failed', 'complete', 'complete'])
  })
})

test('a refusal that passes is tried again unseen', async ({ alice }) => {
  // 502 and 503 are tried twice more; the order is taken back by its `times`.
  const order = await fetch(`${env.upstreamUrl}/__control`, { method: 'POST', body: JSON.stringify({ status: 503, times: 1, with: 'Hello, once more' }) })
  expect(order.status).toBe(200)
  const stream = await alice.send(null, '[[text=Yes]] Hello, once more')
  await stream.readDone()
  expect(stream.content).toBe('Yes')
})
