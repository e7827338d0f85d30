// A state of the page, looked at: by axe in both colour schemes, and, where LOOK names a folder, in pictures for the eye.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Page } from '@playwright/test'

const WIDTHS = [1280, 390]
const SCHEMES = ['light', 'dark'] as const

export async function expectAccessible(page: Page, state: string, schemes: readonly (typeof SCHEMES)[number][] = SCHEMES): Promise<void> {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    // All rules, WCAG 2.2 AA and axe's good practices; the second time those of colour, which alone may have changed.
    // Without a second tab for the report, which would take the focus.
    const axe = new AxeBuilder({ page }).setLegacyMode()
    const { violations } = await (colorScheme === 'dark' ? axe.withRules(['color-contrast']) : axe).analyze()
    const found = violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html).join(' ')}`)
    expect(found, `${state}, ${colorScheme}`).toEqual([])
  }
  await takePictures(page, state, schemes)
}

async function takePictures(page: Page, state: string, schemes: readonly (typeof SCHEMES)[number][]): Promise<void> {
  const folder = process.env['LOOK']
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  const before = page.viewportSize()
  for (const width of before !== null && before.width < 500 ? [before.width] : WIDTHS)
    for (const colorScheme of schemes) {
      await takePicture(page, join(folder, `${state.replaceAll(/\W+/g, '-')}-${width}-${colorScheme}.png`), colorScheme, { width, height: 800 })
    }
  if (before !== null) await page.setViewportSize(before)
}

export async function takePicture(page: Page, path: string, colorScheme: 'light' | 'dark', size: { width: number; height: number }): Promise<void> {
  await page.setViewportSize(size)
  await page.emulateMedia({ colorScheme })
  // Colours that are on their way from one scheme to the other; what was taken back meanwhile is no loss.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)))
  await page.screenshot({ path })
}
