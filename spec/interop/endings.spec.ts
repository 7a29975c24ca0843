/** Timeouts, lost connections, closing and pausing, with Rust at either end. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { filter, firstValueFrom, Observable, Subject, type Subscriber, startWith } from 'rxjs'
import { connect, implement, RpcError, RpcServer, service, unary } from '../../lib/node/index.ts'
import { NOTHING_LEFT } from '../support/arena.ts'
import { countsOf } from '../support/counts.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { outcomeOf } from '../support/recorded-calls.ts'
import { call, err, ok, shownBytes } from '../support/rust-answers.ts'
import {
  type OurServer,
  RUST_TRANSPORTS,
  type RustTransport,
  startOurServer,
  withoutRust,
  withRustClient,
  withRustServer,
} from '../support/rust-pair.ts'
import { patternBytes, type RustAnswer, startRustClient, startRustServer } from '../support/rust-peer.ts'
import { Calculator, rustServices } from '../support/rust-services.ts'

const skip = withoutRust()

/** The error of a call that must fail. */
async function failure(call$: Observable<unknown>): Promise<RpcError> {
  try {
    assert.fail(`an answer came: ${await firstValueFrom(call$)}`)
  } catch (error) {
    assert.ok(RpcError.is(error), String(error))
    return error
  }
}

for (const transport of RUST_TRANSPORTS) {
  describe(`our client of a Rust server over ${transport}`, { skip }, () => {
    it('gets answers in the order in which the server has them', () =>
      withRustServer(transport, async ({ calculator, watch }) => {
        const order: number[] = []
        const sleeps = [400, 200, 0].map(ms =>
          firstValueFrom(calculator.sleep_ms(ms)).then(answer => order.push(Number(answer))),
        )
        await Promise.all(sleeps)
        assert.deepEqual(order, [0, 200, 400])
        assert.deepEqual(
          watch.responses.map(({ seq }) => seq),
          [4n, 3n, 2n],
        )
      }))

    it('fails a call with rpc_timeout, drops its late answer, and goes on', () =>
      withRustServer(
        transport,
        async ({ calculator, client, watch }) => {
          const error = await failure(calculator.sleep_ms(300, { timeoutMs: 20 }))
          assert.equal(error.code, 'rpc_timeout')
          assert.equal(error.executed, 'maybe')
          assert.equal(await firstValueFrom(calculator.sleep_ms(500)), 500)
          assert.equal(client.stats().lateAnswers, 1)
          const unsent = await failure(calculator.inc(1, { timeoutMs: 0 }))
          assert.equal(unsent.code, 'rpc_timeout')
          assert.equal(unsent.executed, 'no')
          assert.equal(watch.requests.length, 2)
          assert.equal(watch.links, 1)
        },
        { tickMs: 100 },
      ))

    it('keeps the slot of a call that was unsubscribed from until its answer came', () =>
      withRustServer(
        transport,
        async ({ calculator, watch }) => {
          await firstValueFrom(calculator.inc(0))
          calculator
            .sleep_ms(200)
            .subscribe({ next: () => assert.fail('unsubscribed'), error: assert.fail })
            .unsubscribe()
          assert.equal(await firstValueFrom(calculator.inc(1)), 2)
          // The server would have answered the third before the second, had it got it before.
          assert.deepEqual(
            watch.responses.map(({ seq }) => seq),
            [2n, 3n, 4n],
          )
        },
        { thresholds: 1 },
      ))

    it('fails every call once when the server dies: maybe executed if sent, not executed if not', () =>
      withRustServer(
        transport,
        async ({ calculator, client, rust }) => {
          await firstValueFrom(calculator.inc(0))
          let ends = 0
          const executed = Array.from({ length: 30 }, () => {
            const ended = failure(calculator.sleep_ms(60_000))
            return ended.then(error => {
              ends++
              // What was not sent has found nobody to be sent to.
              assert.equal(error.code, error.executed === 'no' ? 'rpc_unreachable' : 'rpc_io_err')
              return error.executed
            })
          })
          assert.deepEqual(countsOf(client.stats()), { waiting: 20, inFlight: 10, lateAnswers: 0 })
          // Answered behind the ten, so these have arrived.
          await firstValueFrom(client.ping(), { defaultValue: undefined })
          await rust.kill()
          assert.deepEqual(await Promise.all(executed), [...Array(10).fill('maybe'), ...Array(20).fill('no')])
          assert.equal(ends, 30)
          const refused = await failure(calculator.inc(1))
          assert.equal(refused.code, 'rpc_unreachable')
          assert.equal(refused.executed, 'no')
          assert.ok(refused.message.includes(rust.address), refused.message)
        },
        { thresholds: 10 },
      ))

    it('calls on when the server has come back', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'razor-spec-'))
      const at = (name: string) => (transport === 'tcp' ? 'tcp://127.0.0.1:0' : `unix://${folder}/${name}`)
      const options = { address: at('api'), fsAddress: at('fs') }
      const first = await startRustServer('tcp', options)
      const client = connect(first.address)
      const calculator = client.use(Calculator)
      assert.equal(await firstValueFrom(calculator.inc(1)), 2)
      const lost = failure(calculator.sleep_ms(60_000))
      await firstValueFrom(client.ping(), { defaultValue: undefined })
      await first.kill()
      assert.equal((await lost).code, 'rpc_io_err')
      if (transport === 'unix') for (const name of ['api', 'fs']) rmSync(join(folder, name), { force: true })
      const second = await startRustServer('tcp', { address: first.address, fsAddress: first.fsAddress })
      assert.equal(await firstValueFrom(calculator.inc(2)), 3)
      await client.close()
      await second.kill()
      rmSync(folder, { recursive: true })
      await expectNoLeaks()
    })

    it('still gets its answers from a server that stops', () =>
      withRustServer(transport, async ({ calculator, client, rust }) => {
        const answer = firstValueFrom(calculator.sleep_ms(300))
        await firstValueFrom(client.ping(), { defaultValue: undefined })
        const stopped = rust.stop()
        assert.equal(await answer, 300)
        await client.close()
        await stopped
        assert.equal((await failure(client.use(Calculator).inc(1))).code, 'rpc_unreachable')
      }))

    it('harms no other client by leaving in the middle of its calls', () =>
      withRustServer(transport, async ({ calculator, another }) => {
        for (let round = 0; round < 20; round++) {
          const leaving = another()
          const lost = Array.from({ length: 5 }, () => outcomeOf(leaving.use(Calculator).sleep_ms(30_000)))
          await firstValueFrom(leaving.ping(), { defaultValue: undefined })
          await leaving.close({ waitMs: 0 })
          for (const outcome of await Promise.all(lost)) assert.ok('code' in outcome)
          assert.equal(await firstValueFrom(calculator.inc(round)), round + 1)
        }
      }))
  })

  for (const mode of ['pool', 'stream'] as const) {
    describe(`a Rust ${mode} of our server over ${transport}`, { skip }, () => {
      it('gets answers in the order in which we have them', () =>
        withGate(transport, mode, async ({ wait, gate }) => {
          const waits = [1, 2, 3, 4, 5].map(n => wait(n))
          await gate.running(5)
          for (const n of [3, 5, 1, 4, 2]) {
            gate.answer(n)
            assert.equal(ok(await waits[n - 1]!), String(n))
          }
        }))

      it('times out, skips the late answer, and goes on', () =>
        withGate(transport, mode, async ({ rust, server, wait, gate, watch }) => {
          assert.deepEqual(err(await wait(1)), ['rpc', 'rpc_timeout'])
          assert.equal(server.stats().calls, 1)
          gate.answer(1)
          assert.equal(ok(await call(rust, 'EchoService.u8', 7)), '7')
          assert.equal(server.stats().calls, 0)
          assert.equal(watch.links, 1)
        }))

      // Its end looks like that of a client that sends no more and still wants its answers: only writing tells.
      it('that is killed has its handlers torn down once an answer cannot be written, and harms no other client', () =>
        withGate(transport, mode, async ({ rust, address, server, wait, gate }) => {
          const other = await startRustClient(address, { mode: 'stream' })
          try {
            const others = other.command({ raw: 'GateService.wait', args: 9 })
            const lost = [1, 2, 3].map(n => assert.rejects(wait(n), /razor-peer client ended/))
            await gate.running(4)
            await rust.kill()
            await Promise.all(lost)
            for (const n of [1, 2]) {
              gate.answer(n)
              // By its end the answer before it has left, and been refused.
              assert.equal(ok(await call(other, 'EchoService.u8', n)), String(n))
            }
            await firstValueFrom(server.connections$.pipe(filter(count => count === 1)))
            await gate.running(1)
            assert.deepEqual(server.stats(), { ...NOTHING_LEFT, connections: 1, calls: 1, heldBytes: 1 })
            gate.answer(9)
            assert.equal(ok(await others), '9')
          } finally {
            await other.kill()
          }
        }))

      it('gets the answers of calls that run while our server closes', () =>
        withGate(transport, mode, async ({ rust, server, wait, gate, watch }) => {
          const waits = [1, 2, 3, 4, 5].map(n => wait(n))
          await gate.running(5)
          const closed = server.close()
          assert.deepEqual(server.stats().calls, 5)
          for (const n of [5, 4, 3, 2, 1]) gate.answer(n)
          assert.deepEqual((await Promise.all(waits)).map(ok), ['1', '2', '3', '4', '5'])
          await closed
          const notice = watch.responses.at(-1)
          assert.deepEqual([notice?.seq, notice?.flag, notice?.body], [0n, 2, 'rpc_draining'])
          const [kind, text] = err(await call(rust, 'EchoService.u8', 7))
          assert.equal(kind, 'rpc')
          assert.match(text, /^rpc_(io_err|unreachable)$/)
        }))

      it('gets rpc_io_err for calls that run when our server drops them', () =>
        withGate(transport, mode, async ({ server, wait, gate }) => {
          const waits = [1, 2, 3].map(n => wait(n))
          await gate.running(3)
          await server.close({ waitMs: 0 })
          for (const answer of await Promise.all(waits)) assert.deepEqual(err(answer), ['rpc', 'rpc_io_err'])
          await gate.running(0)
        }))

      it('gets all its answers from a server that stops reading when it has calls enough', () =>
        withRustClient(
          transport,
          mode,
          async ({ rust, server }) => {
            const slow = [1, 2, 3, 4].map(() => call(rust, 'CalculatorService.sleep_ms', 1200))
            const quick = Array.from({ length: 400 }, (_, n) => call(rust, 'CalculatorService.add', [n, 1]))
            for (const answer of await Promise.all(slow)) assert.equal(ok(answer), '1200')
            assert.deepEqual(
              (await Promise.all(quick)).map(ok),
              quick.map((_, n) => String(n + 1)),
            )
            assert.equal(server.stats().calls, 0)
          },
          { maxCallsPerConnection: 4 },
        ))

      it('gets all its answers from a server that stops reading when it holds bytes enough', () =>
        withRustClient(
          transport,
          mode,
          async ({ rust }) => {
            const len = 3_000_000
            const writes = Array.from({ length: 12 }, (_, inode) =>
              rust.command({ fs: 'write', inode, offset: 0, blob: { len, seed: inode } }),
            )
            const reads = Array.from({ length: 12 }, (_, inode) => rust.command({ fs: 'read', inode, offset: 0, len }))
            for (const answer of await Promise.all(writes)) assert.deepEqual(ok(answer), { ret_size: String(len) })
            for (const [inode, answer] of (await Promise.all(reads)).entries()) {
              assert.deepEqual(ok(answer), shownBytes(patternBytes(inode, 0, len)))
            }
          },
          {
            maxHeldBytes: 1_000_000,
            highWaterMarkBytes: 100_000,
            // Each call outlives its dispatch, so that its bytes are held.
            interceptors: [
              (request, next) => new Observable(out => later(() => out.add(next(request).subscribe(out)))),
            ],
          },
        ))
    })
  }

  describe(`a Rust pool of our server over ${transport}`, { skip }, () => {
    it('calls on when our server has come back', async () => {
      const first = await startOurServer(transport)
      const rust = await startRustClient(first.address)
      assert.equal(ok(await call(rust, 'EchoService.u8', 1)), '1')
      await first.server.close()
      const second = new RpcServer(rustServices)
      await second.listen(first.address)
      // It needs one or two calls, and a second, to find out.
      let answer = await call(rust, 'EchoService.u8', 2)
      for (let attempt = 0; attempt < 5 && 'err' in answer; attempt++) answer = await call(rust, 'EchoService.u8', 2)
      assert.equal(ok(answer), '2')
      await rust.kill()
      await second.close()
      await first.close()
      first.watch.check()
      await expectNoLeaks()
    })
  })
}

/** Runs `then` in a later turn; returns how to call it off. */
function later(then: () => void): () => void {
  const handle = setImmediate(then)
  return () => clearImmediate(handle)
}

const GateService = service('GateService', { wait: unary<number, number>() })

/** Calls that run until the spec answers them. */
class Gate {
  readonly #running = new Map<number, Subscriber<number>>()
  readonly #changed = new Subject<void>()

  readonly implementation = implement(GateService, {
    wait: n =>
      new Observable<number>(caller => {
        this.#running.set(n, caller)
        this.#changed.next()
        return () => {
          this.#running.delete(n)
          this.#changed.next()
        }
      }),
  })

  /** Resolves when so many calls run. */
  async running(count: number): Promise<void> {
    await firstValueFrom(
      this.#changed.pipe(
        startWith(undefined),
        filter(() => this.#running.size === count),
      ),
    )
  }

  answer(n: number): void {
    this.#running.get(n)?.next(n)
  }
}

interface Gated extends OurServer {
  readonly rust: Awaited<ReturnType<typeof startRustClient>>
  readonly gate: Gate
  readonly wait: (n: number) => Promise<RustAnswer>
}

/** A Rust client, whose calls time out after a second or two, of our server with a gate. */
function withGate(
  transport: RustTransport,
  mode: 'pool' | 'stream',
  body: (ends: Gated) => Promise<void>,
): Promise<void> {
  const gate = new Gate()
  return withRustClient(
    transport,
    mode,
    ends => body({ ...ends, gate, wait: n => ends.rust.command({ raw: 'GateService.wait', args: n }) }),
    { services: [...rustServices.services, gate.implementation] },
    { taskTimeoutSec: 2 },
  )
}
