// Who may call: the rules for tokens, what a refusal looks like, and that one user never sees another's.
import { generateKeyPairSync } from 'node:crypto'
import { env } from '../support/env.ts'
import { request } from '../support/http.ts'
import { operations } from '../support/openapi.ts'
import { keysMatching } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { claimsFor, freshSub, now, sign, tokenFor, withChangedSignature } from '../support/tokens.ts'

const ask = (token: string) => request('/api/v1/chat/features', { headers: { Authorization: `Bearer ${token}` } })

async function expectRefused(token: string): Promise<void> {
  const reply = await ask(token)
  expect(reply.status).toBe(401)
  expect(reply.json().error.code).toBe('unauthenticated')
  expect(reply.headers['www-authenticate']).toMatch(/^Bearer/)
}

async function expectTaken(token: string, sub: string): Promise<void> {
  const reply = await ask(token)
  expect(reply.status, reply.body).toBe(200)
  expect(reply.json().user.id).toBe(sub)
}

describe('without a token', () => {
  const guarded = operations.filter(({ path }) => path.startsWith('/api/'))
  test.each(guarded)('$method $path is 401', async ({ method, path }) => {
    const reply = await request(path.replace('{id}', '019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b'), { method })
    expect(reply.status).toBe(401)
    expect(reply.json().error.code).toBe('unauthenticated')
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer/)
    expect(reply.body).not.toMatch(/SELECT|chat_sessions|\.c:\d+/)
  })

  test('the token is asked for before the body is looked at', async () => {
    const reply = await request('/api/v1/chat/sessions', { method: 'POST', body: '{broken', headers: { 'Content-Type': 'application/json' } })
    expect(reply.status).toBe(401)
  })

  test.each([['', 'no scheme'], ['Bearer', 'nothing'], ['Bearer ', 'a blank'], ['Basic dXNlcjpwYXNz', 'another scheme'], ['Bearer a.b.c', 'no JWT'], ['Bearer a.b', 'two parts']])(
    'Authorization: "%s" (%s) is 401', async (value) => {
      expect((await request('/api/v1/chat/sessions', { headers: { Authorization: value } })).status).toBe(401)
    })
})

describe('a token is refused', () => {
  const sub = freshSub()
  const good = tokenFor(sub)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' })
  const noneHead = { alg: 'none' }
  const parts = (token: string) => token.split('.') as [string, string, string]

  const broken: [string, () => string][] = [
    ['alg none, no signature', () => `${parts(sign(claimsFor(sub), { header: noneHead })).slice(0, 2).join('.')}.`],
    ['alg none, some signature', () => `${parts(sign(claimsFor(sub), { header: noneHead })).slice(0, 2).join('.')}.eA`],
    ['alg None in another case, rightly signed', () => sign(claimsFor(sub), { header: { alg: 'None' } })],
    ['alg HS512, rightly signed', () => sign(claimsFor(sub), { header: { alg: 'HS512' }, hash: 'sha512' })],
    ['alg RS256 in the header, signed with the secret', () => sign(claimsFor(sub), { header: { alg: 'RS256' } })],
    ['signed with a public key as secret', () => sign(claimsFor(sub), { key: rsa })],
    ['no alg', () => sign(claimsFor(sub), { header: JSON.stringify({ typ: 'JWT' }) })],
    ['another secret', () => sign(claimsFor(sub), { key: 'x'.repeat(32) })],
    ['an empty secret', () => sign(claimsFor(sub), { key: '' })],
    ['the last character of the signature changed', () => withChangedSignature(good, 'last')],
    ['the first character of the signature changed', () => withChangedSignature(good, 'first')],
    ['a signature cut short', () => good.slice(0, -4)],
    ['the payload of another user', () => `${parts(good)[0]}.${parts(tokenFor(freshSub()))[1]}.${parts(good)[2]}`],
    ['expired 31 s and more ago', () => sign(claimsFor(sub, { exp: now() - 32 }))],
    ['exp as a string', () => sign(claimsFor(sub, { exp: String(now() + 3600) }))],
    ['exp with a fraction', () => sign(JSON.stringify(claimsFor(sub)).replace(/"exp":\d+/, '"exp":10000000000.5'))],
    ['exp null', () => sign(claimsFor(sub, { exp: null }))],
    ['exp negative', () => sign(claimsFor(sub, { exp: -1 }))],
    ['no exp', () => sign(claimsFor(sub, { exp: undefined }))],
    ['nbf in an hour', () => sign(claimsFor(sub, { nbf: now() + 3600 }))],
    ['nbf as a string', () => sign(claimsFor(sub, { nbf: 'now' }))],
    ['crit', () => sign(claimsFor(sub), { header: { crit: ['exp'] } })],
    ['typ of a token made for something else', () => sign(claimsFor(sub), { header: { typ: 'logout+jwt' } })],
    ['a key twice', () => sign(JSON.stringify(claimsFor('somebody')).replace(/}$/, `,"sub":"${sub}"}`))],
    ['no sub', () => sign(claimsFor(sub, { sub: undefined }))],
    ['an empty sub', () => tokenFor('')],
    ['a sub of 256 characters', () => tokenFor('a'.repeat(256))],
    ['a sub that is a number', () => sign(claimsFor(sub, { sub: 7 }))],
    ['a sub with a blank', () => tokenFor('a b')],
    ['a sub with a star', () => tokenFor('a*')],
    ['a sub with braces', () => tokenFor('{a}')],
    ['a sub beyond ASCII', () => tokenFor('zoë')],
    ['a sub with NUL', () => tokenFor('a\0b')],
    ['a payload that is no object', () => sign('[]')],
    ['a payload that is no JSON', () => sign('{"sub":')],
    ['a payload that ends in NUL', () => sign(`${JSON.stringify(claimsFor(sub))}\0`)],
    ['a payload with text behind it', () => sign(`${JSON.stringify(claimsFor(sub))}x`)],
    ['over 8,192 bytes', () => sign(claimsFor(sub, { pad: 'x'.repeat(6400) }))],
    ['four parts', () => `${good}.x`],
    ['padding in base64url', () => `${good}=`],
    ['plain base64 of a payload', () => `${parts(good)[0]}.${Buffer.from(JSON.stringify(claimsFor(`${sub}???>>>`))).toString('base64')}.x`],
  ]
  test.each(broken)('%s', async (_, make) => {
    await expectRefused(make())
    await expectTaken(good, sub)
  })

  test('a kid does not choose the key', async () => {
    for (const kid of ['../../dev/null', '/dev/null', "' OR 1=1"]) {
      // Signed with what such a kid would lead to.
      await expectRefused(sign(claimsFor(sub), { header: { kid }, key: '' }))
      await expectRefused(sign(claimsFor(sub), { header: { kid }, key: 'x'.repeat(32) }))
    }
  })

  test('a sub with a line break leaves Redis as it was', async () => {
    const name = freshSub('crlf')
    await expectRefused(tokenFor(`${name}\r\nFLUSHALL`))
    expect(await keysMatching(`*${name}*`)).toEqual([])
  })

  test('the token is not in the answer', async () => {
    const token = withChangedSignature(good, 'first')
    const reply = await ask(token)
    expect(reply.body + JSON.stringify(reply.headers)).not.toContain(parts(token)[1])
  })
})

describe('a token is taken', () => {
  const sub = freshSub()
  const fine: [string, () => string][] = [
    ['expired 5 s ago, within the leeway', () => sign(claimsFor(sub, { exp: now() - 5 }))],
    ['nbf in 5 s, within the leeway', () => sign(claimsFor(sub, { nbf: now() + 5 }))],
    ['nbf in the past', () => sign(claimsFor(sub, { nbf: now() - 3600 }))],
    ['with claims we do not know', () => sign(claimsFor(sub, { name: 'Zoë', groups: ['a', { b: 1 }] }))],
    ['without typ', () => sign(claimsFor(sub), { header: JSON.stringify({ alg: 'HS256' }) })],
    ['typ at+jwt', () => sign(claimsFor(sub), { header: { typ: 'at+jwt' } })],
    ['exp spelled with an exponent', () => sign(JSON.stringify(claimsFor(sub)).replace(/"exp":\d+/, '"exp":4.795999999e9'))],
    ["another program's role", () => sign(claimsFor(sub, { role: 'root' }))],
    ['roles as a list', () => sign(claimsFor(sub, { role: ['editor', 'viewer'] }))],
    ['just within 8,192 bytes', () => {
      for (let pad = 6100; ; pad--) {
        const token = sign(claimsFor(sub, { pad: 'x'.repeat(pad) }))
        if (token.length <= 8192) return token
      }
    }],
  ]
  test.each(fine)('%s', async (_, make) => expectTaken(make(), sub))

  test.each([['every character allowed', 'Az09._:@|+=/-'], ['255 characters', 'a'.repeat(255)]])('a sub with %s', async (_, name) =>
    expectTaken(tokenFor(name), name))

  test('the scheme in any case', async () => {
    const reply = await request('/api/v1/chat/features', { headers: { Authorization: `bearer ${tokenFor(sub)}` } })
    expect(reply.status).toBe(200)
  })

  test('the role is user unless it says admin', async () => {
    expect((await ask(tokenFor(sub))).json().user.role).toBe('user')
    expect((await ask(tokenFor(sub, { role: 'user' }))).json().user.role).toBe('user')
    expect((await ask(tokenFor(sub, { role: 'root' }))).json().user.role).toBe('user')
    expect((await ask(tokenFor(sub, { role: 'admin' }))).json().user.role).toBe('admin')
    expect((await ask(tokenFor(sub, { role: ['editor', 'admin'] }))).json().user.role).toBe('admin')
  })
})

test.runIf(env.signing.iss)('another issuer is refused', async () => {
  await expectRefused(sign(claimsFor(freshSub(), { iss: 'https://elsewhere.example' })))
  await expectRefused(sign(claimsFor(freshSub(), { iss: undefined })))
})

test.runIf(env.signing.aud)('another audience is refused, ours within an array is taken', async () => {
  const sub = freshSub()
  await expectRefused(sign(claimsFor(sub, { aud: 'others' })))
  await expectRefused(sign(claimsFor(sub, { aud: ['others', 'more'] })))
  await expectTaken(sign(claimsFor(sub, { aud: ['others', env.signing.aud] })), sub)
})

test('two Authorization headers are refused', async ({ alice }) => {
  const reply = await request('/api/v1/chat/sessions', { headers: ['Authorization', `Bearer ${alice.token}`, 'Authorization', `Bearer ${alice.token}`] })
  expect(reply.status).toBe(400)
})

test('headers that claim to be somebody are ignored', async ({ alice, bob }) => {
  const theirs = await bob.createSession()
  for (const name of ['X-User-Id', 'X_User_Id', 'AUTH-SUB', 'X-Auth-Sub', 'X-Internal', 'X-Forwarded-User', 'Remote-User']) {
    const reply = await alice.get('/api/v1/chat/features', { [name]: name === 'X-Internal' ? 'auth' : bob.sub })
    expect(reply.json().user.id, name).toBe(alice.sub)
    expect((await alice.get(`/api/v1/chat/sessions/${theirs.id}`, { [name]: bob.sub })).status, name).toBe(404)
    expect((await request('/api/v1/chat/features', { headers: { [name]: bob.sub } })).status, name).toBe(401)
  }
})

test("nginx's own question is not for clients", async ({ alice }) => {
  expect((await request('/_auth', { hold: false })).status).toBe(404)
  expect((await alice.request('/_auth', { hold: false })).status).toBe(404)
})


test("CORS: another origin is given nothing", async ({ alice }) => {
  const reply = await alice.get('/api/v1/chat/features', { Origin: 'https://evil.example' })
  expect(reply.status).toBe(200)
  expect(reply.headers['access-control-allow-origin']).toBeUndefined()
  expect(reply.headers['access-control-allow-credentials']).toBeUndefined()
})
