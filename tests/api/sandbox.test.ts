// What the service's processes may do, as the kernel has it; the unit (scripts/systemd) holds them tighter still.
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { env } from '../support/env.ts'
import { processes } from '../support/processes.ts'
import { describe, expect, test } from '../support/test.ts'

const status = (pid: number) =>
  Object.fromEntries(readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n').map((line) => line.split(/:\s*/) as [string, string]))

describe.runIf(env.stateDir)('master and workers', () => {
  test('are nobody in particular, and can become nobody else', () => {
    const pids = processes('workers')
    expect(pids.length).toBeGreaterThan(1)
    for (const pid of pids) {
      const of = status(pid)
      for (const id of of['Uid']!.split('\t')) expect(Number(id), `${pid} is not root`).toBeGreaterThan(0)
      expect(of['NoNewPrivs'], `${pid}: no set-uid program gives it rights`).toBe('1')
      expect(BigInt(`0x${of['CapEff']}`), `${pid} has no capability`).toBe(0n)
      expect(BigInt(`0x${of['CapPrm']}`)).toBe(0n)
    }
  })

  test.runIf(process.getuid?.() === 0)('give their memory to no process of the same user', () => {
    for (const pid of processes('workers')) expect(statSync(`/proc/${pid}/environ`).uid, `${pid} is not dumpable`).toBe(0)
  })

  // scripts/test api starts them so: then every api test has run under the unit's filter.
  test.runIf(process.env['CHAT_LAUNCHER']?.includes('syscall-filter'))("run under the unit's system-call filter", () => {
    for (const pid of processes('workers')) expect(status(pid)['Seccomp'], String(pid)).toBe('2')
  })

  // libfcgi trusts whoever reaches its socket (docs/security.md), so nobody but nginx may.
  test.runIf(process.getuid?.() === 0)('their socket is for nginx alone', () => {
    const socket = /"unix:([^"]+)"/.exec(readFileSync(join(env.stateDir!, 'nginx/nginx.conf'), 'utf8'))![1]!
    expect((statSync(socket).mode & 0o777).toString(8)).toBe('660')
    const connect = (uid: number) => spawnSync('curl', ['-s', '--max-time', '5', '--unix-socket', socket, 'http://localhost/'], { uid, gid: uid }).status
    expect(connect(65_534), 'a stranger cannot connect').toBe(7)
    expect(connect(statSync(socket).uid), 'its owner can, and hears no HTTP').not.toBe(7)
  })
})
