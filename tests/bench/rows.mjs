/*
 * The rows of the benchmark: runs build/stream-load against bare nginx (N), the service and the test upstream itself, in
 * turn, and reads what the processes used meanwhile from /proc. Called by scripts/bench, which starts everything.
 *
 * A round runs N and ours, the order turns each time (A B, B A, …). What counts is the median of the rounds' ratios.
 * "Added" delay is what is above the same run straight against the test upstream, without TLS.
 */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'

const TICKS = 100 // of a second, in /proc/PID/stat
const ROUNDS = Number(process.env.ROUNDS ?? 7)

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const sorted = (values) => [...values].sort((a, b) => a - b)
const median = (values) => sorted(values)[Math.floor((values.length - 1) / 2)]

const setup = process.env.BENCH_SETUP ? JSON.parse(process.env.BENCH_SETUP) : undefined

/* ---- what processes use ---- */

/** Processes by session: a server and its children share one, but those of Postgres make one of their own each. */
function processesOf(session) {
  const found = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(fields[3]) === session || Number(fields[1]) === session) found.push({ pid, cpu: (Number(fields[11]) + Number(fields[12])) / TICKS })
    } catch {
      // it has ended meanwhile
    }
  }
  return found
}

/** Seconds of processor time since each began. */
const cpuOf = (session) => processesOf(session).reduce((sum, process) => sum + process.cpu, 0)

function pssOf(session) {
  let kb = 0
  for (const { pid } of processesOf(session)) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    kb += Number(/^Pss:\s+(\d+)/m.exec(rollup)[1])
  }
  return kb
}

/** Seconds of work of the whole machine, over all cores. */
function machine() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0].trim().split(/\s+/).slice(1).map(Number)
  return { busy: (user + nice + system + irq + softirq + steal) / TICKS }
}

const upstreamStats = async () => (await fetch(`${setup.upstream}/__stats`)).json()

/* ---- one run ---- */

const WAYS = {
  direct: { url: () => setup.upstream, args: ['--completions', '/v1/chat/completions'], sessions: [] },
  bare: { url: () => setup.bare, args: ['--completions', '/v1/chat/completions'], sessions: ['bare'] },
  completions: { url: () => setup.ours, args: ['--completions', '/api/v1/chat/completions'], sessions: ['nginx', 'workers'] },
  messages: { url: () => setup.ours, args: ['--one-call'], sessions: ['nginx', 'workers'] },
  session: { url: () => setup.ours, args: ['--session'], sessions: ['nginx', 'workers'] },
  bareTls: { url: () => setup.bareTls, args: ['--completions', '/v1/chat/completions'], sessions: ['bare'] },
}
const MODEL = 'Meta-Llama-3.3-70B-Instruct'

/**
 * Runs the load; between fromMs and untilMs of it (after the streams are open, before they end) processor time and chunks
 * are counted.
 */
async function run(way, load, fromMs, untilMs, whileOpen) {
  const { url, args, sessions } = WAYS[way]
  const options = Object.entries(load).flatMap(([key, value]) => (value === true ? [`--${key}`] : [`--${key}`, String(value)]))
  if (untilMs) options.push('--from-ms', String(fromMs), '--until-ms', String(untilMs))
  const child = spawn(
    `${setup.build}/stream-load`,
    ['--url', url(), '--cacert', setup.cacert, '--tokens', setup.tokens, '--model', MODEL, ...args, ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let said = ''
  child.stdout.on('data', (bytes) => (said += bytes))
  const ended = new Promise((resolve) => child.on('close', resolve))
  const look = async () => ({
    at: performance.now(),
    chunks: (await upstreamStats()).chunks,
    cpu: sessions.map((name) => cpuOf(setup.sessions[name])).reduce((a, b) => a + b, 0),
    workers: cpuOf(setup.sessions.workers),
    redis: cpuOf(setup.sessions.redis),
    stores: cpuOf(setup.sessions.postgres) + cpuOf(setup.sessions.redis),
    upstream: cpuOf(setup.sessions.upstream),
    client: cpuOfOne(child.pid),
    machine: machine(),
  })
  let window
  if (untilMs) {
    await sleep(fromMs)
    const before = await look()
    await sleep(untilMs - fromMs)
    const after = await look()
    const seconds = (after.at - before.at) / 1000
    const chunks = after.chunks - before.chunks
    const used = ['cpu', 'stores', 'upstream', 'client'].reduce((sum, name) => sum + after[name] - before[name], 0)
    window = {
      chunks_per_s: chunks / seconds,
      us_per_chunk: ((after.cpu - before.cpu) * 1e6) / chunks,
      workers_us_per_chunk: ((after.workers - before.workers) * 1e6) / chunks,
      redis_us_per_chunk: ((after.redis - before.redis) * 1e6) / chunks,
      ours: used / (seconds * cpus().length),
      others: Math.max(0, (after.machine.busy - before.machine.busy - used) / (seconds * cpus().length)),
      client_core: (after.client - before.client) / seconds,
      upstream_core: (after.upstream - before.upstream) / seconds,
    }
    if (whileOpen) window.open = whileOpen()
  }
  await ended
  const result = JSON.parse(said)
  await sleep(300) // ends are still being stored
  return { ...result, window, client_core: result.cpu_s / result.wall_s }
}

/** Processor time of one process, by its id. */
function cpuOfOne(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS
  } catch {
    return 0
  }
}

const failures = (runs) => runs.reduce((sum, one) => sum + one.failed, 0)

/** "3 streams FAILED (transfer: …)", or nothing. */
function failed(runs) {
  const reasons = [...new Set(runs.flatMap((one) => Object.keys(one.reasons)))]
  return failures(runs) ? [`${failures(runs)} streams FAILED (${reasons.join(', ')})`] : []
}

/** Why a figure says more of the tools than of what they measure. */
function tooMuch(runs) {
  const most = (pick) => Math.max(...runs.map((one) => (one.window ? pick(one.window) : 0)))
  const notes = []
  if (most((w) => w.client_core) > 0.95) notes.push('load generator at its limit')
  if (most((w) => w.upstream_core) > 0.95) notes.push('test upstream at its limit')
  const busy = most((w) => w.ours)
  if (busy > 0) notes.push(`${Math.round(busy * 100)}% of the machine`)
  const others = most((w) => w.others)
  if (others > 0.1) notes.push(`void: ${Math.round(others * 100)}% went to other processes`)
  return notes
}

/** Rounds of the given ways, the order turning. */
async function rounds(ways, one) {
  const out = []
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 ? [...ways].reverse() : ways
    const result = {}
    for (const way of order) result[way] = await one(way)
    out.push(result)
    process.stderr.write('.')
  }
  process.stderr.write('\n')
  return out
}

const runsOf = (all) => all.flatMap((round) => Object.values(round))

/** A row: the rounds' ratios of one figure, ours to N. */
function ratio(name, goal, all, pick, unit, options = {}) {
  const { base = 'bare', ours = 'messages', atLeast = false } = options
  const ratios = all.map((round) => pick(round[ours], round) / pick(round[base], round)).filter(Number.isFinite)
  const value = median(ratios)
  return {
    name,
    goal: `${atLeast ? '≥' : '≤'} ${goal} × N`,
    n: median(all.map((round) => pick(round[base], round))),
    ours: median(all.map((round) => pick(round[ours], round))),
    unit,
    ratio: { median: value, min: Math.min(...ratios), max: Math.max(...ratios) },
    met: failures(runsOf(all)) === 0 && (atLeast ? value >= goal : value <= goal),
    notes: [...tooMuch(runsOf(all)), ...failed(runsOf(all))],
  }
}

/* ---- the rows ---- */

const RAMP_MS = 2.5 // for each stream
const SETTLE_MS = 1500 // as in stream_load.c: from the last that is opened to the first chunk

/**
 * Streams that talk for some seconds once all are open: what opening costs (a TLS handshake, a commit) is not what these
 * rows are about, and on a machine that it fills it would decide when each stream talks.
 */
const onStreams = (streams, perSecond, seconds, size = 32) => ({
  streams,
  chunks: Math.round(perSecond * seconds),
  size,
  'pace-ms': 1000 / perSecond,
  'ramp-ms': Math.max(1000, streams * RAMP_MS),
  together: true,
  timestamps: true,
})
/** The part of such a run in which all talk. */
const windowOf = (load) => {
  const first = load['ramp-ms'] + SETTLE_MS + load['pace-ms']
  return [first + 300, first + (load.chunks - 1) * load['pace-ms'] - 300].map(Math.round)
}

const added = (quantile) => (one, round) => Math.max(0.001, one.chunk_delay_ms[quantile] - round.direct.chunk_delay_ms[quantile])

async function firstToken(name, way, goals) {
  const load = { streams: 1000, concurrency: 1, chunks: 1, size: 16, 'pace-ms': 0 }
  const all = await rounds(['direct', 'bare', way], (each) => run(each, load))
  const addedFirst = (quantile) => (one, round) => one.first_delta_ms[quantile] - round.direct.first_delta_ms[quantile]
  return [
    ratio(`added time to first token, ${name}, p50`, goals[0], all, addedFirst('p50'), 'ms', { ours: way }),
    ...(goals[1] ? [ratio(`added time to first token, ${name}, p99`, goals[1], all, addedFirst('p99'), 'ms', { ours: way })] : []),
  ]
}

async function paced(streams, perSecond, seconds) {
  const load = onStreams(streams, perSecond, seconds)
  const [from, until] = windowOf(load)
  return rounds(['direct', 'bare', 'messages'], (way) => run(way, load, from, until))
}

const ROWS = {
  async 'first-token'() {
    return [
      ...(await firstToken('/chat/completions', 'completions', [3, 4])),
      ...(await firstToken('/sessions/{id}/messages', 'session', [10])),
    ]
  },

  /** The rate that keeps the machine at 60%, found with ours, then delays at it. */
  async delay() {
    let rate = 50
    for (; rate > 2; rate = Math.max(2, Math.floor(rate * 0.8))) {
      const load = onStreams(1000, rate, 4)
      const [from, until] = windowOf(load)
      const { window } = await run('messages', load, from, until)
      if (window.ours <= 0.6) break
    }
    const all = await paced(1000, rate, 6)
    const name = `added delay per chunk, 1,000 streams × ${rate}/s`
    return [ratio(`${name}, p50`, 2, all, added('p50'), 'ms'), ratio(`${name}, p99`, 2, all, added('p99'), 'ms')]
  },

  async stress() {
    const all = await paced(1000, 50, 6)
    const name = '1,000 streams × 50/s'
    return [
      ratio(`added delay per chunk under stress, ${name}, p50`, 2, all, added('p50'), 'ms'),
      ratio(`added delay per chunk under stress, ${name}, p99`, 2, all, added('p99'), 'ms'),
      ratio(`processor time per chunk, ${name}`, 1.4, all, (one) => one.window.us_per_chunk, 'µs'),
    ]
  },

  async many() {
    const load = onStreams(5000, 5, 7)
    const [from, until] = windowOf(load)
    await run('messages', onStreams(2000, 5, 3)) // what a worker keeps once it has worked is no stream's
    await sleep(2000)
    const before = pssOf(setup.sessions.workers)
    const all = await rounds(['direct', 'bare', 'messages'], async (way) => {
      const one = await run(way, load, from, until, way === 'messages' ? () => pssOf(setup.sessions.workers) : undefined)
      if (way === 'messages') {
        await sleep(1000)
        one.after_kb = pssOf(setup.sessions.workers)
      }
      return one
    })
    const name = '5,000 streams × 5/s'
    const open = median(all.map((round) => (round.messages.window.open - before) / 5000))
    const opened = all.map((round) => round.messages.window.open - before)
    const back = median(all.map((round, i) => 1 - (round.messages.after_kb - before) / opened[i]))
    return [
      ratio(`processor time per chunk, ${name}`, 1.6, all, (one) => one.window.us_per_chunk, 'µs'),
      ratio(`delay per chunk, ${name}, p99`, 2, all, (one) => one.chunk_delay_ms.p99, 'ms'),
      plain('memory per open stream in the workers, 5,000 open', '≤ 24 KB PSS', open, 'KB', open <= 24),
      plain('of it given back a second after they ended', '≥ 95%', back * 100, '%', back >= 0.95),
    ]
  },

  /** The same rate for each stream, more and more of them. */
  async growth() {
    const sizes = [100, 1000, 5000, 10000]
    const all = []
    for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
      const costs = {}
      for (const streams of round % 2 ? [...sizes].reverse() : sizes) {
        const load = onStreams(streams, 2, 7)
        const { window, failed, chunk_delay_ms } = await run('messages', load, ...windowOf(load))
        costs[streams] = { us: window.us_per_chunk, failed, p99: chunk_delay_ms.p99 }
      }
      all.push(costs)
      process.stderr.write('.')
    }
    process.stderr.write('\n')
    const at = (streams, pick) => median(all.map((costs) => pick(costs[streams])))
    const failed = all.flatMap((costs) => Object.values(costs)).reduce((sum, one) => sum + one.failed, 0)
    const growth = median(all.map((costs) => costs[5000].us / costs[100].us))
    return [
      plain('processor time per chunk, 100 to 5,000 streams at 2/s each', 'grows ≤ 1.3 ×', growth, '×', growth <= 1.3 && failed === 0),
      ...sizes.map((streams) =>
        plain(`— at ${streams.toLocaleString('en')} streams; a chunk's delay p99 ${figure(at(streams, (one) => one.p99))} ms`, '', at(streams, (one) => one.us), 'µs'),
      ),
    ]
  },

  /** Where it is asked for: of what a chunk costs, the part that the answer log is in. docs/adr/0001 holds it against a build without the log. */
  async log() {
    const rows = []
    for (const [streams, perSecond, seconds] of [[1000, 20, 10], [5000, 5, 10]]) {
      const load = onStreams(streams, perSecond, seconds)
      const all = await rounds(['messages'], (way) => run(way, load, ...windowOf(load)))
      const runs = runsOf(all)
      const at = (pick) => median(runs.map((one) => pick(one.window)))
      const name = `${streams.toLocaleString('en')} streams × ${perSecond}/s`
      rows.push(
        { ...plain(`processor time per chunk, ${name}: workers`, '', at((w) => w.workers_us_per_chunk), 'µs'), notes: [...tooMuch(runs), ...failed(runs)] },
        plain('— Redis', '', at((w) => w.redis_us_per_chunk), 'µs'),
      )
    }
    return rows
  },

  async ten() {
    const load = onStreams(10000, 2, 8)
    const [from, until] = windowOf(load)
    const all = await rounds(['bare', 'messages'], (way) => run(way, load, from, until))
    const ours = all.map((round) => round.messages)
    return [
      { ...plain('10,000 open streams × 2/s: lost, failed or not byte-exact', '0', failures(ours), 'streams', failures(ours) === 0), notes: failed(ours) },
      ratio('delay per chunk, 10,000 streams × 2/s, p99', 2, all, (one) => one.chunk_delay_ms.p99, 'ms'),
    ]
  },

  async unpaced() {
    const load = { streams: 3000, concurrency: 50, chunks: 64, size: 16, 'pace-ms': 0 }
    const all = await rounds(['bare', 'completions', 'messages'], (way) => run(way, load))
    const rate = (one) => one.ok / one.wall_s
    return [
      ratio('unpaced streams of 64 chunks, /chat/completions', 0.7, all, rate, '/s', { ours: 'completions', atLeast: true }),
      ratio('unpaced streams of 64 chunks, /messages', 0.7, all, rate, '/s', { atLeast: true }),
    ]
  },
}

/** With TLS to the provider too: scripts/bench runs this one on a stack of its own settings. */
const TLS_ROWS = {
  async tls() {
    const load = onStreams(1000, 20, 7)
    const all = await rounds(['bareTls', 'messages'], (way) => run(way, load, ...windowOf(load)))
    const name = '1,000 streams × 20/s, TLS to the provider too'
    return [
      ratio(`processor time per chunk, ${name}`, 1.4, all, (one) => one.window.us_per_chunk, 'µs', { base: 'bareTls' }),
      ratio(`delay per chunk, ${name}, p99`, 2, all, (one) => one.chunk_delay_ms.p99, 'ms', { base: 'bareTls' }),
    ]
  },
}

/** met: undefined where there is no goal */
const plain = (name, goal, value, unit, met) => ({ name, goal, ours: value, unit, met, notes: [] })

/* ---- what the tools can do ---- */

async function ceilings() {
  const drained = JSON.parse(
    execFileSync(`${setup.build}/sse-drain`, [
      '--port', new URL(setup.upstream).port, '--streams', '1000', '--chunks', '1000', '--size', '32', '--pace-ms', '6',
      '--pid', String(setup.sessions.upstream),
    ]).toString(),
  )
  const direct = await run('direct', { streams: 1000, chunks: 500, size: 32, 'pace-ms': 0 })
  const tls = await run('bare', { streams: 300, chunks: 2000, size: 32, 'pace-ms': 2, timestamps: true, 'ramp-ms': 300 }, 1000, 3500)
  return {
    upstream: drained,
    load_generator: { chunks_per_cpu_s: (direct.ok * 500) / direct.cpu_s },
    load_generator_tls: { chunks_per_cpu_s: tls.window.chunks_per_s / tls.window.client_core },
  }
}

/* ---- output ---- */

const figure = (value) => (value === undefined ? '' : Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2))

function table(rows) {
  const lines = ['| | goal | N | ours | ratio (min to max) | met | |', '| --- | --- | ---: | ---: | --- | --- | --- |']
  for (const row of rows) {
    const ratios = row.ratio ? `**${figure(row.ratio.median)}** (${figure(row.ratio.min)} to ${figure(row.ratio.max)})` : ''
    lines.push(
      `| ${row.name} | ${row.goal} | ${figure(row.n)} | ${figure(row.ours)} ${row.unit} | ${ratios} | ${row.met === undefined ? '' : row.met ? 'yes' : '**no**'} | ${row.notes.join('; ')} |`,
    )
  }
  return lines.join('\n')
}

/** Between the two marks of docs/performance.md. */
function writeTable(text) {
  const file = new URL('../../docs/performance.md', import.meta.url)
  const page = readFileSync(file, 'utf8')
  writeFileSync(file, page.replace(/(<!-- table -->\n)[^]*(<!-- end -->)/, (_, open, close) => `${open}${text}\n${close}`))
}

const [mode, ...chosen] = process.argv.slice(2)
const known = { ...ROWS, ...TLS_ROWS }
const read = () => JSON.parse(readFileSync(process.env.BENCH_JSON, 'utf8'))

async function measure(names) {
  const rows = []
  for (const name of names) {
    process.stderr.write(`${name} `)
    rows.push(...(await known[name]()))
  }
  return rows
}

if (mode === 'list') {
  console.log(Object.keys(known).join('\n'))
} else if (mode === 'check') {
  for (const name of chosen) if (!known[name]) throw new Error(`there is no row "${name}": ${Object.keys(known).join(' ')}`)
} else if (mode === 'run') {
  const tools = await ceilings()
  const rows = await measure(chosen.length ? chosen.filter((name) => ROWS[name]) : Object.keys(ROWS).filter((name) => name !== 'log'))
  writeFileSync(process.env.BENCH_JSON, JSON.stringify({ rounds: ROUNDS, cores: cpus().length, tools, rows }, null, 2))
} else if (mode === 'run-tls') {
  const before = read()
  writeFileSync(process.env.BENCH_JSON, JSON.stringify({ ...before, rows: [...before.rows, ...(await measure(Object.keys(TLS_ROWS)))] }, null, 2))
} else if (mode === 'table') {
  const { rounds: count, cores, tools, rows } = read()
  console.log(`${count} rounds on ${cores} cores. Test upstream alone: ${JSON.stringify(tools.upstream)}`)
  console.log(`Load generator: ${figure(tools.load_generator.chunks_per_cpu_s)} chunks a second of its core, with TLS ${figure(tools.load_generator_tls.chunks_per_cpu_s)}\n`)
  console.log(table(rows))
  if (process.env.WRITE === 'yes') writeTable(table(rows))
} else throw new Error('usage: rows.mjs list | check ROW… | run ROW… | run-tls | table')
