// All of one user's data, by the program's own commands: handed out, and erased.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { env } from '../support/env.ts'
import { keysMatching, redis, sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import type { components } from '../support/types.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

type Schemas = components['schemas']
interface Exported {
  user_id: string
  exported_at: string
  sessions: (Schemas['Session'] & { deleted_at: string | null; messages: (Schemas['Message'] & { feedback_comment: string | null })[] })[]
  usage: Schemas['UsageRow'][]
}
interface Counts {
  sessions: number
  messages: number
  usage_rows: number
  redis_keys: number
}
interface Erased {
  user_id: string
  erased: Counts
  left: Counts
}
const nothing: Counts = { sessions: 0, messages: 0, usage_rows: 0, redis_keys: 0 }

const program = join(process.env['BUILD'] ?? fileURLToPath(new URL('../../build', import.meta.url)), 'chat-fcgi')
const settings = { DATABASE_URL: env.databaseUrl, REDIS_URL: env.redisUrl, JWT_SECRET: 'x'.repeat(40), SAMBANOVA_API_KEY: 'none' }
const run = async (args: string[], more: Record<string, string> = {}) =>
  promisify(execFile)(program, args, { env: { ...process.env, ...settings, ...more }, maxBuffer: 64 << 20, timeout: 60_000 })
const exportUser = async (user: User) => JSON.parse((await run(['--export-user', user.sub])).stdout) as Exported
const eraseUser = async (user: User) => JSON.parse((await run(['--erase-user', user.sub])).stdout) as Erased
const failure = (args: string[], more: Record<string, string> = {}) =>
  run(args, more).then(() => { throw new Error('it should fail') }, (error: { code: number; stdout: string; stderr: string }) => error)

// No fixtures here: what a user saw is gone in the end.
const fresh = (name: string) => new User({ name })

describe('handed out', () => {
  test('sessions, deleted ones too, with every message, comments and use', async ({ bob }) => {
    const alice = fresh('exported')
    await bob.sendJson(null, '[[text=Mine]] Not hers')
    const first = await alice.sendJson(null, '[[text=One]] First "quoted" \n 日本 😀')
    await alice.sendJson(first.session.id, { content: '[[text=Two]] Second', replaces: first.user_message.id })
    await alice.put(`/api/v1/chat/messages/${first.message.id}/feedback`, { rating: 'down', comment: 'Too short.' })
    const gone = await alice.sendJson(null, '[[text=Three]] Third')
    await alice.delete(`/api/v1/chat/sessions/${gone.session.id}`)
    const all = await exportUser(alice)
    expect(all.user_id).toBe(alice.sub)
    expect(all.sessions.map((session) => [session.id, session.deleted_at !== null])).toEqual([[first.session.id, false], [gone.session.id, true]])
    expect(all.sessions[0]!.messages.map((message) => message.content)).toEqual(
      ['[[text=One]] First "quoted" \n 日本 😀', 'One', '[[text=Two]] Second', 'Two'])
    expect(all.sessions[0]!.messages[1]).toMatchObject({ feedback: 'down', feedback_comment: 'Too short.', status: 'complete' })
    expect(all.sessions[0]!.messages[0]!.superseded_by).not.toBeNull()
    expect(all.sessions[1]!.messages.map((message) => message.content)).toEqual(['[[text=Three]] Third', 'Three'])
    expect(all.usage).toMatchObject([{ user_id: alice.sub, answers: 3 }])
    expect(JSON.stringify(all)).not.toContain('Not hers')
  })

  test('more than a page of each', async () => {
    const alice = fresh('pages')
    await sql(`INSERT INTO chat_sessions (id, user_id, title, model, created_at, updated_at, deleted_at)
      SELECT gen_random_uuid(), $1, 't' || i, 'm', to_timestamp(1700000000 + i), to_timestamp(1700000000), CASE WHEN i % 2 = 0 THEN now() END
      FROM generate_series(1, 450) i`, [alice.sub])
    await sql(`INSERT INTO chat_messages (id, session_id, user_id, seq, role, status, content, created_at)
      SELECT gen_random_uuid(), s.id, s.user_id, n, 'user', 'complete', 'text ' || n, s.created_at
      FROM (SELECT * FROM chat_sessions WHERE user_id = $1 ORDER BY created_at LIMIT 2) s, generate_series(1, 201) n`, [alice.sub])
    await sql(`INSERT INTO chat_usage_daily (user_id, day, model) SELECT $1, date '2020-01-01' + i, 'm' FROM generate_series(1, 205) i`, [alice.sub])
    const all = await exportUser(alice)
    expect(new Set(all.sessions.map((session) => session.title)).size).toBe(450)
    expect(all.sessions.filter((session) => session.messages.length).map((session) => new Set(session.messages.map((m) => m.seq)).size)).toEqual([201, 201])
    expect(new Set(all.usage.map((row) => row.day)).size).toBe(205)
    const { erased, left } = await eraseUser(alice)
    expect(erased).toEqual({ sessions: 450, messages: 402, usage_rows: 205, redis_keys: 0 })
    expect(left).toEqual(nothing)
  })

  test('of somebody unknown there is nothing', async () => {
    expect(await exportUser(fresh('nobody'))).toMatchObject({ sessions: [], usage: [] })
  })
})

describe('erased', () => {
  test('all of it, in both stores, and nothing of others', async ({ bob }) => {
    const alice = fresh('erased')
    await bob.sendJson(null, '[[text=Mine]] Hello', { 'Idempotency-Key': 'bobs' })
    const { session } = await alice.sendJson(null, '[[text=Yes]] Hello', { 'Idempotency-Key': 'once#more' })
    await alice.sendJson(session.id, '[[text=Yes]] Again')
    const gone = await alice.sendJson(null, '[[text=Yes]] Deleted')
    await alice.delete(`/api/v1/chat/sessions/${gone.session.id}`)
    // of somebody whose id begins like hers
    const neighbours = [`chat:rate:${alice.sub}:9:29000000`, `chat:quota:daily:${alice.sub}:9:2026-01-31`, `chat:streams:${alice.sub}9`, `chat:idempotency:${alice.sub}:9#k`, `chat:streams:0${alice.sub}`]
    for (const key of neighbours) await redis().set(key, '1', 'EX', 600)
    const hers = (await keysMatching(`chat:*${alice.sub}*`)).filter((key) => !neighbours.includes(key))
    expect(hers.length).toBeGreaterThanOrEqual(3) // minute, day, idempotency key

    const { user_id: who, erased, left } = await eraseUser(alice)
    expect(who).toBe(alice.sub)
    expect(erased).toMatchObject({ sessions: 2, messages: 6, usage_rows: 1 })
    expect(erased.redis_keys).toBeGreaterThanOrEqual(3)
    expect(left).toEqual(nothing)
    for (const table of ['chat_sessions', 'chat_messages', 'chat_usage_daily'])
      expect(await sql(`SELECT 1 FROM ${table} WHERE user_id = $1`, [alice.sub]), table).toEqual([])
    expect((await keysMatching(`chat:*${alice.sub}*`)).sort()).toEqual([...neighbours].sort())
    await redis().del(...neighbours)

    expect((await eraseUser(alice)).erased, 'a second time').toEqual(nothing)
    expect((await bob.list()).items).toHaveLength(1)
    expect(await keysMatching(`chat:idempotency:${bob.sub}#*`)).toHaveLength(1)
  })

  test('an answer that is being written ends properly first', async () => {
    const alice = fresh('at-work')
    const stream = await alice.send(null, '[[chunks=2000 size=8 pace=20]] For long')
    await stream.readText()
    const erasing = eraseUser(alice)
    const { message } = await stream.readDone()
    expect(message.status).toBe('stopped')
    const { erased, left } = await erasing
    expect(erased).toMatchObject({ sessions: 1, messages: 2, usage_rows: 1 })
    expect(left).toEqual(nothing)
    expect(await sql('SELECT 1 FROM chat_messages WHERE user_id = $1', [alice.sub])).toEqual([])
    await until('no lease is left', async () => (await keysMatching(`chat:streams:${alice.sub}`)).length === 0)
  })

  test('completions that a worker still has in hand go too', async () => {
    const alice = fresh('in-hand')
    const reply = await alice.post('/api/v1/chat/completions', { model: 'Meta-Llama-3.3-70B-Instruct', messages: [{ role: 'user', content: '[[chunks=1]] Hi' }] })
    expect(reply.status).toBe(200)
    const { erased, left } = await eraseUser(alice)
    expect(erased.usage_rows).toBe(1)
    expect(left).toEqual(nothing)
  })
})

describe('refused', () => {
  test.for(['', 'a b', "'; DROP TABLE chat_sessions; --", 'a*', 'a'.repeat(256)])('%j is no user id', async (sub) => {
    for (const command of ['--export-user', '--erase-user']) {
      const { code, stdout, stderr } = await failure([command, sub])
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('a user id has')
    }
  })

  test('with a store away nothing is said to be done', async () => {
    const alice = fresh('away')
    for (const [command, away] of [['--export-user', 'DATABASE_URL'], ['--erase-user', 'DATABASE_URL'], ['--erase-user', 'REDIS_URL']] as const) {
      const url = away === 'DATABASE_URL' ? 'postgres://chat@127.0.0.1:1/chat' : 'redis://127.0.0.1:1'
      const { code, stdout, stderr } = await failure([command, alice.sub], { [away]: url })
      expect(code).toBe(1)
      if (command === '--erase-user') expect(JSON.parse(stdout)).toEqual({ user_id: alice.sub, erased: nothing, left: null })
      expect(stderr).toContain('run it again')
    }
  })
})
