// The browser's way in: the token becomes a cookie, unsafe requests need our own origin, pages are gated.
import { env } from '../support/env.ts'
import { request, type Headers } from '../support/http.ts'
import { describe, expect, test } from '../support/test.ts'
import { now, sign, claimsFor, tokenFor } from '../support/tokens.ts'

const host = new URL(env.url).host
const ours = `https://${host}`
const cookie = (token: string) => ({ Cookie: `__Host-chat_token=${token}` })

describe('sign-in', () => {
  test('turns the token into a cookie that only our pages send', async ({ alice }) => {
    const reply = await alice.post('/api/v1/auth/session')
    expect(reply.status).toBe(204)
    const [pair, ...attributes] = String(reply.headers['set-cookie']).split(/; */)
    expect(pair).toBe(`__Host-chat_token=${alice.token}`)
    const names = attributes.map((a) => a.toLowerCase())
    expect(names).toContain('secure')
    expect(names).toContain('httponly')
    expect(names).toContain('samesite=strict')
    expect(names).toContain('path=/')
    expect(names.some((a) => a.startsWith('domain'))).toBe(false)
    expect((await request('/api/v1/chat/features', { headers: { Cookie: pair! } })).json().user.id).toBe(alice.sub)
  })

  test('the cookie does not outlive the token by more than the leeway', async ({ alice }) => {
    const token = sign(claimsFor(alice.sub, { exp: now() + 120 }))
    const reply = await request('/api/v1/auth/session', { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
    expect(reply.status).toBe(204)
    const maxAge = /max-age=(\d+)/i.exec(String(reply.headers['set-cookie']))?.[1]
    expect(maxAge === undefined || Number(maxAge) <= 151, `Max-Age ${maxAge}`).toBe(true)
  })

  test('needs the header: a cookie alone is 401', async ({ alice }) => {
    const reply = await request('/api/v1/auth/session', { method: 'POST', headers: { ...cookie(alice.token), Origin: ours } })
    expect(reply.status).toBe(401)
    expect(reply.headers['set-cookie']).toBeUndefined()
  })

  test('takes no broken token', async () => {
    const reply = await request('/api/v1/auth/session', { method: 'POST', headers: { Authorization: 'Bearer a.b.c' } })
    expect(reply.status).toBe(401)
    expect(reply.headers['set-cookie']).toBeUndefined()
  })
})

describe('sign-out', () => {
  const cases: [string, (token: string) => Headers][] = [
    ['with the header', (token) => ({ Authorization: `Bearer ${token}` })],
    ['with the cookie', (token) => ({ ...cookie(token), Origin: ours })],
  ]
  test.each(cases)('%s takes the cookie away', async (_, headers) => {
    const reply = await request('/api/v1/auth/session', { method: 'DELETE', headers: headers(tokenFor('leaving')) })
    expect(reply.status).toBe(204)
    const set = String(reply.headers['set-cookie'])
    expect(set).toMatch(/^__Host-chat_token=(;|"")/)
    expect(set).toMatch(/max-age=0|expires=thu, 01[ -]jan[ -]1970/i)
    expect(set.toLowerCase()).toContain('secure')
    expect(set.toLowerCase()).toContain('path=/')
  })

  test('another site cannot sign a user out', async ({ alice }) => {
    const reply = await request('/api/v1/auth/session', { method: 'DELETE', headers: { ...cookie(alice.token), Origin: 'https://evil.example' } })
    expect(reply.status).toBe(403)
    expect(reply.headers['set-cookie']).toBeUndefined()
  })
})

describe('the cookie', () => {
  test('is as good as the header for reading', async ({ alice }) => {
    const reply = await request('/api/v1/chat/sessions', { headers: cookie(alice.token) })
    expect(reply.status).toBe(200)
    expect(reply.json().items).toEqual([])
  })

  test('is found among others', async ({ alice }) => {
    const headers = { Cookie: `a=1; x__Host-chat_token=no; __Host-chat_token=${alice.token}; __Host-chat_tokens=no` }
    expect((await request('/api/v1/chat/features', { headers })).json().user.id).toBe(alice.sub)
  })

  test('loses against the header', async ({ alice, bob }) => {
    const both = { ...cookie(bob.token), Authorization: `Bearer ${alice.token}` }
    expect((await request('/api/v1/chat/features', { headers: both })).json().user.id).toBe(alice.sub)
    const broken = { ...cookie(bob.token), Authorization: 'Bearer a.b.c' }
    expect((await request('/api/v1/chat/features', { headers: broken })).status).toBe(401)
  })

  const refused: [string, Headers][] = [
    ['another origin', { Origin: 'https://evil.example' }],
    ['another port', { Origin: `https://${new URL(env.url).hostname}:1` }],
    ['another scheme', { Origin: `http://${host}` }],
    ['a name that begins like ours', { Origin: `${ours}.evil.example` }],
    ['origin null', { Origin: 'null' }],
    ['no origin at all', {}],
    ['no origin and cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['no origin and same-site', { 'Sec-Fetch-Site': 'same-site' }],
    ['no origin and none', { 'Sec-Fetch-Site': 'none' }],
  ]
  test.each(refused)('with an unsafe method and %s is 403', async (_, headers) => {
    const token = tokenFor('cookie-user')
    const reply = await request('/api/v1/chat/sessions', { method: 'POST', json: {}, headers: { ...cookie(token), ...(headers as Record<string, string>) } })
    expect(reply.status).toBe(403)
    expect(reply.json().error.code).toBe('forbidden')
  })

  test.for<[string, Record<string, string>]>([['our origin', { Origin: ours }], ['Sec-Fetch-Site: same-origin', { 'Sec-Fetch-Site': 'same-origin' }]])('with an unsafe method and %s is taken', async ([, headers], { alice }) => {
    const reply = await request('/api/v1/chat/sessions', { method: 'POST', json: {}, headers: { ...cookie(alice.token), ...headers } })
    expect(reply.status).toBe(201)
    const gone = await request(String(reply.headers['location']), { method: 'DELETE', headers: { ...cookie(alice.token), ...headers } })
    expect(gone.status).toBe(204)
  })

  test('the header needs no origin', async ({ alice }) => {
    expect((await alice.post('/api/v1/chat/sessions', {}, { Origin: 'https://evil.example' })).status).toBe(201)
  })

  test('a form of another site cannot send: text/plain is 415', async ({ alice }) => {
    const reply = await request('/api/v1/chat/messages', {
      method: 'POST', body: '{"content":"hello"}', headers: { ...cookie(alice.token), Origin: ours, 'Content-Type': 'text/plain' },
    })
    expect(reply.status).toBe(415)
  })
})

describe('pages', () => {
  const page = (path: string, headers: Record<string, string> = {}) => request(path, { headers, hold: false })
  const place = (reply: { headers: Record<string, unknown> }) => new URL(String(reply.headers['location']), env.url)

  test.each(['/chat', '/chat/019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b', '/swagger-ui/'])('%s without a token leads to sign-in and back', async (path) => {
    const reply = await page(path)
    expect(reply.status).toBe(302)
    expect(place(reply).origin).toBe(new URL(env.url).origin)
    expect(place(reply).pathname).toBe('/sign-in')
    expect(place(reply).searchParams.get('next')).toBe(path)
    expect(reply.requestId).toMatch(/^[A-Za-z0-9-]{1,64}$/)
  })

  test('the query comes along and cannot break out', async () => {
    const reply = await page('/chat?q=a&next=https://evil.example')
    expect(reply.status).toBe(302)
    expect([...place(reply).searchParams.keys()]).toEqual(['next'])
    expect(place(reply).searchParams.get('next')).toMatch(/^\/chat/)
  })

  test('a path that would lead elsewhere does not', async () => {
    for (const path of ['//evil.example/chat', '/\\evil.example', '/chat/..//evil.example']) {
      const reply = await page(path)
      if (reply.status === 302) {
        expect(place(reply).origin, path).toBe(new URL(env.url).origin)
        expect(place(reply).searchParams.get('next') ?? '/', path).toMatch(/^\/(?![/\\])/)
      } else expect([400, 404], path).toContain(reply.status)
    }
  })

  test.each(['/chat', '/swagger-ui/'])('%s with the cookie is a page', async (path) => {
    const reply = await page(path, cookie(tokenFor('reader')))
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toMatch(/^text\/html/)
  })

  test('/chat with a broken or expired cookie leads to sign-in', async () => {
    for (const token of ['a.b.c', sign(claimsFor('old', { exp: now() - 60 }))]) expect((await page('/chat', cookie(token))).status).toBe(302)
  })

  test('/sign-in is for everybody', async () => {
    const reply = await page('/sign-in?next=/chat')
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toMatch(/^text\/html/)
  })

  test.each(['/sign-in', '/chat'])('%s carries the headers that hold a page together', async (path) => {
    const { headers, status } = await page(path, cookie(tokenFor('reader')))
    expect(status).toBe(200)
    const csp = String(headers['content-security-policy'])
    for (const part of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"])
      expect(csp).toContain(part)
    expect(csp).not.toMatch(/unsafe-(inline|eval)|\*/)
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('no-referrer')
    expect(headers['strict-transport-security']).toMatch(/max-age=\d{7,}/)
  })
})
