// What changes the service for everybody, so that no other test may run beside it (playwright.config.ts).
import { expect, test } from '@playwright/test'
import { expectInvariants } from '../support/invariants.ts'
import { closeBreaker } from '../support/stores.ts'
import { User } from '../support/user.ts'
import { ChatPage } from './chat-page.ts'

test('the provider is away and the breaker open: said plainly, nothing counted, and it works again afterwards', async ({ page }) => {
  const user = new User({ name: 'alone' })
  const chat = new ChatPage(page)
  await chat.signIn(user.sub)
  const broken = new User({ name: 'broken' })
  for (let i = 0; i < 5; i++) expect((await broken.trySendJson(null, '[[status=500]] Hi')).status).toBe(502)
  try {
    await chat.send('[[text=Back_again]] Hello')
    await expect(chat.questions.last()).toHaveAttribute('data-status', 'unsent')
    await expect(page.getByRole('alert').first()).toContainText(/not available|unavailable|again/i)
    expect((await user.quota()).daily.used).toBe(0)
  } finally {
    await closeBreaker()
  }
  await chat.questions.last().getByRole('button', { name: 'Try again' }).click()
  await expect(await chat.finishedAnswer()).toContainText('Back again')
  await expect(chat.questions).toHaveCount(1)
  await expectInvariants(user)
})
