// What the operator sees: who may, in which form, and that it counts exactly, whichever worker is asked.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from '../support/http.ts'
import { describe, expect, test } from '../support/test.ts'
import { tokenFor } from '../support/tokens.ts'

const forwarded = { 'X-Forwarded-For': '203.0.113.9' }

type Series = Map<string, number>
function parse(body: string): Series {
  const series: Series = new Map()
  for (const line of body.trimEnd().split('\n')) {
    if (line.startsWith('#')) continue
    const [, name, value] = /^([a-z_]+(?:\{(?:[^"}]|"[^"]*")*\})?) (\S+)$/.exec(line) ?? []
    if (!name) throw new Error(`no series: ${line}`)
    if (series.has(name)) throw new Error(`twice: ${name}`)
    series.set(name, Number(value))
  }
  return series
}
const scrape = async () => parse((await request('/metrics')).body)

describe('who may see them', () => {
  test('a scraper on this host needs no token', async () => {
    const reply = await request('/metrics')
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(reply.headers['cache-control']).toBe('no-store')
  })

  test('somebody that it is forwarded for does', async () => {
    const reply = await request('/metrics', { headers: forwarded })
    expect(reply.status).toBe(401)
    expect(reply.json().error.code).toBe('unauthenticated')
    expect(reply.headers['location']).toBeUndefined()
  })

  test.for(['X-Real-IP', 'Forwarded', 'X-Forwarded-For', 'CF-Connecting-IP', 'True-Client-IP', 'X-Client-IP', 'X-Cluster-Client-IP', 'Client-IP'])('(A10) by whichever name: %s', async (name) => {
    expect((await request('/metrics', { headers: { [name]: '203.0.113.9' } })).status).toBe(401)
  })

  test('an admin may from anywhere, a user may not, and a bad token is none', async ({ alice, admin }) => {
    expect((await admin.get('/metrics', forwarded)).status).toBe(200)
    const reply = await alice.get('/metrics')
    expect(reply.status).toBe(403)
    expect(reply.json().error.code).toBe('forbidden')
    expect((await request('/metrics', { headers: { Authorization: 'Bearer nonsense' } })).status).toBe(401)
    expect((await request('/metrics', { headers: { Cookie: `__Host-chat_token=${tokenFor(alice.sub)}` } })).status).toBe(403)
  })

  test('nothing but reading', async () => {
    expect((await request('/metrics', { method: 'POST', json: {} })).status).toBe(405)
    const head = await request('/metrics', { method: 'HEAD' })
    expect([head.status, head.body]).toEqual([200, ''])
  })
})

describe('the form', () => {
  test("is Prometheus' own: each family has its type, counters say so, histograms are whole", async ({ alice }) => {
    await alice.sendJson(null, '[[chunks=2]] count me')
    const body = (await request('/metrics')).body
    const types = new Map([...body.matchAll(/^# TYPE (\S+) (counter|gauge|histogram)$/gm)].map(([, name, type]) => [name!, type!]))
    const helps = new Set([...body.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name!))
    expect([...types.keys()].sort()).toEqual([...helps].sort())
    for (const [name, type] of types) {
      expect(name).toMatch(/^chat_[a-z_]+$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
    }
    for (const name of parse(body).keys()) {
      const family = name.replace(/\{.*/, '')
      const owner = types.has(family) ? family : family.replace(/_(bucket|sum|count)$/, '')
      expect(types.get(owner) === 'histogram', name).toBe(owner !== family)
    }
    execFileSync('promtool', ['check', 'metrics'], { input: body })
    const buckets = [...parse(body)].filter(([name]) => name.startsWith('chat_time_to_first_token_seconds_bucket'))
    const counts = buckets.map(([, value]) => value)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(counts.at(-1)).toBe(parse(body).get('chat_time_to_first_token_seconds_count'))
  })

  test('every family is explained in the manual, and the manual explains no others', async () => {
    const manual = readFileSync(new URL('../../docs/operations/metrics.md', import.meta.url), 'utf8')
    const explained = [...manual.matchAll(/^\| `(chat_[a-z_]+)/gm)].map(([, name]) => name!)
    const given = [...(await request('/metrics')).body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)
    expect(explained.sort()).toEqual(given.sort())
  })

  test('no user, session or text is in it', async ({ alice }) => {
    const { message } = await alice.sendJson(null, '[[chunks=2]] a secret of mine')
    await alice.get(`/api/v1/chat/sessions/${message.session_id}`)
    await alice.get('/api/v1/chat/made-up-address')
    const body = (await request('/metrics')).body
    for (const secret of [alice.sub, message.session_id, 'secret', 'made-up']) expect(body).not.toContain(secret)
  })
})

describe('counting', () => {
  // Other tests run beside this one, so what everybody changes is held from below, and what nobody else does exactly.
  test('sends, tokens and requests are counted, whichever worker is asked', async ({ alice }) => {
    const before = await scrape()
    for (let i = 0; i < 6; i++) await (await alice.send(null, '[[chunks=4]] count me')).readDone()
    const after = await Promise.all(Array.from({ length: 8 }, scrape))
    for (const series of after) {
      const grown = (name: string) => (series.get(name) ?? 0) - (before.get(name) ?? 0)
      expect(grown('chat_answers_total{status="complete"}')).toBeGreaterThanOrEqual(6)
      expect(grown('chat_admissions_total{result="admitted"}')).toBeGreaterThanOrEqual(6)
      expect(grown('chat_upstream_chunks_total')).toBeGreaterThanOrEqual(24)
      expect(grown('chat_time_to_first_token_seconds_count')).toBeGreaterThanOrEqual(6)
      expect(grown('chat_http_requests_total{method="POST",route="/api/v1/chat/messages",status="200"}')).toBeGreaterThanOrEqual(6)
      expect(grown('chat_feature_checks_total{cohort="on"}')).toBeGreaterThanOrEqual(6)
    }
  })

  test('what goes to clients is counted: every byte of a stream, in no more writes than pieces', async ({ alice }) => {
    const before = await scrape()
    const stream = await alice.send(null, '[[chunks=40 size=100 pace=2]] count me')
    await stream.readDone()
    const after = await scrape()
    expect(after.get('chat_stream_bytes_total')! - before.get('chat_stream_bytes_total')!).toBeGreaterThanOrEqual(40 * 100)
    expect(after.get('chat_stream_writes_total')!).toBeGreaterThan(before.get('chat_stream_writes_total')!)
  })

  test("the day's units: taken, and given back where nothing was ever shown", async ({ alice }) => {
    const unit = (series: Series, change: string) => series.get(`chat_quota_units_total{change="${change}"}`)!
    const before = await scrape()
    await alice.sendJson(null, '[[chunks=1]] count me')
    const failed = await alice.post('/api/v1/chat/messages', { content: '[[status=500]] fail', stream: false })
    expect(failed.status).toBe(502)
    expect((await alice.post('/api/v1/chat/completions', { model: 'Meta-Llama-3.3-70B-Instruct', messages: [{ role: 'user', content: '[[status=500]] fail' }] })).status).toBe(502)
    const after = await scrape()
    expect(unit(after, 'taken') - unit(before, 'taken')).toBeGreaterThanOrEqual(3)
    expect(unit(after, 'given_back') - unit(before, 'given_back')).toBeGreaterThanOrEqual(2)
  })

  test('how much there is: threads and places', async () => {
    const now = await scrape()
    for (const name of ['chat_request_threads', 'chat_job_threads', 'chat_stream_places']) expect(now.get(name), name).toBeGreaterThanOrEqual(now.get('chat_workers')!)
    expect(now.get('chat_requests_running')).toBeLessThanOrEqual(now.get('chat_request_threads')!)
  })

  test('a rating is counted once', async ({ alice }) => {
    const { message } = await alice.sendJson(null, '[[chunks=1]] rate me')
    const name = 'chat_feedback_total{rating="down"}'
    const before = (await scrape()).get(name)!
    await alice.put(`/api/v1/chat/messages/${message.id}/feedback`, { rating: 'down' })
    expect((await scrape()).get(name)).toBeGreaterThan(before)
  })

  test('what is under way is seen while it is', async ({ alice }) => {
    const stream = await alice.send(null, '[[endless pace=20]] Go on')
    await stream.readText(16)
    expect((await scrape()).get('chat_answers_live')).toBeGreaterThanOrEqual(1)
    expect((await scrape()).get('chat_workers')).toBeGreaterThanOrEqual(1)
    await alice.post(`/api/v1/chat/messages/${stream.start!.message.id}/stop`)
    await stream.readDone()
  })

  test('stores and breaker are told', async ({ alice }) => {
    const now = await scrape(), features = await alice.features()
    expect(now.get('chat_store_up{store="postgres"}')).toBe(1)
    expect(now.get('chat_store_up{store="redis"}')).toBe(1)
    expect(['closed', 'open', 'half_open'].filter((state) => now.get(`chat_breaker_state{model="${features.default_model}",state="${state}"}`) === 1)).toHaveLength(1)
  })
})
