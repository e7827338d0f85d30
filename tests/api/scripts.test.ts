// What the scripts promise: `make down` ends what `make up` began, whatever happened between them (E10).
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach } from 'vitest'
import { env } from '../support/env.ts'
import { expect, test } from '../support/test.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
let state: string
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'chat-down-'))
  for (const dir of ['run', 'log', 'secret']) mkdirSync(join(state, dir))
})
afterEach(() => {
  down()
  rmSync(state, { recursive: true, force: true })
})

const environment = () => ({ ...process.env, STATE_DIR: state, KILL_SECONDS: '1' })
/** Parts of the stack's script, in a shell that has it. */
const inStack = (commands: string) => spawnSync('bash', ['-c', `. scripts/lib.sh; . scripts/stack.sh; ${commands}`], { cwd: root, env: environment(), encoding: 'utf8', timeout: 60_000 })
const down = () => execFileSync('scripts/down', { cwd: root, env: environment(), encoding: 'utf8', stdio: 'pipe' })
const running = (mark: string) => spawnSync('pgrep', ['-f', `sleep ${mark}$`], { encoding: 'utf8' }).stdout.trim().split('\n').filter(Boolean)
let next = 100_000 + Math.floor(Math.random() * 1e8)
const mark = () => String(next++)

test('a start that is killed the moment it has begun a process leaves none behind', { timeout: 120_000 }, () => {
  const seconds = mark()
  inStack(`launched() { until pgrep -f 'sleep ${seconds}$' >/dev/null; do sleep 0.01; done; kill -KILL $$; }; launch upstream '' '' sleep ${seconds}`)
  expect(running(seconds)).toHaveLength(1)
  down()
  expect(running(seconds)).toEqual([])
})

test('children that outlived their parent are ended, and what does not end is said and not forgotten', { timeout: 120_000 }, () => {
  const seconds = mark()
  inStack(`launch workers '' '' bash -c 'sleep ${seconds} & exit'; wait_for 10 dead workers`)
  expect(running(seconds)).toHaveLength(1)
  const tried = inStack('pkill() { :; }; stop workers') // as where the kernel is not done with them
  expect(tried.status).not.toBe(0)
  expect(tried.stderr).toContain(`processes ${running(seconds)[0]} don't end`)
  expect(existsSync(join(state, 'run/workers.pid'))).toBe(true)
  down()
  expect(running(seconds)).toEqual([])
})

test('a number that belongs to another process by now is left alone', { timeout: 120_000 }, () => {
  const seconds = mark()
  inStack(`launch workers '' '' sleep ${seconds}; sed -i 's/ .*/ 1/' "$STATE/run/workers.pid"; stop workers`)
  const left = running(seconds)
  expect(left).toHaveLength(1)
  process.kill(Number(left[0]), 'SIGKILL')
})

// (A10) Every program of this machine reaches its port.
test('the stack\'s Redis answers nobody who has not its password', { timeout: 120_000 }, () => {
  const { port, password } = new URL(env.redisUrl)
  const ask = (secret?: string) => spawnSync('redis-cli', ['-p', port, 'ping'], { encoding: 'utf8', env: { ...process.env, ...(secret ? { REDISCLI_AUTH: secret } : {}) } }).stdout
  expect(password).toMatch(/^[0-9a-f]{32}$/)
  expect(ask()).toContain('NOAUTH')
  expect(ask(password)).toBe('PONG\n')
  expect(spawnSync('ps', ['-e', '-o', 'args'], { encoding: 'utf8' }).stdout).not.toContain(password)
})

// (A10) `make up` may be root's.
test('the npm packages that are installed run no script of theirs', { timeout: 120_000 }, () => {
  const dir = join(state, 'package')
  mkdirSync(dir)
  const named = { name: 'p', version: '1.0.0' }
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ ...named, scripts: { postinstall: 'touch ran' } }))
  writeFileSync(join(dir, 'package-lock.json'), JSON.stringify({ ...named, lockfileVersion: 3, requires: true, packages: { '': { ...named, hasInstallScript: true } } }))
  mkdirSync(join(dir, 'node_modules'))
  expect(inStack(`npm_complete() { :; }; npm_install ${dir}`).stderr).toContain('npm packages of')
  expect(existsSync(join(dir, 'ran'))).toBe(false)
})
