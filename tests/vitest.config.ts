import { defineConfig } from 'vitest/config'

// Clients that know nothing of the stack (the openai package) trust its certificate by this; read by the processes that
// run the files, as they start.
process.env['NODE_EXTRA_CA_CERTS'] = process.env['CHAT_CACERT']

// Against a running stack; support/env.ts says what the environment must hold.
export default defineConfig({
  test: {
    include: ['api/**/*.test.ts'],
    setupFiles: ['support/each-file.ts'],
    // What files import (the OpenAPI document's validators, above all) is loaded once a process, not once a file.
    isolate: false,
    testTimeout: 60_000, // for what hangs
    hookTimeout: 60_000,
    // Every test has users of its own, so files may run beside each other.
    maxWorkers: 4,
  },
})
