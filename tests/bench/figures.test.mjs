// The pure parts of the benchmark: ratios, goals, why a figure is void, the tables, the estimate.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimate, failed, median, peersRow, plain, roundsOf, row, secondsOf, shares, table, voids } from './figures.mjs'

const usage = (over = {}) => ({ us_per_chunk: 10, busy: 0.4, others: 0.01, client_core: 0.3, upstream_core: 0.2, ...over })
const one = (us, over = {}) => ({ failed: 0, reasons: {}, usage: usage({ us_per_chunk: us }), ...over })
const pick = (run) => run.usage.us_per_chunk
const spec = (goals, more = {}) => ({ name: 'a row', unit: 'µs', goals, ours: 'messages', n: 'bare', m: 'lua', f: 'floor', pick, ...more })
const rounds = [
  { bare: one(10), lua: one(20), floor: one(12), messages: one(14) },
  { bare: one(20), lua: one(20), floor: one(12), messages: one(20) },
  { bare: one(10), lua: one(30), floor: one(12), messages: one(12) },
]

test('the median of an even number is the lower one', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2)
  assert.equal(median([NaN, 3, undefined, 1, Infinity]), 1)
  assert.equal(median([]), undefined)
})

test('a ratio is the median of the ratios of the rounds, not the ratio of the medians', () => {
  const { ratios, values } = row(rounds, spec([]))
  assert.deepEqual(values, { n: 10, m: 20, f: 12, ours: 14 })
  assert.deepEqual(ratios.n, { median: 1.2, min: 1, max: 1.4 })
  assert.deepEqual(ratios.m, { median: 0.7, min: 0.4, max: 1 })
})

test('goals are met where each of them is', () => {
  assert.equal(row(rounds, spec([{ of: 'n', most: 1.2 }])).met, true)
  assert.equal(row(rounds, spec([{ of: 'n', most: 1.1 }])).met, false)
  assert.equal(row(rounds, spec([{ of: 'n', least: 1.2 }, { of: 'm', least: 0.75 }])).met, false)
  assert.equal(row(rounds, spec([{ of: 'ours', most: 14 }])).met, true)
  assert.equal(row(rounds, spec([])).met, undefined)
})

test('goals are written in the words of the table', () => {
  assert.equal(row(rounds, spec([{ of: 'n', least: 0.66 }, { of: 'm', most: 1 }, { of: 'ours', most: 25 }])).goal, '≥ 0.66 × N, ≤ 1 × M, ≤ 25 µs')
})

test('who is absent is said, and a goal that needs it is neither met nor missed', () => {
  const without = rounds.map(({ lua, ...rest }) => rest)
  const made = row(without, spec([{ of: 'm', most: 1 }], { absent: { lua: 'it is not installed' } }))
  assert.equal(made.met, undefined)
  assert.equal(made.values.m, undefined)
  assert.deepEqual(made.notes, ['no M: it is not installed'])
  assert.equal(row(without, spec([{ of: 'm', most: 1 }, { of: 'n', most: 0.5 }])).met, false)
})

test('a goal is missed where a stream of ours failed, and not where one of N did', () => {
  const bad = { failed: 2, reasons: { 'content differs': 2 } }
  const ours = row([{ bare: one(10), messages: one(5, bad) }], spec([{ of: 'n', most: 1 }], { m: undefined, f: undefined }))
  assert.equal(ours.met, false)
  assert.deepEqual(ours.notes, ['2 streams FAILED (content differs)'])
  const theirs = row([{ bare: one(10, bad), messages: one(5) }], spec([{ of: 'n', most: 1 }], { m: undefined, f: undefined }))
  assert.equal(theirs.met, true)
  assert.deepEqual(theirs.notes, ['N: 2 streams FAILED (content differs)'])
})

test('figures are void where a tool was at its limit, others worked, or the machine was too full', () => {
  const withUsage = (over) => [{ usage: usage() }, { usage: usage(over) }]
  assert.deepEqual(voids(withUsage({})), [])
  assert.deepEqual(voids(withUsage({ client_core: 0.96 })), ['void: load generator at its limit'])
  assert.deepEqual(voids(withUsage({ upstream_core: 0.96 })), ['void: test upstream at its limit'])
  assert.deepEqual(voids(withUsage({ others: 0.11 })), ['void: 11% went to other processes'])
  assert.deepEqual(voids(withUsage({ busy: 0.7 }), 0.6), ['void: 70% of the machine, where 60% is the most'])
  assert.deepEqual(voids(withUsage({ busy: 0.7 })), [])
})

test('failures name their reasons', () => {
  assert.deepEqual(failed([one(1)]), [])
  assert.deepEqual(failed([one(1, { failed: 1, reasons: { a: 1 } }), one(1, { failed: 2, reasons: { b: 2 } })]), ['3 streams FAILED (a, b)'])
})

test('the share of the machine is told for those that ran', () => {
  assert.equal(shares([{ bare: one(1), messages: one(1, { usage: usage({ busy: 0.55 }) }) }], { bare: 'N', lua: 'M', messages: 'ours' }), 'machine: N 40%, ours 55%')
})

test('ours is held against each peer that is there', () => {
  const columns = { haproxy: 'haproxy', portkey: 'Portkey', completions: 'completions' }
  const all = [{ haproxy: one(20), portkey: one(90), completions: one(10) }]
  const made = (peers) => peersRow(all, { name: 'cost', unit: 'µs', columns, peers, ours: 'completions', pick })
  assert.equal(made({ haproxy: 1 }).met, true)
  assert.equal(made({ haproxy: 1, portkey: 10 }).met, false)
  assert.equal(made({ haproxy: 1, portkey: 10 }).goal, '≤ haproxy, ≤ Portkey / 10')
  const without = peersRow(all.map(({ portkey, ...rest }) => rest), { name: 'cost', unit: 'µs', columns, peers: { portkey: 10 }, ours: 'completions', pick, absent: { portkey: 'no network' } })
  assert.equal(without.met, undefined)
  assert.deepEqual(without.notes, ['no Portkey: no network'])
})

test('the table has a line for each row, and the peers a table of their own', () => {
  const columns = { haproxy: 'haproxy', completions: 'completions' }
  const text = table([
    row(rounds, spec([{ of: 'n', most: 1.1 }])),
    plain('lost', '0', 0, 'streams', true),
    peersRow([{ haproxy: one(20), completions: one(10) }], { name: 'cost', unit: 'µs', columns, peers: { haproxy: 1 }, ours: 'completions', pick }),
  ])
  assert.deepEqual(text.split('\n'), [
    '|  | goal | N | M | F | ours | to N (min to max) | to M (min to max) | met |  |',
    '| --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- | --- |',
    '| a row | ≤ 1.1 × N | 10.0 | 20.0 | 12.0 | 14.0 µs | **1.20** (1.00 to 1.40) | **0.70** (0.40 to 1.00) | **no** |  |',
    '| lost | 0 |  |  |  | 0.00 streams |  |  | yes |  |',
    '',
    '| peers | goal | haproxy | completions | met |  |',
    '| --- | --- | ---: | ---: | --- | --- |',
    '| cost | ≤ haproxy | 20.0 µs (0.50) | 10.0 µs | yes |  |',
  ])
})

test('how long it takes is known from the load and the number of rounds', () => {
  const load = { streams: 100, chunks: 100, 'pace-ms': 20, 'ramp-ms': 1000, together: true }
  assert.equal(secondsOf(load), 5.5)
  const spec = { rounds: 7, quick: 2, ways: ['bare', 'messages'], load, before: 10 }
  assert.equal(roundsOf(spec, { quick: false }), 7)
  assert.equal(roundsOf(spec, { quick: true }), 2)
  assert.equal(roundsOf(spec, { rounds: 1 }), 1)
  assert.equal(roundsOf({ rounds: 3, quick: 0 }, { rounds: 14 }), 6)
  assert.equal(estimate(spec, { quick: true }), 2 * 2 * 5.5 + 10)
})
