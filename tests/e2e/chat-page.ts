// The chat page as its user sees it, so that a test reads as what somebody does.
import { expect, type Locator, type Page } from '@playwright/test'
import { freshSub, tokenFor } from '../support/tokens.ts'

export class ChatPage {
  readonly page: Page
  readonly message: Locator
  readonly questions: Locator
  readonly answers: Locator
  readonly chats: Locator

  constructor(page: Page) {
    this.page = page
    this.message = page.getByRole('textbox', { name: 'Message' })
    this.questions = page.getByRole('article', { name: 'Your message' })
    this.answers = page.getByRole('article', { name: 'Answer' })
    this.chats = page.getByRole('navigation', { name: 'Chats' }).getByRole('link')
  }

  /** By the link that `make run` prints, as a user nobody else has. */
  async signIn(sub = freshSub('browser'), at = ''): Promise<void> {
    await this.page.goto(`${at}/sign-in#token=${tokenFor(sub)}`)
    await this.page.waitForURL('**/chat')
    await expect(this.message).toBeVisible()
  }

  async send(text: string): Promise<void> {
    await this.message.fill(text)
    await this.page.getByRole('button', { name: 'Send message' }).click()
  }

  /** The newest answer, once it is complete. */
  async finishedAnswer(): Promise<Locator> {
    const answer = this.answers.last()
    await expect(answer).toHaveAttribute('data-status', 'complete', { timeout: 20_000 })
    await expect(answer).not.toHaveAttribute('aria-busy', 'true')
    return answer
  }
}
