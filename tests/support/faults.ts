// `test` for faults: many answers at once, and after each test the one checker, over the users and over what is left
// in the processes and the stores.
import { test as base } from 'vitest'
import { expectInvariants, expectNothingLeft } from './invariants.ts'
import { AnswerStream } from './sse.ts'
import { closeBreaker, redis, sql } from './stores.ts'
import { User } from './user.ts'
import { until } from './wait.ts'

export { afterAll, beforeAll, describe, expect } from 'vitest'

export const whole = process.env['FAULTS'] === 'whole'
/** How many, or how long: short with all the other tests, whole by itself. */
export const size = (short: number, long: number) => (whole ? long : short)

export const test = base.extend<{ alice: User; crowd: (count: number, url?: string) => User[] }>({
  // eslint-disable-next-line no-empty-pattern
  alice: async ({}, use) => checked([new User({ name: 'alice' })], ([alice]) => use(alice!)),
  // eslint-disable-next-line no-empty-pattern
  crowd: async ({}, use) => {
    const users: User[] = []
    await checked(users, () => use((count, url) => {
      const more = Array.from({ length: count }, (_, i) => new User({ name: `crowd${i}`, ...(url ? { url } : {}) }))
      users.push(...more)
      return more
    }))
  },
})

/** Only in full length. */
export const long = test.runIf(whole)

async function checked(users: User[], act: (users: User[]) => Promise<void>): Promise<void> {
  await closeBreaker()
  await act(users)
  for (const user of users) user.hangUp()
  for (const user of users) await expectInvariants(user)
  await expectNothingLeft()
}

/** One answer each, all of them with text. */
export async function startAll(users: User[], content: string, bytes = 1): Promise<AnswerStream[]> {
  const streams: AnswerStream[] = []
  for (let at = 0; at < users.length; at += 50)
    streams.push(...(await Promise.all(users.slice(at, at + 50).map((user) => user.send(null, content)))))
  await Promise.all(streams.map((stream) => stream.readText(bytes)))
  return streams
}

export const idOf = (stream: AnswerStream) => stream.start!.message.id

/** The process that writes an answer, as the log knows it. */
export const writerOf = (id: string) => until('its writer is known', () => redis().get(`chat:answer:${id}:writer`))

export interface Row {
  id: string
  status: string
  content: string
}
export const rowOf = async (id: string): Promise<Row> => (await sql<Row>('SELECT id, status, content FROM chat_messages WHERE id = $1', [id]))[0]!

/** Reads to the end; false where the stream ended without a closing event, as a killed worker's does. */
export async function readOn(stream: AnswerStream): Promise<boolean> {
  try {
    while (await stream.next());
  } catch (error) {
    if (stream.closing || !/other side closed|terminated|aborted|ECONNRESET|within an event/.test(String(error))) throw error
  }
  return stream.closing !== undefined
}

/** For the log of a long run. */
export const report = (text: string) => console.log(`  ${text}`)
export const percentile = (values: number[], p: number) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))]!

/** The length of a fault that lasts; never a wait for something to be done. */
export const freezeFor = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)))
export type { AnswerStream }
