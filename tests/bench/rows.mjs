/*
 * The rows of the benchmark, and the commands that scripts/bench gives:
 *
 *   rows.mjs list | check ROW…     the names of the rows; fails for one that isn't there
 *   rows.mjs estimate ROW…         how long they take, in words
 *   rows.mjs chosen | ways ROW…    the rows that are meant, all of the form where none is named; what they run against
 *   rows.mjs run ROW…              measures them and adds them to BENCH_JSON; `start` begins a new one, with what the tools can do
 *   rows.mjs table                 prints the table of BENCH_JSON; WRITE=yes puts it into docs/performance.md
 *
 * A round runs each of a row's ways once, and the order turns each time (A B, B A, …). What counts is the median of the rounds'
 * ratios. "Added" time is what is above the same run straight against the test upstream, without TLS.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { estimate, failed, failures, figure, median, peersRow, plain, roundsOf, row, shares, table, voids } from './figures.mjs'
import { cores, descriptors, memoryLeft } from './processes.mjs'
import { absent, contenders, memoryOf, onStreams, run, sleep, workersMemory } from './runs.mjs'

const FORM = { quick: process.env.QUICK === 'yes', rounds: Number(process.env.ROUNDS ?? 0) }
const BUSIEST_IDLE = 0.6 // of the machine, where a row is about a machine that isn't full
const NMF = { n: 'bare', m: 'lua', f: 'floor' }
const NAMES = { bare: 'N', lua: 'M', floor: 'F', completions: 'completions', messages: 'messages' }

/* ---- what a row picks of a run ---- */

const addedFirst = (quantile) => (one, round) => Math.max(0.001, one.first_delta_ms?.[quantile] - round.direct.first_delta_ms?.[quantile])
const addedDelay = (quantile) => (one, round) => Math.max(0.001, one.chunk_delay_ms?.[quantile] - round.direct.chunk_delay_ms?.[quantile])
const delay = (quantile) => (one) => one.chunk_delay_ms?.[quantile]
const rate = (one) => one.ok / one.wall_s
const perChunk = (one) => one.usage.us_per_chunk
const perStream = (one) => one.usage.us_per_stream

/** A row of the table, where what is absent is said. */
const beside = (all, spec) => row(all, { absent, ...spec })

/** Of ours' cost of a chunk, each part's: "nginx 22.0, workers 12.1 µs". */
function parts(all, way) {
  const names = Object.keys(contenders[way].parts)
  return `of it ${names.map((name) => `${name} ${figure(median(all.map((round) => round[way].usage.parts_us_per_chunk[name])))}`).join(', ')}`
}

function chunkCost(all, name, ours, goals, others = NMF) {
  const made = beside(all, { name: `processor time per chunk, ${name}, ${ours}`, unit: 'µs', goals, ours, ...others, pick: perChunk })
  return { ...made, notes: [...made.notes, parts(all, ours)] }
}

/** Everything came, and as it was ordered. */
function complete(all, name, ways) {
  const runs = all.flatMap((round) => ways.map((way) => round[way]))
  return plain(`${name}: lost, failed or not byte-exact`, '0', failures(runs), 'streams', failures(runs) === 0, [...voids(runs), ...failed(runs)])
}

/* ---- the rows ---- */

const COLUMNS = { bare: 'N', lua: 'M', floor: 'F', haproxy: 'haproxy', caddy: 'caddy', portkey: 'Portkey (no TLS)', completions: 'completions', messages: 'messages' }
const PEERS = { haproxy: 1, caddy: 1, portkey: 10 }
const peers = (all, name, unit, pick, judged = PEERS) => peersRow(all, { name, unit, columns: COLUMNS, peers: judged, ours: 'completions', pick, absent })

/**
 * ways: what each round runs; load: under which; rounds, quick: how many rounds of the whole form and of the quick one (0: not
 * in it); before: seconds that `prepare` takes; memory: memory is looked at; unless(): why it can't be run here; asked: only
 * where it is named; figures(rounds): the table's rows.
 */
const ROWS = {
  'first-token': {
    rounds: 7, quick: 3,
    ways: ['direct', 'bare', 'lua', 'floor', 'completions', 'session'],
    load: { streams: 1000, concurrency: 1, chunks: 1, size: 16, 'pace-ms': 0, seconds: 0.8 },
    figures: (all) => [
      beside(all, { name: 'added time to first token, one client, /chat/completions, p50', unit: 'ms', goals: [{ of: 'm', most: 1 }], ours: 'completions', ...NMF, pick: addedFirst('p50') }),
      beside(all, { name: 'the same, p99', unit: 'ms', goals: [{ of: 'm', most: 1.2 }], ours: 'completions', ...NMF, pick: addedFirst('p99') }),
      beside(all, { name: 'added time to first token, one client, /sessions/{id}/messages, p50', unit: 'ms', goals: [{ of: 'n', most: 9 }], ours: 'session', n: 'bare', pick: addedFirst('p50') }),
    ],
  },

  unpaced: {
    rounds: 7, quick: 3,
    ways: ['bare', 'lua', 'floor', 'completions', 'messages'],
    load: { streams: 3000, concurrency: 50, chunks: 64, size: 16, 'pace-ms': 0, seconds: 2.4 },
    figures: (all) => [
      beside(all, { name: 'unpaced streams of 64 chunks, 50 at a time, /chat/completions', unit: '/s', goals: [{ of: 'n', least: 0.66 }, { of: 'm', least: 0.95 }], ours: 'completions', ...NMF, pick: rate }),
      beside(all, { name: 'the same, processor time per request', unit: 'µs', ours: 'completions', ...NMF, pick: perStream }),
      beside(all, { name: 'unpaced streams of 64 chunks, 50 at a time, /messages', unit: '/s', goals: [{ of: 'n', least: 0.27 }], ours: 'messages', n: 'bare', pick: rate }),
      beside(all, { name: 'the same, processor time per request', unit: 'µs', ours: 'messages', n: 'bare', pick: perStream }),
    ],
  },

  fast: {
    rounds: 7, quick: 2,
    ways: ['bare', 'lua', 'floor', 'completions', 'messages'],
    load: onStreams(100, 250, 3),
    figures: (all) => [
      chunkCost(all, '100 streams × 250/s', 'completions', [{ of: 'n', most: 0.6 }]),
      chunkCost(all, '100 streams × 250/s', 'messages', [{ of: 'n', most: 0.6 }]),
      beside(all, { name: 'delay per chunk, 100 streams × 250/s, completions, p99', unit: 'ms', goals: [{ of: 'ours', most: 25 }], ours: 'completions', ...NMF, pick: delay('p99') }),
      beside(all, { name: 'delay per chunk, 100 streams × 250/s, messages, p99', unit: 'ms', goals: [{ of: 'ours', most: 25 }], ours: 'messages', ...NMF, pick: delay('p99') }),
      beside(all, { name: "delay of each stream's first text, 100 streams × 250/s, messages, p50", unit: 'ms', ours: 'messages', ...NMF, pick: (one) => one.first_chunk_delay_ms?.p50 }),
    ],
  },

  'fast-stress': {
    rounds: 1, quick: 1,
    ways: ['completions', 'messages'],
    load: onStreams(300, 250, 4),
    figures: (all) => [complete(all, 'stress, 300 streams × 250/s, both ways', ['completions', 'messages'])],
  },

  delay: {
    rounds: 7, quick: 1,
    ways: ['direct', 'bare', 'lua', 'floor', 'completions', 'messages'],
    load: onStreams(300, 7, 5),
    figures: (all) =>
      ['completions', 'messages'].flatMap((ours) =>
        ['p50', 'p99'].map((quantile) => {
          const spec = { name: `added delay per chunk, 300 streams × 7/s, ${ours}, ${quantile}`, unit: 'ms', goals: [{ of: 'n', most: 2 }], ours, ...NMF, pick: addedDelay(quantile), busiest: BUSIEST_IDLE }
          const made = beside(all, spec)
          return { ...made, notes: [...made.notes, shares(all, NAMES)] }
        }),
      ),
  },

  dense: {
    rounds: 7, quick: 1,
    ways: ['bare', 'lua', 'floor', 'completions', 'messages'],
    load: onStreams(1000, 50, 4),
    figures: (all) => [
      chunkCost(all, '1,000 streams × 50/s', 'completions', [{ of: 'n', most: 1 }]),
      chunkCost(all, '1,000 streams × 50/s', 'messages', [{ of: 'n', most: 1 }]),
      beside(all, { name: 'delay per chunk, 1,000 streams × 50/s, messages, p99', unit: 'ms', ours: 'messages', ...NMF, pick: delay('p99') }),
    ],
  },

  many: {
    rounds: 7, quick: 1,
    ways: ['bare', 'messages'],
    load: onStreams(5000, 5, 6),
    memory: ['messages'],
    before: 15,
    async prepare() {
      await run('messages', onStreams(2000, 5, 3)) // what a worker keeps once it has worked is no stream's
      await sleep(2000)
    },
    figures: (all, atRest) => {
      const opened = all.map((round) => round.messages.open.workers - atRest.messages.workers)
      const perStream = median(opened) / 5000
      const runs = all.map((round) => round.messages), whole = failures(runs) === 0 // else fewer were open
      const back = median(all.map((round, i) => 1 - (round.messages.after.workers - atRest.messages.workers) / opened[i]))
      return [
        chunkCost(all, '5,000 streams × 5/s', 'messages', [{ of: 'n', most: 1.4 }], { n: 'bare' }),
        beside(all, { name: 'delay per chunk, 5,000 streams × 5/s, messages, p99', unit: 'ms', ours: 'messages', n: 'bare', pick: delay('p99') }),
        plain('memory per open stream in the workers, 5,000 open', '≤ 12 KB PSS', perStream, 'KB', whole && perStream <= 12, failed(runs)),
        plain('of it given back a second after they ended', '≥ 95%', back * 100, '%', whole && back >= 0.95, failed(runs)),
      ]
    },
  },

  ten: {
    rounds: 5, quick: 1,
    ways: ['bare', 'messages'],
    load: onStreams(10000, 2, 6),
    figures: (all) => [
      complete(all, '10,000 open streams × 2/s', ['messages']),
      chunkCost(all, '10,000 streams × 2/s', 'messages', [{ of: 'n', most: 1.4 }], { n: 'bare' }),
      beside(all, { name: 'delay per chunk, 10,000 streams × 2/s, messages, p99', unit: 'ms', goals: [{ of: 'n', most: 5 }], ours: 'messages', n: 'bare', pick: delay('p99') }),
    ],
  },

  twenty: {
    rounds: 1, quick: 0,
    ways: ['messages'],
    load: onStreams(20000, 1, 6),
    unless() {
      if (descriptors() < 24000) return `skipped: a process may open ${descriptors()} files here, and 24,000 are needed`
      if (memoryLeft() < 6000) return `skipped: ${Math.round(memoryLeft())} MB of memory are free, and 6,000 are needed`
      return undefined
    },
    figures: (all) => [complete(all, 'stress, 20,000 open streams × 1/s', ['messages'])],
    skipped: (why) => [plain('stress, 20,000 open streams × 1/s: lost, failed or not byte-exact', '0', undefined, '', undefined, [why])],
  },

  peers: {
    rounds: 3, quick: 1,
    ways: Object.keys(COLUMNS),
    load: onStreams(100, 100, 3),
    figures: (all) => [peers(all, 'processor time per chunk, 100 streams × 100/s', 'µs', perChunk), peers(all, 'delay per chunk, 100 streams × 100/s, p50', 'ms', delay('p50'), { portkey: 10 })],
  },

  'peers-first': {
    rounds: 3, quick: 1,
    ways: ['direct', ...Object.keys(COLUMNS)],
    load: { streams: 200, concurrency: 1, chunks: 1, size: 16, 'pace-ms': 0, seconds: 0.8 },
    figures: (all) => [peers(all, 'added time to first token, one client, p50', 'ms', addedFirst('p50'), { portkey: 10 })],
  },

  'peers-memory': {
    rounds: 1, quick: 0,
    ways: Object.keys(COLUMNS),
    load: onStreams(1000, 3, 3),
    memory: Object.keys(COLUMNS),
    before: 40,
    async prepare() {
      for (const way of present(this.ways)) await run(way, onStreams(200, 5, 1))
      await sleep(1000)
    },
    figures: (all, atRest) => [peers(all, 'memory per open stream, 1,000 open, all but the stores', 'KB', (one, round) => (one.open.all - atRest[wayOf(round, one)].all) / 1000)],
  },

  /** Where it is asked for: the same rate for each stream, more and more of them. */
  growth: {
    rounds: 3, quick: 0, asked: true,
    ways: ['messages'],
    load: onStreams(100, 2, 7),
    figures: growth,
  },

  /** Where it is asked for: of what a chunk costs, the part that the answer log is in. docs/adr/0001 holds it against a build without the log. */
  log: {
    rounds: 7, quick: 0, asked: true,
    ways: ['messages'],
    load: onStreams(1000, 20, 10),
    figures: (all) => ['workers', 'redis'].map((part) => plain(`processor time per chunk, 1,000 streams × 20/s: ${part}`, '', median(all.map((round) => round.messages.usage.parts_us_per_chunk[part])), 'µs', undefined, voids(all.map((round) => round.messages)))),
  },

  /** With TLS to the provider too: scripts/bench runs this one on a stack of its own settings. */
  tls: {
    rounds: 3, quick: 0,
    ways: ['bareTls', 'messages'],
    load: onStreams(1000, 20, 6),
    figures: (all) => [
      chunkCost(all, '1,000 streams × 20/s, TLS to the provider too', 'messages', [{ of: 'n', most: 1.4 }], { n: 'bareTls' }),
      beside(all, { name: 'delay per chunk, 1,000 streams × 20/s, TLS to the provider too, messages, p99', unit: 'ms', goals: [{ of: 'n', most: 2 }], ours: 'messages', n: 'bareTls', pick: delay('p99') }),
    ],
  },
}

const wayOf = (round, run) => Object.keys(round).find((way) => round[way] === run)

async function growth(all) {
  const sizes = [100, 1000, 5000, 10000]
  const runs = { 100: all.map((round) => round.messages) }
  for (const streams of sizes.slice(1)) runs[streams] = [await run('messages', onStreams(streams, 2, 7))]
  const cost = (streams) => median(runs[streams].map(perChunk))
  const grown = cost(5000) / cost(100)
  return [
    plain('processor time per chunk, 100 to 5,000 streams at 2/s each', 'grows ≤ 1.3 ×', grown, '×', grown <= 1.3 && failures(Object.values(runs).flat()) === 0),
    ...sizes.map((streams) => plain(`— at ${streams.toLocaleString('en')} streams; a chunk's delay p99 ${figure(median(runs[streams].map(delay('p99'))))} ms`, '', cost(streams), 'µs', undefined)),
  ]
}

/* ---- measuring ---- */

const present = (ways) => ways.filter((way) => !absent[way])
const memory = (way) => ({ all: memoryOf(way), ...(way === 'messages' ? { workers: workersMemory() } : {}) })

async function oneWay(spec, way) {
  const looks = spec.memory?.includes(way)
  const one = await run(way, spec.load, looks ? () => memory(way) : undefined)
  if (looks) {
    await sleep(700) // with the pause of each run, a second after the end
    one.after = memory(way)
  }
  return one
}

async function measure(name) {
  const spec = ROWS[name], why = spec.unless?.(), count = roundsOf(spec, FORM), all = []
  if (why) return spec.skipped(why)
  process.stderr.write(`${name} `)
  const ways = present(spec.ways)
  await spec.prepare?.()
  const atRest = Object.fromEntries((spec.memory ?? []).filter((way) => ways.includes(way)).map((way) => [way, memory(way)]))
  for (let round = 0; round < count; round++) {
    const result = {}
    for (const way of round % 2 ? [...ways].reverse() : ways) result[way] = await oneWay(spec, way)
    all.push(result)
    process.stderr.write('.')
  }
  process.stderr.write('\n')
  return spec.figures(all, atRest)
}

/* ---- what the tools can do ---- */

async function ceilings() {
  const drained = JSON.parse(
    execFileSync(`${process.env.BENCH_BUILD}/sse-drain`, [
      '--port', new URL(process.env.BENCH_UPSTREAM).port, '--streams', '1000', '--chunks', '1000', '--size', '32', '--pace-ms', '6',
      '--pid', String(contenders.direct.parts.upstream),
    ]).toString(),
  )
  const direct = await run('direct', { streams: 1000, chunks: 500, size: 32, 'pace-ms': 0 })
  const tls = await run('bare', onStreams(300, 250, 2))
  return {
    upstream: drained,
    load_generator: { chunks_per_cpu_s: (direct.ok * 500) / direct.cpu_s },
    load_generator_tls: { chunks_per_cpu_s: tls.usage.chunks_per_s / tls.usage.client_core },
  }
}

/* ---- commands ---- */

/** Between the two marks of docs/performance.md. */
function writeTable(text) {
  const file = new URL('../../docs/performance.md', import.meta.url)
  const page = readFileSync(file, 'utf8')
  writeFileSync(file, page.replace(/(<!-- table -->\n)[^]*(<!-- end -->)/, (_, open, close) => `${open}${text}\n${close}`))
}

const read = () => JSON.parse(readFileSync(process.env.BENCH_JSON, 'utf8'))
const write = (what) => writeFileSync(process.env.BENCH_JSON, JSON.stringify(what, null, 2))
const chosen = (names) => (names.length ? names : Object.keys(ROWS).filter((name) => !ROWS[name].asked && roundsOf(ROWS[name], { quick: FORM.quick }) > 0))

function showTable() {
  const { cores: had, tools, rows } = read()
  console.log(`${had} cores. Test upstream alone: ${JSON.stringify(tools.upstream)}`)
  console.log(`Load generator: ${figure(tools.load_generator.chunks_per_cpu_s)} chunks a second of its core, with TLS ${figure(tools.load_generator_tls.chunks_per_cpu_s)}\n`)
  console.log(table(rows))
  if (process.env.WRITE === 'yes') writeTable(table(rows))
}

const STARTING = 40 // seconds: stacks, and what the tools can do
const COMMANDS = {
  list: () => console.log(Object.keys(ROWS).join('\n')),
  check(names) {
    for (const name of names) if (!ROWS[name]) throw new Error(`there is no row "${name}": ${Object.keys(ROWS).join(' ')}`)
  },
  estimate(names) {
    const seconds = chosen(names).reduce((sum, name) => sum + estimate(ROWS[name], FORM), STARTING)
    console.log(`${chosen(names).map((name) => `${name} (${roundsOf(ROWS[name], FORM)})`).join(', ')}: about ${Math.ceil(seconds / 60)} minutes`)
  },
  chosen: (names) => console.log(chosen(names).join(' ')),
  ways: (names) => console.log([...new Set(chosen(names).flatMap((name) => ROWS[name].ways))].join(' ')),
  async start() {
    write({ cores, tools: await ceilings(), rows: [] })
  },
  async run(names) {
    for (const name of names) {
      const rows = await measure(name), before = read() // after each, so that a run that is broken off keeps what it had
      write({ ...before, rows: [...before.rows, ...rows.map((one) => ({ row: name, ...one }))] })
    }
  },
  table: showTable,
}

const [command, ...names] = process.argv.slice(2)
if (!COMMANDS[command]) throw new Error(`usage: rows.mjs ${Object.keys(COMMANDS).join(' | ')}`)
await COMMANDS[command](names)
