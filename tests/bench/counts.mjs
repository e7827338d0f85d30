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

const COUNT = 250 // requests in a pass
const PASSES = 3
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

const ask = async (way, load = { streams: COUNT, concurrency: 1 }) => {
  const one = await run(way, { ...load, chunks: 1, size: 16, 'pace-ms': 0 })
  if (one.failed) throw new Error(`${one.failed} requests failed: ${Object.keys(one.reasons).join(', ')}`)
}

/** What was counted while that was done. */
async function counted(what) {
  const before = { allocations: allocations(), switches: switches() }
  await what()
  return { allocations: allocations() - before.allocations, switches: switches() - before.switches }
}

/** System calls by name while that was done. */
async function traced(what) {
  const child = spawn('strace', ['-f', '-c', '-U', 'calls,name', '-o', tracedFile, ...pids().flatMap((pid) => ['-p', String(pid)])], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = '', gone = false
  child.stderr.on('data', (bytes) => (said += bytes))
  const ended = new Promise((resolve) => child.on('close', () => resolve((gone = true))))
  while (!gone && tasks().some((file) => field(file, 'TracerPid') === 0)) await sleep(20)
  if (gone) throw new Error(`strace could not look at the workers: ${said.trim()}`)
  await what()
  child.kill('SIGINT')
  await ended
  const lines = [...readFileSync(tracedFile, 'utf8').matchAll(/^\s*(\d+)\s+(\w+)\s*$/gm)].map(([, calls, name]) => [name, Number(calls)])
  return Object.fromEntries(lines.filter(([name]) => name !== 'total'))
}

const byName = (calls) => Object.entries(calls).filter(([, each]) => each >= 0.1).sort((a, b) => b[1] - a[1]).map(([name, each]) => `${name} ${each.toFixed(1)}`).join(', ')

/** Counts for one request, in one pass. */
async function pass(way) {
  const plainly = await counted(() => ask(way)), calls = await traced(() => ask(way))
  const each = Object.fromEntries(Object.entries(calls).map(([name, count]) => [name, count / COUNT]))
  return { system_calls: Object.values(each).reduce((sum, one) => sum + one, 0), switches: plainly.switches / COUNT, allocations: plainly.allocations / COUNT, calls: byName(each) }
}

/** Of some passes the least of each count: what the workers do beside, now and then, only adds. */
async function measure() {
  // Every thread has its connections then, and every pool and cache what it keeps.
  for (const way of Object.values(KINDS)) await ask(way, { streams: 1000, concurrency: 40 })
  const found = {}
  for (const [kind, way] of Object.entries(KINDS)) {
    const passes = []
    for (let i = 0; i < PASSES; i++) passes.push(await pass(way))
    const least = (what) => Math.min(...passes.map((one) => one[what]))
    const system_calls = least('system_calls')
    found[kind] = { system_calls, switches: least('switches'), allocations: least('allocations'), calls: passes.find((one) => one.system_calls === system_calls).calls }
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
