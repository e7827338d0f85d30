// `test` with users: each is fresh, so tests run alone, in any order, twice, and beside each other.
// After the test the invariants are checked for each.
import { test as base } from 'vitest'
import { expectInvariants } from './invariants.ts'
import { closeBreaker } from './stores.ts'
import { User } from './user.ts'

export { describe, expect } from 'vitest'

async function lend(user: User, use: (user: User) => Promise<void>): Promise<void> {
  await closeBreaker()
  await use(user)
  await closeBreaker()
  user.hangUp()
  await expectInvariants(user)
}

export const test = base.extend<{ alice: User; bob: User; admin: User }>({
  // eslint-disable-next-line no-empty-pattern
  alice: async ({}, use) => lend(new User({ name: 'alice' }), use),
  // eslint-disable-next-line no-empty-pattern
  bob: async ({}, use) => lend(new User({ name: 'bob' }), use),
  // eslint-disable-next-line no-empty-pattern
  admin: async ({}, use) => lend(new User({ name: 'admin', role: 'admin' }), use),
})
