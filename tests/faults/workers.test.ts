// Workers that are killed, frozen and replaced while they write answers.
import { copyFileSync, readlinkSync, renameSync, statSync, utimesSync } from 'node:fs'
import { env } from '../support/env.ts'
import { request, trust } from '../support/http.ts'
import { freezing, serviceOf, workers } from '../support/processes.ts'
import { describe, expect, freezeFor, idOf, percentile, readOn, report, rowOf, size, startAll, test, whole, writerOf } from '../support/faults.ts'
import type { AnswerStream } from '../support/sse.ts'
import { startStack } from '../support/stack.ts'
import { dailyUnits, sql } from '../support/stores.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const interrupted = (id: string, ms = 10_000) =>
  until(`${id} is interrupted`, async () => (await rowOf(id)).status === 'interrupted' && performance.now(), ms)

const allWorkers = (but: number) => until('a new worker', () => workers().length === Number(process.env['CHAT_WORKERS']) && !workers().includes(but))

describe('kill -9', () => {
  test("of a worker with live answers: the other's go on, its own end interrupted with all but the last second", async ({ crowd }) => {
    const [chunks, bytes, pace] = [size(350, 800), 12, 30]
    const users = crowd(size(20, 200))
    const streams = await startAll(users, `[[chunks=${chunks} size=${bytes} pace=${pace}]] Long`, 300)
    const writers = await Promise.all(streams.map((stream) => writerOf(idOf(stream))))
    expect(new Set(writers).size, 'both workers write').toBe(2)

    const victim = workers()[0]!
    process.kill(victim, 'SIGKILL')
    const killedAt = performance.now()
    const text = generatedText(chunks, bytes)
    const lost: { stream: AnswerStream; user: User; shown: number }[] = []
    const times: number[] = []
    await Promise.all(streams.map(async (stream, i) => {
      const ended = await readOn(stream)
      if (ended) return
      const shown = Buffer.byteLength(stream.content)
      lost.push({ stream, user: users[i]!, shown })
      times.push((await interrupted(idOf(stream))) - killedAt)
    }))
    expect(lost.length, 'the killed one wrote some').toBeGreaterThan(0)
    const dead = new Set(lost.map(({ stream }) => writers[streams.indexOf(stream)]))
    expect(dead.size, 'one process is gone').toBe(1)
    for (const [i, stream] of streams.entries()) {
      if (dead.has(writers[i]!)) continue
      expect(stream.closing?.event, "the other worker's streams end with done").toBe('done')
      expect(stream.content).toBe(text)
    }
    const lacking: number[] = []
    for (const { stream, user, shown } of lost) {
      const row = await rowOf(idOf(stream))
      expect(text.startsWith(row.content), 'stored is a prefix of what the provider sent').toBe(true)
      lacking.push(shown - Buffer.byteLength(row.content))
      expect(await dailyUnits(user.sub), 'counted once').toBe(1)
      // who comes back, from another worker, is told
      const again = await user.attach(idOf(stream), shown > Buffer.byteLength(row.content) ? undefined : stream.lastId)
      const { error, message } = await again.readError()
      expect(error.code).toBe('interrupted')
      expect(message.content_bytes).toBe(Buffer.byteLength(row.content))
    }
    const usage = await sql<{ id: string }>(
      'SELECT id FROM chat_messages WHERE id = ANY($1) AND (NOT tokens_estimated OR completion_tokens IS NULL OR completion_tokens = 0)', [lost.map(({ stream }) => idOf(stream))])
    expect(usage, 'their tokens are counted').toEqual([])
    report(`killed: ${lost.length} of ${streams.length} answers; interrupted after ${Math.round(percentile(times, 0.5))} ms (median), ${Math.round(Math.max(...times))} ms (last); bytes lacking at most ${Math.max(...lacking)} of ${Math.round((bytes * 1000) / pace)} a second`)
    expect(Math.max(...lacking), 'at most the last second lacks').toBeLessThanOrEqual((bytes * 1000) / pace)
    await allWorkers(victim)
  })

  test('of all workers at the moment an answer begins: it ends all the same', async ({ crowd }) => {
    const users = crowd(4)
    const streams = await Promise.all(users.map((user) => user.send(null, '[[chunks=10 first=20000]] Silence')))
    await Promise.all(streams.map((stream) => stream.readStart()))
    const last = await users[0]!.send(null, '[[chunks=10 first=20000]] Silence')
    await last.readStart()
    const victims = workers()
    for (const pid of victims) process.kill(pid, 'SIGKILL')
    const from = performance.now()
    const times = await Promise.all([...streams, last].map(async (stream) => {
      await readOn(stream)
      return (await interrupted(idOf(stream), 15_000)) - from
    }))
    report(`killed at the start: interrupted after ${Math.round(Math.max(...times))} ms at the latest`)
    await until('new workers', () => workers().length === victims.length && !workers().some((pid) => victims.includes(pid)), 15_000)
  })
})

test('a worker that is frozen until its lease is lost, and wakes, does no harm', async ({ crowd }) => {
  const [chunks, bytes] = [250, 10]
  const users = crowd(size(16, 40))
  const streams = await startAll(users, `[[chunks=${chunks} size=${bytes} pace=20]] Long`, 100)
  const writers = await Promise.all(streams.map((stream) => writerOf(idOf(stream))))
  const victim = workers()[0]!
  const text = generatedText(chunks, bytes)
  const done = new Set<AnswerStream>()
  const reading = streams.map((stream) => stream.readDone().then(() => done.add(stream)))
  let reaped = 0
  await freezing([victim], async () => {
    await until('the others are done', async () => done.size > 0 && (await Promise.all(streams.filter((s) => !done.has(s)).map((s) => rowOf(idOf(s))))).every((row) => row.status === 'interrupted'), 30_000)
    reaped = streams.length - done.size
    if (whole) await freezeFor(20_000)
  })
  await Promise.all(reading)
  expect(reaped, 'the frozen one wrote some').toBeGreaterThan(0)
  expect(new Set(writers).size).toBe(2)
  for (const [i, stream] of streams.entries()) {
    expect(stream.content).toBe(text)
    expect(await rowOf(idOf(stream)), 'the live owner has the last word').toMatchObject({ status: 'complete', content: text })
    expect(await dailyUnits(users[i]!.sub)).toBe(1)
  }
  report(`frozen: ${reaped} of ${streams.length} answers interrupted by the other worker, all complete after the wake`)
})

describe('reload', () => {

  test('under live answers and new ones, binary swapped, nginx too: nobody is refused, nothing is cut', async ({ crowd }) => {
    const reloads = size(3, 20)
    const long = crowd(size(10, 200))
    const streams = await startAll(long, `[[chunks=${size(400, 1500)} size=10 pace=30]] Long`)
    let stopped = false
    let sent = 0
    // Each with a connection of its own: nginx closes idle ones as it reloads, which no client takes for an answer.
    const fresh = env.url.replace('localhost', '127.0.0.1')
    trust(fresh, env.ca, { fresh: true })
    const senders = Array.from({ length: 4 }, async () => {
      while (!stopped) {
        const [user] = crowd(1, fresh)
        await (await user!.send(null, '[[chunks=5 size=8 pace=5]] Short')).readDone()
        sent++
      }
    })
    const master = serviceOf('workers')
    const program = readlinkSync(`/proc/${master}/exe`).replace(/ \(deleted\)$/, '') // swapped before
    try {
      for (let i = 0; i < reloads; i++) {
        const old = workers()
        const before = sent
        copyFileSync(program, `${program}.swap`) // another file, the same program
        utimesSync(`${program}.swap`, statSync(program).atime, statSync(program).mtime) // for `make up`, which looks at it
        renameSync(`${program}.swap`, program)
        process.kill(master, 'SIGHUP')
        await until('new workers', () => workers().filter((pid) => !old.includes(pid)).length >= Number(process.env['CHAT_WORKERS']), 20_000)
        for (const pid of workers().filter((p) => !old.includes(p)))
          expect(statSync(`/proc/${pid}/exe`).ino, 'the new binary').toBe(statSync(program).ino)
        process.kill(serviceOf('nginx'), 'SIGHUP')
        await Promise.race([until('answers go on', () => sent > before + 8, 20_000), ...senders])
      }
    } finally {
      stopped = true
    }
    await Promise.all(senders)
    for (const stream of streams) await stream.readDone()
    report(`${reloads} reloads: ${streams.length} long answers whole, ${sent} new ones meanwhile, none refused`)
    expect((await request('/healthz', { hold: false })).status).toBe(200)
  })

  test('at the deadline an answer ends with shutting_down, its text stored', async () => {
    const stack = await startStack({ CHAT_WORKERS: '1' })
    try {
      const user = new User({ name: 'deadline', url: stack.url })
      const stream = await user.send(null, '[[chunks=2000 size=10 pace=20]] Long')
      await stream.readText(200)
      const master = serviceOf('workers', stack.stateDir)
      process.kill(master, 'SIGTERM')
      process.kill(master, 'SIGINT') // the operator is in a hurry: the deadline is now
      const { error, message } = await stream.readError()
      expect(error).toMatchObject({ code: 'shutting_down', retryable: true })
      expect(message.status).toBe('interrupted')
      const row = await rowOf(idOf(stream))
      expect(row).toMatchObject({ status: 'interrupted', content: stream.content })
      expect(await dailyUnits(user.sub)).toBe(1)
    } finally {
      await stack.down()
    }
  })
})
