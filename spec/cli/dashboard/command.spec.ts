/** `razor dashboard`, as somebody has it who installed the package. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { run } from '../../../lib/cli/run.ts'
import { startNode } from '../../support/child.ts'
import { builtPage } from '../../support/dashboard.ts'
import { FakeTerminal } from '../../support/fake-terminal.ts'
import { type Project, projectWith } from '../../support/installed.ts'

describe('razor dashboard', { timeout: 120_000 }, () => {
  let project: Project

  before(async () => {
    project = projectWith()
    const page = await builtPage()
    cpSync(page, join(dirname(project.razor), '../dashboard'), { recursive: true })
    rmSync(page, { recursive: true })
    mkdirSync(join(project.folder, 'kept'))
  })
  after(() => project?.remove())

  const start = (...words: string[]) => startNode(project.folder, project.razor, 'dashboard', '--port', '0', ...words)

  it('prints where it is, serves its page there, and goes without a trace', async () => {
    const dashboard = start()
    const [, url = '', folder = ''] = await dashboard.until(
      /^the dashboard is at (\S+)\n[^$]*files are in (\S+)\n[^$]*Ctrl-C/,
    )
    const page = await fetch(url)
    assert.match(await page.text(), /<title>razor-rx dashboard<\/title>/)
    assert.ok(existsSync(join(folder, 'dashboard.log')))
    const [, address = ''] = /serving (\S+) and/.exec(dashboard.printed) ?? []
    assert.equal(
      (await startNode(project.folder, project.razor, 'call', address, 'CalculatorService.add', '[1, 2]').ended).out,
      '3\n',
    )
    dashboard.signal('SIGTERM')
    const { code, err } = await dashboard.ended
    assert.deepEqual([code, err, existsSync(folder)], [0, '\nstopping\n', false])
  })

  it('keeps the files of a folder that is not its own', async () => {
    const kept = join(project.folder, 'kept')
    const dashboard = start('--files', kept)
    await dashboard.until(/Ctrl-C/)
    dashboard.signal('SIGINT')
    assert.equal((await dashboard.ended).code, 0)
    assert.ok(existsSync(join(kept, 'dashboard.log')))
  })

  it('says what to do where the port is taken', async () => {
    const first = start()
    const [, port = ''] = await first.until(/127\.0\.0\.1:(\d+)\/\n[^$]*Ctrl-C/)
    const second = await startNode(project.folder, project.razor, 'dashboard', '--port', port).ended
    assert.deepEqual([second.code, second.out], [1, ''])
    assert.match(second.err, /port \d+ of 127\.0\.0\.1 is taken: stop what runs there, or choose another with --port N/)
    first.signal('SIGTERM')
    await first.ended
  })

  it('refuses a folder or a port that is none, before it does anything', async () => {
    const refused = async (...words: string[]): Promise<[number, string]> => {
      const terminal = new FakeTerminal()
      return [await run(['dashboard', ...words], terminal), terminal.err.text]
    }
    const [code, text] = await refused('--files', '/no/such/folder')
    assert.equal(code, 2)
    assert.match(text, /cannot keep --files \/no\/such\/folder: ENOENT/)
    assert.equal((await refused('--port', '65536'))[0], 2)
  })
})
