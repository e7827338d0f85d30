// A whole visit without a pointer. Wherever the focus is, it is somewhere, on screen, uncovered, and has its ring.
import { expect, test, type Locator, type Page } from '@playwright/test'
import { tokenFor } from '../support/tokens.ts'
import { User } from '../support/user.ts'
import { ChatPage } from './chat-page.ts'

/** What has the focus, and what there is to say against how it is shown. */
async function focusOf(page: Page): Promise<{ name: string; faults: string[] }> {
  return await page.evaluate(async () => {
    // A row that is scrolled to, a ring or a notice that comes in: as it stands afterwards.
    await Promise.allSettled(document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().iterations === 1).map(({ finished }) => finished))
    const element = document.activeElement
    if (!(element instanceof HTMLElement) || element === document.body) return { name: 'nothing', faults: ['the focus is lost'] }
    const faults: string[] = []
    const { left, right, top, bottom } = element.getBoundingClientRect()
    if (left < 0 || top < 0 || right > innerWidth + 1 || bottom > innerHeight + 1) faults.push('not within the window')
    const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2)
    if (seen === null || !(element.contains(seen) || seen.contains(element))) faults.push('covered')
    if (!element.matches(':focus-visible')) faults.push('not :focus-visible')
    const probe = element.ownerDocument.createElement('i')
    probe.style.color = 'var(--ring)'
    document.body.append(probe)
    const ring = getComputedStyle(probe).color
    probe.remove()
    // A field's ring may be around what belongs to it.
    const around = [element, element.parentElement, element.closest('form')].filter((each) => each !== null).map((each) => getComputedStyle(each))
    const outlined = around[0]!.outlineStyle === 'solid' && around[0]!.outlineColor === ring && parseFloat(around[0]!.outlineWidth) >= 2
    if (!outlined && !around.some(({ boxShadow }) => boxShadow.includes(`${ring} 0px 0px 0px 2px`))) faults.push('without a ring')
    return { name: element.getAttribute('aria-label') ?? element.textContent.trim(), faults }
  })
}

async function expectFocus(target: Locator): Promise<void> {
  await expect(target).toBeFocused()
  await expect.poll(() => focusOf(target.page()), String(target)).toMatchObject({ faults: [] })
}

/** From one stop of the Tab key to the next until there, each of them looked at. */
async function tabTo(target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  const passed: string[] = []
  do {
    await target.page().keyboard.press(key)
    const { name, faults } = await focusOf(target.page())
    expect(faults, name).toEqual([])
    passed.push(name)
  } while (passed.length < 30 && !(await target.evaluate((element) => element === document.activeElement)))
  await expect(target, passed.join(', ')).toBeFocused()
}

test('from signing in to signing out, by keyboard alone', async ({ page, context }) => {
  test.slow() // it is a long one
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const user = new User({ name: 'keyboard' })
  await user.sendJson(null, '[[text=Feed_the_starter_daily]] Sourdough')
  // A second model, so that there is a choice.
  await page.route('**/api/v1/chat/features', async (route) => {
    const response = await route.fetch()
    if (!response.ok()) return route.fulfill({ response })
    const json = (await response.json()) as { models: string[] }
    await route.fulfill({ response, json: { ...json, models: [...json.models, 'gpt-oss-120b'] } })
  })
  const { keyboard } = page
  const chat = new ChatPage(page)
  const answer = chat.answers.last()
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const item = (name: string) => page.getByRole('menuitem', { name, exact: true })
  const search = page.getByRole('searchbox', { name: 'Search chats' })
  const list = page.getByRole('navigation', { name: 'Chats' })
  const stopped = () => expect(answer).toHaveAttribute('data-status', 'stopped')

  await test.step('signs in with a token', async () => {
    await page.goto('/sign-in')
    const token = page.getByLabel('Access token')
    await expectFocus(token)
    await keyboard.press('Enter')
    await expect(page.getByRole('alert')).toContainText('Paste your access token first')
    await expectFocus(token)
    await page.route('**/api/v1/auth/session', (route) => route.abort(), { times: 1 })
    await keyboard.insertText(tokenFor(user.sub)) // as pasting does
    await token.evaluate((field) => field.addEventListener('blur', () => field.setAttribute('data-left', '')))
    await keyboard.press('Enter')
    await expect(page.getByRole('alert')).toContainText(/connection|reach|service/i)
    await expectFocus(token)
    await expect(token, 'not while it was tried either').not.toHaveAttribute('data-left')
    await keyboard.press('Control+a')
    await keyboard.insertText(tokenFor(user.sub))
    await keyboard.press('Enter')
    await page.waitForURL('**/chat')
    await expectFocus(chat.message)
  })

  await test.step('asks, stops, asks for the answer anew', async () => {
    await keyboard.insertText('[[endless size=10 pace=25]] Without an end')
    await keyboard.press('Enter')
    await expect(answer).toContainText('3:')
    await expectFocus(chat.message)
    await tabTo(button('Stop the answer'))
    await keyboard.press('Enter')
    await stopped()
    await expectFocus(chat.message)
    await tabTo(answer.getByRole('button', { name: 'Regenerate answer' }), 'Shift+Tab')
    await keyboard.press('Enter')
    await expectFocus(chat.message)
    await expect(answer).toHaveAttribute('data-status', 'streaming')
    await expect(answer).toContainText('3:')
    await keyboard.press('Escape')
    await stopped()
    await expectFocus(chat.message)
    await tabTo(answer.getByRole('button', { name: 'Previous answer' }), 'Shift+Tab')
    await keyboard.press('Space')
    await expect(answer.getByRole('group', { name: 'Answers to this question' })).toContainText('1/2')
    await expectFocus(answer.getByRole('button', { name: 'Previous answer' }))
  })

  await test.step('edits the question', async () => {
    await tabTo(button('Edit message'), 'Shift+Tab')
    await keyboard.press('Enter')
    const editor = page.getByRole('textbox', { name: 'Edited message' })
    await expectFocus(editor)
    await keyboard.press('Escape')
    await expectFocus(chat.message)
    await tabTo(button('Edit message'), 'Shift+Tab')
    await keyboard.press('Enter')
    await expectFocus(editor)
    await keyboard.press('Control+a')
    await keyboard.insertText('[[text=**With**_an_end]] Rivers')
    await tabTo(button('Save and send'))
    await keyboard.press('Enter')
    await expect(await chat.finishedAnswer()).toContainText('With an end')
    await expectFocus(chat.message)
  })

  await test.step('copies the answer', async () => {
    await tabTo(answer.getByRole('button', { name: 'Copy answer' }), 'Shift+Tab')
    await keyboard.press('Enter')
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('**With** an end')
    await expectFocus(answer.getByRole('button', { name: 'Copy answer' }))
    await keyboard.press('Tab')
    await expectFocus(answer.getByRole('button', { name: 'Good answer' }))
    await keyboard.press('Space')
    await expect(answer.getByRole('button', { name: 'Good answer' })).toHaveAttribute('aria-pressed', 'true')
    await expectFocus(answer.getByRole('button', { name: 'Good answer' }))
    await keyboard.press('Shift+Escape')
    await expectFocus(chat.message)
  })

  await test.step('renames and pins the chat', async () => {
    await keyboard.press('Control+k')
    await expectFocus(search)
    await keyboard.press('ArrowDown')
    await expectFocus(list.getByRole('link').first())
    await tabTo(list.getByRole('button').first())
    await keyboard.press('Enter')
    await expectFocus(item('Rename'))
    await keyboard.press('Enter')
    await expectFocus(list.getByRole('textbox', { name: /^New name for/ }))
    await keyboard.insertText('Lakes')
    await keyboard.press('Enter')
    await expectFocus(button('Options for “Lakes”'))
    await keyboard.press('Enter')
    await expectFocus(item('Rename'))
    await keyboard.press('ArrowDown')
    await expectFocus(item('Pin'))
    await keyboard.press('Enter')
    await expect(list.getByRole('region', { name: 'Pinned' }).getByRole('link')).toHaveText('Lakes')
    await expectFocus(button('Options for “Lakes”'))
  })

  await test.step('chooses a model', async () => {
    const model = page.getByRole('combobox', { name: 'Model' })
    await tabTo(model)
    const before = await model.inputValue()
    await keyboard.press('ArrowDown')
    await expect(model).toHaveValue('gpt-oss-120b')
    await keyboard.press('ArrowUp')
    await expect(model).toHaveValue(before)
    await expectFocus(model)
  })

  await test.step('searches, opens what was found and saves it as a file', async () => {
    await keyboard.press('Control+k')
    await expectFocus(search)
    await keyboard.type('starter')
    await expect(list.getByRole('status')).toHaveText('1 chat found')
    await keyboard.press('ArrowDown')
    await expectFocus(list.getByRole('link'))
    await keyboard.press('Enter')
    await expect(page.getByRole('heading', { level: 1, name: 'Sourdough' })).toBeVisible()
    await expectFocus(chat.message)
    await keyboard.press('Control+k')
    await keyboard.press('ArrowDown')
    await tabTo(list.getByRole('button', { name: /^Options for/ }))
    await keyboard.press('Enter')
    await expectFocus(item('Rename'))
    await keyboard.type('Export as M')
    await expectFocus(item('Export as Markdown'))
    const download = page.waitForEvent('download')
    await keyboard.press('Enter')
    await download
    await expectFocus(list.getByRole('button', { name: /^Options for/ }))
  })

  await test.step('deletes the chat, and has it back', async () => {
    await keyboard.press('Enter')
    await expectFocus(item('Rename'))
    await keyboard.press('End')
    await expectFocus(item('Delete'))
    await keyboard.press('Enter')
    await expect(page.getByText('Chat deleted')).toBeVisible()
    await expectFocus(list)
    await keyboard.press('Alt+t')
    await expectFocus(page.getByRole('listitem').filter({ hasText: 'Chat deleted' }))
    await tabTo(button('Undo'))
    await keyboard.press('Enter')
    await expect(page.getByRole('heading', { level: 1, name: 'Sourdough' })).toBeVisible()
    await expectFocus(chat.message)
    await keyboard.press('Control+k')
    await keyboard.press('Escape')
    await expect(list.getByRole('link')).toHaveCount(2)
    await expectFocus(search)
  })

  await test.step('uses the shortcuts, and reads their list', async () => {
    await keyboard.press('Control+Shift+y')
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('Feed the starter daily')
    await expectFocus(search)
    await keyboard.press('Control+Shift+o')
    await page.waitForURL(/\/chat$/)
    await expectFocus(chat.message)
    await keyboard.press('Control+k')
    await expectFocus(search)
    await tabTo(list.getByRole('link', { name: 'Lakes' }))
    await keyboard.press('?')
    const shortcuts = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
    await expect(shortcuts).toBeVisible()
    await expectFocus(shortcuts.getByRole('button', { name: 'Close' }))
    await tabTo(shortcuts.getByRole('checkbox'))
    await tabTo(shortcuts.getByRole('button', { name: 'Close' })) // it goes round in there
    await keyboard.press('Escape')
    await expect(shortcuts).toBeHidden()
    await expectFocus(list.getByRole('link', { name: 'Lakes' }))
  })

  await test.step('signs out', async () => {
    await tabTo(button('Sign out'))
    await keyboard.press('Enter')
    await page.waitForURL('**/sign-in')
    await expectFocus(page.getByLabel('Access token'))
  })
})
