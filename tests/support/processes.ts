// The stack's processes, to be harmed: a Redis or Postgres that is killed, frozen or back, workers that die.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { env } from './env.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

function needState(): string {
  if (!env.stateDir) throw new Error('CHAT_STATE_DIR is not set: whose processes?')
  return env.stateDir
}

export function childrenOf(pid: number): number[] {
  try {
    return (readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []).map(Number)
  } catch {
    return [] // it is gone
  }
}

/** The first process of a service. */
export const serviceOf = (name: string, stateDir = needState()) =>
  Number(readFileSync(join(stateDir, 'run', `${name}.pid`), 'utf8').split(' ')[0])

/** The server and its children. */
export function processes(name: string, stateDir = needState()): number[] {
  const first = serviceOf(name, stateDir)
  return [first, ...childrenOf(first)]
}

export const workers = (stateDir = needState()) => childrenOf(serviceOf('workers', stateDir))

/** As long as `act` takes, the service does nothing and says nothing. */
export async function frozen<T>(name: string, act: () => Promise<T>, stateDir = needState()): Promise<T> {
  return freezing(processes(name, stateDir), act)
}

export async function freezing<T>(pids: number[], act: () => Promise<T>): Promise<T> {
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    return await act()
  } finally {
    for (const pid of [...pids].reverse()) process.kill(pid, 'SIGCONT')
  }
}

/** All processes of a service, at once and without a word. */
export function kill(name: string): void {
  for (const pid of processes(name)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // gone with its parent
    }
  }
}

/** Starts again what is down of the environment's stack; a Redis comes back empty. */
export async function startAgain(): Promise<void> {
  const environment: NodeJS.ProcessEnv = { ...process.env, STATE_DIR: needState(), PORT: '0' }
  for (const name of ['CHAT_URL', 'CHAT_CACERT', 'CHAT_STATE_DIR', 'DATABASE_URL', 'REDIS_URL']) delete environment[name]
  await run('make', ['-s', '-C', root, 'up'], { env: environment, timeout: 120_000 })
}

/** What the messages are kept on, made so small that it can be filled; a reason where that can't be done. */
export async function smallDisk(): Promise<string | { fill(): Promise<void>; empty(): Promise<void>; remove(): Promise<void> }> {
  if (process.getuid!() !== 0) return 'mounting one takes root'
  const place = mkdtempSync(join(tmpdir(), 'chat-disk-'))
  const settings = readFileSync(`/proc/${serviceOf('postgres')}/cmdline`, 'utf8')
  const sockets = /unix_socket_directories=([^\0]+)/.exec(settings)![1]!
  const port = /\0-p\0(\d+)/.exec(settings)![1]!
  const asPostgres = async (...statements: string[]) =>
    (await run('setpriv', ['--reuid=postgres', '--regid=postgres', '--init-groups', '--', 'psql', '-X', '-q', '-t', '-h', sockets, '-p', port, '-d', 'chat', '-v', 'ON_ERROR_STOP=1', ...statements.flatMap((each) => ['-c', each])], { cwd: '/' })).stdout.trim()
  const bytes = Number(await asPostgres(`SELECT pg_table_size('chat_messages')`)) + (6 << 20)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'none', place])
  } catch (error) {
    rmSync(place, { recursive: true })
    return String((error as { stderr?: string }).stderr ?? error).trim()
  }
  await run('chown', ['postgres:', place])
  const remove = async () => {
    await asPostgres('DROP TABLE IF EXISTS filler', 'ALTER TABLE chat_messages SET TABLESPACE pg_default', 'ALTER TABLE chat_messages ALTER content SET STORAGE EXTENDED', 'DROP TABLESPACE IF EXISTS small', 'CHECKPOINT')
    await run('umount', [place])
    rmSync(place, { recursive: true })
  }
  await asPostgres(`CREATE TABLESPACE small LOCATION '${place}'`, 'ALTER TABLE chat_messages SET TABLESPACE small', 'ALTER TABLE chat_messages ALTER content SET STORAGE EXTERNAL', 'CREATE TABLE filler (page text) TABLESPACE small', 'ALTER TABLE filler ALTER page SET STORAGE PLAIN')
  return {
    async fill() {
      const page = `INSERT INTO filler SELECT repeat('x', 8000) FROM generate_series(1, `
      for (let pages = 1024; pages >= 1; ) {
        try {
          await asPostgres(`${page}${pages})`)
        } catch (error) {
          if (!/No space left on device/.test(String((error as { stderr?: string }).stderr))) throw error
          pages /= 4 // what a failed statement made of pages stays
        }
      }
    },
    empty: async () => void (await asPostgres('DROP TABLE filler', 'CHECKPOINT')),
    remove,
  }
}

const proc = (pid: number, file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8')

/** How many threads a process has, or how many of that name. */
export function threads(pid: number, name?: string): number {
  const all = readdirSync(`/proc/${pid}/task`)
  return name === undefined ? all.length : all.filter((id) => proc(pid, `task/${id}/comm`).trim() === name).length
}

/** Open descriptors of a process: idle connections to the provider (a pool of bounded size), and all others. */
export function descriptors(pid: number): { idle: number; others: number } {
  const port = Number(new URL(env.upstreamUrl).port).toString(16).toUpperCase().padStart(4, '0')
  const upstream = new Set(readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2]?.endsWith(`:${port}`)).map((fields) => `socket:[${fields[9]}]`))
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '' // closed in this moment
    }
  })
  const idle = links.filter((link) => upstream.has(link)).length
  return { idle, others: links.length - idle }
}

/** How many descriptors a process may have open now, and to change that; what is open stays open. */
export const descriptorLimit = (pid: number) => Number(/^Max open files +(\d+)/m.exec(proc(pid, 'limits'))![1])
export async function limitDescriptors(pid: number, count: number): Promise<void> {
  const id = (name: string) => new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(proc(pid, 'status'))![1]!
  const asItsUser = process.getuid!() === 0 ? ['setpriv', '--reuid', id('Uid'), '--regid', id('Gid'), '--clear-groups'] : []
  const [command, ...rest] = [...asItsUser, 'prlimit', `--nofile=${count}:`, '--pid', String(pid)]
  await run(command!, rest)
}

/** Memory that is this process' share, in KiB. */
export const pssKb = (pid: number) => Number(/^Pss:\s+(\d+)/m.exec(proc(pid, 'smaps_rollup'))![1])

/** Connections that nginx holds open to the workers. */
export function openConnections(stateDir = needState()): number {
  const path = /"unix:([^"]+)"/.exec(readFileSync(join(stateDir, 'nginx/nginx.conf'), 'utf8'))![1]!
  return readFileSync('/proc/net/unix', 'utf8').split('\n').filter((line) => line.endsWith(` ${path}`) && / 03 +\d+ /.test(line)).length
}
