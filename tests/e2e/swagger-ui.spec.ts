import { expect, test, type Locator, type Page } from '@playwright/test'
import { ChatPage } from './chat-page.ts'
import { expectAccessible } from './look.ts'

const operation = (page: Page, path: string): Locator => page.locator('.opblock', { has: page.getByText(path, { exact: true }) })

async function opened(page: Page): Promise<void> {
  await new ChatPage(page).signIn()
  await page.goto('/swagger-ui/')
  await expect(page.getByRole('heading', { name: /^Chat/, level: 1 })).toBeVisible()
  await expect(page.locator('section.models')).toBeVisible()
}

test('the interface can be read and tried out in the browser, within the content security policy', async ({ page }) => {
  const complaints: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await opened(page)

  const quota = operation(page, '/api/v1/chat/quota')
  await quota.locator('.opblock-summary-control').click()
  await expect(page, 'an address of its own').toHaveURL(/#\/account\//)
  await quota.getByRole('button', { name: 'Try it out' }).click()
  const answer = page.waitForResponse('**/api/v1/chat/quota')
  await quota.getByRole('button', { name: 'Execute' }).click()
  expect((await answer).status(), 'the cookie comes along').toBe(200)
  await expect(quota.locator('.live-responses-table')).toContainText('"rate_limit"')
  expect(complaints).toEqual([])
})

// The page has one colour scheme. Axe takes seconds for its thousands of elements, so each look is at all that can be open at once.
test('no rule of axe is broken: operations open and tried out, a schema open, at both widths, and authorizing', async ({ page }) => {
  test.setTimeout(180_000) // a busy machine takes its time over them
  await opened(page)
  const save = operation(page, '/api/v1/chat/sessions/{id}/export')
  await save.locator('.opblock-summary-control').click()
  await save.getByRole('button', { name: 'Try it out' }).click()
  await expect(save.getByRole('combobox', { name: 'format' })).toBeEnabled()

  const change = operation(page, '/api/v1/chat/sessions/{id}').filter({ hasText: 'PATCH' })
  await change.locator('.opblock-summary-control').click()
  await change.getByRole('button', { name: 'Try it out' }).click()
  await change.getByRole('textbox', { name: 'id', exact: true }).fill('01a00000-0000-7000-8000-000000000000')
  await change.getByRole('button', { name: 'Execute' }).click()
  await expect(change.locator('.live-responses-table')).toContainText('"session_not_found"')

  const schema = page.locator('section.models article', { has: page.getByRole('button', { name: 'Message', exact: true }) }).first()
  await schema.getByRole('button', { name: 'Expand all' }).first().click()
  await expect(schema).toContainText('finish_reason')
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 })
    await expectAccessible(page, `interface, ${width} pixels`, ['light'])
  }
  for (const open of [save, change]) await open.locator('.opblock-summary-control').click()

  await page.getByRole('button', { name: 'Authorize' }).click()
  await expect(page.getByRole('dialog', { name: 'Available authorizations' })).toBeVisible()
  await expectAccessible(page, 'interface, authorizing', ['light'])
})
