// Holds the workers' routes (chat-fcgi --print-routes, on standard input) against docs/openapi.yaml: both name the same
// operations.   build/chat-fcgi --print-routes | node tests/support/check-routes.mjs
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

// Documented, and no row of the workers' table: the one place that says why.
const elsewhere = {
  'GET /api/v1/openapi.json': 'a file of nginx',
  'GET /swagger-ui/{}': 'files of nginx',
}

// What a parameter is called is nobody's business but the reader's.
const plain = (operation) => operation.replace(/\{[^}]+\}/g, '{}')

const document = parse(readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8'))
const documented = Object.entries(document.paths).flatMap(([path, item]) =>
  ['get', 'post', 'put', 'patch', 'delete'].filter((method) => item[method]).map((method) => plain(`${method.toUpperCase()} ${path}`)))
const routed = readFileSync(0, 'utf8').split('\n').filter(Boolean).map(plain)

const problems = [
  ...(routed.length ? [] : ['standard input names no routes']),
  ...routed.filter((operation) => !documented.includes(operation)).map((operation) => `not in docs/openapi.yaml: ${operation}`),
  ...documented.filter((operation) => !routed.includes(operation) && !(operation in elsewhere)).map((operation) => `no route: ${operation}`),
  ...Object.keys(elsewhere).filter((operation) => routed.includes(operation) || !documented.includes(operation))
    .map((operation) => `to be taken out of ${import.meta.url.split('/').pop()}: ${operation}`),
]
for (const problem of problems) console.error(problem)
process.exitCode = problems.length ? 1 : 0
