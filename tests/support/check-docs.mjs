// The documentation against the tree: every relative link leads somewhere, every anchor is a heading there, every path in
// backquotes exists, every `make` command is one. Addresses elsewhere are not asked.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { encoding: 'utf8' }).trim().split('\n').filter(existsSync)
const makefile = readFileSync('Makefile', 'utf8') + readFileSync('scripts/build.mk', 'utf8')
const targets = new Set([...makefile.matchAll(/^([a-z][a-z-]*):/gm)].map(([, name]) => name))
const folders = /^(?:docs|lib|fcgi|tests|scripts|nginx|migrations|static\/src|base|domain|usecases|http|relay|postgres|redis|sambanova|auth)\//
const problems = []

const withoutCode = (text) => text.replace(/^(```|~~~)[^]*?^\1/gm, '').replace(/^(?: {4}|\t).*$/gm, '')
/** As GitHub names a heading. */
const anchor = (heading) =>
  heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-')
function anchorsOf(file) {
  const seen = new Map()
  return new Set([...withoutCode(readFileSync(file, 'utf8')).matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading]) => {
    const name = anchor(heading), times = seen.get(name) ?? 0
    seen.set(name, times + 1)
    return times ? `${name}-${times}` : name
  }))
}

for (const file of files) {
  const text = readFileSync(file, 'utf8'), prose = withoutCode(text)
  const complain = (what) => problems.push(`${file}: ${what}`)
  for (const [, target] of prose.replace(/`[^`\n]*`/g, '').matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g)) {
    if (/^[a-z]+:/i.test(target)) continue
    const [path, fragment] = target.split('#')
    const to = path ? normalize(join(dirname(file), decodeURIComponent(path))) : file
    if (to.startsWith('..') || !existsSync(to)) complain(`link to ${target}, which isn't there`)
    else if (fragment && statSync(to).isFile() && to.endsWith('.md') && !anchorsOf(to).has(fragment)) complain(`no heading ${target}`)
  }
  if (file === 'CHANGELOG.md') continue // tells what was
  for (const [, code] of prose.matchAll(/`([^`\n]+)`/g)) {
    const [path] = code.split(/[\s:;,]/)
    if (folders.test(path) && /\.[a-z]+$|\/$/.test(path) && !/[*{}<>@$…]|NNNN|NAME/.test(path) && ![path, `lib/${path}`, join(dirname(file), path)].some(existsSync)) complain(`\`${path}\` isn't there`)
  }
  for (const [, target] of text.matchAll(/(?:^|`|&& |\$\()make (?:-s )?([a-z][a-z-]*)/gm)) if (!targets.has(target)) complain(`there is no "make ${target}"`)
}
for (const problem of problems) console.error(problem)
if (files.length < 10) throw new Error('hardly a document was found')
process.exit(problems.length > 0 ? 1 : 0)
