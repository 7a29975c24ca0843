/** Where the optional package is not installed: one error that says what to do, and all else works. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { startNode } from '../support/child.ts'
import { projectWith } from '../support/installed.ts'

it('razor serves without systeminformation, and says how to install it when a figure is asked for', async t => {
  const project = projectWith()
  t.after(() => project.remove())
  rmSync(join(project.folder, 'node_modules/systeminformation'))
  const razor = (...words: string[]) => startNode(project.folder, project.razor, ...words)
  const server = razor('serve', '--listen', 'tcp://127.0.0.1:0')
  const [, url = ''] = await server.until(/^listening at (\S+)\n[^$]*Ctrl-C/)
  const { code, out, err } = await razor('watch', url, 'Host.metrics', '{"everyMs": 1000}').ended
  assert.equal(code, 1)
  assert.equal(out, '')
  assert.match(err, /^razor: user, executed yes: Host\.metrics failed: .*npm install systeminformation, .*\n$/)
  assert.match((await razor('call', url, 'Host.load').ended).err, /npm install systeminformation/)
  assert.equal((await razor('call', url, 'CalculatorService.add', '[1, 2]').ended).out, '3\n')
  server.signal('SIGTERM')
  assert.deepEqual((await server.ended).err, '\nstopping\n')
})
