import { defineConfig } from 'vitest/config'

// Against a running stack; support/env.ts says what the environment must hold.
export default defineConfig({
  test: {
    include: ['api/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Every test has users of its own, so files may run beside each other.
    maxWorkers: 4,
  },
})
