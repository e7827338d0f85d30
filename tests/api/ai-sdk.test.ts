// Vercel's AI SDK as it is, by its OpenAI-compatible provider: base URL and token alone.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, jsonSchema, streamText, type ToolSet } from 'ai'
import { env } from '../support/env.ts'
import { dailyUnits, leasesOf } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { cancelOf, freshTag, generatedText, seenUpstream } from '../support/upstream.ts'
import type { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const modelFor = (user: Pick<User, 'token'>, name = 'Meta-Llama-3.3-70B-Instruct') =>
  createOpenAICompatible({ name: 'chat', baseURL: `${env.url}/api/v1`, apiKey: user.token, includeUsage: true })(name)

describe('the AI SDK', () => {
  test('streams, and has the usage in the end', async ({ alice }) => {
    const result = streamText({ model: modelFor(alice), prompt: '[[chunks=12 size=10 utf8]] Hello', maxRetries: 0 })
    const pieces: string[] = []
    for await (const piece of result.textStream) pieces.push(piece)
    expect(pieces.join('')).toBe(generatedText(12, 10, { utf8: true }))
    expect(pieces.length).toBeGreaterThan(1)
    expect(await result.finishReason).toBe('stop')
    expect((await result.usage).outputTokens).toBe(12)
    expect(await dailyUnits(alice.sub)).toBe(1)
  })

  test('keeps what the model thinks apart from what it says', async ({ alice }) => {
    const result = streamText({ model: modelFor(alice), prompt: '[[reasoning=2 chunks=2 size=8]] Hello', maxRetries: 0 })
    expect(await result.text).toBe(generatedText(2, 8))
    expect(await result.reasoningText).toBe(generatedText(2, 8, { prefix: 'r' }))
  })

  test('waits for the whole of it', async ({ alice }) => {
    const result = await generateText({ model: modelFor(alice), prompt: '[[chunks=3 size=8]] Hello', maxRetries: 0 })
    expect(result.text).toBe(generatedText(3, 8))
    expect(result.usage.outputTokens).toBe(3)
  })

  test.for([true, false])('hands tools to the provider and its call to us, streamed %s', async (streamed, { alice }) => {
    const tools: ToolSet = {
      get_weather: { description: 'Weather', inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }) },
    }
    const seen = await seenUpstream(async (nonce) => {
      const ask = { model: modelFor(alice), prompt: `[[tools finish=tool_calls]] Weather? ${nonce}`, tools, maxRetries: 0 }
      const result = streamed ? streamText(ask) : await generateText(ask)
      expect(await result.finishReason).toBe('tool-calls')
      expect((await result.toolCalls).map((call) => call.toolName)).toContain('get_weather')
    })
    expect(seen.body).toMatchObject({ tools: [{ type: 'function', function: { name: 'get_weather' } }] })
  })

  test('aborts, and the provider is closed, also while it is silent', async ({ alice }) => {
    for (const script of ['endless pace=20', 'stall=2 chunks=9']) {
      const tag = freshTag()
      const abort = new AbortController()
      const result = streamText({ model: modelFor(alice), prompt: `[[${script} tag=${tag}]] Go on`, abortSignal: abort.signal, maxRetries: 0, onError: () => undefined })
      const pieces = result.fullStream[Symbol.asyncIterator]()
      while ((await pieces.next()).value?.type !== 'text-delta');
      abort.abort()
      await until('the provider sees the connection closed', () => cancelOf(tag))
    }
    await until('no lease is left', async () => (await leasesOf(alice.sub)).length === 0)
  })

  test('raises its own error for ours, and knows which are worth another try', async ({ alice }) => {
    const refused = async (who: Pick<User, 'token'>, prompt: string, name?: string) => {
      const error = await generateText({ model: modelFor(who, name), prompt, maxRetries: 0 }).catch((thrown: unknown) => thrown)
      expect(APICallError.isInstance(error), String(error)).toBe(true)
      return error as APICallError
    }
    const noModel = await refused(alice, 'Hi', 'nobody')
    expect(noModel).toMatchObject({ statusCode: 404, isRetryable: false, data: { error: { code: 'model_not_found' } } })
    expect(noModel.message).toMatch(/model/)
    expect(await refused({ token: 'none' }, 'Hi')).toMatchObject({ statusCode: 401, isRetryable: false })
    expect(await refused(alice, '[[status=500]] Hi')).toMatchObject({ statusCode: 502, isRetryable: true })
    expect(await dailyUnits(alice.sub)).toBe(0)
  })

  test('raises an error in mid-stream', async ({ alice }) => {
    const errors: unknown[] = []
    const result = streamText({ model: modelFor(alice), prompt: '[[error_at=2 chunks=5]] Hi', maxRetries: 0, onError: ({ error }) => void errors.push(error) })
    await result.consumeStream()
    expect(errors).toMatchObject([{ code: 'upstream_error', type: 'server_error' }])
  })
})
