// Postgres and Redis of the stack, to see what the service really stored.
import { Redis } from 'ioredis'
import pg from 'pg'
import { env } from './env.ts'

let pool: pg.Pool | undefined
let client: Redis | undefined

export async function sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  // a server that is killed ends idle connections: the next query opens another
  pool ??= new pg.Pool({ connectionString: env.databaseUrl, max: 2, allowExitOnIdle: true }).on('error', () => undefined)
  return (await pool.query<Row>(text, values)).rows
}

export function redis(): Redis {
  client ??= new Redis(env.redisUrl, { maxRetriesPerRequest: 2 }).on('error', () => undefined) // a call that fails says so
  return client
}

/** Forgets the provider's failures: those of tests on purpose must not add up to an open breaker for others. */
export async function closeBreaker(): Promise<void> {
  await redis().del('chat:breakers')
}

export async function closeStores(): Promise<void> {
  await pool?.end()
  client?.disconnect()
  pool = client = undefined
}

export async function keysMatching(pattern: string): Promise<string[]> {
  const found = new Set<string>()
  let cursor = '0'
  do {
    const [next, keys] = await redis().scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
    keys.forEach((key) => found.add(key))
    cursor = next
  } while (cursor !== '0')
  return [...found]
}

/** Leases of a user that still hold: members of a sorted set whose time is to come, or keys of their own. */
export async function leasesOf(sub: string): Promise<string[]> {
  const held: string[] = []
  for (const key of await keysMatching(`chat:*${sub}*`)) {
    if (!/lease|stream|slot|active/.test(key.replace(sub, ''))) continue
    const type = await redis().type(key)
    if (type === 'zset') {
      const members = await redis().zrange(key, '0', '-1', 'WITHSCORES')
      for (let i = 0; i < members.length; i += 2) {
        const score = Number(members[i + 1])
        if ((score > 1e11 ? score : score * 1000) > Date.now()) held.push(`${key} ${members[i]}`)
      }
    } else if (type === 'set') held.push(...(await redis().smembers(key)).map((m) => `${key} ${m}`))
    else if (type === 'hash') held.push(...(await redis().hkeys(key)).map((m) => `${key} ${m}`))
    else if (type !== 'none') held.push(key)
  }
  return held
}

/** Units of the day that Redis holds for a user, whichever day. */
export async function dailyUnits(sub: string): Promise<number> {
  const keys = await keysMatching(`chat:quota:daily:${sub}:*`)
  if (keys.length === 0) return 0
  return (await redis().mget(...keys)).reduce((sum, value) => sum + Number(value ?? 0), 0)
}

/** Makes `units` of today's quota used; at midnight UTC a test that needs this may fail. */
export async function useDaily(sub: string, units: number): Promise<void> {
  const today = new Date().toISOString().slice(0, 10)
  await redis().set(`chat:quota:daily:${sub}:${today}`, units, 'EX', 86_400)
}

/** Makes `units` of the minute under way, and of the next, used. */
export async function useMinute(sub: string, units: number): Promise<void> {
  const window = Math.floor(Date.now() / 60_000)
  for (const w of [window, window + 1]) await redis().set(`chat:rate:${sub}:${w}`, units, 'EX', 180)
}

/** Gives a user all of their minute back. */
export async function forgetMinute(sub: string): Promise<void> {
  for (const key of await keysMatching(`chat:rate:${sub}:*`)) await redis().del(key)
}
