/** The two versions of the protocol with a Rust server, or a Rust client, at the other end: they speak version 1, and stay with it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dialSocket } from 'node:net'
import { describe, it } from 'node:test'
import { firstValueFrom, NEVER, type Observable, of, Subject, toArray } from 'rxjs'
import { type WebSocket, WebSocketServer } from 'ws'
import { parseTcp } from '../../lib/node/addresses.ts'
import {
  type Client,
  connect,
  duplex,
  implement,
  RpcServer,
  service,
  stream,
  unary,
  upload,
} from '../../lib/node/index.ts'
import { assertIdle, follow } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { err } from '../support/rust-answers.ts'
import { RUST_TRANSPORTS, withoutRust, withRustClient, withRustServer } from '../support/rust-pair.ts'
import { startRustServer } from '../support/rust-peer.ts'
import { Calculator } from '../support/rust-services.ts'

const skip = withoutRust()

/** A service that has its name of the Rust peer, and methods that need version 2. */
const Streaming = service('CalculatorService', {
  inc: unary<number, number>(),
  count: stream<number, number>(),
  sum: upload<void, number, number>(),
  double: duplex<void, number, number>(),
})

/** Calls that need version 2, by what is missing without it. */
function needingV2(client: Client, items$: Observable<number>): [missing: string, call: Observable<unknown>][] {
  const calls = client.use(Streaming)
  return [
    ['streams', calls.count(3)],
    ['streams', calls.sum(undefined, items$)],
    ['streams', calls.double(undefined, items$)],
    ['headers', calls.inc(1, { headers: { trace: 'x' } })],
  ]
}

for (const transport of RUST_TRANSPORTS) {
  describe(`our client of a Rust server over ${transport}`, { skip }, () => {
    it('offers version 2 by a ping at the head of each connection, and speaks version 1 from the empty pong on', () =>
      withRustServer(transport, async ({ calculator, client, watch, another }) => {
        assert.equal(await firstValueFrom(calculator.inc(1)), 2)
        await firstValueFrom(client.ping(), { defaultValue: undefined })
        assert.equal(await firstValueFrom(another().use(Calculator).inc(2)), 3)
        assert.deepEqual([watch.links, watch.offers], [2, 2])
        // The check that follows has seen that each byte of a version was a 1.
        assert.deepEqual(
          watch.requests.map(({ action, seq }) => [action, seq]),
          [
            ['CalculatorService.inc', 2n],
            [0, 3n],
            ['CalculatorService.inc', 2n],
          ],
        )
      }))

    it('fails streams and headers with rpc_unsupported before anything of them was sent, and calls on', () =>
      withRustServer(transport, async ({ calculator, client, watch }) => {
        assert.equal(await firstValueFrom(calculator.inc(1)), 2)
        const items$ = new Subject<number>()
        for (const [missing, call$] of needingV2(client, items$)) {
          const call = follow(call$)
          assert.equal(call.ends, 1, 'it failed later')
          await call.failsWith('rpc_unsupported', new RegExp(`${missing} need version 2 .* speaks version 1`), 'no')
        }
        assert.equal(items$.observed, false)
        assert.equal(await firstValueFrom(calculator.inc(2)), 3)
        assert.deepEqual(
          watch.requests.map(({ action }) => action),
          ['CalculatorService.inc', 'CalculatorService.inc'],
        )
        assertIdle(client)
      }))

    it('fails them as soon as the offer is answered where they came before, and no other call', () =>
      withRustServer(transport, async ({ client, watch }) => {
        const items$ = new Subject<number>()
        const failing = needingV2(client, items$).map(([, call$]) => follow(call$))
        const fine = follow(client.use(Streaming).inc(1))
        for (const call of failing) await call.failsWith('rpc_unsupported', /need version 2/, 'no')
        assert.equal(await fine.answers(), 2)
        assert.equal(items$.observed, false)
        assert.deepEqual(
          watch.requests.map(({ action, seq }) => [action, seq]),
          [['CalculatorService.inc', 2n]],
        )
        assertIdle(client)
      }))

    it('offers nothing where it is told to speak version 1, and still says what it cannot send', () =>
      withRustServer(
        transport,
        async ({ calculator, client, watch }) => {
          assert.equal(await firstValueFrom(calculator.inc(1)), 2)
          for (const [, call$] of needingV2(client, NEVER)) {
            await follow(call$).failsWith('rpc_unsupported', /need version 2/, 'no')
          }
          assert.deepEqual([watch.links, watch.offers], [1, 0])
          assert.deepEqual(
            watch.requests.map(({ seq }) => seq),
            [1n],
          )
        },
        { version: 1 },
      ))
  })

  for (const mode of ['pool', 'stream'] as const) {
    describe(`a Rust ${mode} of our server over ${transport}`, { skip }, () => {
      it('is told rpc_unsupported where it calls what is a stream here, and nothing runs', () => {
        const ran: string[] = []
        const streaming = implement(Streaming, {
          inc: n => n + 1,
          count: n => {
            ran.push('count')
            return of(n)
          },
          sum: () => {
            ran.push('sum')
            return 0
          },
          double: () => {
            ran.push('double')
            return NEVER
          },
        })
        return withRustClient(
          transport,
          mode,
          async ({ rust }) => {
            for (const method of ['count', 'sum', 'double']) {
              const answer = await rust.command({ raw: `CalculatorService.${method}`, args: 1 })
              // A text it does not know is to a Rust client an error of the handler.
              assert.deepEqual(err(answer), ['user', 'rpc_unsupported'], method)
            }
            const answer = await rust.command({ raw: 'CalculatorService.inc', args: 1 })
            assert.ok('ok' in answer)
            assert.deepEqual(ran, [])
          },
          { services: [streaming] },
        )
      })
    })
  }
}

/** A bridge as there are many: takes WebSockets for itself, and carries their bytes to a TCP server that knows nothing of it. */
class Bridge {
  /** Where the bytes go. */
  target = ''
  readonly #server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  readonly #sockets = new Set<WebSocket>()

  constructor() {
    this.#server.on('connection', near => {
      const far = dialSocket(parseTcp(this.target))
      this.#sockets.add(near)
      near.on('message', bytes => far.write(bytes as Buffer))
      near.on('close', () => {
        this.#sockets.delete(near)
        far.destroy()
      })
      far.on('data', bytes => near.send(bytes))
      far.on('close', () => near.close())
      far.on('error', assert.fail)
    })
  }

  async address(): Promise<string> {
    if (this.#server.address() === null) await once(this.#server, 'listening')
    return `ws://127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  /** Drops its connections. */
  async drop(): Promise<void> {
    const closed = [...this.#sockets].map(near => once(near, 'close'))
    for (const near of this.#sockets) near.terminate()
    await Promise.all(closed)
  }

  async close(): Promise<void> {
    await this.drop()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

describe('a Rust server behind a WebSocket bridge', { skip }, () => {
  it('speaks version 1 whatever the upgrade said; what stands there next time is asked anew (1)', async () => {
    const rust = await startRustServer('tcp')
    const bridge = new Bridge()
    bridge.target = rust.address
    const client = connect(await bridge.address())
    const calls = client.use(Streaming)
    assert.equal(await firstValueFrom(calls.inc(1)), 2)
    await follow(calls.count(3)).failsWith('rpc_unsupported', /streams need version 2/, 'no')

    const ours = new RpcServer({
      services: [
        implement(Streaming, {
          inc: n => n + 1,
          count: n => of(...Array(n).keys()),
          sum: () => 0,
          double: (_, { items$ }) => items$,
        }),
      ],
    })
    bridge.target = (await ours.listen('tcp://127.0.0.1:0')).address
    const lost = follow(client.use(Calculator).sleep_ms(60_000))
    await firstValueFrom(client.ping(), { defaultValue: undefined })
    await bridge.drop()
    await lost.failsWith('rpc_io_err', /lost its connection/, 'maybe')
    assert.deepEqual(await firstValueFrom(calls.count(3).pipe(toArray())), [0, 1, 2])
    assert.deepEqual(await firstValueFrom(calls.double(undefined, of(1, 2)).pipe(toArray())), [1, 2])

    await client.close()
    await ours.close()
    await bridge.close()
    await rust.kill()
    assertIdle(client)
    await expectNoLeaks()
  })
})
