/** Many calls over one connection, with Rust at either end. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { filter, firstValueFrom, lastValueFrom, mergeMap, range, reduce } from 'rxjs'
import { countsOf } from '../support/counts.ts'
import { outcomeOf } from '../support/recorded-calls.ts'
import { ok } from '../support/rust-answers.ts'
import { RUST_TRANSPORTS, withoutRust, withRustClient, withRustServer } from '../support/rust-pair.ts'

const skip = withoutRust()

const CALLS = 100_000
const WINDOW = 128
/** `maxWaitingCalls`. */
const WAITING = 10_000

for (const transport of RUST_TRANSPORTS) {
  describe(`100,000 calls over one ${transport} connection, 128 at a time`, { skip }, () => {
    it('from our client to a Rust server are all answered right', () =>
      withRustServer(transport, async ({ calculator, client, watch }) => {
        const right$ = range(0, CALLS).pipe(
          mergeMap(n => calculator.add([n, 1]).pipe(filter(sum => sum === n + 1)), WINDOW),
          reduce(right => right + 1, 0),
        )
        assert.equal(await lastValueFrom(right$), CALLS)
        assert.equal(watch.links, 1)
        assert.deepEqual(countsOf(client.stats()), { waiting: 0, inFlight: 0, lateAnswers: 0 })
      }))

    it('from our client wait for their slots, 10,000 of them; the next fails with rpc_overflow', () =>
      withRustServer(transport, async ({ calculator, client, watch }) => {
        await lastValueFrom(client.ping(), { defaultValue: undefined })
        const calls = WAITING + WINDOW
        const sums = Array.from({ length: calls }, (_, n) => firstValueFrom(calculator.add([n, 1])))
        assert.deepEqual(countsOf(client.stats()), { waiting: WAITING, inFlight: WINDOW, lateAnswers: 0 })
        assert.deepEqual(await outcomeOf(calculator.add([0, 0])), { code: 'rpc_overflow' })
        assert.deepEqual(
          await Promise.all(sums),
          Array.from(sums, (_, n) => n + 1),
        )
        assert.equal(watch.links, 1)
      }))

    it('from a Rust client to our server are all answered right', () =>
      withRustClient(transport, 'stream', async ({ rust, server, watch }) => {
        const { right } = ok(await rust.command({ flood: { calls: CALLS, window: WINDOW } })) as { right: string }
        assert.equal(right, String(CALLS))
        // The one of the client itself, and the one of the flood.
        assert.equal(watch.links, 2)
        assert.equal(server.stats().calls, 0)
      }))
  })
}
