// A dead reference that is planted is found, and what is cited rightly is left alone:  node --test tests/support/check-references.test.mjs
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deadReferences } from './check-references.mjs'

const paths = ['lib/relay/pools.c', 'lib/redis/settle.lua', 'docs/adr/0002-plans.md', 'docs/scale.md', 'nginx/local/http.conf.in', 'tests/api/outages.test.ts']
const found = (file, source) => deadReferences(file, source, paths)

const NOWHERE = 'NOWHERE' + '.md'
const PLANTED = [
  ['lib/a.c', '/* as relay/ponds.c does */', 'relay/ponds.c'],
  ['lib/a.c', 'int a;\n/*\n * (ponds.c)\n */', 'lib/a.c:3: names ponds.c'],
  ['lib/a.h', 'int a; // see docs/speed.md', 'docs/speed.md'],
  ['lib/a.c', '/* (C-STACK: fixed in 8.0) */', 'C-STACK'],
  ['lib/a.lua', '-- redis/settles.lua takes it back', 'redis/settles.lua'],
  ['scripts/a', 'true # tests/api/outage says so', 'tests/api/outage'],
  ['migrations/1.sql', '-- SPEC wants it', 'SPEC'],
  ['tests/a.test.ts', '// as GOALS has it', 'GOALS'],
  ['tests/a.test.ts', "test('(A8) nothing is lost', () => {})", '(A8)'],
  ['lib/a.c', '/* (SPEC 5) */', 'SPEC'],
  ['docs/a.md', `${NOWHERE} says why.`, NOWHERE],
  ['lib/a.c', '/* as §4 has it */', 'no public standard'],
  ['docs/a.md', 'See section 4 of it.', 'no public standard'],
]
for (const [file, source, what] of PLANTED)
  test(`${file}: ${source}`, () => {
    const problems = found(file, source)
    assert.ok(problems.some((problem) => problem.includes(what)), problems.join('\n') || 'nothing was found')
  })

test('what is there, standards, other programs and what is no comment are left alone', () => {
  const sources = {
    'lib/a.c': '/* pools.c, relay/pools.c, lib/relay/pools.c; docs/scale.md; http.conf; RFC 9110, section 10.2.3; /etc/a.conf; lib/relay/ */\n#include <ponds.h>\nconst char *a = "ponds.c (A8)"; // P(T0)',
    'scripts/a': 'cat docs/speed.md # tests/api/outages says so; tests/*/*.c; $PREFIX/lib/chat',
    'docs/a.md': 'RFC 9112 §4, and FastCGI 1.0, §3.3. One page.',
  }
  for (const [file, source] of Object.entries(sources)) assert.deepEqual(found(file, source), [], file)
})

test('a fault’s number may be cited where the list has it, alone or among others', () => {
  const source = "// (A3, B12: one model)\ntest('(A3) nothing is lost', () => {})"
  const problems = (faults) => deadReferences('tests/a.test.ts', source, paths, faults)
  assert.deepEqual(problems('| A3 | so |\n| B12 | so |'), [])
  assert.equal(problems('| A3 | so |').length, 1)
})
