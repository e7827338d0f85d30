/*
 * One run of the benchmark: build/stream-load against a contender, and what the processes used meanwhile. What there is to
 * run against stands in the file that BENCH_CONTENDERS names; scripts/bench writes it, a line for each:
 *
 *   NAME <tab> URL <tab> PART=SESSION …    its address, and the sessions of all processes that work for it
 *   NAME <tab> - <tab> REASON              why it isn't there
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cores, cpuOf, cpuOfOne, machineBusy, pssOf } from './processes.mjs'

const MODEL = 'Meta-Llama-3.3-70B-Instruct'
const STORES = ['redis', 'postgres']
const SETTLE_MS = 1500 // as in stream_load.c: from the last that is opened to the first chunk
const RAMP_MS = 2.5 // for each stream

const provider = ['--completions', '/v1/chat/completions']
const ARGUMENTS = {
  completions: ['--completions', '/api/v1/chat/completions'],
  messages: ['--one-call'],
  session: ['--session'],
  portkey: [...provider, '--header', 'x-portkey-provider: openai', '--header', `x-portkey-custom-host: ${process.env.BENCH_UPSTREAM}/v1`],
}

/** {url, parts: {name: session}} or {absent: why}, by name. */
function readContenders() {
  const lines = readFileSync(process.env.BENCH_CONTENDERS, 'utf8').trim().split('\n')
  const one = (line) => {
    const [name, url, rest = ''] = line.split('\t')
    if (url === '-') return [name, { absent: rest }]
    return [name, { url, parts: Object.fromEntries(rest.split(' ').filter(Boolean).map((part) => part.split('=')).map(([part, session]) => [part, Number(session)])) }]
  }
  return Object.fromEntries(lines.map(one))
}

export const contenders = process.env.BENCH_CONTENDERS ? readContenders() : {}
/** Why a contender isn't there, by name. */
export const absent = Object.fromEntries(Object.entries(contenders).filter(([, one]) => one.absent).map(([name, one]) => [name, one.absent]))
const sessions = Object.assign({}, ...Object.values(contenders).map((one) => one.parts ?? {}))

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/* ---- loads ---- */

/**
 * Streams that talk for some seconds once all are open: what opening costs (a TLS handshake, a commit) is not what these
 * rows are about, and on a machine that it fills it would decide when each stream talks.
 */
export const onStreams = (streams, perSecond, seconds, size = 32) => ({
  streams,
  chunks: Math.round(perSecond * seconds),
  size,
  'pace-ms': 1000 / perSecond,
  'ramp-ms': Math.max(1000, streams * RAMP_MS),
  together: true,
  timestamps: true,
})
/** The part of such a run in which all talk. */
function windowOf(load) {
  const first = load['ramp-ms'] + SETTLE_MS + load['pace-ms']
  return [first + 300, first + (load.chunks - 1) * load['pace-ms'] - 300].map(Math.round)
}

/* ---- one run ---- */

const upstreamStats = async () => (await fetch(`${process.env.BENCH_UPSTREAM}/__stats`)).json()

async function look(client) {
  return { at: performance.now(), chunks: (await upstreamStats()).chunks, cpu: cpuOf(sessions), client: cpuOfOne(client), machine: machineBusy() }
}

/** What was used between two looks by the parts of a contender, and by all that the benchmark runs. */
function usageOf(before, after, parts, client_s) {
  const seconds = (after.at - before.at) / 1000, chunks = after.chunks - before.chunks
  const used = (name) => after.cpu[name] - before.cpu[name]
  const own = Object.keys(parts).reduce((sum, name) => sum + used(name), 0)
  const all = client_s + [...new Set(['upstream', ...STORES, ...Object.keys(parts)])].reduce((sum, name) => sum + used(name), 0)
  return {
    seconds, chunks, own_s: own,
    chunks_per_s: chunks / seconds,
    us_per_chunk: (own * 1e6) / chunks,
    parts_us_per_chunk: Object.fromEntries(Object.keys(parts).map((name) => [name, (used(name) * 1e6) / chunks])),
    busy: all / (seconds * cores),
    others: Math.max(0, (after.machine - before.machine - all) / (seconds * cores)),
    client_core: client_s / seconds,
    upstream_core: used('upstream') / seconds,
  }
}

/** Starts the load generator: {pid, said: a promise of what it printed, as an object}. */
function start(way, load) {
  const { seconds, ...rest } = load // what a run takes is for the estimate
  const options = Object.entries(rest).flatMap(([key, value]) => (value === true ? [`--${key}`] : [`--${key}`, String(value)]))
  const child = spawn(
    `${process.env.BENCH_BUILD}/stream-load`,
    ['--url', contenders[way].url, '--cacert', process.env.BENCH_CACERT, '--tokens', process.env.BENCH_TOKENS, '--model', MODEL, ...(ARGUMENTS[way] ?? provider), ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let said = ''
  child.stdout.on('data', (bytes) => (said += bytes))
  return { pid: child.pid, said: new Promise((resolve) => child.on('close', () => resolve(JSON.parse(said)))) }
}

/**
 * Runs the load against that way. `usage` is of the part in which all streams talk; of a load that isn't together, of the
 * whole run with what it leaves to do. `whileOpen` is called at the end of that part, its result is `open`.
 */
export async function run(way, load, whileOpen) {
  const { parts } = contenders[way]
  let before = load.together ? undefined : await look(0)
  const child = start(way, load)
  let usage, open
  if (load.together) {
    const [from, until] = windowOf(load)
    await sleep(from)
    before = await look(child.pid)
    await sleep(until - from)
    const after = await look(child.pid)
    usage = usageOf(before, after, parts, after.client - before.client)
    open = whileOpen?.()
  }
  const result = await child.said
  await sleep(300) // ends are still being stored
  if (!load.together) {
    usage = usageOf(before, await look(0), parts, result.cpu_s)
    usage.us_per_stream = (usage.own_s * 1e6) / result.ok
    usage.client_core = result.cpu_s / result.wall_s
  }
  return { ...result, usage, open }
}

/** Kilobytes of a contender's processes, the stores left out. */
export function memoryOf(way) {
  const parts = Object.entries(contenders[way].parts).filter(([name]) => !STORES.includes(name))
  return parts.reduce((sum, [, session]) => sum + pssOf(session), 0)
}
export const workersMemory = () => pssOf(contenders.messages.parts.workers)
