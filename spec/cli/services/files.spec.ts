/** The numeric file actions, over a real folder. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { catchError, firstValueFrom, type Observable, of } from 'rxjs'
import { Files, files } from '../../../lib/cli/services/files.ts'
import { RpcError, UserError } from '../../../lib/error.ts'
import { linkedPair } from '../../../lib/testing/index.ts'

const [ENOENT, EBADF, EACCES, EEXIST, EISDIR, EINVAL, EFBIG] = [2, 9, 13, 17, 21, 22, 27]
const [O_WRONLY, O_CREAT, O_EXCL, O_TRUNC] = [1, 64, 128, 512]

const base = mkdtempSync(join(tmpdir(), 'razor-files-'))
const root = join(base, 'root')
const outside = join(base, 'outside')
const inside = (name: string): string => join(root, name)

let { client, expectNoLeaks } = linkedPair()
let fs = client.use(Files)
beforeEach(() => {
  for (const folder of [root, outside]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
  }
  writeFileSync(inside('a.txt'), 'hello world')
  writeFileSync(join(outside, 'secret'), 'secret')
  ;({ client, expectNoLeaks } = linkedPair({ services: [files(root)] }))
  fs = client.use(Files)
})
after(() => {
  expectNoLeaks()
  rmSync(base, { recursive: true })
})

/** What a call answers, or the errno or the code it fails with. */
const outcome = <T>(call$: Observable<T>): Promise<T | number | string> =>
  firstValueFrom(
    call$.pipe(
      catchError(error =>
        of(error instanceof UserError ? (error.value as number) : (RpcError.from(error).code as string)),
      ),
    ),
  )

const open = (path: string, flags = 0) => outcome(fs.open({ path, flags }))
const inode = async (path: string, flags = 0) => (await firstValueFrom(fs.open({ path, flags }))).inode
const read = async (file: number | bigint, offset: number | bigint, len: number | bigint) => {
  const answer = await outcome(fs.read({ inode: file, offset, len }))
  return typeof answer === 'object' ? Buffer.from(answer.blob).toString() : answer
}
const write = (file: number | bigint, offset: number | bigint, text: string) =>
  outcome(fs.write({ inode: file, offset }, { blob: Buffer.from(text) }))

describe('the file actions', () => {
  it('open a file, with or without a leading slash, and answer its own number', async () => {
    const { ino } = statSync(inside('a.txt'))
    assert.deepEqual(await open('a.txt'), { inode: ino })
    assert.deepEqual(await open('/a.txt'), { inode: ino })
    assert.deepEqual(await open('//./x/../a.txt'), { inode: ino })
  })

  it('read what is there, and no more', async () => {
    const file = await inode('a.txt')
    assert.equal(await read(file, 6, 5), 'world')
    assert.equal(await read(file, 6, 500), 'world')
    assert.equal(await read(file, 11, 1), '')
    assert.equal(await read(file, 0, 0), '')
    assert.equal(await read(file, 2n ** 63n - 1n, 5), '')
  })

  it('write at an offset, and say how much', async () => {
    const file = await inode('new.txt', O_WRONLY | O_CREAT)
    assert.deepEqual(await write(file, 0, 'hello'), { ret_size: 5 })
    assert.deepEqual(await write(file, 3, 'p me'), { ret_size: 4 })
    assert.deepEqual(await write(file, 1, ''), { ret_size: 0 })
    assert.equal(readFileSync(inside('new.txt'), 'utf8'), 'help me')
  })

  it('read at an offset beyond 2^53 exactly', async t => {
    // Of the file systems of Linux this one has files of that size.
    if (!existsSync('/dev/shm')) return t.skip('no /dev/shm here')
    const folder = mkdtempSync('/dev/shm/razor-files-')
    try {
      writeFileSync(join(folder, 'large'), '')
      execFileSync('truncate', ['-s', String(2n ** 53n + 4097n), join(folder, 'large')])
      fs = linkedPair({ services: [files(folder)] }).client.use(Files)
      const file = await inode('large')
      assert.equal(await read(file, 2n ** 53n + 4095n, 10), '\0\0')
      assert.equal(await read(file, 2n ** 53n + 4096n, 10), '\0')
      assert.equal(await read(file, 2n ** 53n + 4097n, 10), '')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('refuse what cannot be an offset or a length', async () => {
    const file = await inode('a.txt')
    assert.equal(await write(file, 2n ** 53n, 'x'), EFBIG)
    assert.equal(await write(file, 2n ** 64n - 1n, 'x'), EFBIG)
    assert.equal(await read(file, 2n ** 63n, 1), EINVAL)
    assert.equal(await read(file, 0, 16 * 1024 * 1024 + 1), EINVAL)
    assert.equal(await read(file, 0, 2n ** 64n - 1n), EINVAL)
    assert.equal(readFileSync(inside('a.txt'), 'utf8'), 'hello world')
  })

  it('know the Linux flags', async () => {
    assert.equal(await open('nope'), ENOENT)
    assert.equal(await open(''), ENOENT)
    assert.equal(await open('a.txt', O_WRONLY | O_CREAT | O_EXCL), EEXIST)
    assert.equal(await open('a.txt', 3), EINVAL)
    assert.equal(await open('a.txt', 2 ** 31), EINVAL)
    assert.equal(await open('a\0.txt'), EINVAL)
    assert.equal(await open('a.txt', O_TRUNC), EINVAL)
    assert.equal(readFileSync(inside('a.txt'), 'utf8'), 'hello world')
    await inode('a.txt', O_WRONLY | O_TRUNC)
    assert.equal(readFileSync(inside('a.txt'), 'utf8'), '')
  })

  it('refuse folders, and pipes without waiting for their other end', async () => {
    execFileSync('mkfifo', [inside('pipe')])
    assert.equal(await open('/'), EISDIR)
    assert.equal(await open('pipe'), EINVAL)
  })

  it('refuse a path that leads out by ..', async () => {
    for (const path of ['..', '../outside/secret', '/../outside/secret', 'x/../../outside/secret', '../root-not']) {
      assert.equal(await open(path), EACCES, path)
    }
  })

  it('refuse a symlink that leads out, follow one that stays, and never make a file outside', async () => {
    symlinkSync(join(outside, 'secret'), inside('secret'))
    symlinkSync(outside, inside('out'))
    symlinkSync('../outside/made', inside('dangling'))
    symlinkSync('a.txt', inside('link'))
    assert.equal(await open('secret'), EACCES)
    assert.equal(await open('out/secret'), EACCES)
    assert.equal(await open('out/made', O_WRONLY | O_CREAT), EACCES)
    assert.equal(typeof (await open('dangling', O_WRONLY | O_CREAT)), 'number')
    assert.deepEqual(await open('link'), await open('a.txt'))
    assert.equal(existsSync(join(outside, 'made')), false)
  })

  it('refuse a file that became another one, or led out, since it was opened', async () => {
    const file = await inode('a.txt')
    renameSync(inside('a.txt'), inside('b.txt'))
    assert.equal(await read(file, 0, 5), ENOENT)
    writeFileSync(inside('a.txt'), 'another')
    assert.equal(await read(file, 0, 5), EBADF)
    rmSync(inside('a.txt'))
    symlinkSync(join(outside, 'secret'), inside('a.txt'))
    assert.equal(await write(file, 0, 'x'), EACCES)
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret')
  })

  it('forget all but the last 1,024 files that were used', async () => {
    const first = await inode('a.txt')
    const second = await inode('0', O_WRONLY | O_CREAT)
    for (let n = 1; n < 1023; n++) await inode(String(n), O_WRONLY | O_CREAT)
    assert.equal(await read(first, 0, 5), 'hello')
    await inode('one more', O_WRONLY | O_CREAT)
    assert.equal(await read(second, 0, 5), EBADF)
    assert.equal(await read(first, 0, 5), 'hello')
    assert.equal(await read(12345678901234567890n, 0, 5), EBADF)
  })

  it('refuse an argument of the wrong shape', async () => {
    const inputs: readonly [number, unknown][] = [
      [1, null],
      [1, { path: 'a.txt' }],
      [1, { path: 1, flags: 0 }],
      [1, { path: 'a.txt', flags: -1 }],
      [2, { inode: 1, offset: 0, len: -1 }],
      [2, { inode: 1.5, offset: 0, len: 1 }],
      [3, [1, 2]],
    ]
    for (const [action, input] of inputs) {
      assert.equal(await outcome(client.call({ action, input })), 'rpc_decode', JSON.stringify(input))
    }
  })

  it('answer many reads at once', async () => {
    writeFileSync(inside('zeros'), '')
    truncateSync(inside('zeros'), 1024 * 1024)
    const file = await inode('zeros')
    const answers = await Promise.all(Array.from({ length: 32 }, () => read(file, 0, 1024 * 1024)))
    for (const answer of answers) assert.equal((answer as string).length, 1024 * 1024)
  })
})
