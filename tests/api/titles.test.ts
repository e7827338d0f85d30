// Titles that a model writes, on a stack with CHAT_TITLE_MODEL.
import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { env } from '../support/env.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { expect, test } from '../support/test.ts'
import { User, type Session } from '../support/user.ts'
import { until } from '../support/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack({ CHAT_TITLE_MODEL: 'test-title' })
}, 180_000)
afterAll(() => stack?.down(), 60_000)

const question = 'Please, how do I take the mean of some numbers that I have here? [[chunks=40 size=9 pace=20]]'

test('the first question gives a title at once, the model a better one while the answer is being written', async () => {
  const user = new User({ name: 'titled', url: stack.url })
  const stream = await user.send(null, question)
  const cut = stream.events[0]?.event === 'start' ? stream.start!.session.title : (await stream.read((e) => e.event === 'start'), stream.start!.session.title)
  const title = await stream.read((event) => event.event === 'title')
  const written = (title.data as { title: string }).title
  expect(written).not.toBe(cut)
  expect([...written].length).toBeLessThanOrEqual(60)
  const done = await stream.readDone()
  expect(done.session.title).toBe(written)
  expect((await user.session(done.session.id)).title).toBe(written)
  expect((await user.quota()).daily.used, 'a title counts nothing').toBe(1)
})

test('a model that has no room for a title rests as long as the provider said, like any other', async () => {
  const user = new User({ name: 'rested', url: stack.url })
  const admin = new User({ role: 'admin', url: stack.url })
  let session!: Session
  // A Redis that is late for the report is passed over: then another title is asked for.
  await until('the title’s model rests', async () => {
    await fetch(`${env.upstreamUrl}/__control`, { method: 'POST', body: JSON.stringify({ for: 'title', with: 'How long does a model rest', times: 1, status: 429, retry_after: 50 }) })
    session = (await (await user.send(null, 'How long does a model rest? [[text=Yes]]')).readDone()).session
    const rests = async () => (await admin.get('/metrics')).body.includes('chat_model_resting{model="test-title"} 1')
    return until('…', rests).catch(() => false)
  }, 60_000)
  const redis = new Redis(stack.redisUrl)
  try {
    const row = (await redis.hget('chat:breakers', 'test-title'))!.split(' ')
    expect(Number(row[4]) - Date.now(), row.join(' ')).toBeGreaterThan(30_000)
    expect((await user.session(session.id)).title).toBe(session.title)
  } finally {
    await redis.del('chat:breakers')
    redis.disconnect()
  }
})

test('a title that the user gave stays', async () => {
  const user = new User({ name: 'named', url: stack.url })
  const session = await user.createSession({ title: 'Mine' })
  const stream = await user.send(session.id, question)
  await stream.readDone()
  expect(stream.events.some((event) => event.event === 'title')).toBe(false)
  expect((await user.session(session.id)).title).toBe('Mine')
})

test('a session of its own gets its title from its first question too, not from a later one', async () => {
  const user = new User({ name: 'later', url: stack.url })
  const session = await user.createSession()
  await (await user.send(session.id, question)).readDone()
  const title = await until('a model wrote the title', async () => {
    const now = (await user.session(session.id)).title
    return now === 'New chat' || now.endsWith('…') ? undefined : now
  })
  await (await user.send(session.id, '[[text=Yes]] And the median of them?')).readDone()
  expect((await user.session(session.id)).title).toBe(title)
})

test('a model that thinks first gets the room for it, and where no title comes of it the log says so once (title-by-thinking-model)', async () => {
  const thinking = await startStack({ CHAT_TITLE_MODEL: 'gpt-oss-120b' })
  try {
    const user = new User({ name: 'thought', url: thinking.url })
    const [first, second] = [await user.createSession(), await user.createSession()]
    const stream = await user.send(first.id, question)
    await stream.read((event) => event.event === 'title')
    await stream.readDone()

    await fetch(`${env.upstreamUrl}/__control`, { method: 'POST', body: JSON.stringify({ for: 'title', with: 'What did I think', times: 1, reasoning: 32, chunks: 0, finish: 'length' }) })
    const { session } = await (await user.send(second.id, 'What did I think of? [[chunks=40 size=9 pace=20]]')).readDone()
    const told = await until('the log tells of it', async () => {
      const log = await readFile(join(thinking.stateDir, 'log/workers.log'), 'utf8')
      const lines = log.split('\n').filter((line) => line.includes('title_not_written'))
      return lines.length ? lines : undefined
    })
    expect(told).toHaveLength(1)
    expect(told[0]).toContain(second.id)
    expect((await user.session(second.id)).title).toBe(session.title)
  } finally {
    await thinking.down()
  }
}, 180_000)
