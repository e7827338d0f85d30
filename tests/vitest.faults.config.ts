import { defineConfig } from 'vitest/config'

// Faults on purpose, on a stack of their own (scripts/test faults): one after the other, as each harms all of it.
// FAULTS=whole: in full length.
const whole = process.env['FAULTS'] === 'whole'
export default defineConfig({
  test: {
    include: ['faults/**/*.test.ts'],
    setupFiles: ['support/each-file.ts'],
    testTimeout: whole ? 900_000 : 90_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    fileParallelism: false,
    reporters: ['verbose'],
  },
})
