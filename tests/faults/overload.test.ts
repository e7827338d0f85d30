// More than there is room for: who is over is refused at once and told when to come again, who is in feels nothing.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, idOf, long, percentile, readOn, report, rowOf, size, test } from '../support/faults.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startStack } from '../support/stack.ts'
import { dailyUnits, keysMatching, sql } from '../support/stores.ts'
import { AnswerStream } from '../support/sse.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'
import { descriptorLimit, freezing, limitDescriptors, processes, workers } from '../support/processes.ts'

describe('overload', () => {
  test('a worker that is out of descriptors takes a waiting connection as soon as it has some', async () => {
    const stack = await startStack({ CHAT_WORKERS: '1' })
    try {
      const [worker] = workers(stack.stateDir)
      const user = new User({ name: 'descriptors', url: stack.url })
      expect((await user.get('/api/v1/chat/sessions')).status).toBe(200)
      const allowed = descriptorLimit(worker!)
      await limitDescriptors(worker!, 3) // all that are open stay
      const waiting = user.get('/api/v1/chat/sessions')
      await until('the worker says so', () => readFileSync(join(stack.stateDir, 'log', 'workers.log'), 'utf8').includes('"accept_failed"'))
      await limitDescriptors(worker!, allowed)
      expect((await waiting).status).toBe(200)
    } finally {
      await stack.down()
    }
  })

  // (A7) Pictures in completions: what they took is given back, whatever the allocator would rather keep.
  test('sixteen bodies of 15 MiB at once are answered, and leave nothing behind', async () => {
    const stack = await startStack({ CHAT_WORKERS: '1', CHAT_MAX_CONCURRENT_STREAMS: 'unlimited', CHAT_RATE_LIMIT_PER_MINUTE: 'unlimited', CHAT_DAILY_MESSAGE_QUOTA: 'unlimited' })
    try {
      const [worker] = workers(stack.stateDir)
      const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))![1]) / 1024
      const user = new User({ name: 'pictures', url: stack.url })
      const picture = `{"messages":[{"role":"user","content":[{"type":"text","text":"[[chunks=1]]"},{"type":"image_url","image_url":{"url":"data:image/png;base64,${'A'.repeat(15 << 20)}"}}]}]}`
      // as many values as there may be, which cost most
      const numbers = `{"messages":[{"role":"user","content":"[[chunks=1]]"}],"x":[${'0,'.repeat(150_000)}0]}`
      const send = (body: string) => user.request('/api/v1/chat/completions', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
      expect((await send('{"messages":[{"role":"user","content":"[[chunks=1]]"}]}')).status).toBe(200)
      const before = resident()
      const replies = await Promise.all(Array.from({ length: 16 }, (_, i) => send(i % 2 ? numbers : picture)))
      expect(replies.map((reply) => reply.status)).toEqual(replies.map(() => 200))
      await until('the memory is given back', () => resident() - before < 48)
    } finally {
      await stack.down()
    }
  })

  test('over CHAT_MAX_STREAMS: 503 overloaded with Retry-After at once, nothing is counted, and those admitted are whole', async () => {
    const places = size(10, 100)
    const stack = await startStack({ CHAT_WORKERS: '2', CHAT_MAX_STREAMS: String(places) })
    try {
      const bytes = 12
      const admitted: { user: User; stream: AnswerStream }[] = []
      const refused: User[] = []
      const slowest: number[] = []
      await Promise.all(Array.from({ length: places * 4 }, async (_, i) => {
        const user = new User({ name: `over${i}`, url: stack.url })
        const from = performance.now()
        const got = await user.trySend(null, `[[endless size=${bytes} pace=15]] Long`)
        if (got instanceof AnswerStream) return void admitted.push({ user, stream: got })
        slowest.push(performance.now() - from)
        expect(got.status).toBe(503)
        expect(got.json().error).toMatchObject({ code: 'overloaded', retryable: true })
        expect(Number(got.headers['retry-after'])).toBeGreaterThan(0)
        refused.push(user)
      }))
      expect(admitted.length, 'no more than there are places').toBeLessThanOrEqual(2 * places)
      expect(admitted.length, 'a worker that is full still lets the other fill').toBeGreaterThanOrEqual(places)
      expect(refused.length).toBe(places * 4 - admitted.length)
      for (const user of refused) {
        expect(await dailyUnits(user.sub), 'a refusal costs nothing').toBe(0)
        expect(await sql('SELECT 1 FROM chat_messages WHERE user_id = $1', [user.sub]), 'nor leaves a row').toEqual([])
        expect(await keysMatching(`chat:streams:${user.sub}*`)).toEqual([])
      }
      for (const { user, stream } of admitted) {
        await stream.readText(bytes)
        const [reply] = await Promise.all([user.post(`/api/v1/chat/messages/${idOf(stream)}/stop`), stream.readDone()])
        expect(reply.status).toBe(200)
        expect(stream.content).toBe(generatedText(Math.ceil(stream.content.length / bytes), bytes).slice(0, stream.content.length))
        expect(await rowOf(idOf(stream))).toMatchObject({ status: 'stopped', content: stream.content })
      }
      report(`${admitted.length} admitted and whole, ${refused.length} refused: the slowest after ${Math.round(percentile(slowest, 1))} ms`)
      for (const { user } of admitted) await expectInvariants(user)
      // and there is room again
      const later = refused[0]!
      await (await later.send(null, '[[text=Yes]] Hello')).readDone()
      await expectInvariants(later)
    } finally {
      await stack.down()
    }
  })

  long('racing sends: exactly as many are admitted as the day allows, and of killed workers no lease is left', async () => {
    const limit = 100
    const stack = await startStack({ CHAT_WORKERS: '2', CHAT_DAILY_MESSAGE_QUOTA: String(limit), CHAT_RATE_LIMIT_PER_MINUTE: '100000', CHAT_MAX_CONCURRENT_STREAMS: '100000' })
    try {
      const user = new User({ name: 'racer', url: stack.url })
      const all = await Promise.all(Array.from({ length: limit * 10 }, () => user.trySend(null, '[[chunks=600 size=8 pace=100]] Race')))
      const admitted = all.filter((each) => each instanceof AnswerStream)
      for (const each of all) if (!(each instanceof AnswerStream)) expect(each.json().error.code).toBe('quota_exceeded')
      expect(admitted).toHaveLength(limit)
      expect(await dailyUnits(user.sub)).toBe(limit)
      await Promise.all(admitted.map((stream) => stream.readText(1)))
      for (const pid of workers(stack.stateDir)) process.kill(pid, 'SIGKILL')
      const killed = performance.now()
      await Promise.all(admitted.map(readOn))
      await until('all are interrupted', async () => (await sql(`SELECT 1 FROM chat_messages WHERE user_id = $1 AND status = 'interrupted'`, [user.sub])).length === limit, 30_000)
      report(`${all.length} racing sends at a limit of ${limit}: ${admitted.length} admitted; both workers killed: all interrupted after ${Math.round(performance.now() - killed)} ms`)
      await expectInvariants(user)
      expect(await keysMatching(`chat:streams:${user.sub}*`)).toEqual([])
    } finally {
      await stack.down()
    }
  }, 300_000)

  long('all request threads wait for a store that stands still: every request is answered, and then all is well', async () => {
    const stack = await startStack({ CHAT_WORKERS: '1', CHAT_REQUEST_THREADS: '2' }, { ownStores: true })
    try {
      const user = new User({ name: 'queue', url: stack.url })
      user.checkCounter = false // its counters are in the stack's own Redis
      await user.createSession()
      const times: number[] = []
      const statuses = new Map<string, number>()
      await freezing(processes('postgres', stack.stateDir), async () => {
        await Promise.all(Array.from({ length: 300 }, async () => {
          const from = performance.now()
          const got = await user.get('/api/v1/chat/sessions')
          times.push(performance.now() - from)
          expect(got.status).toBe(503)
          const { code } = got.json().error
          expect(['database_unavailable', 'overloaded']).toContain(code)
          statuses.set(code, (statuses.get(code) ?? 0) + 1)
        }))
      })
      report(`a store frozen under ${times.length} requests at once: ${[...statuses].map(([code, count]) => `${count} ${code}`).join(', ')}; the slowest after ${Math.round(percentile(times, 1))} ms`)
      await until('ready again', async () => (await user.get('/readyz')).status === 200, 30_000)
      expect((await user.list()).items).toHaveLength(1)
    } finally {
      await stack.down()
    }
  })
})
