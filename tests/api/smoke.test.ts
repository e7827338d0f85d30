// scripts/smoke: what an operator runs against a deployment from outside.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { env } from '../support/env.ts'
import { sql } from '../support/stores.ts'
import { describe, expect, test } from '../support/test.ts'
import { freshSub, tokenFor } from '../support/tokens.ts'

function smoke(token: string, url = env.url): Promise<{ code: number | null; lines: string[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(import.meta.dirname, '../../scripts/smoke'), [url], { env: { ...process.env, TOKEN: token }, timeout: 120_000 })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
    child.on('error', reject)
    child.on('close', code => { resolve({ code, lines: text.trim().split('\n') }) })
  })
}

describe('scripts/smoke', () => {
  test('says ok to each check of a sound deployment, and leaves no conversation', async () => {
    const sub = freshSub('smoke')
    const { code, lines } = await smoke(tokenFor(sub))
    expect(lines.filter(line => !line.startsWith('ok    '))).toEqual(['all checks passed'])
    expect(lines.length).toBeGreaterThan(15)
    expect(code).toBe(0)
    const rows = await sql<{ left: string }>('SELECT count(*) AS left FROM chat_sessions WHERE user_id = $1 AND deleted_at IS NULL', [sub])
    expect(Number(rows[0]?.left)).toBe(0)
  })

  test('a token that is not taken fails, and the failed checks are named without it', async () => {
    const { code, lines } = await smoke('not-a-token')
    expect(code).toBe(1)
    expect(lines).toContain('FAIL  sign-in: status 401 unauthenticated, expected 204')
    expect(lines.join()).not.toContain('not-a-token')
  })

  test('no service there: one clear line', async () => {
    const { code, lines } = await smoke('not-a-token', 'https://127.0.0.1:1')
    expect(code).toBe(1)
    expect(lines[0]).toMatch(/^FAIL {2}TLS connection: /)
  })
})
