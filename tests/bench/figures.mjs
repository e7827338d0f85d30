/*
 * What the benchmark makes of its runs: medians, ratios, goals, why a figure is void, and the table. Nothing here reads a
 * clock, a file or a process; rows.mjs does.
 *
 * A run is what build/stream-load printed, and `usage`: what the processes used meanwhile (processes.mjs). A round is one
 * run of each way, by the way's name. Beside ours stand N (bare nginx), M (nginx with Lua) and F (the floor).
 */
const BESIDE = { n: 'N', m: 'M', f: 'F' }
const SHARE_OF_OTHERS = 0.1 // of the machine, at most
const LIMIT_OF_A_TOOL = 0.95 // of a core

/** Of an even number, the lower of the two in the middle. What is no number (nothing came) doesn't count. undefined: of none. */
export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}

export const figure = (value) =>
  value === undefined || !Number.isFinite(value) ? '' : Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)

const percent = (share) => `${Math.round(share * 100)}%`

/* ---- runs ---- */

export const failures = (runs) => runs.reduce((sum, one) => sum + one.failed, 0)

/** "3 streams FAILED (transfer: …)", or nothing. */
export function failed(runs, who = '') {
  const reasons = [...new Set(runs.flatMap((one) => Object.keys(one.reasons)))]
  return failures(runs) ? [`${who}${failures(runs)} streams FAILED (${reasons.join(', ')})`] : []
}

/** Why figures of these runs say more of the tools, or of what else the machine did, than of what they measure. */
export function voids(runs, busiest) {
  const most = (pick) => Math.max(0, ...runs.map((one) => (one.usage ? pick(one.usage) : 0)))
  const reasons = []
  if (most((usage) => usage.client_core) > LIMIT_OF_A_TOOL) reasons.push('void: load generator at its limit')
  if (most((usage) => usage.upstream_core) > LIMIT_OF_A_TOOL) reasons.push('void: test upstream at its limit')
  const others = most((usage) => usage.others), busy = most((usage) => usage.busy)
  if (others > SHARE_OF_OTHERS) reasons.push(`void: ${percent(others)} went to other processes`)
  if (busiest !== undefined && busy > busiest) reasons.push(`void: ${percent(busy)} of the machine, where ${percent(busiest)} is the most`)
  return reasons
}

/* ---- goals ---- */

/** Goals are {of: 'n' | 'm' | 'ours', most | least: number}; of ours the figure itself, of the others the ratio to them. */
function goalText(goals, unit) {
  const one = ({ of, most, least }) => `${most === undefined ? '≥' : '≤'} ${most ?? least} ${of === 'ours' ? unit : `× ${BESIDE[of]}`}`
  return goals.map(one).join(', ')
}

/** true, false; undefined where there is no goal, or none that can be judged. */
function judge(goals, ours, ratios) {
  const verdicts = goals.map(({ of, most, least }) => {
    const value = of === 'ours' ? ours : ratios[of]?.median
    if (value === undefined) return undefined
    return most === undefined ? value >= least : value <= most
  })
  if (verdicts.includes(false)) return false
  return verdicts.length === 0 || verdicts.includes(undefined) ? undefined : true
}

/* ---- rows ---- */

/** Ratios of the rounds, ours to another's. undefined: the other was in no round. */
function ratioTo(all, other, ours, pick) {
  const ratios = all.filter((round) => round[other]).map((round) => pick(round[ours], round) / pick(round[other], round)).filter(Number.isFinite)
  return ratios.length ? { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) } : undefined
}

/**
 * A row of the table, from rounds. `spec`: {name, unit, goals, pick(run, round), ours: way, n, m, f: ways, absent: why a way
 * isn't there, by its name; busiest: the largest share of the machine at which it counts}.
 */
export function row(all, spec) {
  const { name, unit, goals = [], pick, ours, absent = {}, busiest } = spec
  const beside = Object.keys(BESIDE).filter((who) => spec[who])
  const at = (way) => median(all.filter((round) => round[way]).map((round) => pick(round[way], round)))
  const ratios = {}
  for (const who of beside) ratios[who] = ratioTo(all, spec[who], ours, pick)
  const runs = all.flatMap((round) => [ours, ...beside.map((who) => spec[who])].map((way) => round[way]).filter(Boolean))
  const own = all.map((round) => round[ours])
  const notes = [
    ...beside.filter((who) => absent[spec[who]]).map((who) => `no ${BESIDE[who]}: ${absent[spec[who]]}`),
    ...voids(runs, busiest),
    ...failed(own),
    ...beside.flatMap((who) => failed(all.map((round) => round[spec[who]]).filter(Boolean), `${BESIDE[who]}: `)),
  ]
  return {
    name, unit, rounds: all.length,
    goal: goalText(goals, unit),
    values: Object.fromEntries([...beside.map((who) => [who, at(spec[who])]), ['ours', at(ours)]]),
    ratios,
    met: failures(own) > 0 && goals.length ? false : judge(goals, at(ours), ratios),
    notes,
  }
}

/** A row of ours alone. met: undefined where there is no goal. */
export const plain = (name, goal, value, unit, met, notes = []) => ({ name, goal, unit, values: { ours: value }, ratios: {}, met, notes })

/** How much of the machine was busy in each of the rounds' ways, in words. */
export function shares(all, names) {
  const of = (way) => median(all.filter((round) => round[way]).map((round) => round[way].usage.busy))
  return `machine: ${Object.entries(names).filter(([way]) => of(way) !== undefined).map(([way, name]) => `${name} ${percent(of(way))}`).join(', ')}`
}

/**
 * A row of the peers' table. `columns`: way -> title; `peers`: way -> how many times less ours has to be. `ours` is one of the
 * columns. Each cell but ours has ours' ratio to it behind.
 */
export function peersRow(all, { name, unit, columns, peers, ours, pick, absent = {} }) {
  const present = Object.keys(columns).filter((way) => all.some((round) => round[way]))
  const at = (way) => median(all.filter((round) => round[way]).map((round) => pick(round[way], round)))
  const ratios = Object.fromEntries(present.filter((way) => way !== ours).map((way) => [way, ratioTo(all, way, ours, pick)]))
  const judged = Object.keys(peers).filter((way) => ratios[way])
  const runs = all.flatMap((round) => Object.values(round))
  return {
    name, unit, peers: true, columns, ours, rounds: all.length,
    values: Object.fromEntries(present.map((way) => [way, at(way)])),
    ratios,
    goal: Object.entries(peers).map(([way, times]) => (times === 1 ? `≤ ${columns[way]}` : `≤ ${columns[way]} / ${times}`)).join(', '),
    met: judged.length === 0 ? undefined : judged.every((way) => ratios[way].median <= 1 / peers[way]),
    notes: [
      ...Object.keys(columns).filter((way) => absent[way]).map((way) => `no ${columns[way]}: ${absent[way]}`),
      ...voids(runs),
      ...present.flatMap((way) => failed(all.map((round) => round[way]).filter(Boolean), `${columns[way]}: `)),
    ],
  }
}

/* ---- the table ---- */

const line = (cells) => `| ${cells.join(' | ')} |`
const verdict = (met) => (met === undefined ? '' : met ? 'yes' : '**no**')
const spread = (ratio) => (ratio ? `**${figure(ratio.median)}** (${figure(ratio.min)} to ${figure(ratio.max)})` : '')

function ownTable(rows) {
  const lines = [line(['', 'goal', 'N', 'M', 'F', 'ours', 'to N (min to max)', 'to M (min to max)', 'met', '']), '| --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- | --- |']
  for (const { name, goal, values, unit, ratios, met, notes } of rows)
    lines.push(line([name, goal, figure(values.n), figure(values.m), figure(values.f), `${figure(values.ours)} ${unit}`.trim(), spread(ratios.n), spread(ratios.m), verdict(met), notes.join('; ')]))
  return lines
}

function peersTable(rows) {
  const columns = rows[0].columns
  const lines = [line(['peers', 'goal', ...Object.values(columns), 'met', '']), `| --- | --- |${' ---: |'.repeat(Object.keys(columns).length)} --- | --- |`]
  const cell = (one, way) => (one.values[way] === undefined ? '' : `${figure(one.values[way])} ${one.unit}${one.ratios[way] ? ` (${figure(one.ratios[way].median)})` : ''}`)
  for (const one of rows) lines.push(line([one.name, one.goal, ...Object.keys(columns).map((way) => cell(one, way)), verdict(one.met), one.notes.join('; ')]))
  return lines
}

/** Markdown: ours beside N, M and F, and then the peers. */
export function table(rows) {
  const own = rows.filter((one) => !one.peers), peers = rows.filter((one) => one.peers)
  return [...(own.length ? ownTable(own) : []), ...(own.length && peers.length ? [''] : []), ...(peers.length ? peersTable(peers) : [])].join('\n')
}

/* ---- how long it takes ---- */

/** Seconds of one run under a load, from opening the first stream to the last one's end, with the pause that follows. */
export const secondsOf = (load) => (load.seconds ?? ((load['ramp-ms'] ?? 0) + (load.together ? 1500 : 0) + load.chunks * load['pace-ms']) / 1000) + 1

/** How many rounds: as the row says, or as many times fewer or more as ROUNDS says of seven. */
export const roundsOf = (row, { quick, rounds }) => (rounds ? Math.max(1, Math.round((row.rounds * rounds) / 7)) : quick ? row.quick : row.rounds)

export const estimate = (row, form) => roundsOf(row, form) * row.ways.length * secondsOf(row.load) + (row.before ?? 0)
