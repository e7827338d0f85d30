// JWTs for tests, good ones and deliberately broken ones. By hand, because a library would refuse
// to make most of the broken ones.
import { createHmac, randomUUID } from 'node:crypto'
import { env } from './env.ts'

export type Claims = Record<string, unknown>

const base64url = (value: string | Buffer) => Buffer.from(value).toString('base64url')
export const now = () => Math.floor(Date.now() / 1000)

/** Claims that the service takes, for `sub`. */
export function claimsFor(sub: string, more: Claims = {}): Claims {
  return {
    sub,
    iat: now(),
    exp: now() + 3600,
    ...(env.signing.iss ? { iss: env.signing.iss } : {}),
    ...(env.signing.aud ? { aud: env.signing.aud } : {}),
    ...more,
  }
}

/** A token of exactly this header and payload; texts are taken as they are. */
export function sign(payload: Claims | string, { header = {}, key = env.signing.key, hash = 'sha256' }: {
  header?: Claims | string
  key?: string | Buffer
  hash?: string
} = {}): string {
  const head = typeof header === 'string' ? header : JSON.stringify({ alg: 'HS256', typ: 'JWT', ...header })
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
  const signed = `${base64url(head)}.${base64url(body)}`
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`
}

export const tokenFor = (sub: string, more: Claims = {}) => sign(claimsFor(sub, more))

/** A user nobody else has. */
export const freshSub = (name = 'user') => `${name}-${randomUUID()}`

/** The same token with one character of its signature changed to another. */
export function withChangedSignature(token: string, at: 'first' | 'last'): string {
  const dot = token.lastIndexOf('.')
  const signature = [...token.slice(dot + 1)]
  const index = at === 'first' ? 0 : signature.length - 1
  // The last of 43 characters holds 4 bits of signature and 2 of padding: change a bit that counts.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  signature[index] = alphabet[alphabet.indexOf(signature[index]!) ^ 0b100000]!
  return token.slice(0, dot + 1) + signature.join('')
}
