// The chat window through what happens to people: a reload, a second tab, a lost connection, a stop, limits, outages.
// Whatever is done, each ends with the checker of the invariants.
import { expect, test as base, type Locator, type Page } from '@playwright/test'
import { expectInvariants } from '../support/invariants.ts'
import { forgetMinute, redis, sql, useDaily, useMinute } from '../support/stores.ts'
import { generatedText } from '../support/upstream.ts'
import { User } from '../support/user.ts'
import { ChatPage } from './chat-page.ts'
import { CuttableWire } from './cuttable.ts'
import { expectAccessible } from './look.ts'

const test = base.extend<{ user: User; chat: ChatPage }>({
  // eslint-disable-next-line no-empty-pattern
  user: async ({}, use) => {
    const user = new User({ name: 'window' })
    await use(user)
    await expectInvariants(user)
  },
  chat: async ({ page, user }, use) => {
    const chat = new ChatPage(page)
    await chat.signIn(user.sub)
    await use(chat)
  },
})

const [CHUNKS, SIZE] = [120, 10]
const LONG = `[[chunks=${CHUNKS} size=${SIZE} pace=40]] Something long`
const TEXT = generatedText(CHUNKS, SIZE)
/** For what is stopped, whenever that is. */
const ENDLESS = '[[endless size=10 pace=25]] Something without an end'

const questionsOf = (user: User) => sql<{ content: string }>(`SELECT content FROM chat_messages WHERE user_id = $1 AND role = 'user' ORDER BY created_at`, [user.sub])
const notice = (page: Page) => page.getByRole('alert')

/** The answer has begun to be shown. */
async function begun(chat: ChatPage): Promise<void> {
  await expect(chat.answers.last()).toContainText('3:', { timeout: 10_000 })
  await expect(chat.answers.last()).toHaveAttribute('aria-busy', 'true')
}

test('a reload in the middle of an answer reads it on to its end', async ({ page, chat }) => {
  await chat.send(LONG)
  await begun(chat)
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  const attached = page.waitForRequest(/\/messages\/[0-9a-f-]{36}\/stream/)
  await page.reload()
  await attached
  await begun(chat)
  await expect(await chat.finishedAnswer()).toContainText(TEXT)
  await expect(chat.questions).toHaveCount(1)
})

test('a second tab shows the answer as it is written, and a stop there is one here', async ({ page, chat, context }) => {
  await chat.send(ENDLESS)
  await begun(chat)
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  const second = new ChatPage(await context.newPage())
  await second.page.goto(page.url())
  await begun(second)
  await second.page.getByRole('button', { name: 'Stop the answer' }).click()
  for (const each of [second, chat]) {
    await expect(each.answers.last()).toHaveAttribute('data-status', 'stopped', { timeout: 10_000 })
    await expect(each.answers.last()).toContainText('Stopped')
  }
  const [here, there] = await Promise.all([chat, second].map((each) => each.answers.last().locator('.answer').innerText()))
  expect(here).toBe(there)

  // What one tab goes on with, the other shows by itself.
  await second.send('[[text=From_the_other_tab]] And then?')
  await second.finishedAnswer()
  await expect(chat.answers.last()).toContainText('From the other tab')
  await expect(chat.questions).toHaveCount(2)
})

test('stop keeps the text so far, and it can be asked for anew with the earlier one in reach', async ({ page, chat, user }) => {
  await chat.send(ENDLESS)
  await begun(chat)
  await page.getByRole('button', { name: 'Stop the answer' }).click()
  const answer = chat.answers.last()
  await expect(answer).toHaveAttribute('data-status', 'stopped')
  await expect(answer).toContainText('3:')
  const [stored] = await sql<{ content: string }>(`SELECT content FROM chat_messages WHERE user_id = $1 AND role = 'assistant'`, [user.sub])
  await expect(answer, 'what is kept is what was shown').toContainText(stored!.content)
  await answer.hover()
  await answer.getByRole('button', { name: 'Regenerate answer' }).click()
  await expect(answer.getByRole('button', { name: 'Previous answer' })).toBeHidden()
  await begun(chat)
  await page.keyboard.press('Escape')
  await expect(answer).toHaveAttribute('data-status', 'stopped')
  await expect(answer.getByRole('group', { name: 'Answers to this question' })).toContainText('2/2')
  await answer.getByRole('button', { name: 'Previous answer' }).click()
  await expect(answer.getByRole('group', { name: 'Answers to this question' })).toContainText('1/2')
  await expect(answer).toContainText(stored!.content)
})

test('the last question is edited, an answer rated and copied', async ({ page, chat, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await chat.send('[[text=**First**_answer]] Frist')
  await chat.finishedAnswer()
  await chat.questions.last().hover()
  await chat.questions.last().getByRole('button', { name: 'Edit message' }).click()
  const editor = page.getByRole('textbox', { name: 'Edited message' })
  await editor.fill('[[text=**Second**_answer]] First')
  await editor.press('Enter')
  await expect(chat.answers.last()).toContainText('Second answer')
  const answer = await chat.finishedAnswer()
  await expect(chat.questions).toHaveCount(1)
  await answer.hover()
  await answer.getByRole('button', { name: 'Good answer' }).click()
  await expect(answer.getByRole('button', { name: 'Good answer' })).toHaveAttribute('aria-pressed', 'true')
  await answer.getByRole('button', { name: 'Copy answer' }).click()
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('**Second** answer')
  await page.reload()
  await expect((await chat.finishedAnswer()).getByRole('button', { name: 'Good answer' })).toHaveAttribute('aria-pressed', 'true')
})

test('a connection that is lost and comes back: the whole text, nothing sent twice', async ({ page, user, baseURL }) => {
  const wire = await CuttableWire.to(baseURL!)
  try {
    const chat = new ChatPage(page)
    await chat.signIn(user.sub, wire.url)
    await chat.send(LONG)
    await begun(chat)
    wire.cut()
    await expect(page.getByText('Connection lost. Reconnecting…')).toBeVisible()
    wire.mend()
    await expect(await chat.finishedAnswer()).toContainText(TEXT)
    await expect(page.getByText('Connection lost. Reconnecting…')).toBeHidden()
    expect(await questionsOf(user)).toHaveLength(1)
  } finally {
    await wire.close()
  }
})

test('a reply that is lost on its way: the send is repeated with its key, and the service knows it', async ({ page, chat, user }) => {
  const keys: (string | undefined)[] = []
  await page.route('**/api/v1/chat/messages', async (route) => {
    keys.push(route.request().headers()['idempotency-key'])
    if (keys.length > 1) return route.continue()
    await route.fetch() // it arrives, and is answered
    await route.abort('connectionreset')
  })
  await chat.send('[[text=Only_once]] Hello')
  await expect(await chat.finishedAnswer()).toContainText('Only once')
  expect(keys).toHaveLength(2)
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
  expect(keys[1]).toBe(keys[0])
  expect(await questionsOf(user)).toHaveLength(1)
})

test('where events are held back on their way, the answer comes in one piece, asked for and counted once', async ({ page, chat, user }) => {
  const asked: string[] = []
  await page.route('**/api/v1/chat/**/messages', async (route) => {
    asked.push(route.request().headers()['accept']!)
    if (asked.at(-1) === 'application/json') return route.continue()
    await route.fetch() // it arrives; what comes back is a proxy's page
    await route.fulfill({ status: 200, contentType: 'text/html', body: 'Streams are not allowed here.' })
  })
  await page.route('**/api/v1/chat/messages', (route) => route.fallback())
  await chat.send('[[text=In_one_piece]] Hello')
  await expect(await chat.finishedAnswer()).toContainText('In one piece')
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  await chat.send('[[text=And_another]] Again')
  await expect(chat.answers).toHaveCount(2)
  await expect(await chat.finishedAnswer()).toContainText('And another')
  expect(asked, 'it is known from the first time').toEqual(['text/event-stream', 'application/json', 'application/json'])
  expect(await questionsOf(user)).toHaveLength(2)
  expect((await user.quota()).daily.used).toBe(2)
})

test('a page that breaks while it is drawn says so, asks for a reload, and nothing is lost by it', async ({ page, chat }) => {
  await chat.send('[[text=Kept]] Hello')
  await chat.finishedAnswer()
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  await chat.message.fill('Half a thou')
  // Something in it that no page of ours has been written for.
  await page.route('**/api/v1/chat/features', async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, json: { ...((await response.json()) as object), user: null } })
  })
  await page.reload()
  await expect(notice(page)).toContainText('Something broke on this page')
  await expectAccessible(page, 'broken')
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Reload' }).click()
  await expect(chat.message).toHaveValue('Half a thou')
  await expect(await chat.finishedAnswer()).toContainText('Kept')
})

test('a draft outlives a reload', async ({ page, chat }) => {
  await chat.message.fill('Half a thou')
  await page.reload()
  await expect(chat.message).toHaveValue('Half a thou')
})

test('the quota: a warning when little is left, why nothing goes any more, and all of it again after the reset', async ({ page, user }) => {
  const { daily } = await user.quota()
  user.usedBefore = daily.limit! - 1
  await useDaily(user.sub, daily.limit! - 1)
  await page.clock.install()
  const chat = new ChatPage(page)
  await chat.signIn(user.sub)
  const line = page.getByTestId('quota')
  await expect(line).toHaveAttribute('data-level', 'warning')
  await expect(line).toContainText(`1 of ${daily.limit} messages left today`)
  await chat.send('[[text=The_last]] Hello')
  await chat.finishedAnswer()
  await expect(line).toHaveAttribute('data-level', 'error')
  await expect(line).toContainText(/0 of \d+ messages left today, renewed in .+/)

  // What is typed is kept, and the field says why it can't be sent.
  await chat.message.fill('One more')
  await expect(page.getByRole('button', { name: 'Send message' })).toBeDisabled()
  await expect(chat.message).toHaveAccessibleDescription(/0 of \d+ messages left today, renewed in/)

  user.usedBefore = -1 // the day's counter begins anew below
  await redis().del(...(await redis().keys(`chat:*${user.sub}*`)))
  await page.clock.fastForward(Date.parse(daily.reset_at) - Date.now() + 5_000)
  await expect(line).toHaveAttribute('data-level', 'ok')
  await page.getByRole('button', { name: 'Send message' }).click()
  await expect(chat.questions).toHaveCount(2)
  await chat.finishedAnswer()
})

test('too many in a minute: the text is not lost, and goes when the service says so', async ({ page, chat, user }) => {
  const { rate_limit } = await user.quota()
  await useMinute(user.sub, rate_limit.limit!)
  await chat.send('[[text=At_last]] Patience')
  await expect(chat.questions.last()).toHaveAttribute('data-status', 'unsent')
  await expect(chat.questions.last().getByRole('button', { name: 'Try again' })).toBeVisible()
  await expect(notice(page).first()).toContainText(/too quickly. Try again in \d+ s/)
  await chat.questions.last().getByRole('button', { name: 'Edit message' }).click()
  await expect(chat.message).toHaveValue('[[text=At_last]] Patience')
  await forgetMinute(user.sub)
  await page.getByRole('button', { name: 'Send message' }).click()
  await expect(await chat.finishedAnswer()).toContainText('At last')
})

test('an answer that fails half-way says so, with the id of the request, and is tried again', async ({ page, chat }) => {
  await chat.send('[[error_at=3 chunks=6 size=8]] Break')
  const answer = chat.answers.last()
  await expect(answer).toHaveAttribute('data-status', 'failed', { timeout: 15_000 })
  await expect(answer.getByRole('alert')).toContainText(/[0-9a-f-]{20,}/)
  await expect(answer).toContainText('Failed')
  await expect(answer.getByRole('button', { name: 'Try again' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Send message' })).toBeVisible()
})

test('in a fast stream: whoever scrolls up stays there, and one press leads back to the end and keeps to it', async ({ page, chat }) => {
  await chat.send('[[endless size=60 pace=4]] Fast')
  const frame = page.getByTestId('messages')
  const left = () => frame.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight)
  await expect.poll(() => frame.evaluate((element) => element.scrollHeight > 3 * element.clientHeight), { timeout: 15_000 }).toBe(true)
  expect(await left(), 'it keeps to the end').toBeLessThan(48)
  await frame.hover()
  await page.mouse.wheel(0, -600)
  const newest = page.getByRole('button', { name: 'Go to the newest message' })
  await expect(newest).toBeVisible()
  const top = await frame.evaluate((element) => element.scrollTop)
  const height = await frame.evaluate((element) => element.scrollHeight)
  await expect.poll(() => frame.evaluate((element) => element.scrollHeight), 'it grows on below').toBeGreaterThan(height + 200)
  expect(Math.abs((await frame.evaluate((element) => element.scrollTop)) - top), 'what is read stays where it is').toBeLessThan(2)
  await newest.click()
  await expect(newest).toBeHidden()
  const then = await frame.evaluate((element) => element.scrollHeight)
  await expect.poll(() => frame.evaluate((element) => element.scrollHeight)).toBeGreaterThan(then + 200)
  await expect.poll(left, 'and it keeps to the end again').toBeLessThan(48)
  await page.keyboard.press('Escape')
  await expect(chat.answers.last()).toHaveAttribute('data-status', 'stopped')
})

test('what a model thinks is folded, with its time', async ({ page, chat }) => {
  await chat.send('[[reasoning=40 size=10 chunks=5 pace=40]] Think')
  await expect(page.getByText(/^Thinking…/)).toBeVisible()
  const answer = await chat.finishedAnswer()
  await expect(answer.locator('summary')).toHaveText(/^Thought for \d+ s$/)
  await expect(answer.getByText('r0:')).toBeHidden()
  await answer.locator('summary').click()
  await expect(answer.getByText('r0:')).toBeVisible()
})

test('who listens hears whole sentences, and nothing twice', async ({ page, chat }) => {
  await page.evaluate(() => {
    const heard: string[] = []
    Object.assign(window, { heard })
    new MutationObserver(() => {
      const said = document.querySelector('[data-testid="sentences"]')?.textContent ?? ''
      if (said !== '' && said !== heard.at(-1)) heard.push(said)
    }).observe(document.body, { childList: true, subtree: true, characterData: true })
  })
  await chat.send('[[text=The_first_sentence_is_here._The_second_one,_with_3.5_of_something,_follows_it._And_**that**_is_all_of_it pace=150]] Speak')
  await chat.finishedAnswer()
  const heard = () => page.evaluate(() => (window as unknown as { heard: string[] }).heard)
  await expect.poll(async () => (await heard()).join(' ')).toBe('The first sentence is here. The second one, with 3.5 of something, follows it. And that is all of it')
  expect((await heard()).length, 'not in one piece at the end').toBeGreaterThan(1)
  for (const each of (await heard()).slice(0, -1)) expect(each, 'whole sentences').toMatch(/\.$/)
})

test('`?` alone lists the shortcuts, and can be switched off; Ctrl + / always does', async ({ page, chat }) => {
  const dialog = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await chat.message.blur()
  await page.keyboard.press('?')
  await dialog.getByRole('checkbox').uncheck()
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  await page.reload()
  await expect(chat.message).toBeFocused()
  await chat.message.blur()
  await page.keyboard.press('?')
  await page.keyboard.press('Control+/')
  await expect(dialog.getByRole('checkbox')).not.toBeChecked()
})

test('what moves stands still for who wants that', async ({ page, chat }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await chat.send('[[headers=60000]] Wait')
  await expect(page.getByTestId('typing-indicator')).toBeVisible()
  const moving = () => page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === 'running').length)
  await expect.poll(moving).toBe(0)
  await page.getByRole('button', { name: 'Stop the answer' }).click()
  await expect(chat.answers.last()).toHaveAttribute('data-status', 'stopped')
})

// 640 × 360 is a window of 1280 × 720 at 200 %.
for (const [width, height] of [[390, 640], [320, 568], [640, 360]] as const)
  test(`at ${width} × ${height} nothing is cut off or scrolls sideways, and all can be reached`, async ({ page, user }) => {
    await page.setViewportSize({ width, height })
    const chat = new ChatPage(page)
    await chat.signIn(user.sub)
    await chat.send('Give me a table and some code')
    const answer = await chat.finishedAnswer()
    await expect(answer.locator('pre').first()).toBeVisible()
    const expectRoom = async (state: string) => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      expect(wide, `${state}: the page does not scroll sideways`).toBeLessThanOrEqual(0)
    }
    const expectWithin = async (target: Locator, name: string) => {
      await expect(target).toBeVisible()
      await expect(async () => {
        const box = (await target.boundingBox())!
        expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height, `${name} is within the window`).toBe(true)
      }).toPass({ timeout: 2_000 }) // once it has come in
      await expectRoom(name)
    }
    await expectRoom('an answer')
    for (const name of ['Open the chat list', 'New chat', 'Send message']) {
      const box = (await page.getByRole('button', { name, exact: true }).first().boundingBox())!
      expect(box.x >= 0 && box.x + box.width <= width, `${name} is within the window`).toBe(true)
      expect(Math.min(box.width, box.height), `${name} is big enough for a finger`).toBeGreaterThanOrEqual(24)
    }
    await page.keyboard.press('Control+/')
    await expectWithin(page.getByRole('dialog', { name: 'Keyboard shortcuts' }), 'the list of shortcuts')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Open the chat list' }).click()
    await expect(page.getByRole('link', { name: /Give me a table/ })).toBeVisible()
    await expectWithin(page.getByRole('dialog', { name: 'Your chats' }), 'the list of chats')
    await page.getByRole('button', { name: /^Options for/ }).click()
    await expectWithin(page.getByRole('menu'), 'the menu of a chat')
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await expectWithin(page.getByRole('listitem').filter({ hasText: 'Chat deleted' }), 'the notice')
    await page.keyboard.press('Escape')
    await expect(chat.message).toBeVisible()
    const top = async () => (await page.getByRole('listitem').filter({ hasText: 'Chat deleted' }).boundingBox())!.y
    const header = (await page.locator('header').boundingBox())!
    await expect.poll(top, 'the header stays in reach above the notice').toBeGreaterThanOrEqual(header.y + header.height)
  })
