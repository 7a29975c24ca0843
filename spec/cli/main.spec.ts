/** The `razor` command as a process: streams, signals, exit codes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startNode } from '../support/child.ts'

const folder = fileURLToPath(new URL('../../', import.meta.url))
const razor = (...words: string[]) => startNode(folder, '--import', 'tsx', 'lib/cli/main.ts', ...words)

describe('the razor process', () => {
  it('serves until SIGTERM, shows a command that works from here, and ends with 0', async () => {
    const server = razor('serve', '--listen', 'tcp://127.0.0.1:0')
    const [, line = ''] = await server.until(/^ {2}node (.*'\[1, 2\]')$.*Ctrl-C/ms)
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    const answer = await startNode(folder, ...words).ended
    assert.deepEqual(answer, { code: 0, out: '3\n', err: '' })
    server.signal('SIGTERM')
    const { code, err } = await server.ended
    assert.equal(code, 0)
    assert.equal(err, '\nstopping\n')
  })

  it('exits with 1 where a call fails, and with 2 where the command makes no sense', async () => {
    assert.equal((await razor('call', 'tcp://127.0.0.1:1', 'A.b').ended).code, 1)
    assert.equal((await razor('call', 'nowhere', 'A.b').ended).code, 2)
  })

  it('says on one line that its output cannot be written', { skip: !existsSync('/dev/full') }, async () => {
    const full = openSync('/dev/full', 'w')
    const words = ['--import', 'tsx', 'lib/cli/main.ts', '--version']
    const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    const [[code], err] = await Promise.all([once(child, 'exit'), text(child.stderr!)])
    assert.equal(code, 1)
    assert.match(err, /^razor: cannot write to stdout: ENOSPC[^\n]*; make room there\n$/)
  })

  it('ends without a word when its reader goes away', async () => {
    const server = razor('serve', '--listen', 'tcp://127.0.0.1:0')
    const [, address = ''] = await server.until(/^listening at (\S+)\n[^$]*Ctrl-C/)
    const call = ['call', address, 'CalculatorService.inc', '1', '--repeat', '1000000000']
    const child = spawn(process.execPath, ['--import', 'tsx', 'lib/cli/main.ts', ...call], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let err = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = await once(child, 'exit')
    assert.equal(code, 0)
    assert.equal(err, '')
    server.signal('SIGINT')
    assert.equal((await server.ended).code, 0)
  })
})
