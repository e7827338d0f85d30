// What an operator hangs up beside the service, on a real Prometheus that scrapes it: alerts, their pages, the dashboard.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import { env } from '../support/env.ts'
import { describe, expect, test } from '../support/test.ts'
import { until } from '../support/wait.ts'

const operations = fileURLToPath(new URL('../../docs/operations/', import.meta.url))
const rulesFile = join(operations, 'prometheus/rules.yml')
const rules = readFileSync(rulesFile, 'utf8')
const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!)

// Some seconds of computing, on a busy machine many times that.
test('the rules fire for the series that they should fire for, and for no others', { timeout: 120_000 }, () => {
  const run = (...args: string[]) => execFileSync('promtool', args, { cwd: join(operations, 'prometheus'), encoding: 'utf8', stdio: 'pipe' })
  expect(run('check', 'rules', 'rules.yml')).toContain('SUCCESS')
  expect(run('test', 'rules', 'rules_test.yml')).toContain('SUCCESS')
})

test('each alert is tested both ways, and has its page, which its runbook names', () => {
  const tests = readFileSync(join(operations, 'prometheus/rules_test.yml'), 'utf8')
  for (const alert of alerts) {
    const cases = tests.split('  - name: ').filter((text) => text.includes(`alertname=\\"${alert}\\"`) || text.includes(`alertname="${alert}"`))
    expect(cases.some((text) => text.includes('exp_samples: []')), `${alert} stays silent`).toBe(true)
    expect(cases.some((text) => text.includes('value: 1')), `${alert} fires`).toBe(true)
    expect(rules).toContain(`runbook: docs/operations/alerts/${alert}.md`)
    expect(readFileSync(join(operations, `alerts/${alert}.md`), 'utf8')).toMatch(/## What it means[^]+## What to look at[^]+## What to do/)
  }
  expect(existsSync(join(operations, 'alerts'))).toBe(true)
})

describe('on a Prometheus', () => {
  let prometheus: ChildProcess
  let base: string
  const dir = mkdtempSync(join(tmpdir(), 'chat-prometheus-'))

  const freePort = () =>
    new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number }
        server.close(() => resolve(port))
      })
    })
  const query = async (expr: string) => {
    const reply = await fetch(`${base}/api/v1/query?query=${encodeURIComponent(expr)}`)
    return (await reply.json()) as { status: string; error?: string; data?: { result: unknown[] } }
  }

  beforeAll(async () => {
    const port = await freePort()
    base = `http://127.0.0.1:${port}`
    writeFileSync(join(dir, 'ca.pem'), env.ca)
    writeFileSync(
      join(dir, 'prometheus.yml'),
      `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ['${rulesFile}']
scrape_configs:
  - job_name: chat
    scheme: https
    static_configs: [{targets: ['${new URL(env.url).host}']}]
    tls_config: {ca_file: ${join(dir, 'ca.pem')}}
`,
    )
    prometheus = spawn(
      'prometheus',
      [`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'],
      { stdio: 'ignore' },
    )
    await until('Prometheus has scraped the service twice', async () => {
      const seen = await query('count_over_time(chat_build_info[1m])').catch(() => undefined)
      return Number((seen?.data?.result[0] as { value: [number, string] } | undefined)?.value[1] ?? 0) >= 2
    }, 30_000)
  }, 40_000)

  afterAll(async () => {
    const ended = new Promise((resolve) => prometheus.once('exit', resolve))
    prometheus.kill('SIGTERM')
    await ended
    rmSync(dir, { recursive: true, force: true })
  })

  test("every query of the dashboard is one, and finds the service's series", async ({ alice }) => {
    await alice.sendJson(null, '[[chunks=2]] for the dashboard')
    const dashboard = JSON.parse(readFileSync(join(operations, 'prometheus/dashboard.json'), 'utf8')) as { panels: { title: string; targets: { expr: string }[] }[] }
    expect(dashboard.panels.length).toBeGreaterThan(10)
    for (const panel of dashboard.panels)
      for (const { expr } of panel.targets)
        await until(`${panel.title}: ${expr} has an answer`, async () => {
          const reply = await query(expr.replaceAll('$__rate_interval', '1m'))
          expect(reply.error, expr).toBeUndefined()
          return (reply.data?.result.length ?? 0) > 0
        }, 15_000)
  })

  test('a real fault fires: the provider refuses our key', async ({ alice }) => {
    const fired = async (alert: string) => ((await query(`ALERTS{alertname="${alert}",alertstate="firing"}`)).data?.result.length ?? 0) > 0
    const reply = await alice.trySendJson(null, '[[status=401]] whose key is this')
    expect(reply.status).toBeGreaterThanOrEqual(500)
    await until('ChatProviderKeyRefused fires', () => fired('ChatProviderKeyRefused'), 20_000)
    expect(await fired('ChatDatabaseAway')).toBe(false)
  })
})
