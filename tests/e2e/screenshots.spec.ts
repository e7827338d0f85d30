import { fileURLToPath } from 'node:url'
import { expect, test, type Page } from '@playwright/test'
import { useDaily } from '../support/stores.ts'
import { User } from '../support/user.ts'
import { ChatPage } from './chat-page.ts'
import { takePicture } from './look.ts'

// The pictures of the documentation, made anew by:  SCREENSHOTS=yes scripts/test e2e
test.skip(!process.env['SCREENSHOTS'], 'only where they are asked for')
test.use({ contextOptions: { reducedMotion: 'reduce' } })

const DESKTOP = { width: 1200, height: 800 }
const PHONE = { width: 390, height: 780 }

async function picture(page: Page, name: string, colorScheme: 'light' | 'dark', size: { width: number; height: number }): Promise<void> {
  await takePicture(page, fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url)), colorScheme, size)
}

test('the chat page, with an answer and a few chats, on desk and phone, light and dark', async ({ page }) => {
  const user = new User({ name: 'alice' })
  await page.setViewportSize(DESKTOP)
  const chat = new ChatPage(page)
  await chat.signIn(user.sub)
  for (const question of ['Plan a week in Lisbon', 'What is a keyset cursor?', 'How do I take the mean of some numbers?']) {
    await page.goto('/chat')
    await chat.send(question)
    await chat.finishedAnswer()
  }
  await picture(page, 'chat', 'light', DESKTOP)
  await picture(page, 'chat-dark', 'dark', DESKTOP)
  await picture(page, 'chat-phone-light', 'light', PHONE)
  await picture(page, 'chat-phone-dark', 'dark', PHONE)
  await page.getByRole('button', { name: 'Open the chat list' }).click()
  await expect(page.getByRole('dialog', { name: 'Your chats' })).toBeVisible()
  await picture(page, 'chat-phone-list', 'light', PHONE)
  await page.keyboard.press('Escape')

  await useDaily(user.sub, (await user.quota()).daily.limit!)
  await page.reload()
  await expect(page.getByTestId('quota')).toHaveAttribute('data-level', 'error')
  await expect(page.locator('pre code').last()).toBeVisible()
  await picture(page, 'chat-quota', 'light', { width: 800, height: 360 })
})
