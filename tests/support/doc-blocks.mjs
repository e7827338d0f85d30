// The command blocks of documents, as one script that runs them in order, as a reader pastes them:
//   node doc-blocks.mjs [--tag build] [--set NAME=VALUE]… FILE…
// A block is fenced and called `sh`; a word behind that (`sh build`) is its tag, and blocks with another tag than --tag are left
// out. `<!-- not run: reason -->` on the line before leaves one out too. --set puts the value in the place of what the document
// gives the variable, and fails where no document does. Each block says where it stands, on stderr.
import { readFileSync } from 'node:fs'

/** Every fenced block of a text: {line, info, body, unrun}, its fence's indentation taken away. */
export function fencedBlocks(text) {
  const lines = text.split('\n'), blocks = []
  for (let at = 0; at < lines.length; at++) {
    const open = /^( *)(`{3,}|~{3,})(.*)$/.exec(lines[at])
    if (!open) continue
    const [, indent, fence, info] = open, body = [], line = at + 1
    while (++at < lines.length && lines[at].trim() !== fence) body.push(lines[at].startsWith(indent) ? lines[at].slice(indent.length) : lines[at].trimStart())
    if (at === lines.length) throw new Error(`the block of line ${line} has no end`)
    const unrun = /^ *<!-- not run: (\S.*) -->$/.exec(lines[line - 2] ?? '')?.[1]
    blocks.push({ line, info: info.trim(), body: body.join('\n') + '\n', unrun })
  }
  return blocks
}

function main(args) {
  const files = [], values = new Map(), used = new Set()
  let tag = ''
  while (args.length) {
    const word = args.shift()
    if (word === '--tag') tag = args.shift()
    else if (word === '--set') {
      const [, name, value] = /^(\w+)=(.*)$/.exec(args.shift())
      values.set(name, value)
    } else files.push(word)
  }
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`
  for (const file of files)
    for (const { line, info, body, unrun } of fencedBlocks(readFileSync(file, 'utf8'))) {
      if (info !== `sh ${tag}`.trim() || unrun) continue
      console.log(`echo ${quoted(`── ${file}:${line}`)} >&2`)
      process.stdout.write(body.replace(/^(\w+)=\S+(?= *(#.*)?$)/gm, (all, name) => {
        if (!values.has(name)) return all
        used.add(name)
        return `${name}=${quoted(values.get(name))}`
      }))
    }
  for (const name of values.keys()) if (!used.has(name)) throw new Error(`no document gives ${name} a value`)
}
if (process.argv[1] === import.meta.filename) main(process.argv.slice(2))
