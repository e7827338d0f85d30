// What the tests need to know of the running stack. `eval "$(make -s env)"` sets the first four;
// the rest is found in its state directory where CHAT_STATE_DIR names it.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

function needed(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: eval "$(make -s env)" first`)
  return value
}

const stateDir = process.env['CHAT_STATE_DIR'] || undefined

interface Signing {
  alg: string
  key: string
  iss?: string
  aud?: string
}

function signing(): Signing {
  const secret = process.env['CHAT_TEST_JWT_SECRET']
  if (secret) {
    const found: Signing = { alg: 'HS256', key: secret }
    if (process.env['JWT_ISSUER']) found.iss = process.env['JWT_ISSUER']
    if (process.env['JWT_AUDIENCE']) found.aud = process.env['JWT_AUDIENCE']
    return found
  }
  const file = stateDir && join(stateDir, 'secret/signing.json')
  if (file && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Signing
  throw new Error('neither CHAT_TEST_JWT_SECRET nor CHAT_STATE_DIR is set: no token can be made')
}

function upstreamUrl(): string {
  if (process.env['UPSTREAM_URL']) return process.env['UPSTREAM_URL']
  const ports = stateDir && join(stateDir, 'ports')
  const port = ports && existsSync(ports) && /^upstream (\d+)$/m.exec(readFileSync(ports, 'utf8'))?.[1]
  if (port) return `http://127.0.0.1:${port}`
  throw new Error('neither UPSTREAM_URL nor CHAT_STATE_DIR leads to the test upstream')
}

export const env = {
  url: needed('CHAT_URL').replace(/\/$/, ''),
  ca: readFileSync(needed('CHAT_CACERT'), 'utf8'),
  databaseUrl: needed('DATABASE_URL'),
  redisUrl: needed('REDIS_URL'),
  signing: signing(),
  /** Base of the test upstream, without /v1. */
  upstreamUrl: upstreamUrl().replace(/\/(v1\/?)?$/, ''),
  stateDir,
}
