// Stopping an answer: upstream is closed at once, the text so far is kept and counted.
import { expect, test } from '../support/test.ts'
import { cancelOf, freshTag } from '../support/upstream.ts'
import { until } from '../support/wait.ts'

const stopPath = (id: string) => `/api/v1/chat/messages/${id}/stop`

test('ends the stream with done, closes upstream, keeps and counts the text', async ({ alice }) => {
  const tag = freshTag()
  const stream = await alice.send(null, `[[endless size=16 pace=20 tag=${tag}]] Write on`)
  await stream.readText(64)
  const asked = Date.now()
  const reply = await alice.post(stopPath(stream.start!.message.id))
  expect(reply.status).toBe(200)
  const cancel = await until('upstream saw the close', () => cancelOf(tag))
  // The contract says 200 ms; the rest is room for a busy machine.
  expect(cancel.epoch_ms - asked).toBeLessThan(700)
  const { message, quota } = await stream.readDone()
  expect(message).toMatchObject({ status: 'stopped', content_bytes: Buffer.byteLength(stream.content) })
  expect(message.token_count).toBeGreaterThan(0)
  expect(quota?.daily.used ?? (await alice.quota()).daily.used).toBe(1)
  expect((await alice.message(message.id)).status).toBe('stopped')
})

test('reaches an upstream that is silent', async ({ alice }) => {
  const tag = freshTag()
  const stream = await alice.send(null, `[[stall=2 chunks=9 size=8 tag=${tag}]] Well?`)
  await stream.readText(16)
  await alice.post(stopPath(stream.start!.message.id))
  await until('upstream saw the close', () => cancelOf(tag), 2_000)
  expect((await stream.readDone()).message.status).toBe('stopped')
  expect(stream.content).toBe('0:abcdef1:bcdefg')
})

test('of one that is done changes nothing', async ({ alice }) => {
  const { message } = await alice.sendJson(null, '[[text=Yes]] Hello')
  for (let i = 0; i < 2; i++) {
    const reply = await alice.post(stopPath(message.id))
    expect(reply.status).toBe(200)
    expect(reply.json()).toEqual(message)
  }
})

test('the next send goes on from the text that was kept', async ({ alice }) => {
  const stream = await alice.send(null, '[[endless pace=20]] Write on')
  await stream.readText(16)
  await alice.post(stopPath(stream.start!.message.id))
  await stream.readDone()
  const { message } = await alice.sendJson(stream.start!.session.id, '[[text=Yes]] Hello')
  expect(message.seq).toBe(4)
})

test("somebody else's is 404 and goes on", async ({ alice, bob }) => {
  const stream = await bob.send(null, '[[chunks=20 size=8 pace=20]] Mine')
  await stream.readText()
  expect((await alice.post(stopPath(stream.start!.message.id))).status).toBe(404)
  expect((await stream.readDone()).message.status).toBe('complete')
})
