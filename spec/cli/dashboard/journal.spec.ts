/** The dashboard's own log. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { lastValueFrom, of, throwError } from 'rxjs'
import { Journal } from '../../../lib/cli/dashboard/journal.ts'
import type { ServerCall } from '../../../lib/server/dispatch.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-journal-'))
const add = { action: 'CalculatorService.add', shape: 'unary' } as ServerCall
after(() => rmSync(folder, { recursive: true }))

function journal(name: string): { lines: Journal; file: string } {
  const file = join(folder, name)
  return {
    lines: new Journal(
      file,
      error => assert.fail(String(error)),
      () => new Date(0),
    ),
    file,
  }
}

describe('the log of the dashboard', () => {
  it('has a line for what is noted, whatever is in it', async () => {
    const { lines, file } = journal('notes')
    lines.note('one')
    lines.note('two\n\u001b[31mthree')
    await lines.close()
    assert.equal(readFileSync(file, 'utf8'), '1970-01-01T00:00:00.000Z  one\n1970-01-01T00:00:00.000Z  two [31mthree\n')
  })

  it('tells how a few calls went, and how many there were besides', async () => {
    const { lines, file } = journal('calls')
    const see = lines.interceptor(2)
    for (let n = 0; n < 10; n++) await lastValueFrom(see(add, () => of(n)))
    await lines.close()
    const [first, , , more, ...rest] = readFileSync(file, 'utf8').split('\n')
    assert.match(first!, /^1970\S+ {2}server 2 {2}CalculatorService\.add answered in \d+\.\d\d ms$/)
    assert.equal(more?.trim(), '... and 7 calls more')
    assert.deepEqual(rest, [''])
  })

  it('tells a call that failed', async () => {
    const { lines, file } = journal('failed')
    const failing = lines.interceptor(1)(add, () => throwError(() => new Error('divide by zero')))
    await assert.rejects(lastValueFrom(failing))
    await lines.close()
    assert.match(readFileSync(file, 'utf8'), /server 1 {2}CalculatorService\.add failed: divide by zero in/)
  })

  it('starts anew before it grows large', async () => {
    const { lines, file } = journal('large')
    for (let n = 0; n < 30; n++) lines.note('x'.repeat(100_000))
    await lines.close()
    assert.ok(statSync(file).size < 1_200_000)
  })

  it('says what keeps it from writing, and goes on', async () => {
    const failures: unknown[] = []
    const lines = new Journal(join(folder, 'nowhere', 'log'), error => failures.push(error))
    lines.note('one')
    lines.note('two')
    await lines.close()
    assert.equal(failures.length, 2)
    assert.match(String(failures[0]), /ENOENT/)
  })
})
