// Two of a store, and one address that leads to the first until it is pointed to the second: a switch-over as a proxy, a
// virtual address or a name makes it. Connections that are open stay where they are.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { until } from './wait.ts'

export interface Door {
  port: number
  /** Where connections go that are made from now on. */
  pointTo(port: number): void
  close(): Promise<void>
}

export async function openDoor(target: number): Promise<Door> {
  const open = new Set<Socket>()
  const keep = (socket: Socket) => open.add(socket.on('error', () => undefined).on('close', () => open.delete(socket)))
  const server: Server = createServer((client) => {
    const store = connect(target, '127.0.0.1')
    for (const socket of [client, store]) keep(socket.setNoDelay(true))
    client.on('close', () => store.destroy()).pipe(store)
    store.on('close', () => client.destroy()).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    pointTo: (port) => void (target = port),
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const door = await openDoor(0)
  await door.close()
  return door.port
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
  const pointTo = async (redis: typeof first) => {
    await symlink(redis.socket, `${address}.new`)
    await rename(`${address}.new`, address)
  }
  await pointTo(first)
  await second.client.call('REPLICAOF', '127.0.0.1', String(first.port))
  await until('the replica follows', async () => /state=online/.test(await first.client.info('replication')), 20_000)
  return {
    url: `unix://${address}`,
    first,
    second,
    async failOver() {
      await first.client.call('FAILOVER')
      await until('they have changed places', async () => (await role(second)) === 'master' && (await role(first)) === 'slave', 20_000)
      await pointTo(second)
    },
    async close() {
      await Promise.all([first.stop(), second.stop()])
      await rm(dir, { recursive: true, force: true })
    },
  }
}
