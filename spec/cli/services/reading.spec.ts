/** `Host.files` and `Host.fetch`: what files a folder has, and their bytes in pieces. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import { host } from '../../../lib/cli/services/host.ts'
import { Host, PIECE_BYTES } from '../../../lib/cli/services/host-contract.ts'
import { expectNoLeaks } from '../../support/leaks.ts'
import { failure, serve } from '../../support/serve.ts'

const base = mkdtempSync(join(tmpdir(), 'razor-reading-'))
const root = join(base, 'root')
const inside = (name: string): string => join(root, name)
const listenAt = 'tcp://127.0.0.1:0'
const MIB = 1024 * 1024

beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
})
after(async () => {
  rmSync(base, { recursive: true })
  await expectNoLeaks()
})

function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

describe('Host.files', () => {
  it('lists the files of the folder itself, by name, and nothing else', async t => {
    const { client } = await serve(t, { services: [host({ folder: root })] })
    writeFileSync(inside('b'), 'four')
    writeFileSync(inside('a'), '')
    writeFileSync(inside('.razor-1.part'), 'hidden')
    writeFileSync(join(base, 'secret'), 'secret')
    mkdirSync(inside('folder'))
    symlinkSync(join(base, 'secret'), inside('link'))
    const files = await firstValueFrom(client.use(Host).files())
    assert.deepEqual(
      files.map(({ name, bytes }) => [name, bytes]),
      [
        ['a', 0],
        ['b', 4],
      ],
    )
    assert.ok(files.every(({ modifiedAt }) => Number.isInteger(modifiedAt)))
  })

  it('needs a folder', async t => {
    const { client } = await serve(t, { services: [host()] })
    assert.match((await failure(client.use(Host).files())).message, /Host\.files needs a folder/)
    assert.match((await failure(client.use(Host).fetch({ path: 'a' }))).message, /Host\.fetch needs a folder/)
  })
})

describe('Host.fetch', () => {
  it('gives a file in pieces of 64 KiB, and an empty one in none', async t => {
    const { client } = await serve(t, { listenAt, services: [host({ folder: root })] })
    const content = Buffer.from(Uint32Array.from({ length: 4 * MIB + 1 }, (_, n) => n * 2654435761).buffer)
    writeFileSync(inside('file'), content)
    writeFileSync(inside('empty'), '')
    const pieces = await lastValueFrom(client.use(Host).fetch({ path: 'file' }).pipe(toArray()))
    assert.equal(sha256(...pieces), sha256(content))
    assert.ok(pieces.slice(0, -1).every(({ length }) => length === PIECE_BYTES))
    assert.equal(pieces.at(-1)?.length, 4)
    assert.deepEqual(await lastValueFrom(client.use(Host).fetch({ path: 'empty' }).pipe(toArray())), [])
  })

  it('reads no further than it is asked for, and closes the file when it is left', async t => {
    const { client, server } = await serve(t, { listenAt, services: [host({ folder: root })] })
    writeFileSync(inside('file'), Buffer.alloc(8 * MIB))
    for await (const piece of client.use(Host).fetch({ path: 'file' })) {
      assert.equal(piece.length, PIECE_BYTES)
      break
    }
    await client.close()
    assert.equal(server.stats().calls, 0)
  })

  it('fails where the file is cut meanwhile', async t => {
    const { client } = await serve(t, { listenAt, services: [host({ folder: root })] })
    writeFileSync(inside('file'), Buffer.alloc(8 * MIB))
    let failed: unknown
    try {
      for await (const _ of client.use(Host).fetch({ path: 'file' }, { window: 1 })) truncateSync(inside('file'), 10)
    } catch (error) {
      failed = error
    }
    assert.match(String(failed), /cannot fetch file: file was cut to \d+ of 8388608 bytes meanwhile/)
  })

  it('fails with what went wrong, and without a path of the server', async t => {
    const { client } = await serve(t, { services: [host({ folder: root })] })
    symlinkSync(base, inside('out'))
    writeFileSync(join(base, 'secret'), 'secret')
    const failures = [
      ['nope', /cannot fetch nope: ENOENT$/],
      ['../secret', /leads out of the folder$/],
      ['out/secret', /leads out of the folder$/],
      ['.', /is a folder$/],
    ] as const
    for (const [path, message] of failures) {
      const error = await failure(client.use(Host).fetch({ path }))
      assert.match(error.message, message)
      assert.ok(!error.message.includes(base))
    }
  })
})
