/*
 * What one request costs the workers in counts, which no busy machine blurs: system calls (strace), switches of threads (/proc)
 * and allocations (count_allocations.c). One client asks for answers of one chunk, one after the other, on a stack whose
 * workers are build/chat-fcgi-counted. scripts/bench starts it.
 *
 *   counts.mjs compare     prints them beside the goals; fails where one is off counts.expected by more than that allows
 *   counts.mjs update      writes them there; the bounds stay
 *   counts.mjs rows        adds them to BENCH_JSON
 */
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { plain } from './figures.mjs'
import { processesOf } from './processes.mjs'
import { contenders, run, sleep } from './runs.mjs'

const COUNT = Number(process.env.COUNT ?? 400) // requests of each kind
const IDLE_MS = 2000
const KINDS = { completion: 'completions', send: 'messages' }
const GOALS = {
  completion: { system_calls: 16, switches: 4.5, allocations: 25 },
  send: { system_calls: 22, switches: 6, allocations: 40 },
}
const expectedFile = new URL('counts.expected', import.meta.url)
const tracedFile = `${process.env.BENCH_STATE}/strace`

const pids = () => processesOf(contenders.messages.parts.workers).map((one) => one.pid)
const tasks = () => pids().flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/status`))
const field = (file, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))[1])

const allocations = () => Number(readFileSync(process.env.ALLOCATIONS_FILE).readBigInt64LE())
const switches = () => tasks().reduce((sum, file) => sum + field(file, 'voluntary_ctxt_switches') + field(file, 'nonvoluntary_ctxt_switches'), 0)

const ask = async (way) => {
  const one = await run(way, { streams: COUNT, concurrency: 1, chunks: 1, size: 16, 'pace-ms': 0 })
  if (one.failed) throw new Error(`${one.failed} requests failed: ${Object.keys(one.reasons).join(', ')}`)
}

/** What was counted while that was done, and how many seconds it took. */
async function counted(what) {
  const before = { at: performance.now(), allocations: allocations(), switches: switches() }
  await what()
  return { seconds: (performance.now() - before.at) / 1000, allocations: allocations() - before.allocations, switches: switches() - before.switches }
}

/** System calls by name while that was done, and how many seconds it took. */
async function traced(what) {
  const child = spawn('strace', ['-f', '-c', '-U', 'calls,name', '-o', tracedFile, ...pids().flatMap((pid) => ['-p', String(pid)])], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = '', gone = false
  child.stderr.on('data', (bytes) => (said += bytes))
  const ended = new Promise((resolve) => child.on('close', () => resolve((gone = true))))
  while (!gone && tasks().some((file) => field(file, 'TracerPid') === 0)) await sleep(20)
  if (gone) throw new Error(`strace could not look at the workers: ${said.trim()}`)
  const began = performance.now()
  await what()
  const seconds = (performance.now() - began) / 1000
  child.kill('SIGINT')
  await ended
  const lines = [...readFileSync(tracedFile, 'utf8').matchAll(/^\s*(\d+)\s+(\w+)\s*$/gm)].map(([, calls, name]) => [name, Number(calls)])
  return { seconds, calls: Object.fromEntries(lines.filter(([name]) => name !== 'total')) }
}

/** Each count for one request, without what the workers do anyway in that time. */
async function measure() {
  for (const way of Object.values(KINDS)) await ask(way) // connections, pools and caches are there then
  await sleep(1000)
  const idle = await counted(() => sleep(IDLE_MS)), idleTraced = await traced(() => sleep(IDLE_MS))
  const found = {}
  for (const [kind, way] of Object.entries(KINDS)) {
    const plainly = await counted(() => ask(way)), trace = await traced(() => ask(way))
    const each = (used, atRest, seconds) => (used - (atRest * seconds) / (IDLE_MS / 1000)) / COUNT
    const byName = Object.entries(trace.calls).map(([name, calls]) => [name, each(calls, idleTraced.calls[name] ?? 0, trace.seconds)])
    found[kind] = {
      system_calls: byName.reduce((sum, [, calls]) => sum + calls, 0),
      switches: each(plainly.switches, idle.switches, plainly.seconds),
      allocations: each(plainly.allocations, idle.allocations, plainly.seconds),
      calls: byName.filter(([, calls]) => calls >= 0.1).sort((a, b) => b[1] - a[1]).map(([name, calls]) => `${name} ${calls.toFixed(1)}`).join(', '),
    }
  }
  return found
}

/* ---- what is expected: lines of kind, count, figure and percent that a run may be off ---- */

const readExpected = () =>
  readFileSync(expectedFile, 'utf8').split('\n').filter((line) => line && !line.startsWith('#')).map((line) => line.split(/\s+/)).map(([kind, what, value, percent]) => ({ kind, what, value: Number(value), percent: Number(percent) }))

function update(found) {
  const lines = readExpected().map(({ kind, what, percent }) => `${kind} ${what} ${found[kind][what].toFixed(1)} ${percent}`)
  const head = readFileSync(expectedFile, 'utf8').split('\n').filter((line) => line.startsWith('#'))
  writeFileSync(expectedFile, `${[...head, ...lines].join('\n')}\n`)
}

function compare(found) {
  let off = 0
  for (const { kind, what, value, percent } of readExpected()) {
    const now = found[kind][what], differs = Math.abs(now - value) > (value * percent) / 100
    console.log(`${kind.padEnd(11)}${what.padEnd(14)}${now.toFixed(1).padStart(7)}   expected ${value.toFixed(1).padStart(6)} ± ${percent}%   goal ${GOALS[kind][what]}${differs ? '   OFF' : ''}`)
    off += differs ? 1 : 0
  }
  for (const kind of Object.keys(KINDS)) console.log(`${kind}: ${found[kind].calls}`)
  if (off) {
    console.error('find out why; a change on purpose is written down by scripts/bench counts update')
    process.exitCode = 1
  }
}

const NAMES = { system_calls: 'system calls', switches: 'switches of threads', allocations: 'allocations' }
function addRows(found) {
  const json = JSON.parse(readFileSync(process.env.BENCH_JSON, 'utf8'))
  const rows = Object.keys(KINDS).flatMap((kind) =>
    Object.entries(NAMES).map(([what, name]) => ({ row: 'counts', ...plain(`${name} of the workers for a ${kind} of one chunk`, `≤ ${GOALS[kind][what]}`, found[kind][what], '', found[kind][what] <= GOALS[kind][what]) })),
  )
  writeFileSync(process.env.BENCH_JSON, JSON.stringify({ ...json, rows: [...json.rows, ...rows] }, null, 2))
}

const COMMANDS = { compare, update, rows: addRows }
const command = COMMANDS[process.argv[2]]
if (!command) throw new Error(`usage: counts.mjs ${Object.keys(COMMANDS).join(' | ')}`)
command(await measure())
