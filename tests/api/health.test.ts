// What says that the service lives, and what this user has.
import { request } from '../support/http.ts'
import { describe, expect, test } from '../support/test.ts'

test('/healthz lives, for anybody', async () => {
  const reply = await request('/healthz')
  expect(reply.status).toBe(200)
  expect(reply.json()).toEqual({ status: 'ok' })
})

test('/readyz names each part, for anybody', async () => {
  const reply = await request('/readyz')
  expect(reply.status).toBe(200)
  // An open breaker, which tests beside this one may cause, is degraded and no more.
  expect(['ok', 'degraded']).toContain(reply.json().status)
  expect(reply.json().checks).toMatchObject({ provider: { status: expect.stringMatching(/^(ok|refused|unknown)$/) }, postgres: { status: 'ok' }, redis: { status: 'ok' }, migrations: { status: 'ok' } })
  expect(reply.body).not.toMatch(/password|postgres(ql)?:\/\/|redis:\/\//)
})

test('/health of other spellings is nothing', async () => {
  for (const path of ['/healthz/', '/healthz/x', '/health']) expect((await request(path, { hold: false })).status, path).toBe(404)
})

describe('/features', () => {
  test('says who the user is, which models there are and which limits hold', async ({ alice, admin }) => {
    const features = await alice.features()
    expect(features).toMatchObject({ enabled: true, user: { id: alice.sub, role: 'user' } })
    expect(features.models).toContain(features.default_model)
    expect(new Set(features.models).size).toBe(features.models.length)
    expect(features.limits.max_title_length).toBe(200)
    expect((await admin.features()).user).toEqual({ id: admin.sub, role: 'admin' })
  })
})

test("answers are not to be cached", async ({ alice }) => {
  for (const path of ['/api/v1/chat/sessions', '/api/v1/chat/features', '/api/v1/chat/quota'])
    expect(String((await alice.get(path)).headers['cache-control']), path).toMatch(/no-store/)
})

test('answers of the API are not compressed, so that their length tells nothing', async ({ alice }) => {
  for (let i = 0; i < 12; i++) await alice.createSession({ title: 'a'.repeat(200) })
  const reply = await alice.get('/api/v1/chat/sessions', { 'Accept-Encoding': 'gzip, br' })
  expect(reply.status).toBe(200)
  expect(reply.headers['content-encoding']).toBeUndefined()
})

test('no answer names the software behind it', async ({ alice }) => {
  const reply = await alice.get('/api/v1/chat/features')
  expect(reply.headers['x-powered-by']).toBeUndefined()
  expect(String(reply.headers['server'] ?? '')).not.toMatch(/\d/)
})
