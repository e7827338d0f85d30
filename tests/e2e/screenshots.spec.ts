import { fileURLToPath } from 'node:url'
import { test } from '@playwright/test'
import { freshSub } from '../support/tokens.ts'
import { ChatPage } from './chat-page.ts'

// The pictures of the documentation, made anew by:  SCREENSHOTS=yes scripts/test e2e
test.skip(!process.env['SCREENSHOTS'], 'only where they are asked for')
test.use({ viewport: { width: 1200, height: 800 } })

test('the chat page, with an answer and a few chats', async ({ page }) => {
  const chat = new ChatPage(page)
  await chat.signIn(freshSub('alice'))
  for (const question of ['Plan a week in Lisbon', 'What is a keyset cursor?', 'How do I take the mean of some numbers?']) {
    await page.goto('/chat')
    await chat.send(question)
    await chat.finishedAnswer()
  }
  await page.screenshot({ path: fileURLToPath(new URL('../../docs/images/chat.png', import.meta.url)) })
})
