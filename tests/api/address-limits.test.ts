// What nginx allows one address, as the production file does, beside the limits of the users.
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { request, type Headers, type Reply } from '../support/http.ts'
import { serviceOf } from '../support/processes.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { describe, expect, test } from '../support/test.ts'
import { until } from '../support/wait.ts'

const REQUESTS = 100
let stack: Stack
beforeAll(async () => {
  stack = await startStack({ NGINX_REQ_PER_SECOND: '1', NGINX_CONN_PER_IP: '200', CHAT_WORKERS: '1' })
}, 120_000)
afterAll(() => stack?.down())

const ask = (path: string, headers: (i: number) => Headers = () => ({})) =>
  Promise.all(Array.from({ length: REQUESTS }, (_, i) => request(path, { url: stack.url, headers: headers(i), hold: path !== '/chat' && path !== '/swagger-ui/' })))
const refused = (replies: Reply[]) => replies.filter(({ status }) => status === 429)

describe('requests of one address', () => {
  test('over the rate are 429, whatever address they claim to come from', async () => {
    const replies = await ask('/api/v1/chat/features', (i) => {
      const claimed = `203.0.113.${i + 1}`
      return { 'X-Forwarded-For': claimed, 'X-Real-IP': claimed, Forwarded: `for=${claimed}` }
    })
    const over = refused(replies)
    expect(over.length).toBeGreaterThan(50)
    for (const reply of over) {
      expect(reply.json().error.code).toBe('rate_limited')
      expect(reply.headers['retry-after']).toBe('1')
    }
    expect(replies.filter(({ status }) => status === 401).length + over.length).toBe(REQUESTS)
  })

  test.for(['/healthz', '/readyz', '/metrics'])('(A8) of %s too', async (path) => {
    const over = refused(await ask(path))
    expect(over.length).toBeGreaterThan(50)
    for (const reply of over) {
      expect(reply.json().error.code).toBe('rate_limited')
      expect(reply.headers['retry-after']).toBe('1')
    }
  })

  test.for(['/chat', '/swagger-ui/'])('(A8) of the page %s too, which asks a worker who it is', async (path) => {
    const over = refused(await ask(path))
    expect(over.length).toBeGreaterThan(50)
    for (const reply of over) {
      expect(reply.headers['content-type']).toContain('text/html')
      expect(reply.headers['retry-after']).toBe('1')
    }
  })

  test('(A8) who is refused by the API is still let in by what scrapers ask', async () => {
    await until('a scraper is served', async () => {
      expect(refused(await ask('/api/v1/chat/features')).length).toBeGreaterThan(0)
      return (await request('/metrics', { url: stack.url })).status === 200
    }, 20_000)
  })

  test('are not in the error log, which would show what was searched for', async () => {
    expect(refused(await ask('/api/v1/chat/sessions?q=private-words')).length).toBeGreaterThan(0)
    expect(readFileSync(join(stack.stateDir, 'log/nginx.log'), 'utf8')).not.toContain('private-words')
  })
})

// (E2) As docs/operations/capacity.md has it: who is in front is named in a file of the operator's.
describe('behind a balancer that is believed', () => {
  const from = (address: string) => ({ 'X-Forwarded-For': address })
  beforeAll(async () => {
    appendFileSync(join(stack.stateDir, 'nginx/local/http.conf'), 'set_real_ip_from 127.0.0.1;\nset_real_ip_from ::1;\nreal_ip_header X-Forwarded-For;\n')
    process.kill(serviceOf('nginx', stack.stateDir), 'SIGHUP')
    await until('nginx has read it', async () => {
      await request('/api/v1/chat/features', { url: stack.url, headers: from('198.51.100.77') })
      return readFileSync(join(stack.stateDir, 'log/access.log'), 'utf8').includes('198.51.100.77')
    }, 20_000)
  })

  test('each address has its own limit', async () => {
    expect(refused(await ask('/api/v1/chat/features', (i) => from(`203.0.113.${i + 1}`)))).toEqual([])
  })

  test.for(['::ffff:203.0.113.', '64:ff9b::203.0.113.'])('each address of IPv4 that comes as %s… too', async (prefix) => {
    expect(refused(await ask('/api/v1/chat/features', (i) => from(`${prefix}${i + 1}`)))).toEqual([])
  })

  test('(A8) of IPv6 each /64 has, however many addresses it is', async () => {
    const first = refused(await ask('/api/v1/chat/features', (i) => from(`2001:db8:0:1:${(i * 655).toString(16)}::${i + 1}`)))
    expect(first.length, 'one /64').toBeGreaterThan(50)
    expect(refused(await ask('/api/v1/chat/features', (i) => from(`2001:db8:0:${(i + 16).toString(16)}::1`))), 'a /64 each').toEqual([])
  })
})
