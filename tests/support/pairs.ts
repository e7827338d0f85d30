// Two of a store, and one address that leads to the first until it is pointed to the second: a switch-over as a proxy, a
// virtual address or a name makes it. Connections that are open stay where they are.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import pg from 'pg'
import { until } from './wait.ts'

const run = promisify(execFile)

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Makes the address, a link to a socket, lead elsewhere. */
async function pointTo(address: string, socket: string): Promise<void> {
  await symlink(socket, `${address}.new`)
  await rename(`${address}.new`, address)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

/** Served first, as `make up` does where it may: its callers wait 40 ms, on a machine that is busy with the test. */
const first = 'chrt --all-tasks --rr --pid 1 $$ 2>/dev/null; exec redis-server "$@"'

async function startRedis(dir: string, name: string) {
  const [port, socket] = [await freePort(), join(dir, `${name}.sock`)]
  const settings = { port, bind: '127.0.0.1', dir, unixsocket: socket, unixsocketperm: 777, save: '', 'repl-diskless-sync-delay': 0, loglevel: 'warning' }
  const child = spawn('sh', ['-c', first, 'sh', ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)])], { stdio: 'ignore' })
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null }).on('error', () => undefined)
  await client.ping()
  return { port, socket, client, stop: () => (client.disconnect(), ended(child)) }
}

/** The second replicates the first. `failOver` makes them change places, and returns once the address leads to the new one. */
export async function redisPair() {
  const dir = await mkdtemp(join(tmpdir(), 'chat-redis-pair-'))
  await chmod(dir, 0o755)
  const [first, second] = [await startRedis(dir, 'first'), await startRedis(dir, 'second')]
  const role = async (redis: typeof first) => ((await redis.client.call('ROLE')) as string[])[0]
  const address = join(dir, 'redis.sock')
  await pointTo(address, first.socket)
  await second.client.call('REPLICAOF', '127.0.0.1', String(first.port))
  await until('the replica follows', async () => /state=online/.test(await first.client.info('replication')), 20_000)
  return {
    url: `unix://${address}`,
    first,
    second,
    async failOver() {
      await first.client.call('FAILOVER')
      await until('they have changed places', async () => (await role(second)) === 'master' && (await role(first)) === 'slave', 20_000)
      await pointTo(address, second.socket)
    },
    async close() {
      await Promise.all([first.stop(), second.stop()])
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** As `make up`: Postgres refuses to be root. */
const asPostgres = process.getuid!() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--'] : []

async function postgresTool(tool: string, ...args: string[]): Promise<void> {
  const [command, ...rest] = [...asPostgres, tool, ...args]
  await run(command!, rest, { cwd: '/' })
}

async function startPostgres(bin: string, dir: string, name: string, port: number) {
  const [command, ...rest] = [...asPostgres, join(bin, 'postgres'), '-D', join(dir, name), '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${dir}`, '-c', 'fsync=off']
  const child = spawn(command!, rest, { stdio: 'ignore', cwd: '/' })
  const sql = async (text: string) => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'chat', database: 'postgres' })
    await client.connect()
    try {
      return (await client.query(text)).rows as Record<string, unknown>[]
    } finally {
      await client.end()
    }
  }
  await until(`Postgres ${name} answers`, () => sql('SELECT 1').then(() => true, () => false), 60_000)
  return { port, sql, socket: join(dir, `.s.PGSQL.${port}`), stop: () => ended(child) }
}

/** A primary and its streaming standby, whose superuser is the service's. */
export async function postgresPair() {
  const dir = await mkdtemp(join(tmpdir(), 'chat-postgres-pair-'))
  const bin = join('/usr/lib/postgresql', readdirSync('/usr/lib/postgresql').sort((a, b) => Number(a) - Number(b)).at(-1)!, 'bin')
  await chmod(dir, 0o755)
  if (asPostgres.length) await run('chown', ['postgres:', dir])
  await postgresTool(join(bin, 'initdb'), '-D', join(dir, 'first'), '-U', 'chat', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync')
  const first = await startPostgres(bin, dir, 'first', await freePort())
  await first.sql('CREATE DATABASE chat')
  await postgresTool(join(bin, 'pg_basebackup'), '-h', '127.0.0.1', '-p', String(first.port), '-U', 'chat', '-D', join(dir, 'second'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync')
  const second = await startPostgres(bin, dir, 'second', await freePort())
  await mkdir(join(dir, 'address'))
  const address = join(dir, 'address/.s.PGSQL.5432')
  await pointTo(address, first.socket)
  const takesWrites = async (server: typeof first, does: boolean) => {
    await server.sql(`ALTER SYSTEM SET default_transaction_read_only = ${does ? 'off' : 'on'}`)
    await server.sql('SELECT pg_reload_conf()')
    await until('it knows', async () => (await server.sql('SHOW transaction_read_only'))[0]!['transaction_read_only'] === (does ? 'off' : 'on'))
  }
  return {
    url: `postgres://chat@/chat?host=${join(dir, 'address')}`,
    /** Past the address, for migrations. */
    firstUrl: `postgres://chat@127.0.0.1:${first.port}/chat?sslmode=disable`,
    first,
    second,
    takesWrites,
    /** The old one takes no writes any more, and lives on with its connections. */
    async failOver() {
      const behind = async () => (await first.sql('SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int AS bytes FROM pg_stat_replication'))[0]?.['bytes']
      await until('the standby has all', async () => (await behind()) === 0, 20_000)
      await second.sql('SELECT pg_promote()')
      await takesWrites(first, false)
      await pointTo(address, second.socket)
    },
    async close() {
      await Promise.all([first.stop(), second.stop()])
      await rm(dir, { recursive: true, force: true })
    },
  }
}
