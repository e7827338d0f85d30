// What administrators read: use and cost by day, user and model, and how people use the service.
import { afterAll, beforeAll } from 'vitest'
import { startStack, type Stack } from '../support/stack.ts'
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import type { components } from '../support/types.ts'
import { User } from '../support/user.ts'
import { until } from '../support/wait.ts'

type UsagePage = components['schemas']['UsagePage']
type Engagement = components['schemas']['Engagement']

const usagePath = '/api/v1/chat/admin/usage'
const engagementPath = '/api/v1/chat/admin/engagement'
const today = () => new Date().toISOString().slice(0, 10)
const read = async (admin: User, query: string) => {
  const reply = await admin.get(`${usagePath}?${query}`)
  expect(reply.status, reply.body).toBe(200)
  return reply.json<UsagePage>()
}
const put = (user: User, day: string, model: string, completions: number) =>
  sql('INSERT INTO chat_usage_daily (user_id, day, model, completions) VALUES ($1, $2, $3, $4)', [user.sub, day, model, completions])
const of = (user: User) => `user=${encodeURIComponent(user.sub)}`

describe('use', () => {
  test("an answer's tokens and cost are there when it is done", async ({ alice, admin }) => {
    const { message } = await alice.sendJson(null, '[[chunks=3 size=8]] Hello')
    const [stored] = await sql<{ cost_micro_usd: string }>('SELECT cost_micro_usd FROM chat_messages WHERE id = $1', [message.id])
    const page = await read(admin, of(alice))
    expect(page).toEqual({
      from: new Date(Date.parse(page.to) - 29 * 86_400_000).toISOString().slice(0, 10),
      to: message.created_at.slice(0, 10),
      group_by: ['day', 'user', 'model'],
      items: [{
        day: message.created_at.slice(0, 10), user_id: alice.sub, model: message.model, answers: 1, completions: 0,
        prompt_tokens: message.usage!.prompt_tokens, completion_tokens: message.usage!.completion_tokens,
        total_tokens: message.usage!.total_tokens, cost_micro_usd: Number(stored!.cost_micro_usd),
      }],
      next_cursor: null,
    })
    expect(page.items[0]!.cost_micro_usd).toBeGreaterThan(0)
  })

  test('completions are counted within seconds, without a row of theirs', async ({ alice, admin }) => {
    const model = 'Meta-Llama-3.3-70B-Instruct'
    const ask = { model, messages: [{ role: 'user', content: '[[chunks=3 size=8]] Hello' }] }
    const complete = async () =>
      (await alice.post('/api/v1/chat/completions', ask)).json<{ usage: { prompt_tokens: number; completion_tokens: number } }>().usage
    const [first, second] = [await complete(), await complete()]
    const row = await until('both are counted', async () => {
      const [item] = (await read(admin, of(alice))).items
      return item?.completions === 2 ? item : undefined
    })
    expect(row).toMatchObject({ answers: 0, model, prompt_tokens: first.prompt_tokens + second.prompt_tokens })
    expect(row.completion_tokens).toBe(first.completion_tokens + second.completion_tokens)
    expect(row.cost_micro_usd).toBeGreaterThan(0)
    expect(await sql('SELECT 1 FROM chat_messages WHERE user_id = $1', [alice.sub])).toEqual([])
  })

  test('grouped, and paged by cursor without gap or repeat', async ({ alice, bob, admin }) => {
    for (const [i, day] of ['2026-02-28', '2026-03-01'].entries())
      for (const [j, model] of ['model-a', 'model-b'].entries()) {
        await put(alice, day, model, 1 + 2 * i + j)
        await put(bob, day, model, 10)
      }
    const range = 'from=2026-02-01&to=2026-03-31'
    const rows = async (group: string, filter = of(alice)) => {
      const seen: unknown[] = []
      let cursor: string | null = null
      do {
        const page: UsagePage = await read(admin, `${range}&${filter}&group_by=${group}&limit=1${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
        expect(page.items.length).toBeLessThanOrEqual(1)
        seen.push(...page.items.map((item) => [item.day, item.user_id, item.model, item.completions]))
        cursor = page.next_cursor
      } while (cursor)
      return seen
    }
    const [first, second, a] = ['2026-02-28', '2026-03-01', alice.sub]
    expect(await rows('day,user,model')).toEqual([
      [first, a, 'model-a', 1], [first, a, 'model-b', 2], [second, a, 'model-a', 3], [second, a, 'model-b', 4],
    ])
    expect(await rows('day')).toEqual([[first, null, null, 3], [second, null, null, 7]])
    expect(await rows('model,day')).toEqual([[first, null, 'model-a', 1], [first, null, 'model-b', 2], [second, null, 'model-a', 3], [second, null, 'model-b', 4]])
    expect(await rows('user')).toEqual([[null, a, null, 10]])
    expect(await rows('model', `${of(alice)}&model=model-b`)).toEqual([[null, null, 'model-b', 6]])
    const everybody = await rows('user,model', 'model=model-a')
    expect(everybody).toContainEqual([null, a, 'model-a', 4])
    expect(everybody).toContainEqual([null, bob.sub, 'model-a', 20])
    expect((await read(admin, `${of(alice)}&to=2020-01-31`)).items).toEqual([])
  })

  describe('by prices of its own', () => {
    let stack: Stack
    beforeAll(async () => {
      stack = await startStack({
        CHAT_TITLE_MODEL: 'test-title', SAMBANOVA_MODELS: 'test-chat,test-cache', SAMBANOVA_PRICES: 'test-title=1000/1000,test-chat=2/3,test-cache=10/20/1',
      })
    }, 180_000)
    afterAll(() => stack?.down(), 60_000)

    test('a title that a model wrote costs its user, and is no answer', async ({ admin }) => {
      const user = new User({ name: 'titled', url: stack.url })
      await (await user.send(null, 'Please, how do I take the mean of some numbers that I have here? [[chunks=10 size=9 pace=20]]')).readDone()
      const title = await until('the title is counted', async () =>
        (await read(admin, `${of(user)}&model=test-title`)).items[0])
      expect(title).toMatchObject({ answers: 0, completions: 0 })
      expect(title.prompt_tokens).toBeGreaterThan(0)
      expect(title.cost_micro_usd).toBeGreaterThan(0)
    })

    // A prompt of 9,000 cached tokens and those that the test upstream counts; 10 USD a million of those, 1 of the cached, 20 of the answer's.
    const costOf = ({ prompt_tokens, completion_tokens }: { prompt_tokens: number; completion_tokens: number }) => (prompt_tokens - 9000) * 10 + 9000 + completion_tokens * 20
    test.for(['cached=9000', 'cached=9000 usage_at_finish'])('prompt tokens that the provider had cached cost what they cost: %s (cached-prompt-tokens)', async (order, { admin }) => {
      const user = new User({ name: 'cached', url: stack.url })
      const session = await user.createSession({ model: 'test-cache', title: 'Cached' })
      const { message } = await user.sendJson(session.id, `[[chunks=3 size=8 ${order}]] Hello`)
      expect(message.usage).toMatchObject({ prompt_tokens_details: { cached_tokens: 9000 } })
      expect(await user.message(message.id)).toMatchObject({ usage: message.usage })
      const [row] = (await read(admin, `${of(user)}&model=test-cache`)).items
      expect(row).toMatchObject({ answers: 1, prompt_tokens: message.usage!.prompt_tokens, cached_tokens: 9000, cost_micro_usd: costOf(message.usage!) })

      const ask = { model: 'test-cache', messages: [{ role: 'user', content: `[[chunks=3 size=8 ${order}]] Hello` }] }
      const asked = []
      for (const more of [{}, { stream: true }, { stream: true, stream_options: { include_usage: true } }]) asked.push(await user.post('/api/v1/chat/completions', { ...ask, ...more }))
      const whole = asked[0]!.json<{ usage: { prompt_tokens: number; completion_tokens: number } }>().usage
      expect(whole).toMatchObject({ prompt_tokens_details: { cached_tokens: 9000 } })
      const both = await until('they are counted', async () => {
        const [item] = (await read(admin, `${of(user)}&model=test-cache`)).items
        return item?.completions === 3 ? item : undefined
      })
      expect(both).toMatchObject({ cached_tokens: 36_000, cost_micro_usd: costOf(message.usage!) + 3 * costOf(whole) })
    })
  })

  test("is administrators' alone", async ({ alice }) => {
    for (const path of [usagePath, engagementPath]) {
      const reply = await alice.get(path)
      expect(reply.status).toBe(403)
      expect(reply.json().error.code).toBe('forbidden')
    }
  })

  test.for<[string, string]>([
    ['limit=0', 'limit'], ['limit=101', 'limit'], ['limit=1&limit=2', 'limit'], ['from=2026-02-30', 'from'], ['to=yesterday', 'to'],
    ['from=2026-02-02&to=2026-02-01', 'from'], ['from=2024-01-01&to=2026-01-01', 'from'], ['group_by=', 'group_by'], ['group_by=day,day', 'group_by'],
    ['group_by=session', 'group_by'], ['user=a&user=b', 'user'], [`user=${'a'.repeat(256)}`, 'user'], [`model=${'m'.repeat(128)}`, 'model'],
  ])('%s is 422', async ([query, field], { admin }) => {
    const reply = await admin.get(`${usagePath}?${query}`)
    expect(reply.status, reply.body).toBe(422)
    expect(reply.json().error.details.fields).toHaveProperty(field)
  })

  test('a broken cursor, and one of another grouping, is 400', async ({ admin, alice }) => {
    for (const model of ['model-a', 'model-b']) await put(alice, today(), model, 1)
    const { next_cursor: cursor } = await read(admin, `${of(alice)}&limit=1`)
    expect(cursor).not.toBeNull()
    for (const query of ['cursor=x', 'cursor=%00', `cursor=!${cursor}`, `cursor=${cursor}&group_by=day`, `cursor=${cursor}&cursor=${cursor}`]) {
      const reply = await admin.get(`${usagePath}?${query}`)
      expect(reply.status, query).toBe(400)
      expect(reply.json().error).toMatchObject({ code: 'invalid_request', param: 'cursor' })
    }
  })

  test.for([`${usagePath}?user=%27%29%3B%20DROP%20TABLE%20chat_usage_daily%3B--`, `${usagePath}?model=%00`, `${usagePath}?user=%ff`])(
    'nothing gets through by %s', async (path, { admin }) => {
      const reply = await admin.get(path)
      expect([200, 400, 422]).toContain(reply.status)
      if (reply.status === 200) expect(reply.json<UsagePage>().items).toEqual([])
    })
})

describe('engagement', () => {
  const day = async (admin: User) => {
    const reply = await admin.get(`${engagementPath}?from=${today()}`)
    expect(reply.status, reply.body).toBe(200)
    return reply.json<Engagement>().days.at(-1)!
  }

  test('every day of the range, and what was done on it', async ({ alice, admin }) => {
    const reply = (await admin.get(engagementPath)).json<Engagement>()
    expect(reply.days).toHaveLength(30)
    expect(reply.days.at(-1)!.day).toBe(reply.to)
    const before = await day(admin)
    const { session, message } = await alice.sendJson(null, '[[text=Yes]] Hello')
    await alice.sendJson(session.id, '[[text=Yes]] Hello again')
    const now = await day(admin)
    // others are at work on the same stack
    expect(now.messages - before.messages).toBeGreaterThanOrEqual(2)
    expect(now.sessions - before.sessions).toBeGreaterThanOrEqual(1)
    expect(now.daily_active_users - before.daily_active_users).toBeGreaterThanOrEqual(1)
    expect(now.weekly_active_users).toBeGreaterThanOrEqual(now.daily_active_users)
    expect(now.messages_per_session).toBeCloseTo(now.messages / now.sessions, 3)
    await alice.put(`/api/v1/chat/messages/${message.id}/feedback`, { rating: 'up' })
    const rated = await day(admin)
    expect(rated.feedback_rate! * rated.answers).toBeGreaterThan(0)
    for (const rate of [rated.stop_rate, rated.regenerate_rate, rated.feedback_rate, rated.positive_feedback_rate]) {
      expect(rate).toBeGreaterThanOrEqual(0)
      expect(rate).toBeLessThanOrEqual(1)
    }
  })

  test('a day that nobody came has no rates', async ({ admin }) => {
    const [old] = (await admin.get(`${engagementPath}?from=2018-01-31&to=2018-01-31`)).json<Engagement>().days
    expect(old).toEqual({
      day: '2018-01-31', daily_active_users: 0, weekly_active_users: 0, sessions: 0, messages: 0, answers: 0, completions: 0,
      messages_per_session: null, stop_rate: null, regenerate_rate: null, interrupted_rate: null, failed_rate: null,
      feedback_rate: null, positive_feedback_rate: null,
    })
  })

  test.for(['from=x', 'to=2026-13-01', 'from=2026-02-02&to=2026-02-01', 'from=2025-01-01&to=2025-04-03', 'from=2026-01-01&from=2026-01-02'])(
    '%s is 422', async (query, { admin }) => {
      expect((await admin.get(`${engagementPath}?${query}`)).status).toBe(422)
    })
})
