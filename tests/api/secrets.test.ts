// Secrets as an operator changes them: new contents of their files, SIGHUP, nothing else. A value that is not taken keeps
// the last, also for a worker that is replaced meanwhile (E3).
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { request } from '../support/http.ts'
import { childrenOf, serviceOf } from '../support/processes.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { describe, expect, test } from '../support/test.ts'
import { claimsFor, freshSub, sign } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

const dir = mkdtempSync(join(tmpdir(), 'chat-secrets-'))
const file = (name: string) => join(dir, name)
const write = (name: string, text: string) => writeFileSync(file(name), text, { mode: 0o644 })
const [first, second, third] = ['first', 'second', 'third'].map((name) => `${name}-secret-of-more-than-32-bytes`) as [string, string, string]
let stack: Stack

beforeAll(async () => {
  chmodSync(dir, 0o755) // as root, the workers run as another user
  write('jwt-secret', `${first}\n`)
  write('database-url', `${process.env['DATABASE_URL']}\n`)
  write('chat.env', `JWT_SECRET_FILE=${file('jwt-secret')}\nDATABASE_URL_FILE=${file('database-url')}\n`)
  stack = await startStack({ CHAT_ENV_FILE: file('chat.env'), CHAT_WORKERS: '1' })
}, 120_000)

afterAll(async () => {
  await stack?.down()
  rmSync(dir, { recursive: true, force: true })
})

const status = async (secret: string) =>
  (await request('/api/v1/chat/quota', { url: stack.url, headers: { Authorization: `Bearer ${sign(claimsFor(freshSub('secrets')), { key: secret })}` } })).status
const master = () => serviceOf('workers', stack.stateDir)
const log = () => readFileSync(join(stack.stateDir, 'log/workers.log'), 'utf8')
const refusals = () => log().split('\n').filter((line) => line.includes('"reload_refused"'))
async function refused(): Promise<string> {
  const before = refusals().length
  process.kill(master(), 'SIGHUP')
  return until('the reload is refused', () => refusals()[before])
}

describe('a secret in a file', () => {
  test('is taken on SIGHUP, and the one before is no longer', async () => {
    expect([await status(first), await status(second)]).toEqual([200, 401])
    write('jwt-secret', second)
    process.kill(master(), 'SIGHUP')
    await until('only the new one is taken', async () => (await status(second)) === 200 && (await status(first)) === 401, 20_000)
  })

  test.for([
    ['too short a secret', 'jwt-secret', 'short-and-private', 'JWT_SECRET'],
    ['an empty file', 'jwt-secret', '', 'JWT_SECRET'],
    ['two lines', 'jwt-secret', `${third}\n${third}\n`, 'JWT_SECRET_FILE'],
    ['no database address', 'database-url', 'mysql://private@nowhere/', 'DATABASE_URL'],
  ] as const)('%s changes nothing, and a worker that is replaced has the last good one', async ([, name, text, setting]) => {
    const before = readFileSync(file(name), 'utf8')
    write(name, text)
    try {
      const line = await refused()
      expect(line).toContain(setting)
      expect(line).not.toContain('private')
      expect(await status(second)).toBe(200)
      const [victim] = childrenOf(master())
      process.kill(victim!, 'SIGKILL')
      await until('another worker answers', async () => !childrenOf(master()).includes(victim!) && (await status(second)) === 200, 20_000)
    } finally {
      write(name, before)
    }
  })

  test('that changes without a SIGHUP is not taken by a worker that is replaced', async () => {
    write('jwt-secret', third)
    const [victim] = childrenOf(master())
    process.kill(victim!, 'SIGKILL')
    await until('another worker answers', async () => !childrenOf(master()).includes(victim!) && (await status(second)) !== 503, 20_000)
    expect([await status(second), await status(third)]).toEqual([200, 401])
  })
})
