/** Raw bytes behind messages, both ways, up to the limit and beyond it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catchError, firstValueFrom, of } from 'rxjs'
import { RpcError } from '../../lib/index.ts'
import { outcomeOf } from '../support/recorded-calls.ts'
import { err, ok, shownBytes } from '../support/rust-answers.ts'
import { RUST_TRANSPORTS, withoutRust, withRustClient, withRustServer } from '../support/rust-pair.ts'
import { patternBytes, type RustAnswer, type RustClient } from '../support/rust-peer.ts'

const skip = withoutRust()

const MIB = 1024 * 1024
/** `maxBlobBytes`, which is the limit at both of our ends. */
const MOST = 16 * MIB
const TWENTY_MB = 20_000_000
const LENGTHS = [0, 1, 1023, 4095, 4096, 65_535, 65_536, MIB + 1, MOST]
/** Which file, and from where. */
const INODE = 201
const OFFSET = 70_000

const read = (rust: RustClient, len: number): Promise<RustAnswer> =>
  rust.command({ fs: 'read', inode: INODE, offset: OFFSET, len })
const write = (rust: RustClient, len: number, seed = INODE): Promise<RustAnswer> =>
  rust.command({ fs: 'write', inode: INODE, offset: OFFSET, blob: { len, seed, offset: OFFSET } })

for (const transport of RUST_TRANSPORTS) {
  describe(`our client of a Rust server over ${transport}`, { skip }, () => {
    it('sends and gets blobs of 0 B to 16 MiB', () =>
      withRustServer(transport, async ({ files }) => {
        for (const len of LENGTHS) {
          const right = patternBytes(INODE, OFFSET, len)
          const { blob } = await firstValueFrom(files.read({ inode: INODE, offset: OFFSET, len }))
          assert.equal(Buffer.compare(blob, right), 0, `read ${len}`)
          const written = await firstValueFrom(files.write({ inode: INODE, offset: OFFSET }, { blob: right }))
          assert.deepEqual(written, { ret_size: len })
        }
        const wrong = patternBytes(INODE + 1, OFFSET, 100)
        assert.deepEqual(await outcomeOf(files.write({ inode: INODE, offset: OFFSET }, { blob: wrong })), { user: 5 })
      }))

    it('keeps blobs of many calls apart', () =>
      withRustServer(transport, async ({ files, watch }) => {
        const reads = Array.from({ length: 64 }, (_, inode) => {
          const len = (inode % 8) * 20_001
          return firstValueFrom(files.read({ inode, offset: inode, len })).then(({ blob }) =>
            assert.equal(Buffer.compare(blob, patternBytes(inode, inode, len)), 0, `read of ${inode}`),
          )
        })
        await Promise.all(reads)
        assert.equal(watch.links, 1)
      }))

    it('does not send a blob over its limit', () =>
      withRustServer(transport, async ({ files, watch }) => {
        const blob = new Uint8Array(MOST + 1)
        const failed = files.write({ inode: 1, offset: 0 }, { blob }).pipe(catchError(error => of(error)))
        const error = await firstValueFrom(failed)
        assert.ok(RpcError.is(error, 'rpc_too_large'))
        assert.equal(error.executed, 'no')
        assert.match(error.message, /blob of 16777217 bytes is over maxBlobBytes 16777216/)
        assert.deepEqual(watch.requests, [])
      }))

    it('gives a connection up that brings a blob over its limit, says why, and calls on over another', () =>
      withRustServer(transport, async ({ files, watch }) => {
        for (const len of [MOST + 1, TWENTY_MB]) {
          const failed = files.read({ inode: 1, offset: 0, len }).pipe(catchError(error => of(error)))
          const error = await firstValueFrom(failed)
          assert.ok(RpcError.is(error, 'rpc_io_err'))
          assert.equal(error.executed, 'maybe')
          assert.match(error.message, new RegExp(`blob of response 2 is ${len} bytes, over maxBlobBytes ${MOST}`))
        }
        const { blob } = await firstValueFrom(files.read({ inode: 1, offset: 0, len: 3 }))
        assert.deepEqual(blob, patternBytes(1, 0, 3))
        assert.equal(watch.links, 3)
      }))

    it('takes and sends more where its limit is higher', () =>
      withRustServer(
        transport,
        async ({ files }) => {
          const { blob } = await firstValueFrom(files.read({ inode: INODE, offset: 0, len: TWENTY_MB }))
          assert.equal(Buffer.compare(blob, patternBytes(INODE, 0, TWENTY_MB)), 0)
          const written = await firstValueFrom(files.write({ inode: INODE, offset: 0 }, { blob }))
          assert.deepEqual(written, { ret_size: TWENTY_MB })
        },
        { maxBlobBytes: 2 * MOST },
      ))
  })

  for (const mode of ['pool', 'stream'] as const) {
    describe(`a Rust ${mode} of our server over ${transport}`, { skip }, () => {
      it('sends and gets blobs of 0 B to 16 MiB', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          for (const len of LENGTHS) {
            assert.deepEqual(ok(await read(rust, len)), shownBytes(patternBytes(INODE, OFFSET, len)), `read ${len}`)
            assert.deepEqual(ok(await write(rust, len)), { ret_size: String(len) }, `write ${len}`)
          }
          assert.deepEqual(err(await write(rust, 100, INODE + 1)), ['user', 'EIO'])
        }))

      it('gets rpc_encode for an answer over our limit, and goes on', () =>
        withRustClient(transport, mode, async ({ rust, watch, logged }) => {
          assert.deepEqual(err(await read(rust, TWENTY_MB)), ['rpc', 'rpc_encode'])
          assert.ok(
            logged.some(({ message }) => message.includes('blob of 20000000 bytes is over maxBlobBytes 16777216')),
          )
          assert.deepEqual(ok(await read(rust, 3)), shownBytes(patternBytes(INODE, OFFSET, 3)))
          // One for the services, one for the file actions.
          assert.equal(watch.links, 2)
        }))

      it('sends and gets more where our limit is higher', () =>
        withRustClient(
          transport,
          mode,
          async ({ rust }) => {
            assert.deepEqual(ok(await write(rust, TWENTY_MB)), { ret_size: String(TWENTY_MB) })
            assert.deepEqual(ok(await read(rust, TWENTY_MB)), shownBytes(patternBytes(INODE, OFFSET, TWENTY_MB)))
          },
          { maxBlobBytes: 2 * MOST },
        ))
    })
  }

  describe(`a Rust pool of our server over ${transport}`, { skip }, () => {
    it('loses the connection over which it sent a blob over our limit, and calls on over another', () =>
      withRustClient(transport, 'pool', async ({ rust, watch, logged }) => {
        assert.deepEqual(err(await write(rust, TWENTY_MB)), ['rpc', 'rpc_io_err'])
        const notice = watch.responses.at(-1)
        assert.deepEqual([notice?.seq, notice?.flag, notice?.body], [0n, 2, 'rpc_too_large'])
        assert.match(logged[0]!.message, /blob of request 1 is 20000000 bytes, over maxBlobBytes 16777216/)
        // It needs one or two calls to find out.
        let answer = await read(rust, 3)
        for (let attempt = 0; attempt < 5 && 'err' in answer; attempt++) answer = await read(rust, 3)
        assert.deepEqual(ok(answer), shownBytes(patternBytes(INODE, OFFSET, 3)))
      }))
  })
}
