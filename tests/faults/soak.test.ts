// A long while of everything at once: answers that complete, are left, attached to, dropped, stopped, while workers are
// killed and replaced. `make soak MINUTES=30`; half a minute of it with the other tests.
import { expect, freezeFor, idOf, percentile, readOn, report, test } from '../support/faults.ts'
import { expectInvariants, expectNothingLeft } from '../support/invariants.ts'
import { pssKb, serviceOf, workers } from '../support/processes.ts'
import { redis, sql } from '../support/stores.ts'
import type { AnswerStream } from '../support/sse.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 0.5)
const KILL_EVERY_MS = Math.min(60_000, (minutes * 60_000) / 5) // with a reload after each second one
const CROWD = 24
/** A killed worker's connections break at once; nginx tells who was just being answered. */
const DISTURBED_MS = 2_000
const [CHUNKS, BYTES] = [80, 12]
const text = generatedText(CHUNKS, BYTES)
const order = `[[chunks=${CHUNKS} size=${BYTES} pace=15]] Soak`

interface Tally {
  answers: number
  by: Record<string, number>
  /** Answers and refusals that a kill explains. */
  disturbed: number
}

/** What a client may do with an answer; each ends with nobody attached. */
const acts: Record<string, (user: User, stream: AnswerStream) => Promise<void>> = {
  async complete(_, stream) {
    if (await readOn(stream)) expect(stream.content).toBe(text)
  },
  async leave(_, stream) {
    stream.leave()
  },
  async attach(user, stream) {
    const second = await user.attach(idOf(stream))
    await Promise.all([readOn(stream), readOn(second)])
  },
  async drop(user, stream) {
    const { lastId, content } = stream
    stream.leave()
    const again = await user.attach(idOf(stream), lastId)
    await readOn(again)
    expect(text.startsWith(content + again.content), 'drop: the beginning of the text').toBe(true)
  },
  async stop(user, stream) {
    const reply = await user.post(`/api/v1/chat/messages/${idOf(stream)}/stop`)
    expect([200, 409]).toContain(reply.status) // 409: it had ended by itself
    await readOn(stream)
  },
}

test(`for ${Math.round(minutes * 60)} s: killed workers, reloads, and every way to use an answer`, { timeout: (minutes + 2) * 60_000 }, async () => {
  const endAt = performance.now() + minutes * 60_000
  const tally: Tally = { answers: 0, by: {}, disturbed: 0 }
  let killedAt = -Infinity
  let kills = 0
  let reloads = 0
  const over = () => performance.now() >= endAt

  async function one(name: string): Promise<void> {
    const user = new User({ name: 'soak' })
    const began = performance.now()
    user.workerKilled = () => killedAt >= began
    try {
      const stream = await user.send(null, order)
      await stream.readText(1 + Math.floor(Math.random() * 400))
      await acts[name]!(user, stream)
    } catch (error) {
      // Only a kill explains what is no answer as expected; the invariants hold all the same.
      if (performance.now() - killedAt > DISTURBED_MS + 10_000) throw error
      tally.disturbed++
      user.checkCounter = false // what was sent and not answered may be counted
    }
    user.hangUp()
    await expectInvariants(user)
    tally.answers++
    tally.by[name] = (tally.by[name] ?? 0) + 1
  }

  async function harm(): Promise<void> {
    for (let at = 1; ; at++) {
      const next = Math.min(endAt, performance.now() + KILL_EVERY_MS)
      await freezeFor(next - performance.now())
      if (over()) return
      const victim = workers()[0]!
      killedAt = performance.now()
      process.kill(victim, 'SIGKILL')
      kills++
      await until('a new worker', () => workers().length >= Number(process.env['CHAT_WORKERS']) && !workers().includes(victim), 30_000)
      if (at % 2) continue
      const old = workers()
      process.kill(serviceOf('workers'), 'SIGHUP')
      reloads++
      await until('new workers', () => workers().filter((pid) => !old.includes(pid)).length >= Number(process.env['CHAT_WORKERS']), 30_000)
    }
  }

  const memory: number[] = []
  async function watch(): Promise<void> {
    while (!over()) {
      await freezeFor(Math.min(2_000, endAt - performance.now()))
      memory.push(Math.max(...workers().map((pid) => {
        try {
          return pssKb(pid)
        } catch {
          return 0 // it ended in this moment
        }
      })))
    }
  }

  const names = Object.keys(acts)
  const crowd = Array.from({ length: CROWD }, async (_, i) => {
    for (let turn = i; !over(); turn++) await one(names[turn % names.length]!)
  })
  await Promise.all([...crowd, harm(), watch()])

  await expectNothingLeft()

  const third = Math.max(1, Math.floor(memory.length / 3))
  const [first, last] = [percentile(memory.slice(0, third), 0.9), percentile(memory.slice(-third), 0.9)]
  const [{ ends }] = (await sql<{ ends: string }>(
    `SELECT string_agg(status || ' ' || n, ', ' ORDER BY n DESC) AS ends FROM (SELECT status, count(*) AS n FROM chat_messages m
      JOIN chat_sessions s ON s.id = m.session_id WHERE m.role = 'assistant' AND m.user_id LIKE 'soak%' GROUP BY status) AS counted`)) as [{ ends: string }]
  const used = /used_memory:(\d+)/.exec(await redis().info('memory'))![1]!
  report(`${tally.answers} answers (${Object.entries(tally.by).map(([name, n]) => `${n} ${name}`).join(', ')}), ended ${ends}; ${kills} kills, ${reloads} reloads, ${tally.disturbed} disturbed by them; largest worker ${first} KiB at first, ${last} KiB at last; Redis ${Math.round(Number(used) / 1024)} KiB`)
  expect(kills, 'workers were killed').toBeGreaterThan(0)
  expect(reloads, 'and replaced').toBeGreaterThan(0)
  for (const name of names) expect(tally.by[name], name).toBeGreaterThan(0)
  expect(last, 'memory is flat').toBeLessThan(first * 1.3 + 4 * 1024)
})
