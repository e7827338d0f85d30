// What nginx allows one address, as the production file does, beside the limits of the users.
import { afterAll, beforeAll } from 'vitest'
import { request } from '../support/http.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { describe, expect, test } from '../support/test.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack({ NGINX_REQ_PER_SECOND: '1', NGINX_CONN_PER_IP: '200', CHAT_WORKERS: '1' })
}, 60_000)
afterAll(() => stack?.down())

describe('requests of one address', () => {
  test('over the rate are 429, whatever address they claim to come from', async () => {
    const replies = await Promise.all(Array.from({ length: 100 }, (_, i) => {
      const claimed = `203.0.113.${i + 1}`
      return request('/api/v1/chat/features', { url: stack.url, headers: { 'X-Forwarded-For': claimed, 'X-Real-IP': claimed, Forwarded: `for=${claimed}` } })
    }))
    const refused = replies.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(50)
    for (const reply of refused) {
      expect(reply.json().error.code).toBe('rate_limited')
      expect(reply.headers['retry-after']).toBe('1')
    }
    expect(replies.filter(({ status }) => status === 401).length + refused.length).toBe(100)
  })
})
