// Run for each file of tests; what it imports is loaded once a process.
import { afterAll } from 'vitest'
import { closeStores } from './stores.ts'

afterAll(closeStores)
