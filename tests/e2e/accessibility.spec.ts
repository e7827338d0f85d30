// Every page and state: no rule of axe is broken, in both colour schemes. LOOK=FOLDER scripts/test e2e leaves pictures of each.
import { expect, test, type Page } from '@playwright/test'
import { useDaily, useMinute } from '../support/stores.ts'
import { User } from '../support/user.ts'
import { freshSub, tokenFor } from '../support/tokens.ts'
import { ChatPage } from './chat-page.ts'
import { expectAccessible } from './look.ts'

async function signedIn(page: Page): Promise<{ chat: ChatPage; user: User }> {
  const user = new User({ name: 'everybody' })
  const chat = new ChatPage(page)
  await chat.signIn(user.sub)
  return { chat, user }
}

/** What the service answers to this, but for these fields. */
async function answered(page: Page, path: string, change: (json: Record<string, unknown>) => object): Promise<void> {
  await page.route(`**/api/v1/chat/${path}`, async (route) => {
    const response = await route.fetch()
    const json = (await response.json()) as Record<string, unknown>
    await route.fulfill({ response, json: { ...json, ...change(json) } })
  })
}

const MARKDOWN = 'Show me **all of it**, in some detail: what is a mean, what a median, and how is either written down? '

test('signing in, and a token that is none', async ({ page }) => {
  await page.goto('/sign-in')
  await expect(page.getByLabel('Access token')).toBeFocused()
  await expectAccessible(page, 'sign-in')
  await page.getByLabel('Access token').fill('no token')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('alert')).toHaveText(/doesn’t look like/)
  await expectAccessible(page, 'sign-in refused')
})

test('a sign-in link of somebody else asks first, and neither choice loses anything (A10)', async ({ page }) => {
  const chat = new ChatPage(page)
  const [own, theirs] = [freshSub('own'), freshSub('theirs')]
  const who = async () => (await page.evaluate(async () => (await fetch('/api/v1/chat/features')).json() as Promise<{ user: { id: string } }>)).user.id
  await chat.signIn(own)
  await page.goto(`/sign-in#token=${tokenFor(theirs)}`)
  await expect(page.getByRole('button', { name: 'Stay signed in' })).toBeFocused()
  await expectAccessible(page, 'sign-in of another user')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/chat')
  expect(await who()).toBe(own)
  await page.goto(`/sign-in#token=${tokenFor(theirs)}`)
  await page.getByRole('button', { name: 'Use the link' }).click()
  await page.waitForURL('**/chat')
  expect(await who()).toBe(theirs)
})

test('an empty chat, the shortcuts, the list with its menu, search and archive', async ({ page }) => {
  const { chat, user } = await signedIn(page)
  await expect(page.getByText('Your chats will be listed here')).toBeVisible()
  await expectAccessible(page, 'empty')
  for (const title of ['Sourdough', 'A week in Lisbon', 'Rivers', 'A title that is far too long for the width that the list of chats has on any screen']) await user.createSession({ title })
  await page.reload()
  await expect(chat.chats).toHaveCount(4)
  await chat.message.blur()
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible()
  await expectAccessible(page, 'shortcuts')
  await page.keyboard.press('Escape')

  await page.getByRole('button', { name: 'Options for “Rivers”' }).click()
  await expect(page.getByRole('menu')).toBeVisible()
  await expectAccessible(page, 'menu of a chat')
  await page.getByRole('menuitem', { name: 'Rename' }).click()
  await expect(page.getByRole('textbox', { name: /New name/ })).toBeFocused()
  await expectAccessible(page, 'renaming')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Options for “Rivers”' }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await expect(page.getByRole('button', { name: 'Undo' })).toBeVisible()
  await expectAccessible(page, 'deleted with undo')

  const search = page.getByRole('searchbox', { name: 'Search chats' })
  await search.fill('lisbon')
  await expect(page.getByText('1 chat found')).toBeVisible()
  await expectAccessible(page, 'found')
  await search.fill('xyzzy')
  await expect(page.getByText('1 chat found')).toBeHidden()
  await expectAccessible(page, 'nothing found')
  await search.fill('')
  await page.getByRole('button', { name: 'Archived chats' }).click()
  await expect(page.getByRole('heading', { name: 'Archived chats' })).toBeVisible()
  await expectAccessible(page, 'archive')
})

test('an answer: before its first word, thinking, being written, complete, rated, edited, in two versions', async ({ page }) => {
  await answered(page, 'features', ({ models }) => ({ models: [...(models as string[]), 'gpt-oss-120b'] }))
  const { chat } = await signedIn(page)
  await chat.send('[[headers=60000]] Wait')
  await expect(page.getByTestId('typing-indicator')).toBeVisible()
  await expectAccessible(page, 'waiting')
  await page.getByRole('button', { name: 'Stop the answer' }).click()
  await expect(chat.answers.last()).toHaveAttribute('data-status', 'stopped')
  await chat.send('[[reasoning=20 chunks=0 stall=20]] Think')
  await page.getByText('Thinking…').click()
  await expectAccessible(page, 'thinking')
  await page.getByRole('button', { name: 'Stop the answer' }).click()
  await expect(page.getByRole('button', { name: 'Send message' })).toBeVisible()

  await page.goto('/chat')
  await chat.send(`${MARKDOWN}[[stall=60]]`)
  await expect(chat.answers.last()).toContainText('mean', { timeout: 10_000 })
  await expectAccessible(page, 'being written')
  await page.getByRole('button', { name: 'Stop the answer' }).click()
  await expect(chat.answers.last()).toHaveAttribute('data-status', 'stopped')
  await expectAccessible(page, 'stopped')
  await chat.send(MARKDOWN)
  const answer = await chat.finishedAnswer()
  await answer.getByRole('button', { name: 'Good answer' }).click()
  await expectAccessible(page, 'complete')
  await answer.getByRole('button', { name: 'Regenerate answer' }).click()
  await expect(answer.getByRole('group', { name: 'Answers to this question' })).toContainText('2/2')
  await chat.questions.last().getByRole('button', { name: 'Edit message' }).click()
  await expect(page.getByRole('textbox', { name: 'Edited message' })).toBeFocused()
  await expectAccessible(page, 'two versions and an editor')
})

test('what goes wrong: failed, refused, too long, nearly used up, used up, without a connection', async ({ page, context }) => {
  const { chat, user } = await signedIn(page)
  const { daily, rate_limit } = await user.quota()
  await chat.send('[[error_at=3 chunks=6 size=8]] Break')
  await expect(chat.answers.last()).toHaveAttribute('data-status', 'failed', { timeout: 15_000 })
  await expectAccessible(page, 'failed')
  await useMinute(user.sub, rate_limit.limit!)
  await chat.send('Too soon')
  await expect(chat.questions.last()).toHaveAttribute('data-status', 'unsent')
  await expectAccessible(page, 'unsent')
  await chat.message.fill('x'.repeat((await user.features()).limits.max_message_length + 1))
  await expect(page.getByText(/1 too many/)).toBeVisible()
  await expectAccessible(page, 'too long')
  await chat.message.fill('')
  for (const [left, level] of [[5, 'warning'], [0, 'error']] as const) {
    await useDaily(user.sub, daily.limit! - left)
    await page.reload()
    await expect(page.getByTestId('quota')).toHaveAttribute('data-level', level)
    await expectAccessible(page, `quota ${level}`)
  }
  await context.setOffline(true)
  await expect(page.getByText('You’re offline')).toBeVisible()
  await expectAccessible(page, 'offline')
})

test('pages that can’t be shown: no such chat, no such page, not switched on, not loaded', async ({ page }) => {
  const { chat } = await signedIn(page)
  await page.goto('/chat/01a00000-0000-7000-8000-000000000000')
  await expect(page.getByRole('alert')).toContainText('doesn’t exist')
  await expectAccessible(page, 'no such chat')
  await page.goto('/chat/nothing/here')
  await expect(page.getByRole('heading', { name: 'There’s nothing here' })).toBeVisible()
  await expectAccessible(page, 'no such page')
  await answered(page, 'features', () => ({ enabled: false }))
  await page.goto('/chat')
  await expect(page.getByRole('heading', { name: 'Chat isn’t switched on for you yet' })).toBeVisible()
  await expectAccessible(page, 'not switched on')
  await page.unrouteAll()
  await page.route('**/api/v1/chat/features', (route) => route.fulfill({ status: 503, json: {} }))
  await page.goto('/chat')
  await expect(page.getByRole('heading', { name: 'Chat can’t be loaded' })).toBeVisible({ timeout: 15_000 })
  await expectAccessible(page, 'not loaded')
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(chat.message).toBeVisible()
})

test('a phone, and the drawer with its list', async ({ browser, baseURL }) => {
  const page = await browser.newPage({ baseURL: baseURL!, ignoreHTTPSErrors: true, viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })
  const { chat } = await signedIn(page)
  await chat.send(MARKDOWN)
  await chat.finishedAnswer()
  await expectAccessible(page, 'phone')
  await page.getByRole('button', { name: 'Open the chat list' }).tap()
  await expect(page.getByRole('dialog', { name: 'Your chats' })).toBeVisible()
  await expectAccessible(page, 'drawer')
  await page.close()
})
