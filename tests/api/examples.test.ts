// What the documentation shows runs as it stands: shell blocks in one shell, script blocks as modules.
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { env } from '../support/env.ts'
import { describe, expect, test } from '../support/test.ts'
import { freshSub, tokenFor } from '../support/tokens.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const text = (file: string) => readFileSync(join(root, file), 'utf8')
const blocks = (source: string, language: string) =>
  [...source.matchAll(new RegExp('^```' + language + '\\n([^]*?)^```', 'gm'))].map(([, block]) => block!)

// A user of its own each time, whatever name the page uses: its limits are this run's alone.
const withFreshUser = (script: string) => script.replace(/SUB=alice/g, `SUB=${freshSub('example')}`)

async function shell(script: string): Promise<string> {
  const environment = { ...process.env, STATE_DIR: env.stateDir }
  return (await run('bash', ['-euo', 'pipefail', '-c', withFreshUser(script)], { cwd: root, env: environment, timeout: 60_000, maxBuffer: 16 << 20 })).stdout
}

async function script(source: string): Promise<string> {
  const file = join(root, 'tests', `example-${process.pid}.mjs`) // beside node_modules
  writeFileSync(file, source)
  try {
    const environment = { ...process.env, CHAT_URL: env.url, TOKEN: tokenFor(freshSub('example')), NODE_EXTRA_CA_CERTS: process.env['CHAT_CACERT'] }
    return (await run(process.execPath, [file], { env: environment, timeout: 60_000 })).stdout
  } finally {
    rmSync(file)
  }
}

// They ask `make` for the address and the token of a stack on this machine.
describe.runIf(env.stateDir)('as it stands', () => {
  test('docs/api-by-example.md: the shell', { timeout: 90_000 }, async () => {
    const source = blocks(text('docs/api-by-example.md'), 'sh')
    expect(source.length).toBe(7)
    const shown = await shell(source.join('\n'))
    expect(shown.match(/^event: done$/gm)?.length, 'two streams and a replay').toBe(3)
    for (const what of ['"user_message"', '"next_cursor"', '# The sky', '"feedback":"up"', '"daily"', '"models"', '"object":"list"', '"pinned":true'])
      expect(shown, what).toContain(what)
    expect(shown).not.toContain('"error"')
    const once = [...shown.matchAll(/"user_message":\{"id":"([^"]+)"[^}]*"content":"Once, please\."/g)].map(([, id]) => id)
    expect(once.length).toBe(2)
    expect(once[0]).toBe(once[1])
  })

  test('docs/operations/usage.md: what administrators ask', { timeout: 60_000 }, async () => {
    const [begin] = blocks(text('docs/api-by-example.md'), 'sh'), source = blocks(text('docs/operations/usage.md'), 'sh')
    expect(source.length).toBe(1)
    const shown = await shell([begin, ...source].join('\n').replace('user=alice', 'user=nobody'))
    expect(shown.match(/"group_by":\[/g)?.length).toBe(3)
    expect(shown).toContain('"weekly_active_users"')
    expect(shown).not.toContain('"error"')
  })

  test('docs/api-by-example.md: the OpenAI SDK', { timeout: 60_000 }, async () => {
    const [source, ...more] = blocks(text('docs/api-by-example.md'), 'js')
    expect(more).toEqual([])
    const [model, answer] = (await script(source!)).split('\n')
    expect(model).toMatch(/\S/)
    expect(answer).toMatch(/\S/)
  })

  test('README.md: an answer in two commands', { timeout: 60_000 }, async () => {
    const [block] = blocks(/^## An answer in two commands$([^]*?)^## /m.exec(text('README.md'))![1]!, '')
    const [up, second, ...more] = block!.trim().split('\n')
    expect([up, ...more], 'the first is what this stack was started by').toEqual(['make up'])
    expect(await shell(second!.replace('make -s token', 'make -s token SUB=alice'))).toMatch(/^event: done$/m)
  })

  test('README.md: an answer from the shell, and by the SDK', { timeout: 60_000 }, async () => {
    const use = /^## Use$([^]*?)^## /m.exec(text('README.md'))![1]!
    const [commands, source] = blocks(use, '[a-z]*')
    const shown = await shell(commands!)
    expect(shown).toMatch(/^event: done$/m)
    expect(shown).toContain('"daily"')
    expect(await script(source!)).toMatch(/\S/)
  })
})
