// A second stack with other settings, for the few tests that need one. It shares Postgres, Redis and the
// test upstream with the first, so it is up in seconds; users are fresh, so nobody meets.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readFileSync } from 'node:fs'
import { trust } from './http.ts'
import { env } from './env.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Stack {
  /** For `new User({ url })`. */
  url: string
  stateDir: string
  redisUrl: string
  down(): Promise<void>
}

/** `ownStores`: with a Postgres and a Redis of its own, to be harmed. */
export async function startStack(settings: Record<string, string>, { ownStores = false } = {}): Promise<Stack> {
  // Below /tmp and readable: as root, the servers run as other users.
  const stateDir = await mkdtemp(join(tmpdir(), 'chat-stack-'))
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    DATABASE_URL: env.databaseUrl,
    REDIS_URL: env.redisUrl,
    JWT_SECRET: env.signing.key,
    SAMBANOVA_API_BASE: `${env.upstreamUrl}/v1`,
    SAMBANOVA_API_KEY: 'second-stack',
    PORT: '0',
    STATE_DIR: stateDir,
    ...settings,
  }
  for (const name of ['CHAT_URL', 'CHAT_CACERT', 'CHAT_STATE_DIR', 'CHAT_LISTEN']) if (!(name in settings)) delete environment[name]
  const make = async (...targets: string[]) => (await run('make', ['-s', '-C', root, ...targets], { env: environment, timeout: 120_000 })).stdout
  const down = async () => {
    await make('down').catch(() => undefined)
    await rm(stateDir, { recursive: true, force: true })
  }
  if (ownStores) {
    delete environment.DATABASE_URL
    delete environment.REDIS_URL
  }
  try {
    await make('up')
    const shown = await make('env')
    const value = (name: string) => {
      const found = new RegExp(`^export ${name}='?([^'\\n]*)'?$`, 'm').exec(shown)?.[1]
      if (!found) throw new Error(`make env shows no ${name}:\n${shown}`)
      return found
    }
    const url = value('CHAT_URL').replace(/\/$/, '')
    trust(url, readFileSync(value('CHAT_CACERT'), 'utf8'))
    return { url, stateDir, redisUrl: value('REDIS_URL'), down }
  } catch (error) {
    await down()
    throw error
  }
}
