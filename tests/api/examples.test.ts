// What the documentation shows runs as it stands: shell blocks in one shell, script blocks as modules.
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { env } from '../support/env.ts'
import { fencedBlocks } from '../support/doc-blocks.mjs'
import { startStack } from '../support/stack.ts'
import { describe, expect, test } from '../support/test.ts'
import { freshSub, tokenFor } from '../support/tokens.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const text = (file: string) => readFileSync(join(root, file), 'utf8')
const blocks = (source: string, info: string) => fencedBlocks(source).filter((block) => block.info === info && !block.unrun).map(({ body }) => body)
/** The README's commands behind `make up`, which is how this stack was started: the address and a token, then curl. */
function readmeAfterUp(): string {
  const [run, ask, ...more] = blocks(text('README.md'), 'sh')
  const [up, ...rest] = run!.trim().split('\n')
  expect([up, rest.length, ...more], 'two commands, then the question').toEqual(['make up', 1])
  return `${rest[0]}\n${ask}`
}

// A user of its own each time, whatever name the page uses: its limits are this run's alone.
const withFreshUser = (script: string) => script.replace(/SUB=alice/g, `SUB=${freshSub('example')}`)

async function shell(script: string, stateDir = env.stateDir): Promise<string> {
  const environment = { ...process.env, STATE_DIR: stateDir }
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

  // In one shell, as a reader has it: what a later block needs, an earlier one must have exported.
  test('README.md: two commands, and an answer from curl and from the SDK', { timeout: 60_000 }, async () => {
    const [source] = blocks(text('README.md'), 'js'), [sdk] = blocks(text('README.md'), 'sh sdk')
    const dir = mkdtempSync(join(tmpdir(), 'chat-ask-'))
    try {
      writeFileSync(join(dir, 'ask.mjs'), source!)
      symlinkSync(join(root, 'tests/node_modules'), join(dir, 'node_modules'))
      const [install, ask, ...more] = sdk!.trim().split('\n')
      expect([install, ...more], 'what the tests have already').toEqual(['npm install openai'])
      const shown = await shell(`${readmeAfterUp()}\ncd ${dir}; echo; echo "The SDK:"\n${ask}`)
      expect(shown).toMatch(/^event: done$/m)
      expect(shown).toMatch(/^The SDK:\n.*\S/m)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  // A key in a file is all it takes; an example that nobody filled in leaves the test upstream in its place.
  test('.env.example, at its word: with the key filled in, the provider is asked with it', { timeout: 120_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'chat-env-')), file = join(dir, '.env')
    chmodSync(dir, 0o755)
    writeFileSync(file, text('.env.example'), { mode: 0o600 })
    const stack = await startStack({ CHAT_ENV_FILE: file, SAMBANOVA_API_KEY: '', SAMBANOVA_API_BASE: '' })
    try {
      expect(existsSync(join(stack.stateDir, 'run/upstream.pid')), 'no key: a test upstream').toBe(true)
      writeFileSync(file, text('.env.example').replace(/^SAMBANOVA_API_KEY=$/m, 'SAMBANOVA_API_KEY=key-of-the-file').replace(/^#(SAMBANOVA_API_BASE)=.*$/m, `$1=${env.upstreamUrl}/v1`))
      const { stdout, stderr } = await run('scripts/up', { cwd: root, env: { ...process.env, STATE_DIR: stack.stateDir, PORT: '0', CHAT_ENV_FILE: file } as NodeJS.ProcessEnv, timeout: 60_000 })
      expect(stdout).not.toContain('TEST UPSTREAM')
      expect(stderr).toContain('workers: the settings changed')
      expect(existsSync(join(stack.stateDir, 'run/upstream.pid'))).toBe(false)
      expect(await shell(readmeAfterUp(), stack.stateDir)).toMatch(/^event: done$/m)
    } finally {
      await stack.down()
      rmSync(dir, { recursive: true })
    }
  })

  test('docs/local-stack.md: a second stack beside the first', { timeout: 120_000 }, async () => {
    const [block] = blocks(text('docs/local-stack.md'), 'sh second'), dir = mkdtempSync(join(tmpdir(), 'chat-second-'))
    const here = block!.replace('http://127.0.0.1:18081', env.upstreamUrl).replace('PORT=9443', 'PORT=0').replace('/somewhere', dir)
    chmodSync(dir, 0o755)
    try {
      expect(await shell(here)).toMatch(/^Chat is running: /m)
    } finally {
      await shell('make clean-state', dir)
      rmSync(dir, { recursive: true, force: true })
    }
  })

  // A block that nobody runs is one that nobody can trust.
  test('every command block of the pages is one that a test runs, or says why not', () => {
    const where: Record<string, string[]> = {
      'README.md': ['sh', 'js', 'sh sdk'], 'docs/local-stack.md': ['sh', 'sh second'], 'docs/api-by-example.md': ['sh', 'js', 'json'], 'docs/developer-guide.md': ['sh'],
      'docs/operations/install.md': ['sh', 'sh build'], 'docs/operations/upgrade.md': ['sh'], 'docs/operations/user-data.md': ['sh'],
    }
    const unrun: string[] = []
    for (const [file, infos] of Object.entries(where)) {
      expect(text(file).replace(/^( *)(`{3,}).*\n[^]*?^\1\2$/gm, ''), `${file}: indented commands`).not.toMatch(/^ {4}(make|curl|systemctl|cd|export|TOKEN=|DATABASE_URL=)\b/m)
      for (const { info, line, unrun: reason } of fencedBlocks(text(file))) {
        expect(infos, `${file}:${line}`).toContain(info)
        if (reason) unrun.push(`${file}: ${reason}`)
      }
    }
    expect(unrun.length, unrun.join('\n')).toBeLessThanOrEqual(5)
  })
})
