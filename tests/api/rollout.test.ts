// The rollout as an operator drives it: the settings file changed, SIGHUP, nothing else. Who is in stays in, and nobody's
// answer notices. docs/operations/rollout.md is the procedure.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { request } from '../support/http.ts'
import { childrenOf, serviceOf, threads } from '../support/processes.ts'
import { AnswerStream } from '../support/sse.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { describe, expect, test } from '../support/test.ts'
import { tokenFor } from '../support/tokens.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { expectInvariants } from '../support/invariants.ts'
import { until } from '../support/wait.ts'

const requestThreads = 4
const workerCount = 2
const dir = mkdtempSync(join(tmpdir(), 'chat-rollout-'))
const file = join(dir, 'chat.env')
let stack: Stack

const write = (flag: Record<string, string>) =>
  writeFileSync(file, Object.entries(flag).map(([name, value]) => `FEATURE_CHAT_${name}=${value}\n`).join(''), { mode: 0o644 })

beforeAll(async () => {
  chmodSync(dir, 0o755) // as root, the workers run as another user
  write({ ENABLED: 'false' })
  stack = await startStack({
    CHAT_ENV_FILE: file, CHAT_WORKERS: String(workerCount), CHAT_REQUEST_THREADS: String(requestThreads),
    CHAT_RATE_LIMIT_PER_MINUTE: '100000', CHAT_MAX_CONCURRENT_STREAMS: '10',
  })
}, 120_000)

afterAll(async () => {
  await stack?.down()
  rmSync(dir, { recursive: true, force: true })
})

/** How many threads of a process take requests. */
const takers = (pid: number) => {
  try {
    return threads(pid, 'request')
  } catch {
    return 0 // it is gone
  }
}
/** Changes the file and says so; back when all new workers take requests, and none of before does. */
async function step(flag: Record<string, string>): Promise<void> {
  write(flag)
  const master = serviceOf('workers', stack.stateDir)
  const before = new Set(childrenOf(master))
  process.kill(master, 'SIGHUP')
  await until('the workers have changed', () => {
    const workers = childrenOf(master)
    return workers.filter((pid) => !before.has(pid) && takers(pid) === requestThreads).length === workerCount && !workers.some((pid) => before.has(pid) && takers(pid) > 0)
  }, 20_000)
}

// Always the same people, so that how many are in is a figure and no chance. Their hash as anybody may compute it.
const people = Array.from({ length: 100 }, (_, i) => `rollout-${i}`)
function bucket(sub: string): number {
  let hash = 0xcbf29ce484222325n
  for (const byte of Buffer.from(sub)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  return Number(hash % 100n)
}
const below = (percent: number) => people.filter((sub) => bucket(sub) < percent)

const asked = (path: string, sub: string) => request(path, { url: stack.url, headers: { Authorization: `Bearer ${tokenFor(sub)}` } })

/** Who is let in, by what a chat route answers; and the page is told the same. */
async function letIn(): Promise<string[]> {
  const found = await Promise.all(people.map(async (sub) => {
    const [quota, features] = await Promise.all([asked('/api/v1/chat/quota', sub), asked('/api/v1/chat/features', sub)])
    expect(features.json().enabled, `${sub} is told what is true`).toBe(quota.status === 200)
    if (quota.status !== 200) expect([quota.status, quota.json().error.code]).toEqual([403, 'feature_disabled'])
    return quota.status === 200 ? sub : undefined
  }))
  return found.filter((sub) => sub !== undefined)
}

async function cohorts(): Promise<Record<string, number>> {
  const { body } = await request('/metrics', { url: stack.url })
  return Object.fromEntries([...body.matchAll(/^chat_feature_checks_total\{cohort="(\w+)"\} (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]))
}

/** What the checks of `act` are counted as. */
async function countedBy(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await cohorts()
  await act()
  const after = await cohorts()
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]))
}

describe('off, admins, 10 %, 50 %, 100 %, and off again', () => {
  test('by the file and SIGHUP: cohorts are stable and only grow, live answers and those who are in notice nothing', async () => {
    const admin = new User({ role: 'admin', name: 'rollout-admin', url: stack.url })
    const isIn = async (user: User) => (await user.get('/api/v1/chat/quota')).status === 200

    // off
    expect(await isIn(admin)).toBe(false)
    expect(await countedBy(async () => expect(await letIn()).toEqual([]))).toMatchObject({ on: 0, off: people.length, admin: 0 })

    // admins
    await step({ ENABLED: 'true', ADMIN_ONLY: 'true' })
    expect(await isIn(admin)).toBe(true)
    expect(await letIn()).toEqual([])
    expect(await countedBy(() => isIn(admin))).toMatchObject({ on: 0, off: 0, admin: 1 })

    // an answer of each stage runs through all that follow; whoever is in asks on and on
    const [chunks, size] = [4000, 8] // 200 s, so they end when they are told to
    const live: { user: User; stream: AnswerStream }[] = []
    const startOne = async (user: User) => {
      const stream = await user.send(null, `[[chunks=${chunks} size=${size} pace=50]] through it all`)
      await stream.readText()
      live.push({ user, stream })
    }
    await startOne(admin)
    const refused: string[] = []
    let asks = 0
    const always: { sub: string; role: 'user' | 'admin' }[] = [{ sub: admin.sub, role: 'admin' }]
    let over = false
    const asking = (async () => {
      for (let i = 0; !over; i++) {
        const { sub, role } = always[i % always.length]!
        const reply = await request('/api/v1/chat/quota', { url: stack.url, headers: { Authorization: `Bearer ${tokenFor(sub, { role })}` } })
        if (reply.status !== 200) refused.push(`${sub}: ${reply.status} ${reply.body}`)
        asks++
      }
    })()

    let before: string[] = []
    try {
      for (const percent of [10, 50, 100]) {
        await step({ ENABLED: 'true', ADMIN_ONLY: 'false', ROLLOUT_PERCENT: String(percent) })
        const now = await letIn()
        expect(now, `${percent} %: by the hash, the same on every worker`).toEqual(below(percent))
        expect(await letIn(), `${percent} %: the same when asked again`).toEqual(now)
        for (const sub of before) expect(now, `${percent} %: who was in stays in`).toContain(sub)
        expect(now.length).toBeGreaterThan(before.length)
        const share = (now.length * 100) / people.length
        expect(Math.abs(share - percent), `${share} % of people at ${percent} %`).toBeLessThanOrEqual(5)
        const seen: number = asks
        await until('those who are in have been asking', () => asks > seen + 3)
        before = now
        always.push(...now.slice(0, 3).map((sub) => ({ sub, role: 'user' as const })))
        let member = new User({ name: 'rollout-live', url: stack.url })
        while (bucket(member.sub) >= percent) member = new User({ name: 'rollout-live', url: stack.url })
        await startOne(member)
        // the same people, counted by cohort; the asking beside it only adds to those who are in
        const counted = await countedBy(letIn)
        expect(counted['off']).toBe(people.length - now.length)
        expect(counted['on']).toBeGreaterThanOrEqual(now.length)
      }
    } finally {
      over = true
      await asking
    }
    expect(refused, `of ${asks} requests by those who are in, while the workers changed`).toEqual([])

    // the emergency: off for all at once, and still nobody's answer is cut
    await step({ ENABLED: 'false' })
    expect(await letIn()).toEqual([])
    expect(await isIn(admin)).toBe(false)
    const text = generatedText(chunks, size)
    for (const { stream } of live) {
      await stream.readText(Buffer.byteLength(stream.content) + 5 * size)
      expect(text.startsWith(stream.content)).toBe(true)
    }
    await step({ ENABLED: 'true', ROLLOUT_PERCENT: '100' })
    for (const { user, stream } of live) {
      expect((await user.post(`/api/v1/chat/messages/${stream.start!.message.id}/stop`)).status).toBe(200)
      await stream.readDone()
      expect(text.startsWith(stream.content)).toBe(true)
      await expectInvariants(user)
    }
  }, 180_000)

  test('a file that is wrong changes nothing', async () => {
    const user = new User({ name: 'rollout-wrong', url: stack.url })
    await step({ ENABLED: 'true', ROLLOUT_PERCENT: '100' })
    const master = serviceOf('workers', stack.stateDir)
    const serving = () => childrenOf(master).filter((pid) => takers(pid) > 0)
    const before = serving()
    write({ ENABLED: 'true', ROLLOUT_PERCENT: '101' })
    process.kill(master, 'SIGHUP')
    const log = () => readFileSync(join(stack.stateDir, 'log/workers.log'), 'utf8')
    const line = await until('it is refused', () => log().split('\n').find((each) => each.includes('"reload_refused"')))
    expect(line).toContain('FEATURE_CHAT_ROLLOUT_PERCENT')
    expect(serving(), 'the same processes').toEqual(before)
    expect((await user.get('/api/v1/chat/quota')).status).toBe(200)
  })
})
