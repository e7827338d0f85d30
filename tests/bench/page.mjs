// The browser figures: loads the page, has answers written at a given pace, opens a long chat, types. `make bench-page`.
import { writeFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { chromium } from '@playwright/test'

const { PROVIDER_PORT, PAGE_URL, PAGE_CA, PAGE_TOKEN, PAGE_JSON, WRITE } = process.env
const LOADS = 5
const OPENINGS = 3
const KEYS = 60
const CHUNKS = 2000
const PACE_MS = 5
const SENTINEL = 'Zend'

/* ---- the provider: `bench BYTES CHUNKS PACE_MS`, in Markdown of every kind ---- */

const SECTION = `## What a mean is, and what it is not

The **arithmetic mean** of some numbers is their sum over their count; it is *pulled* by outliers, which a median is not. See [the article](https://example.org/mean) for more, or \`help(mean)\`.

1. Add them up, in a type that is wide enough.
2. Divide by how many there are.
3. Say what happens when there are none:
   - an error, or
   - a value that the caller has asked for.

\`\`\`python
def mean(values: list[float]) -> float:
    """The arithmetic mean; 0 for an empty list."""
    return sum(values) / len(values) if values else 0.0

print(mean([1, 2, 3.5]))  # 2.1666
\`\`\`

| Measure | Outliers | Cost |
| --- | :---: | ---: |
| Mean | pull | n |
| Median | do not | n log n |

> Whatever is chosen, write down which one it was, and why it was the one.

`

function answerOf(bytes) {
  const end = `\n\n${SENTINEL}`
  return SECTION.repeat(Math.ceil(bytes / SECTION.length)).slice(0, bytes - end.length) + end
}

function cut(text, count) {
  return Array.from({ length: count }, (_, at) => text.slice(Math.floor((at * text.length) / count), Math.floor(((at + 1) * text.length) / count)))
}

createServer(async (incoming, outgoing) => {
  let body = ''
  for await (const piece of incoming) body += piece
  const { messages, stream, model } = JSON.parse(body || '{}')
  const [, bytes, count, paceMs] = /bench (\d+) (\d+) (\d+)/.exec(messages?.at(-1)?.content ?? '')?.map(Number) ?? [0, 100, 1, 0]
  const usage = { prompt_tokens: 1, completion_tokens: count, total_tokens: count + 1 }
  const about = { id: 'bench', created: 1, model }
  if (!stream) {
    const message = { role: 'assistant', content: answerOf(bytes) }
    outgoing.setHeader('Content-Type', 'application/json')
    return outgoing.end(JSON.stringify({ ...about, object: 'chat.completion', usage, choices: [{ index: 0, message, finish_reason: 'stop' }] }))
  }
  outgoing.setHeader('Content-Type', 'text/event-stream')
  const say = (data) => outgoing.write(`data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', ...data })}\n\n`)
  const began = performance.now()
  let sent = 0
  for (const content of cut(answerOf(bytes), count)) {
    // By the clock, so that a late timer is caught up with.
    const wait = began + sent++ * paceMs - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    say({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
  }
  say({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  say({ choices: [], usage })
  outgoing.end('data: [DONE]\n\n')
}).listen(Number(PROVIDER_PORT), '127.0.0.1')

/* ---- the browser ---- */

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium-headless-shell',
  args: process.getuid() === 0 ? ['--no-sandbox'] : [],
})

/** Runs in the page before anything of it: notes when the field is there, when text arrives, and when its end is on the screen. */
function watch(sentinel) {
  const bench = { usable: null, lastMessage: null, lag: null }
  Object.assign(window, { bench })
  const lastAnswer = () => [...document.querySelectorAll('article[aria-label="Answer"] .answer')].at(-1)
  let arrived = null
  const painted = (then) => requestAnimationFrame(() => setTimeout(then))
  new MutationObserver(() => {
    if (bench.usable === null && document.querySelector('textarea[aria-label="Message"]') !== null) bench.usable = performance.now()
    if (bench.lastMessage === null && location.pathname.length > 10 && lastAnswer()?.textContent.trimEnd().endsWith(sentinel)) {
      bench.lastMessage = -1
      painted(() => (bench.lastMessage = performance.now()))
    }
    if (arrived !== null && bench.lag === null && lastAnswer()?.textContent.trimEnd().endsWith(sentinel)) {
      bench.lag = -1
      painted(() => {
        performance.mark('bench-end')
        bench.lag = performance.now() - arrived
      })
    }
  }).observe(document, { childList: true, subtree: true, characterData: true })
  const { read } = ReadableStreamDefaultReader.prototype
  const decoder = new TextDecoder()
  let begun = false
  ReadableStreamDefaultReader.prototype.read = async function () {
    const result = await read.call(this)
    const text = result.value === undefined ? '' : decoder.decode(result.value)
    if (!begun && text.includes('event: delta')) {
      begun = true
      performance.mark('bench-begin')
    }
    if (arrived === null && text.includes(sentinel)) arrived = performance.now()
    return result
  }
}

const spent = () => cpus().reduce(([idle, all], { times }) => [idle + times.idle, all + Object.values(times).reduce((sum, each) => sum + each)], [0, 0])

/**
 * Until the machine has done nothing for a quarter of a second: a browser still makes and ends processes after a page is there or gone.
 * Only then is the processor made slower, which Chromium does by keeping half the machine busy.
 */
async function rest(cdp, slower) {
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 })
  for (let tries = 0; tries < 40; tries++) {
    const [idle, all] = spent()
    await new Promise((resolve) => setTimeout(resolve, 250))
    const [idleNow, allNow] = spent()
    if ((idleNow - idle) / (allNow - all) > 0.95) return cdp.send('Emulation.setCPUThrottlingRate', { rate: slower })
  }
  throw new Error('the machine has something else to do')
}

/** A page of a browser that has never seen this one, signed in, on a processor that is so many times slower. */
async function withPage(slower, act) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } })
  await context.addCookies([{ name: '__Host-chat_token', value: PAGE_TOKEN, url: PAGE_URL, secure: true, httpOnly: true, sameSite: 'Strict' }])
  const page = await context.newPage()
  const cdp = await context.newCDPSession(page)
  await page.addInitScript(watch, SENTINEL)
  await cdp.send('Performance.enable')
  await rest(cdp, slower)
  try {
    return await act(page, cdp)
  } finally {
    await context.close()
  }
}

const bench = (page, field) => page.waitForFunction((name) => window.bench[name] > 0 && window.bench[name], field, { timeout: 120_000 }).then((handle) => handle.jsonValue())
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const metric = async (cdp, name) => (await cdp.send('Performance.getMetrics')).metrics.find((each) => each.name === name).value
const times = async (count, act) => {
  const all = []
  for (let at = 0; at < count; at++) all.push(await act())
  return Object.fromEntries(Object.keys(all[0]).map((name) => [name, median(all.map((each) => each[name]))]))
}

const load = (slower) => times(LOADS, () => withPage(slower, async (page, cdp) => {
  const sizes = new Map()
  await cdp.send('Network.enable')
  cdp.on('Network.responseReceived', ({ requestId, type }) => (type === 'Script' || type === 'Stylesheet') && sizes.set(requestId, 0))
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.has(requestId) && sizes.set(requestId, encodedDataLength))
  await page.goto(`${PAGE_URL}/chat`)
  const usableMs = await bench(page, 'usable')
  const kb = [...sizes.values()].reduce((sum, size) => sum + size, 0) / 1024
  const paintMs = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime).then((handle) => handle.jsonValue())
  return { kb, paintMs, usableMs }
}))

/** The main thread while an answer is written: from its first word to its last on the screen. */
async function stream(slower, bytes) {
  return withPage(slower, async (page) => {
    // Nobody types so fast that the page hasn't fetched its Markdown meanwhile.
    const markdown = page.waitForEvent('requestfinished', (asked) => asked.url().includes('markdown-view'))
    await page.goto(`${PAGE_URL}/chat`)
    await markdown
    await page.getByRole('textbox', { name: 'Message' }).fill(`bench ${bytes} ${CHUNKS} ${PACE_MS}`)
    await browser.startTracing(page, { categories: ['toplevel', 'blink.user_timing'] })
    await page.keyboard.press('Enter')
    const lagMs = await bench(page, 'lag')
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString())
    const mark = (name) => traceEvents.find((event) => event.name === name && event.cat.includes('user_timing'))
    const [begin, end] = [mark('bench-begin'), mark('bench-end')]
    const tasks = traceEvents.filter(({ ph, name, pid, tid, ts }) =>
      ph === 'X' && name.endsWith('RunTask') && pid === begin.pid && tid === begin.tid && ts >= begin.ts && ts <= end.ts)
    if (tasks.length === 0) throw new Error('the trace has no tasks')
    const share = (field) => (100 * tasks.reduce((sum, task) => sum + (task[field] ?? 0), 0)) / (end.ts - begin.ts)
    const longest = (field) => Math.max(...tasks.map((task) => task[field] ?? 0)) / 1000
    return { seconds: (end.ts - begin.ts) / 1e6, busy: share('dur'), busyCpu: share('tdur'), longestMs: longest('dur'), longestCpuMs: longest('tdur'), lagMs }
  })
}

/* ---- a chat of 300 messages ---- */

function post(path, json) {
  return new Promise((resolve, reject) => {
    const sent = request(`${PAGE_URL}${path}`, { method: 'POST', ca: readFileSync(PAGE_CA), headers: { Authorization: `Bearer ${PAGE_TOKEN}`, 'Content-Type': 'application/json' } }, async (reply) => {
      let body = ''
      for await (const piece of reply) body += piece
      if (reply.statusCode === 201) resolve(JSON.parse(body))
      else reject(new Error(`${path}: ${reply.statusCode} ${body}`))
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(json))
  })
}

async function longChat() {
  const { session } = await post('/api/v1/chat/messages', { content: 'bench 900 1 0, and so on', stream: false })
  for (let at = 1; at < 150; at++) await post(`/api/v1/chat/sessions/${session.id}/messages`, { content: `bench 900 1 0, question ${at}`, stream: false })
  return session.id
}

/** What a key costs the main thread, in the field that has the focus. */
async function typed(page, cdp, slower) {
  await rest(cdp, slower)
  const [before, cpuBefore] = [await metric(cdp, 'TaskDuration'), await metric(cdp, 'ThreadTime')]
  for (let at = 0; at < KEYS; at++) await page.keyboard.press('x', { delay: 20 })
  const keyMs = (1000 * ((await metric(cdp, 'TaskDuration')) - before)) / KEYS
  const keyCpuMs = (1000 * ((await metric(cdp, 'ThreadTime')) - cpuBefore)) / KEYS
  return { keyMs, keyCpuMs }
}

/** The floor that this browser on this machine sets: the same keys in a field that is all there is on its page. */
const bareField = (slower) => times(OPENINGS, () => withPage(slower, async (page, cdp) => {
  await page.setContent('<textarea></textarea>')
  await page.focus('textarea')
  return typed(page, cdp, slower)
}))

const open = (slower, id) => times(OPENINGS, () => withPage(slower, async (page, cdp) => {
  await page.goto(`${PAGE_URL}/chat/${id}`)
  const shownMs = await bench(page, 'lastMessage')
  // All of them, as somebody who scrolls to the beginning has them.
  const earlier = page.getByRole('button', { name: 'Show earlier messages' })
  const beginning = page.getByText('This is where the chat begins.')
  const frame = page.getByTestId('messages')
  while (!(await beginning.isVisible())) {
    await frame.evaluate((element) => element.scrollTo(0, 0))
    await earlier.or(beginning).first().waitFor()
    if (await earlier.isVisible()) await earlier.click({ timeout: 1000 }).catch(() => undefined) // it goes by itself when it is scrolled to
  }
  await frame.evaluate((element) => element.scrollTo(0, element.scrollHeight))
  await page.getByRole('article', { name: 'Answer' }).last().waitFor()
  const elements = await page.evaluate(() => document.querySelectorAll('*').length)
  await page.getByRole('textbox', { name: 'Message' }).focus()
  const { keyMs, keyCpuMs } = await typed(page, cdp, slower)
  await cdp.send('HeapProfiler.collectGarbage')
  return { shownMs, elements, heapMb: (await metric(cdp, 'JSHeapUsedSize')) / 2 ** 20, keyMs, keyCpuMs }
}))

/* ---- the table ---- */

/** [what, unit, goal at full speed, goal on the slow one, where the figure is] */
const ROWS = [
  ['first load, compressed JS + CSS', 'KB', 200, 200, ({ load: { kb } }) => kb],
  ['first contentful paint', 'ms', 250, 700, ({ load: { paintMs } }) => paintMs],
  ['input usable', 'ms', 400, 1200, ({ load: { usableMs } }) => usableMs],
  ['8 KB answer, 2,000 chunks at 5 ms: main thread busy', '%', 25, 60, ({ small }) => small.busy],
  ['… longest task', 'ms', 50, 100, ({ small }) => small.longestMs],
  ['40 KB answer, 2,000 chunks at 5 ms: main thread busy', '%', 25, 60, ({ large }) => large.busy],
  ['… longest task', 'ms', 50, 100, ({ large }) => large.longestMs],
  ['… last chunk to paint', 'ms', 50, 150, ({ large }) => large.lagMs],
  ['300-message chat: DOM elements', '', 4000, 4000, ({ chat: { elements } }) => elements],
  ['… last message visible', 'ms', 400, 1200, ({ chat: { shownMs } }) => shownMs],
  ['… heap', 'MB', 25, 25, ({ chat: { heapMb } }) => heapMb],
  ['… a key typed', 'ms', 4, null, ({ chat: { keyMs } }) => keyMs],
]

const machineBusy = loadavg()[0]
const chat = await longChat()
const measured = []
for (const slower of [1, 4]) {
  measured.push({ slower, load: await load(slower), small: await stream(slower, 8 * 1024), large: await stream(slower, 40 * 1024), chat: await open(slower, chat), bare: await bareField(slower) })
}
await browser.close()

const shown = (value, unit) => `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')}${unit && ` ${unit}`}`
let missed = 0
const cell = (value, goal, unit) => {
  const over = goal !== null && value > goal
  if (over) missed++
  return `${over ? '**' : ''}${shown(value, unit)}${over ? '**' : ''}`
}
const lines = ROWS.map(([what, unit, goal, slowGoal, of]) => {
  const [fast, slow] = measured.map(of)
  const goals = slowGoal === null ? `${goal}` : goal === slowGoal ? `${goal}` : `${goal} / ${slowGoal}`
  return `| ${what} | ≤ ${goals}${unit && ` ${unit}`} | ${cell(fast, goal, unit)} | ${cell(slow, slowGoal, unit)} |`
})
const cpu = measured.map(({ small, large }) => [small, large].map(({ busyCpu, longestCpuMs }) => `${shown(busyCpu, '%')} and ${shown(longestCpuMs, 'ms')}`).join(', ')).join(' · ')
const table = `| | goal, 1 × / 4 × | 1 × | 4 × slower |
| --- | --- | ---: | ---: |
${lines.join('\n')}

Of that, processor time of the main thread alone, in all and in the longest task, for the 8 KB and the 40 KB answer: ${cpu} (1 × · 4 ×); for a key: ${measured.map(({ chat: { keyCpuMs } }) => shown(keyCpuMs, 'ms')).join(' · ')}.
A key typed in a bare \`<textarea>\` on an empty page, in the same run: ${measured.map(({ bare: { keyMs, keyCpuMs } }) => `${shown(keyMs, 'ms')}, ${shown(keyCpuMs, 'ms')} of it processor time`).join(' · ')}.
The machine's load when it began: ${machineBusy.toFixed(1)}.`
console.log(`\n${table}\n\n${missed === 0 ? 'All budgets are kept.' : `${missed} over budget (bold).`}`)
writeFileSync(PAGE_JSON, JSON.stringify(measured, null, 2))
if (WRITE === 'yes') {
  const file = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
  writeFileSync(file, readFileSync(file, 'utf8').replace(/<!-- page -->[^]*<!-- page end -->/, `<!-- page -->\n${table}\n<!-- page end -->`))
}
process.exit(missed === 0 ? 0 : 1)
