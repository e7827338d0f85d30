/*
 * What processes use, by /proc: processor time and memory of those of a session, and of the machine.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { cpus } from 'node:os'

const TICKS = 100 // of a second, in /proc/PID/stat

/** {pid, parent, session, cpu: seconds}; undefined: it has ended. */
function processOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { pid: Number(pid), parent: Number(fields[1]), session: Number(fields[3]), cpu: (Number(fields[11]) + Number(fields[12])) / TICKS }
  } catch {
    return undefined
  }
}

const allProcesses = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(processOf).filter(Boolean)
// A server and its children share a session, but those of Postgres make one of their own each.
const belongs = (one, session) => one.session === session || one.parent === session

export const processesOf = (session) => allProcesses().filter((one) => belongs(one, session))

/** Seconds of processor time since each began, by the sessions' names. */
export function cpuOf(sessions) {
  const all = allProcesses()
  const sum = (session) => all.filter((one) => belongs(one, session)).reduce((total, one) => total + one.cpu, 0)
  return Object.fromEntries(Object.entries(sessions).map(([name, session]) => [name, sum(session)]))
}

export const cpuOfOne = (pid) => processOf(pid)?.cpu ?? 0

/** Kilobytes; what several processes share counts in parts. */
export function pssOf(session) {
  let kb = 0
  for (const { pid } of processesOf(session)) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    kb += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0)
  }
  return kb
}

/** Seconds of work of the whole machine, over all cores. */
export function machineBusy() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS
}

export const cores = cpus().length

/** Megabytes that could be had. */
export const memoryLeft = () => Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) / 1024

/** Descriptors that a process may open; of this one, whose limit scripts/bench sets for all. */
export const descriptors = () => Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))[1])
