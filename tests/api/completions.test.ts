// OpenAI's surface: by the openai package as it is, and by the bytes.
import { randomBytes, randomUUID } from 'node:crypto'
import OpenAI from 'openai'
import { holdSchema } from '../support/openapi.ts'
import { open } from '../support/http.ts'
import { env } from '../support/env.ts'
import { closeBreaker, dailyUnits, forgetMinute, leasesOf, useDaily, useMinute } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { cancelOf, freshTag, generatedText, seenUpstream, stats } from '../support/upstream.ts'
import type { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const path = '/api/v1/chat/completions'
const model = 'Meta-Llama-3.3-70B-Instruct'
const client = (user: User) => new OpenAI({ baseURL: `${env.url}/api/v1`, apiKey: user.token, maxRetries: 0 })
const ask = (content: string) => ({ model, messages: [{ role: 'user' as const, content }] })

interface Frames {
  status: number
  type: string
  body: string
  data: string[]
}

/** The stream as it came, and the data of its frames. */
async function frames(user: User, content: string, more: object = {}): Promise<Frames> {
  const reply = await open(path, {
    method: 'POST', headers: { Authorization: `Bearer ${user.token}` }, json: { ...ask(content), stream: true, ...more },
  })
  const body = await reply.body.text()
  const data = body.split('\n\n').filter((frame) => frame.startsWith('data: ')).map((frame) => frame.slice(6))
  return { status: reply.statusCode, type: String(reply.headers['content-type']), body, data }
}

describe('the openai package', () => {
  test.for([true, false])('says how to behave as `developer`, which the models know as `system` (developer-role), streamed: %s', async (stream, { alice }) => {
    const { body } = await seenUpstream(async (nonce) => {
      const messages = [{ role: 'developer' as const, content: 'Talk like a pirate.' }, { role: 'user' as const, content: `Are semicolons optional? ${nonce}` }]
      const answer = await client(alice).chat.completions.create({ model, messages, stream })
      if ('choices' in answer) expect(answer.choices[0]!.message.content).not.toBe('')
      else for await (const chunk of answer) expect(chunk.object).toBe('chat.completion.chunk')
    })
    expect(body.messages.map((message) => message.role)).toEqual(['system', 'user'])
    expect(body.messages[0]!.content).toBe('Talk like a pirate.')
  })

  test('streams', async ({ alice }) => {
    const stream = await client(alice).chat.completions.create({ ...ask('[[chunks=12 size=10 utf8]] Hello'), stream: true })
    let text = ''
    let finish: string | null = null
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      finish = chunk.choices[0]?.finish_reason || finish
    }
    expect(text).toBe(generatedText(12, 10, { utf8: true }))
    expect(finish).toBe('stop')
    expect(await dailyUnits(alice.sub)).toBe(1)
  })

  test('waits for the whole of it', async ({ alice }) => {
    const whole = await client(alice).chat.completions.create(ask('[[chunks=3 size=8]] Hello'))
    expect(whole.choices[0]!.message.content).toBe(generatedText(3, 8))
    expect(whole.usage!.completion_tokens).toBe(3)
    holdSchema('ChatCompletion', whole)
  })

  test('asks for tools, and is handed the call', async ({ alice }) => {
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }]
    const stream = await client(alice).chat.completions.create({ ...ask('[[tools finish=tool_calls]] Weather?'), tools, stream: true })
    const calls: string[] = []
    for await (const chunk of stream) for (const call of chunk.choices[0]?.delta.tool_calls ?? []) calls.push(call.function?.name ?? '')
    expect(calls.filter(Boolean).length).toBeGreaterThan(0)
  })

  test('aborts, and the provider is closed at once, also while it is silent', async ({ alice }) => {
    for (const script of ['chunks=1000 pace=20', 'stall=2 chunks=9']) {
      const tag = freshTag()
      const abort = new AbortController()
      const stream = await client(alice).chat.completions.create({ ...ask(`[[${script} tag=${tag}]] Go on`), stream: true }, { signal: abort.signal })
      const first = await stream[Symbol.asyncIterator]().next()
      expect(first.done).toBe(false)
      abort.abort()
      await until('the provider sees the connection closed', () => cancelOf(tag))
    }
    await until('no lease is left', async () => (await leasesOf(alice.sub)).length === 0)
  })

  test('raises its own errors for ours', async ({ alice }) => {
    const openai = client(alice)
    const stranger = new OpenAI({ baseURL: `${env.url}/api/v1`, apiKey: 'none', maxRetries: 0 })
    await expect(stranger.chat.completions.create(ask('Hi'))).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    await expect(openai.chat.completions.create({ ...ask('Hi'), model: 'nobody' })).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    await expect(openai.chat.completions.create({ model, messages: [] })).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError)
    await expect(openai.chat.completions.create(ask('[[status=422]] Hi'))).rejects.toBeInstanceOf(OpenAI.BadRequestError)
    await expect(openai.chat.completions.create(ask('[[status=500]] Hi'))).rejects.toBeInstanceOf(OpenAI.InternalServerError)
    expect(await dailyUnits(alice.sub), 'what failed before its first token costs nothing').toBe(0)

    await useDaily(alice.sub, 100_000)
    const refused = await openai.chat.completions.create(ask('Hi')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError)
    expect(refused).toMatchObject({ code: 'quota_exceeded' })
    expect(Number((refused as InstanceType<typeof OpenAI.RateLimitError>).headers.get('retry-after'))).toBeGreaterThan(0)
  })

  // photo-by-sdk
  test('sends a picture of 3 MB, whole', async ({ alice }) => {
    const photo = randomBytes(3_000_000).toString('base64')
    const nonce = freshTag()
    {
      const whole = await client(alice).chat.completions.create({
        model, messages: [{ role: 'user', content: [
          { type: 'text', text: `[[chunks=1 tag=${nonce}]]` },
          { type: 'image_url', image_url: { url: `data:image/jpeg;base64,${photo}` } },
        ] }],
      })
      expect(whole.choices[0]!.finish_reason).toBe('stop')
    }
    const seen = (await stats()).recent_chats.find((chat) => chat.body.includes(nonce))!
    expect(seen.body_bytes).toBeGreaterThan(photo.length)
    expect(seen.body_end).toContain(`${photo.slice(-900)}"`)
  })

  // day-used-up-sdk: left to itself it sleeps until midnight, and asks again then.
  test('raises at once what trying again cannot change, with its own tries on', async ({ alice, skip }) => {
    skip(86_400_000 - Date.now() % 86_400_000 < 120_000, 'the day is over in a moment')
    let requests = 0
    const patient = new OpenAI({
      baseURL: `${env.url}/api/v1`, apiKey: alice.token,
      fetch: (url, init) => { requests++; return fetch(url, init) },
    })
    expect(patient.maxRetries, 'as it comes').toBe(2)
    await useDaily(alice.sub, 100_000)
    for (const more of [{}, { stream: true }]) {
      await expect(patient.chat.completions.create({ ...ask('Hi'), ...more })).rejects.toBeInstanceOf(OpenAI.RateLimitError)
    }
    expect(requests).toBe(2)
    await expect(patient.chat.completions.create({ ...ask('Hi'), model: 'nobody' })).rejects.toMatchObject({ status: 404 })
    await expect(patient.post('/nowhere', { body: {} })).rejects.toMatchObject({ status: 404 })
    expect(requests, 'one request each').toBe(4)
  })

  // retries-multiply: three tries of ours and none of its own, which would make nine.
  test('does not multiply our own tries', async ({ alice }) => {
    const tag = freshTag()
    const patient = new OpenAI({ baseURL: `${env.url}/api/v1`, apiKey: alice.token })
    const failed = await patient.chat.completions.create(ask(`[[status=503 tag=${tag}]] Hi`)).catch((error: unknown) => error)
    expect(failed).toMatchObject({ status: 502 })
    expect((failed as InstanceType<typeof OpenAI.APIError>).headers!.get('x-should-retry')).toBe('false')
  })

  // provider-reason-of-a-400
  test('says what the provider has against the request, and which field', async ({ alice }) => {
    const reply = await alice.post('/api/v1/chat/completions', ask('[[status=400 code=invalid_value message=Invalid_schema_for_function]] Hi'))
    expect(reply.status).toBe(400)
    expect(reply.json<{ error: { code: string; message: string } }>().error).toMatchObject({ code: 'invalid_request', message: 'Invalid schema for function' })
    const session = await alice.trySendJson(null, '[[status=400 message=Invalid_schema_for_function]] Hi')
    expect(session.status).toBe(502)
    expect(session.body).not.toContain('schema')
  })

  test('raises an error in mid-stream', async ({ alice }) => {
    const stream = await client(alice).chat.completions.create({ ...ask('[[error_at=2 chunks=5]] Hi'), stream: true })
    const read = (async () => {
      for await (const chunk of stream) void chunk
    })()
    await expect(read).rejects.toMatchObject({ code: 'upstream_error' })
  })

  test('lists models', async ({ alice }) => {
    const names = (await client(alice).models.list()).data.map((m) => m.id)
    expect(names).toContain(model)
    expect((await client(alice).models.retrieve(model)).id).toBe(model)
  })
})

describe('what is sent upstream', () => {
  test('every field as it came, the model where it was missing', async ({ alice }) => {
    const fields = { response_format: { type: 'json_object' }, logprobs: true, top_logprobs: 2, seed: 7, unheard_of: { deep: [1, 2.50, null] } }
    const seen = await seenUpstream(async (nonce) => {
      const reply = await alice.post(path, { messages: [{ role: 'user', content: `[[chunks=1]] ${nonce}` }], ...fields })
      expect(reply.status).toBe(200)
    })
    expect(seen.body).toMatchObject({ model, ...fields })
    expect(seen.headers['traceparent']).toMatch(/^00-/)
  })

  // include-usage-to-the-letter
  test.for(['', 'usage_twice', 'nousage', 'n2', 'usage_twice nodone'])('usage comes once, with the last chunk, to who asks for it and to nobody else: %s', async (order, { alice }) => {
    for (const include_usage of [true, false]) {
      const { data } = await frames(alice, `[[chunks=3 ${order}]] Use`, { stream_options: { include_usage } })
      expect(data.pop()).toBe('[DONE]')
      const chunks = data.map((json) => JSON.parse(json))
      if (include_usage) {
        const last = chunks.pop()
        expect(last.choices).toEqual([])
        expect(last.usage).toMatchObject({ prompt_tokens: expect.any(Number), completion_tokens: expect.any(Number), total_tokens: expect.any(Number) })
      }
      expect(chunks.some((chunk) => chunk.choices.some((choice: { finish_reason: string | null }) => choice.finish_reason))).toBe(true)
      for (const chunk of chunks) {
        expect(chunk.choices.length).toBeGreaterThan(0)
        expect(chunk.usage ?? null).toBeNull()
        expect(chunk.created).toBe(Math.floor(chunk.created))
      }
      await forgetMinute(alice.sub)
    }
  })

  test('usage is asked for on our own account, and then kept from the client', async ({ alice }) => {
    let got: Frames | undefined
    const seen = await seenUpstream(async (nonce) => {
      got = await frames(alice, `[[chunks=2]] ${nonce}`)
    })
    expect(seen.body.stream_options).toEqual({ include_usage: true })
    expect(got!.body).not.toContain('"choices":[]')
    const asked = await frames(alice, '[[chunks=2]] Hi', { stream_options: { include_usage: true } })
    expect(asked.data.filter((data) => data.includes('"choices":[]'))).toHaveLength(1)
  })
})

describe('frames', () => {
  test('are the provider’s bytes', async ({ alice }) => {
    const content = `[[chunks=40 size=30 utf8]] ${randomUUID()}`
    const direct = await fetch(`${env.upstreamUrl}/v1/chat/completions`, {
      method: 'POST', headers: { Authorization: 'Bearer k', 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...ask(content), stream: true }),
    })
    const same = (body: string) => body.replace(/"(created|id)":("[^"]*"|[\d.]+)/g, '')
    expect(same((await frames(alice, content)).body)).toBe(same(await direct.text()))
  })

  test.for(['crlf', 'cr', 'bom', 'nospace', 'multidata', 'comments=3', 'split=1', 'n2', 'interim', 'http10', 'close', 'nodone', 'partsarray'])(
    'spelled with %s end with [DONE]', async (spelling, { alice }) => {
      const { status, body } = await frames(alice, `[[${spelling} chunks=4]] Spell`)
      expect(status).toBe(200)
      expect(body.endsWith('data: [DONE]\n\n')).toBe(true)
      expect(body).not.toContain('"error"')
      // B2: one line of JSON each, whatever the provider's framing
      for (const frame of body.slice(0, -'data: [DONE]\n\n'.length).split('\n\n').slice(0, -1)) {
        if (frame.startsWith(':')) continue
        expect(frame).toMatch(/^data: \{.*\}$/)
        expect(JSON.parse(frame.slice(6)).object).toBe('chat.completion.chunk')
      }
    })

  test.for(['error_at=2 chunks=5', 'error_at=2 chunks=5 error_form=event', 'nofinish nodone chunks=3', 'reset=900 chunks=20', 'deep=64 chunks=3', 'longline=600000 chunks=2', 'badutf8 chunks=3', 'nulraw chunks=3'])(
    'with %s never end as if whole', async (fault, { alice }) => {
      const { status, type, body } = await frames(alice, `[[${fault}]] Break`)
      expect(body).not.toContain('[DONE]')
      const error = status === 200 ? body.trimEnd().split('\n\n').at(-1)!.replace('data: ', '') : body
      expect(type).toMatch(status === 200 ? /^text\/event-stream/ : /^application\/json/)
      holdSchema('ErrorBody', JSON.parse(error))
      expect(body).not.toContain('error_model_output')
    })

  test('cut between the last chunk and [DONE] are not whole: another choice could lack its end', async ({ alice }) => {
    const size = async (script: string) => (await frames(alice, script, { stream_options: { include_usage: true } })).body.length
    const whole = await size('[[chunks=3]] Cut')
    const { body } = await frames(alice, `[[chunks=3 cut=${whole - 7}]] Cut`, { stream_options: { include_usage: true } })
    expect(body).toContain('"finish_reason":"stop"')
    expect(body).not.toContain('[DONE]')
    expect(JSON.parse(body.trimEnd().split('\n\n').at(-1)!.replace('data: ', '')).error.code).toBe('upstream_invalid_response')
  })

  test.for([['html200', 502], ['empty', 502], ['status=503', 502], ['status=401', 502], ['status=400', 400], ['json200', 502]] as const)(
    'before the first chunk %s is status %i', async ([fault, status], { alice }) => {
      const reply = await alice.post(path, { ...ask(`[[${fault}]] Break`), stream: true })
      expect(reply.status).toBe(status)
      expect(await dailyUnits(alice.sub)).toBe(0)
      const { daily } = await alice.quota()
      expect(reply.headers['x-daily-quota-remaining'], 'as it stands now').toBe(String(daily.remaining))
      await closeBreaker() // after a 429 the model rests
      const next = await frames(alice, '[[chunks=1]] And again')
      expect(next.status).toBe(200)
    })
})

test('no more tokens than an answer may have: what asks for more, or for no number, gets that', async ({ alice }) => {
  const most = (await alice.features()).limits.max_tokens
  const cases: [object, object][] = [
    [{}, { max_tokens: most }], [{ max_tokens: most + 1 }, { max_tokens: most }], [{ max_tokens: 7 }, { max_tokens: 7 }], [{ max_tokens: null }, { max_tokens: most }],
    [{ max_completion_tokens: 1e9 }, { max_completion_tokens: most }], [{ max_completion_tokens: 9 }, { max_completion_tokens: 9 }],
  ]
  for (const [asked, sent] of cases) {
    const { body } = await seenUpstream(async (nonce) => {
      expect((await alice.post(path, { ...ask(`[[chunks=1]] ${nonce}`), ...asked })).status).toBe(200)
    })
    const { max_tokens, max_completion_tokens } = body as { max_tokens?: number; max_completion_tokens?: number }
    expect(JSON.parse(JSON.stringify({ max_tokens, max_completion_tokens }))).toEqual(sent)
    await forgetMinute(alice.sub)
  }
  const hidden = `{"model":"${model}","messages":[{"role":"user","content":"Hi"}],"max_t\\u006fkens":1000000}`
  const reply = await alice.request(path, { method: 'POST', body: hidden, headers: { 'Content-Type': 'application/json' } })
  expect(reply.status).toBe(422)
  expect(reply.json().error.details.fields).toHaveProperty('body')
})

// A4: each answer of `n` is one
test('several answers in one are counted each, and given back together', async ({ alice }) => {
  const first = await alice.post(path, { ...ask('[[n2 chunks=2]] Two'), n: 2 })
  expect(first.status).toBe(200)
  expect((await alice.quota()).daily.used).toBe(2)
  expect((await alice.quota()).rate_limit.remaining).toBe(Number(first.headers['x-ratelimit-limit']) - 2)
  expect((await alice.post(path, { ...ask('[[status=500]] None'), n: 4 })).status).toBe(502)
  expect(await dailyUnits(alice.sub)).toBe(2)
  await useDaily(alice.sub, ((await alice.quota()).daily.limit ?? 0) - 3)
  expect((await alice.post(path, { ...ask('Hi'), n: 4 })).json().error.code).toBe('quota_exceeded')
  expect((await alice.post(path, { ...ask('[[n2 chunks=1]] Hi'), n: 3 })).status).toBe(200)
})

// A4: the service can hold its bounds only where it understands what is asked for
test('wrong types of what is bounded, and names that only some would take for it, are refused with their names', async ({ alice }) => {
  const cases: [Record<string, unknown>, string, RegExp][] = [
    [{ max_tokens: '100000' }, 'max_tokens', /whole number/], [{ max_completion_tokens: -1 }, 'max_completion_tokens', /whole number/],
    [{ n: 5 }, 'n', /1 to 4/], [{ n: '2' }, 'n', /1 to 4/], [{ stream_options: true }, 'stream_options', /object/],
    [{ stream: true, stream_options: { include_usage: 'no' } }, 'stream_options.include_usage', /true or false/],
    [{ Max_Tokens: 9 }, 'Max_Tokens', /`max_tokens`/], [{ MODEL: 'other' }, 'MODEL', /`model`/], [{ N: 9 }, 'N', /`n`/], [{ STREAM: true }, 'STREAM', /`stream`/],
  ]
  for (const [more, field, says] of cases) {
    const reply = await alice.post(path, { ...ask('Hi'), ...more })
    expect(reply.status, JSON.stringify(more)).toBe(422)
    expect(reply.json().error.details.fields[field]).toMatch(says)
  }
  expect(await dailyUnits(alice.sub)).toBe(0)
})

test('usage is asked for whatever the client says, and the rest of its options is kept', async ({ alice }) => {
  for (const options of [{ include_usage: false, include_obfuscation: false }, {}, null, { include_usage: null }]) {
    const seen = await seenUpstream(async (nonce) => {
      await frames(alice, `[[chunks=2]] ${nonce}`, { stream_options: options })
    })
    expect(seen.body.stream_options).toEqual({ ...options, include_usage: true })
  }
})

test('names may be spelled with escapes, as many writers of JSON do', async ({ alice }) => {
  const { body } = await seenUpstream(async (nonce) => {
    const text = `{"model":"${model}","messages":[{"role":"user","content":"[[chunks=1]] ${nonce}"}],"caf\\u00e9":1,"a\\/b":2}`
    const reply = await alice.request(path, { method: 'POST', body: text, headers: { 'Content-Type': 'application/json' } })
    expect(reply.status, reply.body).toBe(200)
  })
  expect(body).toMatchObject({ model, café: 1, 'a/b': 2 })
})

test('counted like a send: per minute, per day, at once', async ({ alice, admin }) => {
  const first = await alice.post(path, ask('[[chunks=1]] Hi'))
  expect(first.headers['x-daily-quota-remaining']).toBeDefined()
  expect((await alice.quota()).daily.used).toBe(1)
  await useMinute(alice.sub, 100_000)
  expect((await alice.post(path, ask('Hi'))).status).toBe(429)
  await forgetMinute(alice.sub)
  expect((await admin.post(path, ask('[[chunks=1]] Hi'))).status).toBe(200)
})

test('takes a body up to 1 MiB, and what is wrong with it is said', async ({ alice }) => {
  const MiB = 1 << 20
  expect((await alice.post(path, ask(`[[chunks=1]] ${'x'.repeat(2 * MiB)}`))).status).toBe(200)
  const over = await alice.post(path, ask('x'.repeat(20 * MiB)))
  expect(over.status).toBe(413)
  expect(over.json().error).toMatchObject({ code: 'payload_too_large', details: { max_bytes: 20 * MiB } })
  for (const body of [{}, { messages: 'Hi' }, { ...ask('Hi'), model: 7 }, { ...ask('Hi'), model: null }, { ...ask('Hi'), stream: 'yes' }])
  {
    const reply = await alice.post(path, body)
    expect(reply.status).toBe(422)
    const names = reply.body.match(/"fields":\{(.*?)\}/)![1]!.match(/"\w+":/g)!
    expect(names).toEqual([...new Set(names)])
  }
  expect(await dailyUnits(alice.sub)).toBe(1)
})

test('nothing is open upstream in the end', async ({ alice }) => {
  const tag = freshTag()
  const reply = await open(path, {
    method: 'POST', headers: { Authorization: `Bearer ${alice.token}` }, json: { ...ask(`[[endless pace=5 tag=${tag}]] On`), stream: true },
  })
  for await (const piece of reply.body) {
    expect(String(piece)).toContain('data:')
    break
  }
  reply.body.destroy()
  await until('the provider sees the connection closed', () => cancelOf(tag))
  expect((await stats()).open_streams).toBeGreaterThanOrEqual(0)
})
