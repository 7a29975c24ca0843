/** Our client of a real Rust server, through a gateway: WebSocket here, TCP or a Unix socket there. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstValueFrom } from 'rxjs'
import { type Client, connect, Gateway } from '../../lib/node/index.ts'
import { assertIdle } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { outcomeOf, recordedCalls } from '../support/recorded-calls.ts'
import { RUST_TRANSPORTS, withoutRust } from '../support/rust-pair.ts'
import { patternBytes, type RustServer, startRustServer } from '../support/rust-peer.ts'
import { type RustProxies, rustProxies } from '../support/rust-services.ts'
import { failure } from '../support/serve.ts'

const LENGTHS = [0, 1, 65_535, 65_536, 1_048_576, 16 * 1024 * 1024]
const MOST_MS = 60_000

interface Ends extends RustProxies {
  readonly rust: RustServer
}

for (const transport of RUST_TRANSPORTS) {
  /** Runs `body` with our clients of a new Rust server, both its addresses behind one gateway. */
  async function through(body: (ends: Ends) => Promise<void>): Promise<void> {
    const rust = await startRustServer(transport)
    const gateway = new Gateway({ targets: { '/api': rust.address, '/fs': rust.fsAddress } })
    const { address } = await gateway.listen('ws://127.0.0.1:0')
    const clients: Client[] = [connect(`${address}/api`), connect(`${address}/fs`)]
    try {
      await body({ ...rustProxies(clients[0]!, clients[1]), rust })
    } finally {
      await Promise.all(clients.map(client => client.close({ waitMs: 0 })))
      await gateway.close({ waitMs: 0 })
      await rust.kill()
    }
    for (const client of clients) assertIdle(client)
    await expectNoLeaks()
  }

  describe(`our client of a Rust server at ${transport}, through a gateway`, { skip: withoutRust() }, () => {
    it('gets what every recorded call got', { timeout: MOST_MS }, () =>
      through(async proxies => {
        for (const { name, make, outcome } of recordedCalls) {
          assert.deepEqual(await outcomeOf(make(proxies)), outcome, name)
        }
      }),
    )

    it('sends and gets blobs of 0 B to 16 MiB', { timeout: MOST_MS }, () =>
      through(async ({ files }) => {
        for (const len of LENGTHS) {
          const right = patternBytes(5, 7, len)
          const { blob } = await firstValueFrom(files.read({ inode: 5, offset: 7, len }))
          assert.equal(Buffer.compare(blob, right), 0, `read ${len}`)
          const written = await firstValueFrom(files.write({ inode: 5, offset: 7 }, { blob: right }))
          assert.deepEqual(written, { ret_size: len })
        }
      }),
    )

    it('has hundreds of calls under way at once', { timeout: MOST_MS }, () =>
      through(async ({ calculator }) => {
        const answers = Array.from({ length: 500 }, (_, n) => firstValueFrom(calculator.add([n, 1])))
        assert.deepEqual(
          await Promise.all(answers),
          Array.from({ length: 500 }, (_, n) => n + 1),
        )
      }),
    )

    it('loses its calls when the server dies, and is told so at the next dial', { timeout: MOST_MS }, () =>
      through(async ({ calculator, client, rust }) => {
        const hanging = failure(calculator.sleep_ms(60_000))
        await firstValueFrom(client.ping(), { defaultValue: undefined })
        await rust.kill()
        assert.equal((await hanging).code, 'rpc_io_err')
        const error = await failure(calculator.inc(1))
        assert.deepEqual([error.code, error.executed], ['rpc_unreachable', 'no'])
      }),
    )
  })
}
