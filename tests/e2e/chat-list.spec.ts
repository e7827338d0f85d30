// The list of chats: searched, renamed, pinned, archived, exported, deleted, and brought back.
import { readFile } from 'node:fs/promises'
import { expect, test, type Page } from '@playwright/test'
import { User } from '../support/user.ts'
import { ChatPage } from './chat-page.ts'

/** The list as its user sees it. */
class ChatList {
  readonly page: Page
  constructor(page: Page) {
    this.page = page
  }

  get nav() {
    return this.page.getByRole('navigation', { name: 'Chats' })
  }

  get search() {
    return this.page.getByRole('searchbox', { name: 'Search chats' })
  }

  row(title: string) {
    return this.nav.getByRole('link', { name: title, exact: true })
  }

  async choose(title: string, item: string): Promise<void> {
    await this.nav.getByRole('listitem').filter({ hasText: title }).hover()
    await this.page.getByRole('button', { name: `Options for “${title}”` }).click()
    await this.page.getByRole('menuitem', { name: item, exact: true }).click()
  }
}

/** A page signed in as somebody who has these chats, the last one the newest; and what the browser complained of. */
async function withChats(page: Page, titles: string[]): Promise<{ list: ChatList; user: User; complaints: string[] }> {
  const complaints: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  const user = new User({ name: 'list' })
  for (const title of titles) await user.createSession({ title })
  await new ChatPage(page).signIn(user.sub)
  return { list: new ChatList(page), user, complaints }
}

test('searches, renames, pins, deletes and undoes, within the content security policy', async ({ page }) => {
  const { list, user, complaints } = await withChats(page, ['Sourdough', 'A week in Lisbon', 'Rivers'])
  await user.sendJson((await user.list()).items.at(-1)!.id, '[[text=Feed_the_<b>starter</b>_daily]] How does it rise?')

  await page.reload()
  await expect(list.row('Rivers')).toBeVisible()
  await page.keyboard.press('Control+k')
  await expect(list.search).toBeFocused()
  await page.keyboard.type('starter')
  await expect(list.nav.getByRole('status')).toHaveText('1 chat found')
  await expect(list.nav.locator('mark')).toHaveText(['starter'])
  await expect(list.nav.getByRole('link')).toContainText('Feed the <b>starter</b> daily')
  await page.keyboard.press('Escape')
  await expect(list.nav.getByRole('link')).toHaveCount(3)

  await list.choose('A week in Lisbon', 'Rename')
  await expect(page.getByRole('textbox', { name: 'New name for “A week in Lisbon”' })).toBeFocused()
  await page.keyboard.type('Two weeks in Porto')
  await page.keyboard.press('Enter')
  await expect(list.row('Two weeks in Porto')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Options for “Two weeks in Porto”' })).toBeFocused()

  await list.choose('Two weeks in Porto', 'Pin')
  await expect(list.nav.getByRole('region', { name: 'Pinned' }).getByRole('link')).toHaveText('Two weeks in Porto')

  await list.row('Rivers').click()
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  const address = page.url()
  await list.choose('Rivers', 'Delete')
  await expect(list.row('Rivers')).toHaveCount(0)
  await expect(page).toHaveURL(/\/chat$/)
  await expect(page.getByText('Chat deleted')).toBeVisible()
  await expect.poll(async () => (await user.list()).items.length).toBe(2)
  await page.keyboard.press('Alt+t')
  const undo = page.getByRole('button', { name: 'Undo' })
  // From the notice itself on past its close button.
  for (let step = 0; step < 2; step++) await page.keyboard.press('Tab')
  await expect(undo).toBeFocused()
  await page.keyboard.press('Enter')
  await page.waitForURL(address)
  await expect(list.row('Rivers')).toHaveAttribute('aria-current', 'page')
  await expect(page.getByRole('heading', { level: 1, name: 'Rivers' })).toBeVisible()
  await expect(page.getByRole('textbox', { name: 'Message' }), 'as whenever a chat is opened').toBeFocused()
  await expect.poll(async () => (await user.list()).items.length).toBe(3)

  await list.choose('Sourdough', 'Delete')
  await expect(undo).toBeVisible()
  await page.keyboard.press('Alt+t')
  for (let step = 0; step < 2; step++) await page.keyboard.press('Tab')
  await expect(undo).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(list.row('Sourdough'), 'the chat that is back').toBeFocused()

  await page.reload()
  await expect(list.nav.getByRole('link')).toHaveText(['Two weeks in Porto', 'Sourdough', 'Rivers'])
  expect(complaints).toEqual([])
})

test('archives a chat, finds it in the archive, and saves it as a file', async ({ page }) => {
  const { list, complaints } = await withChats(page, ['Kept', 'Größe & Gewicht'])
  await list.choose('Größe & Gewicht', 'Archive')
  await expect(list.nav.getByRole('link')).toHaveText(['Kept'])
  await page.getByRole('button', { name: 'Archived chats' }).click()
  await expect(list.nav.getByRole('link')).toHaveText(['Größe & Gewicht'])
  const download = page.waitForEvent('download')
  await list.choose('Größe & Gewicht', 'Export as Markdown')
  expect((await download).suggestedFilename()).toBe('Größe & Gewicht.md')
  expect(await readFile(await (await download).path(), 'utf8')).toContain('# Größe')
  await list.choose('Größe & Gewicht', 'Move back to the list')
  await page.getByRole('button', { name: 'Back to your chats' }).click()
  await expect(list.nav.getByRole('link')).toHaveText(['Größe & Gewicht', 'Kept'])
  expect(complaints).toEqual([])
})

test('loads more while it is scrolled, and draws a long list in part', async ({ page }) => {
  const titles = Array.from({ length: 170 }, (_, at) => `Chat ${at + 1}`)
  const { list, complaints } = await withChats(page, titles)
  await expect(list.row('Chat 170')).toBeVisible()
  await expect(list.row('Chat 1')).toHaveCount(0)
  await expect(async () => {
    await list.nav.evaluate((nav) => nav.scrollTo(0, nav.scrollHeight))
    await expect(list.row('Chat 1')).toBeInViewport({ timeout: 200 })
  }).toPass({ timeout: 15_000 })
  expect(await list.nav.getByRole('listitem').count()).toBeLessThan(80)
  await expect(list.row('Chat 1').locator('xpath=ancestor::li')).toHaveAttribute('aria-setsize', '170')
  await list.row('Chat 1').click()
  await expect(list.row('Chat 1')).toHaveAttribute('aria-current', 'page')
  expect(complaints).toEqual([])
})

test('is used in the drawer of a phone', async ({ browser, baseURL }) => {
  const page = await browser.newPage({ baseURL: baseURL!, ignoreHTTPSErrors: true, viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })
  const { list } = await withChats(page, ['Sourdough', 'Rivers'])
  await page.getByRole('button', { name: 'Open the chat list' }).click()
  const menu = page.getByRole('button', { name: 'Options for “Rivers”' })
  await expect(menu, 'without a pointer that hovers').toBeVisible()
  await menu.tap()
  await page.getByRole('menuitem', { name: 'Rename' }).tap()
  await expect(page.getByRole('textbox', { name: 'New name for “Rivers”' })).toBeFocused()
  await page.keyboard.type('Lakes')
  await page.keyboard.press('Enter')
  await expect(list.row('Lakes')).toBeVisible()
  await page.getByRole('button', { name: 'Options for “Lakes”' }).tap()
  await page.getByRole('menuitem', { name: 'Delete' }).tap()
  await expect(list.row('Lakes')).toHaveCount(0)
  await page.getByRole('button', { name: 'Undo' }).tap()
  await list.row('Lakes').tap()
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(page.getByRole('heading', { level: 1, name: 'Lakes' })).toBeVisible()
  await page.close()
})
