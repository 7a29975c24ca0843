/** The example of the README as a project of somebody else's: compiled with the strictest settings, and run. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startNode } from './support/child.ts'
import { compile, type Project, projectWith } from './support/installed.ts'

const DEMO = fileURLToPath(new URL('../demo/', import.meta.url))
const SETTINGS = [
  ...['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--verbatimModuleSyntax'],
  ...['--erasableSyntaxOnly', '--noUnusedLocals', '--rewriteRelativeImportExtensions', '--skipLibCheck'],
  ...['--target', 'es2022', '--module', 'nodenext', '--types', 'node', '--rootDir', 'demo', '--outDir', 'demo'],
]

let project: Project
before(() => {
  project = projectWith('demo')
})
after(() => project.remove())

describe('the demo', () => {
  it('is three files under 30 lines each', () => {
    const files = readdirSync(DEMO).filter(file => file.endsWith('.ts'))
    assert.deepEqual(files.sort(), ['client.ts', 'contract.ts', 'server.ts'])
    for (const file of files) assert.ok(readFileSync(DEMO + file, 'utf8').split('\n').length < 30, file)
  })

  it('compiles against the package, and its client gets what its server gives', async () => {
    compile(project.folder, ...SETTINGS, 'demo/client.ts', 'demo/server.ts')
    const server = startNode(project.folder, 'demo/server.js', 'ws://127.0.0.1:0')
    try {
      const [, address = ''] = await server.until(/^listening at (\S+)\n/)
      const { code, out, err } = await startNode(project.folder, 'demo/client.js', address).ended
      assert.equal(err, '')
      assert.match(out, /^(load [\d.]+\n){3}div failed: divide by zero\n$/)
      assert.equal(code, 0)
    } finally {
      server.signal('SIGINT')
    }
    assert.deepEqual({ ...(await server.ended), out: '' }, { code: 0, out: '', err: '' })
  })
})
