/**
 * Do the links of the documents lead somewhere? Each `.md` file of the repository: a relative link must name a file or folder that is
 * there, and, with a `#`, a heading of it; an external one must be a well-formed https URL (nobody is asked whether it answers).
 * `node tools/links.mjs` prints what is wrong and exits with 1.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

/** Folders that nobody wrote by hand. */
const SKIPPED = new Set(['node_modules', 'dist', 'coverage', 'target', '.git', 'api'])

/** The `.md` files below `folder`, as paths. */
function documents(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !SKIPPED.has(name))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return documents(path)
      return entry.name.endsWith('.md') ? [path] : []
    })
    .sort()
}

/** A document without its code, where brackets and hashes mean something else; what is left keeps its lines. */
function prose(text) {
  return text
    .replace(/^( *)(```+|~~~+)[^\n]*\n.*?^\1\2 *$/gms, block => block.replace(/[^\n]/g, ''))
    .replace(/(`+)(?!`)[^\n]*?[^`]\1(?!`)/g, code => ' '.repeat(code.length))
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text) {
  const fenceless = text.replace(/^( *)(```+|~~~+)[^\n]*\n.*?^\1\2 *$/gms, '')
  const counts = new Map()
  return new Set(
    [...fenceless.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading]) => {
      const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '')
      const anchor = words
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
        .replaceAll(' ', '-')
      const count = counts.get(anchor) ?? 0
      counts.set(anchor, count + 1)
      return count === 0 ? anchor : `${anchor}-${count}`
    }),
  )
}

/** The links of a document, each with its line. */
function linksOf(text) {
  const words = prose(text)
  const line = at => words.slice(0, at).split('\n').length
  const inline = [...words.matchAll(/\]\(<?([^)\s>]*)>?(?: +"[^"]*")?\)/g)]
  const references = [...words.matchAll(/^ {0,3}\[[^\]]+\]: *<?([^\s>]+)>?/gm)]
  return [...inline, ...references].map(match => ({ target: match[1], line: line(match.index) }))
}

/** What is wrong with a link, or `undefined`. */
function wrong(path, target, root) {
  if (/^[a-z][a-z\d+.-]*:/i.test(target)) {
    return URL.canParse(target) && /^(https|mailto):/.test(target) ? undefined : 'is no https URL'
  }
  const [file = '', anchor] = target.split('#')
  const aimed = file === '' ? path : resolve(dirname(path), decodeURI(file))
  if (relative(root, aimed).startsWith('..')) return 'leads out of the repository'
  if (!existsSync(aimed)) return 'names no file'
  if (anchor === undefined) return undefined
  if (!aimed.endsWith('.md') || statSync(aimed).isDirectory()) return 'has an anchor, but names no document'
  return anchorsOf(readFileSync(aimed, 'utf8')).has(anchor) ? undefined : 'names no heading'
}

/** One line for each link below `root` that leads nowhere. */
function brokenLinks(root) {
  return documents(root).flatMap(path =>
    linksOf(readFileSync(path, 'utf8')).flatMap(({ target, line }) => {
      const reason = wrong(path, target, root)
      if (reason === undefined) return []
      return [`${relative(root, path).replaceAll(sep, '/')}:${line}: the link to ${target} ${reason}`]
    }),
  )
}

const broken = brokenLinks(resolve('.'))
for (const line of broken) console.log(line)
process.exitCode = broken.length === 0 ? 0 : 1
