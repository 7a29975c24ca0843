/** The README says what is so: its example is the demo, its commands print what it shows, its defaults are the library's. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CLIENT_DEFAULTS, SERVER_DEFAULTS } from '../lib/index.ts'
import { type Child, startNode } from './support/child.ts'
import { type Project, projectWith } from './support/installed.ts'

const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
const readme = readFileSync(here('README.md'), 'utf8')
const { scripts } = JSON.parse(readFileSync(here('package.json'), 'utf8'))

/** The text of each block of a language. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text!)
}

describe('the README', () => {
  it('shows the demo, letter for letter', () => {
    const shown = [...readme.matchAll(/^`(demo\/\S+)`[^\n]*\n\n```ts\n(.*?)^```$/gms)]
    assert.deepEqual(
      shown.map(([, path]) => path),
      ['demo/contract.ts', 'demo/server.ts', 'demo/client.ts'],
    )
    for (const [, path, text] of shown) assert.equal(text, readFileSync(here(path!), 'utf8'), path)
  })

  it('names every limit, with its default', () => {
    const rows = [...readme.matchAll(/^\| `(\w+)` \| ([\d,]*|[a-z]+) \| ([\d,]*) \| .+ \|$/gm)]
    const column = (at: number) => {
      const given = rows.filter(row => row[at] !== '')
      const value = (cell: string) => (/^\d/.test(cell) ? Number(cell.replaceAll(',', '')) : cell)
      return Object.fromEntries(given.map(row => [row[1], value(row[at]!)]))
    }
    assert.deepEqual(column(2), { ...CLIENT_DEFAULTS })
    assert.deepEqual(column(3), { ...SERVER_DEFAULTS })
  })

  it('names scripts that exist', () => {
    const named = [...readme.matchAll(/npm (?:run )?(start|test|build|bench)\b/g)].map(([, name]) => name!)
    assert.ok(named.length > 0)
    for (const name of named) assert.equal(typeof scripts[name], 'string', name)
  })

  it('links to files that exist', () => {
    for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) readFileSync(here(path!))
  })
})

describe('the command lines of the README', () => {
  let project: Project
  let server: Child
  let addresses: string[] = []

  before(async () => {
    project = projectWith()
    const listen = ['--listen', 'tcp://127.0.0.1:0', 'ws://127.0.0.1:0']
    server = startNode(project.folder, project.razor, 'serve', ...listen)
    addresses = (await server.until(/listening at (\S+)\nlistening at (\S+)\n[^$]*Ctrl-C/)).slice(1)
  })
  after(async () => {
    server.signal('SIGINT')
    assert.equal((await server.ended).code, 0)
    project.remove()
  })

  /** Runs a line of the README against the server of this spec. */
  async function run(line: string) {
    const here = line.replace('tcp://127.0.0.1:19749', addresses[0]!).replace('ws://127.0.0.1:19750', addresses[1]!)
    const words = [...here.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    assert.deepEqual(words.splice(0, 2), ['node', 'dist/cli/main.js'])
    return startNode(project.folder, project.razor, ...words).ended
  }

  it('print what stands below them', async () => {
    const [session = ''] = blocks('console')
    const commands = session.split(/^\$ /m).slice(1)
    assert.equal(commands.length, 4)
    for (const command of commands) {
      const [line = '', ...printed] = command.split('\n')
      const { out, err } = await run(line)
      assert.equal(out + err, printed.join('\n'), line)
    }
  })

  it('succeed where nothing is shown', async () => {
    const lines = blocks('sh').flatMap(block => block.split('\n').filter(line => line.startsWith('node dist/cli')))
    assert.equal(lines.length, 4)
    for (const line of lines) {
      const { code, out, err } = await run(line)
      assert.equal(err, '', line)
      assert.equal(code, 0, line)
      assert.notEqual(out, '')
    }
  })
})
