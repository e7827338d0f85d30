// What comments and pages cite is here: every file that a comment names exists, and nobody cites a document, a section or a list
// that isn't in the repository. Public standards may be cited (RFC 9110, section 10.2.3). Paths in Markdown: check-docs.mjs.
//   node tests/support/check-references.mjs      one line for each dead reference; ends with 1 if there is one
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const READ = /^(?:lib|fcgi|static\/(?:src|build|swagger-ui)|tests|scripts|migrations|nginx|docs|\.ci)\/|^Makefile$|^[^/]+\.md$/
const MADE = ['schema.d.ts', 'types.ts', 'openapi.json'] // by npm scripts, and not kept
const ELSEWHERE = ['redis.conf', 'testssl.sh', 'dist/styles.css'] // of other programs

/** The comments of a file, as {line, text}; of Markdown and YAML every line. */
export function commentsOf(file, source) {
  const lines = (text, from) => text.split('\n').map((one, at) => ({ line: from + at, text: one }))
  if (/\.(?:md|ya?ml)$/.test(file)) return lines(source, 1)
  const begins = /\.(?:[ch]|[cm]?[jt]sx?|mts|css)$/.test(file)
    ? /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(\/\*[^]*?\*\/|(?<!:)\/\/.*)/g
    : /\.(?:sql|lua)$/.test(file)
      ? /'[^'\n]*'|(--.*)/g
      : /((?<=^|\s)#.*)/gm
  const found = []
  for (const match of source.matchAll(begins)) if (match[1]) found.push(...lines(match[1], source.slice(0, match.index).split('\n').length))
  return found
}

const NAMED_FILE = /(?<![\w<./~$*}-])[\w.-][\w./-]+\.(?:md|c|h|lua|tsx?|mjs|sql|sh|conf|ya?ml|css|svg)\b(?![\w(*{<]|\.[a-z])/g
const NAMED_PLACE = /(?<![\w<./~$*}@-])(?:lib|fcgi|tests|scripts|docs|migrations|nginx|static)\/[\w./-]*[\w](?![\w(*{<$…])/g
const DOCUMENT = /\b(?:SPEC|FINDINGS|C-STACK|GOALS)\b/
const PAGE = /(?<![\w./-])[A-Z][A-Z-]+\.md\b/ // a document by its name alone: one of this repository
const SECTION = /§|\b[Ss]ection \d/
const STANDARD = /\bRFC \d+|\bFastCGI 1\.0|\bUnicode\b|\bWHATWG\b/
const TAG = /(?<!\w)\([A-Z]\d{1,2}[^)]{0,30}\)/g // numbers of faults, which docs/lab/faults.md lists
const FAULTS = 'docs/lab/faults.md'

/** The dead references of a file, as lines of text. `paths`: every file of the repository; `faults`: the text that lists faults. */
export function deadReferences(file, source, paths, faults = '') {
  const problems = [], complain = (line, what) => problems.push(`${file}:${line}: ${what}`)
  const here = (name) => {
    const path = name.replace(/^(?:\.{1,2}\/)+/, '')
    return MADE.includes(path) || ELSEWHERE.includes(path) || paths.some((one) => `/${one}`.endsWith(`/${path}`) || `/${one}`.endsWith(`/${path}.in`))
  }
  const comments = commentsOf(file, source)
  for (const { line, text } of comments) {
    const page = PAGE.exec(text)?.[0]
    const document = DOCUMENT.exec(text)?.[0] ?? (page && !here(page) ? page : undefined)
    if (document) complain(line, `cites ${document}, which isn't in the repository`)
    if (SECTION.test(text) && !STANDARD.test(text)) complain(line, 'cites a section of no public standard')
    if (file.endsWith('.md')) continue
    const files = [...text.matchAll(NAMED_FILE)].map(([name]) => name).filter((name) => !here(name))
    const places = [...text.matchAll(NAMED_PLACE)].map(([name]) => name).filter((name) => !paths.some((one) => one.startsWith(name) && !/^\w/.test(one.slice(name.length))) && !here(name))
    for (const name of new Set([...files, ...places])) complain(line, `names ${name}, which isn't there`)
  }
  // Names of tests say it too, and what scripts print.
  const words = /\.[ch]$/.test(file) ? comments : source.split('\n').map((text, at) => ({ line: at + 1, text }))
  for (const { line, text } of words) {
    const numbers = [...text.matchAll(TAG)].flatMap(([tag]) => tag.match(/\b[A-Z]\d{1,2}\b/g))
    for (const number of numbers) if (!faults.includes(`| ${number} |`)) complain(line, `cites (${number}), which ${FAULTS} doesn't list`)
  }
  return problems
}

function main() {
  const paths = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' }).trim().split('\n').filter(existsSync)
  const files = paths.filter((file) => READ.test(file) && !/package-lock\.json$|\/corpus\/|\.(?:png|json)$|check-references\.(?:test\.)?mjs$/.test(file))
  if (files.length < 400) throw new Error('hardly a file was found')
  const faults = readFileSync(FAULTS, 'utf8')
  const problems = files.flatMap((file) => deadReferences(file, readFileSync(file, 'utf8'), paths, faults))
  for (const problem of problems) console.error(problem)
  process.exit(problems.length > 0 ? 1 : 0)
}
if (process.argv[1] === import.meta.filename) main()
