// Workers that are killed, frozen and replaced while they write answers.
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { env } from '../support/env.ts'
import { request, trust } from '../support/http.ts'
import { freezing, serviceOf, workers } from '../support/processes.ts'
import { describe, expect, freezeFor, idOf, long, percentile, readOn, report, rowOf, size, startAll, test, whole, writerOf } from '../support/faults.ts'
import { expectInvariants } from '../support/invariants.ts'
import type { AnswerStream } from '../support/sse.ts'
import { startStack } from '../support/stack.ts'
import { dailyUnits, leasesOf, redis, sql } from '../support/stores.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

const interrupted = (id: string, ms = 10_000) =>
  until(`${id} is interrupted`, async () => (await rowOf(id)).status === 'interrupted' && performance.now(), ms)

const allWorkers = (but: number) => until('a new worker', () => workers().length === Number(process.env['CHAT_WORKERS']) && !workers().includes(but))

test('answers that begin one after another are spread over the workers', async ({ crowd }) => {
  const written = new Map<string, number>()
  const streams: AnswerStream[] = []
  for (const user of crowd(12)) {
    const [stream] = await startAll([user], '[[chunks=40 size=4 pace=50]] Spread')
    const writer = await writerOf(idOf(stream!))
    written.set(writer, (written.get(writer) ?? 0) + 1)
    streams.push(stream!)
  }
  expect(written.size, 'both workers write').toBe(2)
  expect(Math.min(...written.values()), 'of 12, each of them').toBeGreaterThanOrEqual(4)
  for (const stream of streams) expect(await readOn(stream)).toBe(true)
})

describe('kill -9', () => {
  test("of a worker with live answers: the other's go on, its own end interrupted with all but the last second", async ({ crowd }) => {
    const [chunks, bytes, pace] = [size(350, 600), 12, size(30, 100)]
    const users = crowd(size(20, 400)) // half of them at each worker
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

  long('of all workers at the moment an answer begins: it ends all the same', async ({ crowd }) => {
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

  long('while a send is being stored: there is no answer, and its place is free again by itself', async ({ alice }) => {
    alice.checkCounter = false // its unit is spent
    alice.workerKilled = () => true
    const locker = new pg.Client({ connectionString: env.databaseUrl })
    await locker.connect()
    await locker.query('BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE')
    const sent = alice.trySend(null, '[[text=Yes]] Hello').catch(() => undefined) // to nobody
    await until('it has a place', async () => (await leasesOf(alice.sub)).length === 1)
    const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
    await until('its row waits', async () => (await sql(`SELECT 1 ${waiting}`)).length > 0)
    const victims = workers()
    for (const pid of victims) process.kill(pid, 'SIGKILL')
    await sql(`SELECT pg_terminate_backend(pid) ${waiting}`)
    await locker.end()
    await sent
    expect(await sql('SELECT 1 FROM chat_messages WHERE user_id = $1', [alice.sub]), 'nothing was stored').toEqual([])
    expect(await leasesOf(alice.sub), 'its place is still taken').toHaveLength(1)
    await until('new workers', () => workers().length === victims.length && !workers().some((pid) => victims.includes(pid)), 15_000)
    // the checker waits until the place is free
  })

  long('between the last row and giving the place back: the answer stands, and its place is free by itself', async ({ alice }) => {
    alice.workerKilled = () => true
    const stream = await alice.send(null, '[[chunks=20 size=8 pace=50]] Short')
    await stream.readText(8)
    await redis().call('CLIENT', 'PAUSE', '5000', 'ALL')
    await until('its row is written', async () => (await rowOf(idOf(stream))).status === 'complete')
    const victims = workers()
    for (const pid of victims) process.kill(pid, 'SIGKILL') // and Redis drops what it was asked for meanwhile
    await readOn(stream)
    expect(await leasesOf(alice.sub), 'its place is still taken').toHaveLength(1)
    await until('new workers', () => workers().length === victims.length && !workers().some((pid) => victims.includes(pid)), 15_000)
    expect((await rowOf(idOf(stream))).content).toBe(generatedText(20, 8))
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
    if (whole) await freezeFor(30_000)
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

/** An address whose requests each have a connection of their own: nginx closes idle ones as it reloads, which no client
 * takes for an answer. */
function freshConnections(url: string, ca: string): string {
  const fresh = url.replace('localhost', '127.0.0.1')
  trust(fresh, ca, { fresh: true })
  return fresh
}

interface Reloads {
  count: number
  /** One long answer each; a user may be in it many times. */
  held: User[]
  /** Who sends short ones meanwhile, so many a second altogether. */
  senders: User[]
  perSecond: number
  /** Another binary each time. */
  swap?: boolean
  stateDir?: string
}

/** SIGHUP to the master, and to nginx, again and again: each answer ends with done and all of its text. */
async function reloads({ count, held, senders, perSecond, swap = false, stateDir = env.stateDir! }: Reloads): Promise<void> {
  const [chunks, bytes] = [size(250, 170), 10]
  const streams = await startAll(held, `[[chunks=${chunks} size=${bytes} pace=${size(30, 1000)}]] Long`)
  const reading = streams.map((stream) => stream.readDone())
  let stopped = false
  let done = 0
  const short: Promise<void>[] = []
  const began = performance.now()
  const sending = (async () => {
    for (let sent = 0; !stopped; sent++) {
      await freezeFor(began + (sent * 1000) / perSecond - performance.now())
      const user = senders[sent % senders.length]!
      const answer = user.send(null, '[[chunks=5 size=8 pace=5]] Short').then((stream) => stream.readDone()).then(() => void done++)
      answer.catch(() => (stopped = true)) // and the test fails by it below
      short.push(answer)
    }
  })()
  const failed = new Promise<never>((_, reject) => reading.forEach((each) => each.catch(reject)))
  const master = serviceOf('workers', stateDir)
  const program = readlinkSync(`/proc/${master}/exe`).replace(/ \(deleted\)$/, '') // swapped before
  const wanted = workers(stateDir).length
  try {
    for (let i = 0; i < count && !stopped; i++) {
      const old = workers(stateDir)
      const before = done
      if (swap) {
        copyFileSync(program, `${program}.swap`) // another file, the same program
        utimesSync(`${program}.swap`, statSync(program).atime, statSync(program).mtime) // for `make up`, which looks at it
        renameSync(`${program}.swap`, program)
      }
      process.kill(master, 'SIGHUP')
      const fresh = () => workers(stateDir).filter((pid) => !old.includes(pid))
      await Promise.race([until('new workers', () => fresh().length >= wanted, 20_000), failed])
      const { ino } = statSync(program) // forked, a worker is still the old one for a moment
      await until('the new binary', () => fresh().every((pid) => statSync(`/proc/${pid}/exe`).ino === ino))
      process.kill(serviceOf('nginx', stateDir), 'SIGHUP')
      await Promise.race([until('answers go on', () => stopped || done > before + perSecond, 20_000), failed])
    }
  } finally {
    stopped = true
  }
  await sending
  await Promise.all(short)
  const seconds = (performance.now() - began) / 1000
  report(`${count} reloads in ${seconds.toFixed(0)} s: ${streams.length} long answers, ${done} new ones meanwhile (${(done / seconds).toFixed(0)} a second), none refused`)
  await Promise.all(reading)
  for (const stream of streams) expect(stream.content).toBe(generatedText(chunks, bytes))
}

describe('reload', () => {
  test('under live answers and new ones, binary swapped, nginx too: nobody is refused, nothing is cut', async ({ crowd }) => {
    const users = crowd(size(10, 100))
    const senders = crowd(10, freshConnections(env.url, env.ca))
    await reloads({ count: size(3, 20), held: Array.from({ length: size(1, 10) }, () => users).flat(), senders, perSecond: size(20, 200), swap: true })
    expect((await request('/healthz', { hold: false })).status).toBe(200)
  })

  long("under systemd's socket activation: the same", async () => {
    // The way of the unit: the socket is systemd's, and the service finds it as descriptor 3.
    const place = mkdtempSync(join(tmpdir(), 'chat-activated-'))
    chmodSync(place, 0o777) // the service is another user
    const socket = join(place, 'fcgi.sock')
    const settings = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').match(/^#? ?[A-Z_0-9]+(?==)/gm)!.map((name) => name.replace(/^# ?/, ''))
    const passed = settings.filter((name) => name !== 'CHAT_LISTEN').flatMap((name) => ['-E', name, '-E', `${name}_FILE`])
    const stack = await startStack({
      CHAT_WORKERS: '2',
      CHAT_LISTEN: socket,
      CHAT_LAUNCHER: ['systemd-socket-activate', '-l', socket, '-E', 'CHAT_LISTEN=3', ...passed].join(' '),
    })
    try {
      const ca = readFileSync(join(stack.stateDir, 'tls/ca.pem'), 'utf8')
      const users = Array.from({ length: 100 }, () => new User({ name: 'activated', url: stack.url }))
      const senders = Array.from({ length: 4 }, () => new User({ name: 'activated', url: freshConnections(stack.url, ca) }))
      await reloads({ count: 10, held: users, senders, perSecond: 50, stateDir: stack.stateDir })
      for (const user of [...users, ...senders]) {
        user.hangUp()
        await expectInvariants(user)
      }
    } finally {
      await stack.down()
      rmSync(place, { recursive: true, force: true })
    }
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
