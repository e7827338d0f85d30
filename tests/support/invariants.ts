// What must hold after every test, whatever it did: nothing is left open, what was shown is what is
// stored, leases are gone, and the counters say how many sends were counted.
import { expect } from 'vitest'
import { descriptors, openConnections, threads, workers } from './processes.ts'
import { dailyUnits, keysMatching, leasesOf, redis, sql } from './stores.ts'
import type { User } from './user.ts'
import { stats } from './upstream.ts'
import { until } from './wait.ts'

/** ADMISSION_LEASE_SECONDS */
const LEASE_MS = 15_000

interface Row {
  id: string
  content: string
  reasoning: string | null
  status: string
}

async function countedAndStored(user: User): Promise<{ counted: string; stored: string }> {
  const [use] = await sql<{ counted: string; stored: string }>(
    `SELECT (SELECT row_to_json(u) FROM (SELECT coalesce(sum(answers), 0) AS answers, coalesce(sum(stopped), 0) AS stopped,
              coalesce(sum(interrupted), 0) AS interrupted, coalesce(sum(failed), 0) AS failed, coalesce(sum(rated_up), 0) AS up,
              coalesce(sum(rated_down), 0) AS down FROM chat_usage_daily WHERE user_id = $1) u)::text AS counted,
            (SELECT row_to_json(m) FROM (SELECT count(*) AS answers, count(*) FILTER (WHERE status = 'stopped') AS stopped,
              count(*) FILTER (WHERE status = 'interrupted') AS interrupted, count(*) FILTER (WHERE status = 'failed') AS failed,
              count(*) FILTER (WHERE feedback = 'up') AS up, count(*) FILTER (WHERE feedback = 'down') AS down
              FROM chat_messages WHERE user_id = $1 AND role = 'assistant') m)::text AS stored`, [user.sub])
  return use!
}

/** One that failed, or whose worker died, before its first token gives its unit back. */
const costsUnit = ({ status, content, reasoning }: Row) => !['failed', 'interrupted'].includes(status) || content !== '' || (reasoning ?? '') !== ''

export async function expectInvariants(user: User): Promise<void> {
  const shown = user.shown()
  await until(`no answer of ${user.sub} is left streaming`, async () =>
    (await sql(`SELECT 1 FROM chat_messages WHERE user_id = $1 AND status = 'streaming'`, [user.sub])).length === 0, 15_000)

  const rows = await sql<Row>('SELECT id, content, reasoning, status FROM chat_messages WHERE user_id = $1', [user.sub])
  const stored = new Map(rows.map((row) => [row.id, row]))
  for (const [id, answer] of shown) {
    const row = stored.get(id)
    expect(row, `the answer ${id} that was shown is stored`).toBeDefined()
    if (answer.status === undefined) {
      // The client left before the end: it saw a beginning. Of a killed worker's answer it may have seen more than is left.
      const prefix = row!.content.startsWith(answer.content) || (row!.status === 'interrupted' && answer.content.startsWith(row!.content))
      expect(prefix, 'the shown text is a prefix of the stored one').toBe(true)
      continue
    }
    expect(row!.status, 'stored status').toBe(answer.status)
    if (row!.status === 'interrupted') {
      expect(answer.content.startsWith(row!.content), 'the stored text is a prefix of the shown one').toBe(true)
      continue
    }
    expect(row!.content, 'stored text').toBe(answer.content)
    expect(row!.reasoning ?? '', 'stored reasoning').toBe(answer.reasoning)
  }

  // Whether superseded messages are among them is not the contract's; anything else is wrong.
  const [counts] = await sql<{ wrong: string }>(
    `SELECT count(*) AS wrong FROM chat_sessions s
      WHERE user_id = $1 AND message_count <> (SELECT count(*) FROM chat_messages m WHERE m.session_id = s.id AND m.superseded_by IS NULL)
        AND message_count <> (SELECT count(*) FROM chat_messages m WHERE m.session_id = s.id)`, [user.sub])
  expect(Number(counts!.wrong), 'sessions whose message_count is wrong').toBe(0)

  // However answers ended, raced or were reaped: the user's days count each once, as its row stands. A send whose worker was
  // killed under it may be stored only now, and is reaped then.
  await until('the days count what has ended', async () => {
    const use = await countedAndStored(user)
    return use.counted === use.stored
  }, 15_000).catch(() => undefined)
  const use = await countedAndStored(user)
  expect(use.counted, 'what the days count').toBe(use.stored)

  const freed = async () => (await leasesOf(user.sub)).length === 0
  await until(`no lease of ${user.sub} is left`, freed).catch((error: unknown) => {
    if (!user.workerKilled()) throw error
    // Killed before a row was stored, or between the last one and giving the lease back: nobody does, and it runs out.
    return until(`no lease of ${user.sub} is left when it has run out`, freed, LEASE_MS)
  })
  if (user.checkCounter && user.role === 'user' && shown.size > 0)
    expect(await dailyUnits(user.sub), "the day's counter is the number of counted sends").toBe(user.usedBefore + [...shown.keys()].filter((id) => costsUnit(stored.get(id)!)).length)
}

/** Of the environment's stack, once nobody uses it: nothing of the answers is left over in processes and stores. */
export async function expectNothingLeft(): Promise<void> {
  await until('no connection of nginx to the workers is left', () => openConnections() === 0)
  await until('no answer is open upstream', async () => (await stats()).open_streams === 0)
  // Old workers of a reload end by themselves once their last answer has.
  await until('as many workers as are wanted', () => workers().length === Number(process.env['CHAT_WORKERS'] ?? workers().length), 15_000)
  const counts = await until('all workers have their threads', () => {
    const each = workers().map((pid) => threads(pid))
    return each.every((count) => count === each[0]) && each
  })
  expect(counts[0], 'threads of a worker').toBeLessThan(32)
  // Each thread has a connection to each store and an epoll; the rest is the loop's. Idle connections to the provider
  // are kept for the next answers, so many and no more (lib/upstream/connections.c, IDLE_MAX).
  await until('no descriptor is left', () => workers().map(descriptors).every(({ idle, others }) => idle <= 256 && others < 4 * counts[0]! + 24))
  expect(await keysMatching('chat:streams:*'), 'leases').toEqual([])
  for (const key of await keysMatching('chat:*')) expect(await redis().pttl(key), `${key} goes by itself`).not.toBe(-1)
}
