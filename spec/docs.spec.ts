/**
 * The documents say what is so: each TypeScript block in README.md and docs/ compiles against the package as it is installed, those
 * that show what they print print it, and every link leads somewhere.
 *
 * A block with an `import` is a file of its own, named by a line such as `` `contract.ts`: `` above it where others import it. One without is a
 * short example: what it does not make itself comes from RxJS, from `razor-rx/node`, or from `support/docs-prelude.ts`. A program is run where
 * a line that ends in "prints:" and a block `text` follow it, or where it imports `node:test`.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as rxjs from 'rxjs'
import * as razor from '../lib/node/index.ts'
import { type Ended, startNode } from './support/child.ts'
import { compile, type Project, projectWith } from './support/installed.ts'

const repository = fileURLToPath(new URL('../', import.meta.url))
const PRELUDE = fileURLToPath(new URL('support/docs-prelude.ts', import.meta.url))
const SETTINGS = [
  ...['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--verbatimModuleSyntax'],
  ...['--erasableSyntaxOnly', '--rewriteRelativeImportExtensions', '--skipLibCheck'],
  ...['--target', 'es2022', '--module', 'nodenext', '--types', 'node', '--rootDir', '.', '--outDir', '.'],
]
/** What the examples use besides what the package itself does. */
const ALSO_INSTALLED = ['zod', 'socket.io-client']

interface Block {
  /** Where it is, as an editor opens it. */
  readonly at: string
  /** Its file in the project. */
  readonly file: string
  readonly text: string
  /** What it prints, or `undefined` where nothing says so. */
  readonly prints: string | undefined
}

const guides = readdirSync(join(repository, 'docs')).filter(name => name.endsWith('.md'))
const documents = ['README.md', ...guides.map(name => `docs/${name}`)]

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(repository, document), 'utf8')
  const folder = document.replace(/\.md$/, '').toLowerCase()
  const blocks =
    /(?:^`(?<named>\S+\.ts)`[^\n]*\n\n)?^```ts\n(?<code>.*?)^```$(?:\n\n[^\n]*prints:\n\n```text\n(?<prints>.*?)^```$)?/gms
  return [...text.matchAll(blocks)].map(({ index, groups }) => {
    const { named, code = '', prints } = groups ?? {}
    const line = text.slice(0, index).split('\n').length
    const file = `${folder}/${named === undefined ? `line-${line}.ts` : basename(named)}`
    return { at: `${document}:${line}`, file, text: code, prints }
  })
}

/** The exported names of a module of types and values. */
function exportsIn(source: string): string[] {
  const list = [...source.matchAll(/export(?: type)? \{([^}]*)\}/g)].flatMap(([, names = '']) => names.split(','))
  const own = [...source.matchAll(/^export (?:declare )?(?:const|function|interface|class|type) ([\w$]+)/gm)]
  return [...list.map(name => name.replace(/^\s*type\s/, '').trim()), ...own.map(([, name]) => name!)].filter(Boolean)
}

/** A short example as a file, with what it does not make itself imported. */
function completed(text: string, prelude: string): string {
  const words = new Set(text.match(/[\w$]+/g))
  const made = new Set(
    [...text.matchAll(/\b(?:const|let|function|class|interface|type) ([\w$]+)/g)].map(([, name]) => name!),
  )
  const sources: [string, string[]][] = [
    [prelude, exportsIn(readFileSync(PRELUDE, 'utf8'))],
    ['razor-rx/node', [...Object.keys(razor), ...exportsIn(readFileSync(join(repository, 'lib/index.ts'), 'utf8'))]],
    ['rxjs', [...Object.keys(rxjs), 'Observable']],
  ]
  const imports = sources.map(([module, names]) => {
    const used = [...new Set(names)].filter(name => name !== 'default' && words.has(name) && !made.has(name))
    for (const name of used) made.add(name)
    return `import { ${used.map(name => (TYPES.has(name) ? `type ${name}` : name)).join(', ')} } from '${module}'\n`
  })
  return `${imports.join('')}${text}\nexport {}\n`
}

/** What the main entry exports as types only. */
const TYPES = new Set(
  exportsIn(readFileSync(join(repository, 'lib/index.ts'), 'utf8')).filter(name => !(name in razor)),
)

/** Looks at the links of all documents below `folder`. */
function links(folder: string): Promise<Ended> {
  return startNode(folder, join(repository, 'tools/links.mjs')).ended
}

const blocks = documents.flatMap(blocksOf)
const isProgram = ({ text, prints }: Block): boolean => prints !== undefined || text.includes(`from 'node:test'`)

describe('the documents', () => {
  it('have no link that leads nowhere', async () => {
    assert.deepEqual(await links(repository), { code: 0, out: '', err: '' })
  })

  it('are told by line where a link leads nowhere', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'razor-links-'))
    const lines = [
      '# A `b` c',
      '[good](a.md#a-b-c) and [good](b/) and `[no link](x.md)`',
      '[bad](a.md#d) and [bad](x.md) and [bad](../x.md)',
      '[bad](http://example.com) and [good](https://example.com/?a=b)',
    ]
    mkdirSync(join(folder, 'b'))
    writeFileSync(join(folder, 'a.md'), lines.join('\n'))
    const { code, out } = await links(folder)
    rmSync(folder, { recursive: true })
    assert.equal(code, 1)
    assert.deepEqual(out.trimEnd().split('\n'), [
      'a.md:3: the link to a.md#d names no heading',
      'a.md:3: the link to x.md names no file',
      'a.md:3: the link to ../x.md leads out of the repository',
      'a.md:4: the link to http://example.com is no https URL',
    ])
  })

  it('are all listed in the index of docs/', () => {
    const index = readFileSync(join(repository, 'docs/README.md'), 'utf8')
    for (const guide of guides) assert.ok(guide === 'README.md' || index.includes(`](${guide})`), guide)
  })
})

describe('the examples of the documents', () => {
  let project: Project

  before(() => {
    project = projectWith()
    for (const name of ALSO_INSTALLED) {
      symlinkSync(join(repository, 'node_modules', name), join(project.folder, 'node_modules', name), 'junction')
    }
    cpSync(PRELUDE, join(project.folder, 'prelude.ts'))
    for (const { file, text } of blocks) {
      const path = join(project.folder, file)
      mkdirSync(dirname(path), { recursive: true })
      const prelude = `${'../'.repeat(file.split('/').length - 1)}prelude.ts`
      writeFileSync(path, /^import /m.test(text) ? text : completed(text, prelude))
    }
  })
  after(() => project.remove())

  it('compile against the package, with the strictest settings', () => {
    try {
      compile(project.folder, ...SETTINGS, ...blocks.map(({ file }) => file))
    } catch (error) {
      // Each complaint with the block it is about, as an editor opens it.
      const complaints = (error as Error).message.split('\n').slice(1)
      const named = complaints.map(
        line => `${blocks.find(({ file }) => line.startsWith(`${file}(`))?.at ?? ''} ${line}`,
      )
      assert.fail(named.join('\n'))
    }
  })

  for (const block of blocks.filter(isProgram)) {
    it(`${block.at} runs, and prints what stands below it`, async () => {
      const { code, out, err } = await startNode(project.folder, block.file.replace(/ts$/, 'js')).ended
      assert.equal(err, '')
      if (block.prints !== undefined) assert.equal(out, block.prints)
      assert.equal(code, 0, out)
    })
  }
})
