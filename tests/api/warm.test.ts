// The connection to the provider stands before anybody asks, and is used again, however many others are busy. The provider
// here is one that counts its connections and holds answers back.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll } from 'vitest'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const key = 'the-key-of-the-warm-one'
const seen: string[] = []
const held: (() => void)[] = []
let connections = 0
let provider: Server
let stack: Stack

beforeAll(async () => {
  provider = createServer({ keepAliveTimeout: 600_000 }, (request, reply) => {
    seen.push(`${request.method} ${request.url}`)
    if (request.headers.authorization !== `Bearer ${key}`) return reply.writeHead(401).end()
    if (request.method === 'GET') return reply.writeHead(200, { 'Content-Type': 'application/json' }).end('{"object":"list","data":[]}')
    void text(request).then((body) => {
      reply.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      const answer = () => void reply.end('data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
      if (body.includes('Wait')) held.push(answer)
      else answer()
    })
    return undefined
  }).on('connection', () => connections++)
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`
  stack = await startStack({ CHAT_WORKERS: '1', CHAT_RATE_LIMIT_PER_MINUTE: '1000', CHAT_DAILY_MESSAGE_QUOTA: '1000', CHAT_MAX_CONCURRENT_STREAMS: '1000', SAMBANOVA_API_BASE: base, SAMBANOVA_API_KEY: key, LOG_LEVEL: 'debug' })
}, 180_000)
afterAll(async () => {
  await stack?.down()
  provider?.closeAllConnections()
  provider?.close()
}, 60_000)

const complete = (user: User, content: string) => user.post('/api/v1/chat/completions', { stream: true, messages: [{ role: 'user', content }] })
const logs = async () => readFile(join(stack.stateDir, 'log', 'workers.log'), 'utf8')

test('the first question opens none, nor do those after it', async () => {
  await until('the provider has been reached', async () => (await logs()).includes('"provider_reached"'))
  expect(seen).toEqual(['GET /v1/models'])
  expect(connections).toBe(1)
  const alice = new User({ name: 'warm', url: stack.url })
  for (let i = 0; i < 5; i++) {
    expect((await alice.sendJson(null, 'Hello')).message.content).toBe('Hi')
    expect((await complete(alice, 'Hello')).status).toBe(200)
  }
  expect(seen.filter((line) => line.startsWith('POST'))).toHaveLength(10)
  expect(connections).toBe(1)
  expect(await logs()).not.toContain(key)
})

test('beside more answers than a pool holds, one connection serves those that come one after another, and few are kept at last', async () => {
  const many = 600 // far more than a pool holds (lib/upstream/connections.c, POOL_CONNECTIONS)
  const alice = new User({ name: 'pools', url: stack.url })
  const answers = Array.from({ length: many }, () => complete(alice, 'Wait'))
  await until('all are at the provider', () => held.length === many, 60_000)
  const before = connections
  for (let i = 0; i < 20; i++) expect((await complete(alice, 'Hello')).status).toBe(200)
  expect(connections).toBe(before + 1)
  for (const answer of held) answer()
  expect((await Promise.all(answers)).every(({ status, body }) => status === 200 && body.includes('[DONE]'))).toBe(true)
  await until('no more are kept than are wanted', async () => (await promisify(provider.getConnections.bind(provider))()) <= 256)
  expect((await complete(alice, 'Hello')).status).toBe(200)
  expect(connections).toBe(before + 1)
})
