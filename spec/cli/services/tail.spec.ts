/** Real files, followed while they grow, are cut, and change places. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { tail } from '../../../lib/cli/services/tail.ts'
import { expectNoLeaks } from '../../support/leaks.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'razor-tail-')))
const root = join(base, 'root')
const log = join(root, 'log')

let aborter = new AbortController()
let lines = tail(root, 'log', 0, aborter.signal)
beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
})
afterEach(async () => {
  aborter.abort()
  await lines.return(undefined)
})
after(async () => {
  rmSync(base, { recursive: true })
  await expectNoLeaks()
})

function follow(count: number, path = 'log'): void {
  aborter = new AbortController()
  lines = tail(root, path, count, aborter.signal)
}

/** The next lines. */
async function next(count: number): Promise<string[]> {
  const got: string[] = []
  while (got.length < count) {
    const { done, value } = await lines.next()
    assert.notEqual(done, true)
    got.push(value as string)
  }
  return got
}

/** Follows from the end, having made sure that it is there. */
async function followFrom(text: string): Promise<void> {
  writeFileSync(log, `${text}\n`)
  follow(1)
  assert.deepEqual(await next(1), [text])
}

describe('tail', () => {
  it('begins with the last lines, or all where there are fewer', async () => {
    writeFileSync(log, 'a\nb\n\nd\n')
    follow(2)
    assert.deepEqual(await next(2), ['', 'd'])
    await lines.return(undefined)
    follow(10)
    assert.deepEqual(await next(4), ['a', 'b', '', 'd'])
  })

  it('finds the last lines far from the end', async () => {
    const written = Array.from({ length: 5_000 }, (_, n) => `${n} ${'x'.repeat(n % 90)}`)
    writeFileSync(log, `${written.join('\n')}\n`)
    for (const count of [1, 2, 1_000, 4_999, 5_000, 6_000]) {
      follow(count)
      const expected = written.slice(-count)
      assert.deepEqual(await next(expected.length), expected)
      await lines.return(undefined)
    }
  })

  it('looks back 16 MiB for them, and no further', async () => {
    writeFileSync(log, `first\n${'x'.repeat(9 * 1024 * 1024)}\n${'y'.repeat(9 * 1024 * 1024)}\nlast\n`)
    follow(3)
    assert.match((await next(1))[0]!, /^y+$/)
  })

  it('goes on with what is appended, each line when it is complete', async () => {
    await followFrom('old')
    appendFileSync(log, 'a\nb')
    assert.deepEqual(await next(1), ['a'])
    const b = next(1)
    appendFileSync(log, 'c\n')
    assert.deepEqual(await b, ['bc'])
  })

  it('gives nothing that was there, where no line is asked for', async () => {
    writeFileSync(log, 'a\nb\n')
    follow(0)
    const first = next(1)
    // It knows where the file ends once it has looked.
    const grow = setInterval(() => appendFileSync(log, 'c\n'), 20)
    assert.deepEqual(await first, ['c'])
    clearInterval(grow)
  })

  it('begins again where the file was cut', async () => {
    await followFrom('a long line')
    truncateSync(log, 0)
    appendFileSync(log, 'b\n')
    assert.deepEqual(await next(1), ['b'])
  })

  it('gives the line that had no end when the file was cut', async () => {
    await followFrom('a')
    appendFileSync(log, 'b\nhalf')
    assert.deepEqual(await next(1), ['b'])
    const half = next(1)
    const cut = setInterval(() => truncateSync(log, 0), 300)
    assert.deepEqual(await half, ['half'])
    clearInterval(cut)
  })

  it('reads a file that was moved away to its end, then goes on with the one in its place', async () => {
    await followFrom('a')
    const both = next(3)
    renameSync(log, `${log}.1`)
    appendFileSync(`${log}.1`, 'b\nhalf')
    writeFileSync(log, 'c\n')
    assert.deepEqual(await both, ['b', 'half', 'c'])
  })

  it('waits for a file that is not there for a time', async () => {
    await followFrom('a')
    rmSync(log)
    const waiting = next(1)
    writeFileSync(`${log}.new`, 'b\n')
    renameSync(`${log}.new`, log)
    assert.deepEqual(await waiting, ['b'])
  })

  it('fails where the path leads out of the folder, from the start or later', async () => {
    writeFileSync(join(base, 'secret'), 'secret\n')
    follow(1, '../secret')
    await assert.rejects(lines.next(), { message: '../secret leads out of the folder' })
    await followFrom('a')
    const waiting = lines.next()
    rmSync(log)
    symlinkSync(join(base, 'secret'), log)
    await assert.rejects(waiting, { message: 'log leads out of the folder' })
  })

  it('ends at once when nobody listens any more', async () => {
    await followFrom('a')
    const waiting = lines.next()
    aborter.abort()
    assert.deepEqual(await waiting, { done: true, value: undefined })
  })

  it('fails where there is no file, or a folder', async () => {
    follow(1, 'nope')
    await assert.rejects(lines.next(), { code: 'ENOENT' })
    follow(1, '.')
    await assert.rejects(lines.next(), { message: '. is a folder' })
  })
})
