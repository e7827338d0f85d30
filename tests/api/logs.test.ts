// What the logs hold, and above all what they don't.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { env } from '../support/env.ts'
import { describe, expect, test } from '../support/test.ts'
import { freshSub, tokenFor, withChangedSignature } from '../support/tokens.ts'
import { raw, request } from '../support/http.ts'
import { serviceOf } from '../support/processes.ts'
import { startStack } from '../support/stack.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const ours = join(env.stateDir ?? '', 'log')

async function logs(directory = ours): Promise<Record<string, string>> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const texts = await Promise.all(names.map(async (entry) => [entry.name, await readFile(join(entry.parentPath, entry.name), 'utf8')] as const))
  return Object.fromEntries(texts)
}

const linesWith = async (word: string) => ((await logs())['workers.log'] ?? '').split('\n').filter((line) => line.includes(word))

// Only where the stack is on this machine and says where it keeps its logs.
describe.runIf(env.stateDir)('the logs', () => {
  test('hold no message text, no answer, no title, no token, no key', async ({ alice }) => {
    const [question, answer, title] = ['question', 'answer', 'title'].map((name) => `${name}-${randomUUID()}`) as [string, string, string]
    const session = await alice.createSession({ title })
    const stream = await alice.send(session.id, `[[text=${answer}]] ${question}`)
    await stream.readDone()
    const failed = await alice.send(session.id, `[[status=400 message=${answer}]] ${question}`)
    await failed.readError()
    await alice.get(`/api/v1/chat/sessions?q=${question}`)
    await alice.post('/api/v1/chat/messages', { content: question, [title]: question })
    await alice.request('/api/v1/chat/messages', { method: 'POST', body: `{"content":"${question}"`, headers: { 'Content-Type': 'application/json' } })
    await alice.post('/api/v1/auth/session')
    const broken = withChangedSignature(tokenFor(alice.sub), 'first')
    await request('/api/v1/chat/features', { headers: { Authorization: `Bearer ${broken}` } })
    await request('/api/v1/chat/features', { headers: { Cookie: `__Host-chat_token=${broken}` } })
    const last = await alice.get('/api/v1/chat/features')
    await until('the last request is in the log', async () => (await linesWith(last.requestId)).length > 0)

    const secrets = { question, answer, token: alice.token, signature: alice.token.split('.')[2]!, payload: alice.token.split('.')[1]!, broken, jwtSecret: env.signing.key }
    for (const [name, text] of Object.entries(await logs()))
      for (const [what, secret] of Object.entries(secrets)) expect(text.includes(secret), `${what} in ${name}`).toBe(false)
  })

  test("hold no key of the provider and no store's password, however much is logged and whatever fails", async () => {
    const key = `key-${randomUUID()}`
    const stack = await startStack({ SAMBANOVA_API_KEY: key, LOG_LEVEL: 'debug', CHAT_WORKERS: '1' }, { ownStores: true })
    try {
      const user = new User({ name: 'secrets', url: stack.url })
      expect((await user.sendJson(null, 'fine')).message.status).toBe('complete')
      for (const marker of ['[[status=401]]', '[[status=402]]', '[[status=500]]']) expect((await user.trySendJson(null, `${marker} refused`)).status).toBeGreaterThanOrEqual(500)
      const [postgres, redis] = [serviceOf('postgres', stack.stateDir), serviceOf('redis', stack.stateDir)]
      const failing = { url: stack.url, hold: false, headers: { Authorization: `Bearer ${user.token}` } }
      process.kill(postgres, 'SIGKILL') // its clients complain of their connection, the stack's database names its users
      process.kill(redis, 'SIGKILL')
      await until('Postgres is missed', async () => (await request('/api/v1/chat/sessions', failing)).status === 503, 15_000)
      process.kill(serviceOf('workers', stack.stateDir), 'SIGHUP')
      const directory = join(stack.stateDir, 'log')
      await until('workers that found no store', async () => /"reloading"[^]+"store_(away|connect_failed)"/.test((await logs(directory))['workers.log'] ?? ''), 20_000)
      const password = await readFile(join(stack.stateDir, 'secret/postgres-password'), 'utf8')
      const secrets = { key, password: password.trim(), token: user.token, signature: user.token.split('.')[2]!, jwtSecret: env.signing.key }
      const found = await logs(directory)
      expect(Object.keys(found)).toEqual(expect.arrayContaining(['workers.log', 'access.log', 'nginx.log', 'postgres.log', 'redis.log']))
      for (const [name, text] of Object.entries(found))
        for (const [what, secret] of Object.entries(secrets)) expect(text.includes(secret), `${what} in ${name}`).toBe(false)
    } finally {
      await stack.down()
    }
  }, 90_000)

  test('have one JSON object a line, with the request and its user', async ({ alice }) => {
    const reply = await alice.get('/api/v1/chat/quota')
    const [line] = await until('the request is in the log', async () => {
      const lines = (await linesWith(reply.requestId)).filter((each) => JSON.parse(each).event === 'request')
      return lines.length > 0 ? lines : undefined
    })
    expect(JSON.parse(line!)).toMatchObject({ request_id: reply.requestId, user_id: alice.sub })
    expect(JSON.parse(line!).duration_ms).toBeGreaterThanOrEqual(0)
  })

  test('hold what a client says as text of one line', async ({ alice }) => {
    const requestId = randomUUID()
    const headers = [
      'Host: localhost', 'Connection: close', `Authorization: Bearer ${alice.token}`, `X-Request-Id: ${requestId}`,
      'User-Agent: evil\u001b[31m"}{"level":"error"\\', 'Referer: https://x/\u001b[0m',
    ]
    const reply = await raw(`GET /api/v1/chat/quota HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`)
    expect([200, 400]).toContain(reply.status)
    await until('the request is in the log', async () => Object.values(await logs()).some((text) => text.includes(requestId)))
    for (const [name, text] of Object.entries(await logs())) {
      if (!/^(workers|access)/.test(name)) continue
      for (const line of text.split('\n').filter((l) => l.includes(requestId))) {
        expect(line, name).not.toContain('\u001b')
        expect(() => JSON.parse(line), line).not.toThrow()
      }
    }
  })

  test('name a refused token without it', async () => {
    const sub = freshSub('refused')
    const reply = await request('/api/v1/chat/features', { headers: { Authorization: `Bearer ${withChangedSignature(tokenFor(sub), 'last')}` } })
    expect(reply.status).toBe(401)
    await until('the request is in the log', async () => (await linesWith(reply.requestId)).length > 0)
    // Nothing of a token that did not verify is believed, so nobody is named.
    expect((await linesWith(reply.requestId)).some((line) => line.includes(sub))).toBe(false)
  })
})
