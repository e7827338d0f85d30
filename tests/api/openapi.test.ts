// The document and the page that browses it, as they are served. That each answer is as the document says is held by
// support/openapi.ts, in every test.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { request } from '../support/http.ts'
import { describe, expect, test } from '../support/test.ts'

const address = '/api/v1/openapi.json'
const source = parse(readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8')) as object

describe(address, () => {
  test('is docs/openapi.yaml', async ({ alice }) => {
    const reply = await alice.get(address)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(reply.json()).toEqual(source)
  })

  test('needs a token, and says so as every route does', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      const reply = await request(address, { method, hold: method !== 'HEAD' })
      expect(reply.status, method).toBe(401)
      expect(reply.headers['www-authenticate'], method).toBe('Bearer')
    }
    const here = (await request(address)).json().error
    const elsewhere = (await request('/api/v1/chat/quota')).json().error
    expect({ ...here, request_id: '' }).toEqual({ ...elsewhere, request_id: '' })
  })

  test('HEAD works, other methods are 405', async ({ alice }) => {
    const head = await alice.request(address, { method: 'HEAD' })
    expect([head.status, head.body]).toEqual([200, ''])
    expect(Number(head.headers['content-length'])).toBe(Buffer.byteLength((await alice.get(address)).body))
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const reply = await alice.request(address, { method })
      expect(reply.status, method).toBe(405)
      expect(reply.headers['allow'], method).toBe('GET, HEAD')
      expect(reply.json().error.code).toBe('method_not_allowed')
    }
    expect((await alice.get(`${address}/`)).status, 'with a trailing slash').toBe(404)
  })

  test('a condition that fails is an error as any other', async ({ alice }) => {
    const reply = await alice.get(address, { 'If-Match': '"another"' })
    expect(reply.status).toBe(412)
    expect(reply.json().error).toMatchObject({ code: 'invalid_request', retryable: false })
  })

  test('there are no parts of it, so none that is out of range', async ({ alice }) => {
    for (const range of ['bytes=0-9', 'bytes=99999999-', 'nonsense']) {
      const reply = await alice.get(address, { Range: range })
      expect(reply.status, range).toBe(200)
      expect(reply.headers['x-request-id'], range).toBe(reply.requestId)
      expect(reply.json(), range).toEqual(source)
    }
  })
})

describe('/swagger-ui/', () => {
  test('is for those with a token; others are sent to sign in', async ({ alice }) => {
    const stranger = await request('/swagger-ui/', { hold: false })
    expect([stranger.status, stranger.headers['location']]).toEqual([302, '/sign-in?next=/swagger-ui/'])
    expect((await request('/swagger-ui/swagger-ui-bundle.js', { hold: false })).status).toBe(302)
    const page = await alice.request('/swagger-ui/', { hold: false })
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    expect((await alice.request('/swagger-ui', { hold: false })).headers['location']).toBe('/swagger-ui/')
  })

  test('has no inline script or style, and all that it names is there', async ({ alice }) => {
    const { body } = await alice.request('/swagger-ui/', { hold: false })
    expect(body).not.toMatch(/<style|style=|<script>|\son\w+=/)
    const names = [...body.matchAll(/<(?:script|link)[^>]+(?:src|href)="([^"]+)"/g)].map((match) => match[1]!)
    expect(names).toContain('swagger-ui-bundle.js')
    for (const name of names) {
      const file = await alice.request(`/swagger-ui/${name}`, { hold: false })
      expect(file.status, name).toBe(200)
      expect(file.headers['content-type'], name).toMatch(name.endsWith('.js') ? /javascript/ : name.endsWith('.css') ? /css/ : /image/)
    }
    expect((await alice.request('/swagger-ui/nothing.js', { hold: false })).status).toBe(404)
  })
})
