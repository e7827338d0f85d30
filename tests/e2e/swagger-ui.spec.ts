import { expect, test } from '@playwright/test'
import { ChatPage } from './chat-page.ts'

test('the interface can be read and tried out in the browser, within the content security policy', async ({ page }) => {
  const complaints: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await new ChatPage(page).signIn()
  await page.goto('/swagger-ui/')
  await expect(page.getByRole('heading', { name: /^Chat/ })).toBeVisible()

  const quota = page.locator('.opblock', { has: page.getByText('/api/v1/chat/quota', { exact: true }) })
  await quota.locator('.opblock-summary-control').click()
  await quota.getByRole('button', { name: 'Try it out' }).click()
  const answer = page.waitForResponse('**/api/v1/chat/quota')
  await quota.getByRole('button', { name: 'Execute' }).click()
  expect((await answer).status(), 'the cookie comes along').toBe(200)
  await expect(quota.locator('.live-responses-table')).toContainText('"rate_limit"')
  expect(complaints).toEqual([])
})
