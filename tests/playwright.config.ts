import { existsSync } from 'node:fs'
import { defineConfig } from '@playwright/test'

// Debian's Chromium against the running stack (support/env.ts); no browser is downloaded. Its headless build draws as the
// other does, for half the processor time.
const chromium = process.env['CHROMIUM'] ?? '/usr/bin/chromium-headless-shell'
if (!existsSync(chromium)) throw new Error(`${chromium} is not there: apt-get install chromium-headless-shell, or set CHROMIUM`)

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  timeout: 120_000, // of what hangs: a slow machine is no failure
  forbidOnly: Boolean(process.env['CI']),
  fullyParallel: true,
  workers: 2, // of what a browser waits for, half is no processor's time
  projects: [
    { name: 'together', testIgnore: 'alone.spec.ts' },
    { name: 'alone', testMatch: 'alone.spec.ts', dependencies: ['together'] },
  ],
  reporter: 'list',
  use: {
    baseURL: process.env['CHAT_URL'] ?? 'https://localhost:8443',
    // The stack's certificate comes from a certificate authority of its own, which Chromium doesn't know.
    ignoreHTTPSErrors: true,
    // TRACE=1: of what fails, the page as it stood at each step.
    trace: process.env['TRACE'] ? { mode: 'retain-on-failure', screenshots: false } : 'off',
    launchOptions: {
      executablePath: chromium,
      // Chromium's sandbox refuses to run as root.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
  },
})
