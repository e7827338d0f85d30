// A provider over TLS: an https server before the test upstream, with the stack's own certificate. Who vouches for it is
// SAMBANOVA_CA_FILE's to say; without it the system's authorities, which don't know it.
import { readFileSync } from 'node:fs'
import { request as plain } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { env } from '../support/env.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { User } from '../support/user.ts'

const tls = (name: string) => join(env.stateDir!, 'tls', name)
let server: Server
let base: string
const stacks: Stack[] = []
beforeAll(async () => {
  server = createServer({ cert: readFileSync(tls('cert.pem')), key: readFileSync(tls('key.pem')) }, (request, response) => {
    const ask = plain(`${env.upstreamUrl}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    ask.on('error', () => response.destroy())
    response.on('close', () => ask.destroy())
    request.pipe(ask)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  base = `https://localhost:${(server.address() as AddressInfo).port}/v1`
})
afterAll(async () => {
  for (const stack of stacks) await stack.down()
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
}, 120_000)

async function asked(settings: Record<string, string>) {
  const stack = await startStack({ CHAT_WORKERS: '1', SAMBANOVA_API_BASE: base, ...settings })
  stacks.push(stack)
  return new User({ name: 'tls', url: stack.url }).trySendJson(null, '[[chunks=3]] Hi')
}

test('that a named authority vouches for answers', async () => {
  expect((await asked({ SAMBANOVA_CA_FILE: tls('ca.pem') })).status).toBe(201)
}, 180_000)

test('that nobody known vouches for is not spoken to', async () => {
  const refused = await asked({})
  expect(refused.status).toBe(502)
  expect(refused.json()).toMatchObject({ error: { code: 'upstream_error' } })
}, 180_000)
