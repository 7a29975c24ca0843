/**
 * How many connections a pool has: none before the first call, more while their windows are full, fewer after idle, never a
 * storm. And what waits for them.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { timer } from 'rxjs'
import type { ClientConfig, ConnPool } from '../../lib/index.ts'
import { type Place, type PoolWorld, pooled, type Recorded } from '../support/pool-world.ts'

const hold = { action: 'hold' } as const
const now = { action: 'now', input: 1 } as const

/** Makes so many calls that are not answered before the spec says so. */
function hang(pool: ConnPool, world: PoolWorld, count: number): Recorded[] {
  return Array.from({ length: count }, () => world.record(pool.call(hold)))
}

/** A pool at a place whose dials take 10 ms. */
function slow(world: PoolWorld, config: Partial<ClientConfig> = {}): [Place, ConnPool] {
  const place = world.place('slow')
  place.dialMs = 10
  return [place, world.pool(place, config)]
}

describe('a pool', () => {
  it(
    'dials for the first call, not before',
    pooled(world => {
      const [place, pool] = slow(world)
      world.at(50, () => assert.deepEqual(place.dials, []))
      let call: Recorded
      world.at(60, () => {
        call = world.record(pool.call(now))
        assert.deepEqual(place.dials, [60])
      })
      world.end(500.3)
      return () => assert.deepEqual(call.seen, ['70 next 1', '70 complete'])
    }),
  )

  it(
    'has as many connections ready as it is asked to, before a call wants them',
    pooled(world => {
      const [place, pool] = slow(world)
      const three = world.record(pool.prewarm(3))
      world.at(20, () => {
        assert.equal(place.connections, 3)
        assert.deepEqual(world.record(pool.prewarm(2)).seen, ['20 complete'])
      })
      const most = 30
      world.at(most, () => world.record(pool.prewarm(99)))
      world.end(500.3)
      return () => {
        assert.deepEqual(three.seen, ['10 complete'])
        assert.deepEqual(place.dials, [0, 0, 0, most], 'maxConnections is 4')
      }
    }),
  )

  it(
    'says so where the connections it is asked for are not to be had',
    pooled(world => {
      const [place, pool] = slow(world)
      const one = world.record(pool.prewarm())
      let two: Recorded
      world.at(20, () => {
        place.manner = 'refuses'
        two = world.record(pool.prewarm(2))
      })
      world.at(50, () => assert.equal(pool.status.state, 'ready'))
      let none: Recorded
      world.at(3_000, () => {
        place.lose()
        none = world.record(pool.prewarm())
      })
      world.end(3_500.3)
      return () => {
        assert.deepEqual(one.seen, ['10 complete'])
        assert.deepEqual(two.seen, ['30 rpc_unreachable no'])
        assert.match(two.error!.message, /1 of 2 connections to memory:slow/)
        assert.deepEqual(none.seen, ['3010 rpc_unreachable no'], 'it waits for the dial that is under way')
      }
    }),
  )

  it(
    'sends what waits behind a connection that does not drain over another, as soon as there is one',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place, { highWaterMarkBytes: 1_000, maxConnections: 2, writeTimeoutMs: 60_000 })
      world.record(pool.prewarm())
      const small: Recorded[] = []
      world.at(10, () => {
        place.stall()
        place.dialMs = 100
        world.record(pool.call({ action: 'now', input: 'x'.repeat(2_000) }))
      })
      world.at(20, () => {
        for (let i = 0; i < 3; i++) small.push(world.record(pool.call({ action: 'now', input: i })))
        assert.deepEqual([pool.stats().waiting, pool.stats().connections], [3, 1])
        assert.ok(pool.holdings.waitingBytes > 0)
      })
      world.end(1_000.3)
      return () =>
        assert.deepEqual(
          small.map(({ seen }) => seen),
          [0, 1, 2].map(i => [`120 next ${i}`, '120 complete']),
        )
    }),
  )

  it(
    'dials one more while the window is full, up to maxConnections',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 2, maxConnections: 3 })
      for (let call = 0; call < 10; call++) world.at(20 * call, () => hang(pool, world, 1))
      world.end(500.3)
      return () => {
        assert.deepEqual(place.dials, [0, 40, 80])
        assert.equal(place.ran.length, 6, 'the others wait')
      }
    }),
  )

  it(
    'sends a call over the new connection as soon as that is ready, and over the old one where that has room first',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1, maxConnections: 2 })
      hang(pool, world, 1)
      let second: Recorded, third: Recorded
      world.at(20, () => {
        second = world.record(pool.call(hold))
      })
      world.at(40, () => {
        third = world.record(pool.call(now))
        assert.equal(pool.stats().waiting, 1)
      })
      world.at(50, () => place.held[1]!.next(2))
      world.end(500.3)
      return () => {
        assert.deepEqual(place.dials, [0, 20])
        assert.equal(place.ran[1]!.at, 30)
        assert.deepEqual(second.seen, ['50 next 2', '50 complete'])
        assert.deepEqual(third.seen, ['50 next 1', '50 complete'], 'it did not wait for the connection it came to')
      }
    }),
  )

  it(
    'does not dial for each of the calls that wait while it dials: what is coming has room for them',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 10, maxConnections: 4 })
      hang(pool, world, 10)
      assert.deepEqual(place.dials, [0], 'ten fit into one')
      hang(pool, world, 1)
      assert.deepEqual(place.dials, [0, 0], 'eleven into two')
      hang(pool, world, 9)
      assert.deepEqual(place.dials, [0, 0])
      world.end(500.3)
      return () => assert.equal(place.ran.length, 20)
    }),
  )

  it(
    'stays well where one connection more is refused, and asks for it again only after a pause',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1, backoffFirstMs: 1_000 })
      place.dialMs = 5
      hang(pool, world, 1)
      world.at(20, () => {
        place.manner = 'refuses'
      })
      for (let ms = 30; ms < 2_000; ms += 10) {
        world.at(ms, () => {
          world.record(pool.call({ ...now, timeoutMs: 5_000 }))
          assert.equal(pool.status.state, 'ready')
        })
      }
      world.end(2_000.3)
      return () => assert.deepEqual(place.dials, [0, 30, 1_040])
    }),
  )

  it(
    'does not ask again and again for one connection more that is taken back as soon as it is there',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1, backoffFirstMs: 1_000 })
      place.dialMs = 5
      hang(pool, world, 1)
      world.at(20, () => {
        place.manner = 'flaps'
      })
      for (let ms = 30; ms < 2_000; ms += 10) world.at(ms, () => world.record(pool.call(hold)))
      world.end(2_000.3)
      return () => {
        assert.deepEqual(place.dials, [0, 30, 1_040])
      }
    }),
  )

  for (const [idleConnections, left] of [
    [1, 1],
    [2, 2],
    [0, 0],
  ] as const) {
    it(
      `closes connections of no use after connectionIdleMs, all but idleConnections ${idleConnections}`,
      pooled(world => {
        const [place, pool] = slow(world, { thresholds: 1, idleConnections })
        const busy = [0, 1, 2].map(() => world.record(pool.call({ action: 'wait', input: 5_000 })))
        let atSixty: number
        world.at(65_000.5, () => {
          atSixty = place.connections
        })
        let after: number, state: string
        world.at(100_000.5, () => {
          after = place.connections
          state = pool.status.state
        })
        let again: Recorded
        world.at(101_000.5, () => {
          again = world.record(pool.call(now))
        })
        world.end(110_000.3)
        return () => {
          assert.equal(busy.length, 3)
          assert.equal(atSixty, 3, 'they were of use a minute ago')
          assert.equal(after, left)
          assert.equal(state, left === 0 ? 'idle' : 'ready')
          assert.match(again.seen[0]!, /next 1/)
        }
      }),
    )
  }

  it(
    'keeps the connections that calls use, seldom as it may be',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1 })
      for (let s = 0; s < 400; s += 20) {
        world.at(s * 1_000 + 0.7, () => {
          for (const _ of [1, 2]) world.record(pool.call({ action: 'wait', input: 1 }))
        })
      }
      const seen = new Set<number>()
      for (let s = 10; s < 400; s += 10) world.at(s * 1_000 + 500.5, () => seen.add(place.connections))
      world.end(401_000.3)
      return () => assert.deepEqual([...seen], [2])
    }),
  )

  it(
    'bounds what waits over all its connections, in number and in bytes',
    pooled(world => {
      const config = { thresholds: 1, maxConnections: 2, maxWaitingCalls: 3, maxWaitingBytes: 1_000 }
      const [place, pool] = slow(world, config)
      world.record(pool.prewarm(2))
      let fifth: Recorded, large: Recorded, after: Recorded
      world.at(20, () => {
        hang(pool, world, 5)
        assert.deepEqual([pool.stats().inFlight, pool.stats().waiting], [2, 3])
        fifth = world.record(pool.call(now))
        place.held[0]!.next(0)
        assert.deepEqual([pool.stats().inFlight, pool.stats().waiting], [2, 2])
      })
      world.at(30, () => {
        place.held[0]!.next(0)
        world.record(pool.call({ ...hold, blob: new Uint8Array(1_000) }))
        large = world.record(pool.call(now))
      })
      world.at(40, () => {
        place.held[0]!.next(0)
        place.held[0]!.next(0)
        assert.equal(pool.holdings.waitingBytes, 0, 'all are sent')
        after = world.record(pool.call(hold))
      })
      world.end(500.3)
      return () => {
        assert.deepEqual(fifth.seen, ['20 rpc_overflow no'])
        assert.match(fifth.error!.message, /3 calls wait already, maxWaitingCalls is 3/)
        assert.deepEqual(large.seen, ['30 rpc_overflow no'])
        assert.match(large.error!.message, /10\d\d bytes, maxWaitingBytes is 1000/)
        assert.notEqual(after.error?.code, 'rpc_overflow')
      }
    }),
  )

  it(
    'counts streams and calls each for their own windows when it grows',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1, maxStreams: 2, maxConnections: 4 })
      place.act = call => (call.shape === 'stream' ? timer(1_000_000) : undefined)
      const stream = { action: 'items', window: 4 }
      world.record(pool.call(stream))
      world.at(20, () => world.record(pool.call(stream)))
      world.at(30, () => hang(pool, world, 1))
      world.at(40, () => assert.deepEqual(place.dials, [0], 'two streams and a call fit into one'))
      world.at(50, () => world.record(pool.call(stream)))
      world.end(500.3)
      return () => assert.deepEqual(place.dials, [0, 50])
    }),
  )
})

describe('what a pool counts', () => {
  it(
    'is the sum of its connections, and what waits for any of them',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1, maxConnections: 2 })
      place.act = call => (call.shape === 'stream' ? timer(1_000_000) : undefined)
      assert.deepEqual(pool.stats(), {
        connections: 0,
        waiting: 0,
        inFlight: 0,
        credit: 0,
        unsentBytes: 0,
        roundTripMs: undefined,
        lateAnswers: 0,
        retries: 0,
        address: 'memory:slow',
        state: 'idle',
        addresses: [{ ...pool.addressStats() }],
      })
      hang(pool, world, 3)
      world.record(pool.call({ action: 'items', window: 32 }))
      const ping = world.record(pool.ping())
      world.at(5, () => assert.deepEqual([pool.stats().waiting, pool.status.state], [4, 'connecting']))
      world.at(50, () => {
        const { connections, waiting, inFlight, credit, roundTripMs } = pool.stats()
        assert.deepEqual([connections, waiting, inFlight, credit], [2, 1, 3, 32])
        assert.equal(roundTripMs, 0, 'memory takes no time')
        assert.deepEqual(pool.holdings, { slots: 3, leaving: 0, waitingBytes: 1, itemBytes: 0 })
      })
      world.end(500.3)
      return () => assert.deepEqual(ping.seen, ['10 complete'])
    }),
  )

  it(
    'tells the bytes that have not left',
    pooled(world => {
      const place = world.place('slow')
      place.manner = 'is mute'
      const pool = world.pool(place, { version: 1 })
      // A far end that has not subscribed takes nothing.
      world.record(pool.call({ ...hold, blob: new Uint8Array(5_000) }))
      world.at(1, () => assert.equal(pool.stats().inFlight, 1))
      world.end(500.3)
      return () => assert.equal(pool.stats().unsentBytes, 0)
    }),
  )

  it(
    'keeps what it counts from the start on when connections go',
    pooled(world => {
      const [place, pool] = slow(world, { version: 1, tickMs: 100 })
      world.record(pool.call({ action: 'wait', input: 200, timeoutMs: 50 }))
      world.record(pool.call({ ...now, idempotent: true }))
      world.at(300, () => assert.equal(pool.stats().lateAnswers, 1))
      world.at(310, () => {
        world.record(pool.call({ action: 'wait', input: 500, idempotent: true }))
      })
      world.at(350, () => place.lose())
      world.end(2_000.3)
      const seen: number[][] = []
      world.at(400, () => seen.push([pool.stats().lateAnswers, pool.stats().retries]))
      world.at(1_500, () => seen.push([pool.stats().lateAnswers, pool.stats().retries]))
      return () =>
        assert.deepEqual(seen, [
          [1, 1],
          [1, 1],
        ])
    }),
  )

  it(
    'goes back to nothing when all calls are over, however they end',
    pooled(world => {
      const [place, pool] = slow(world, { thresholds: 1, maxConnections: 2, tickMs: 100 })
      const calls = hang(pool, world, 6)
      const abort = new AbortController()
      world.record(pool.call({ ...hold, signal: abort.signal }))
      world.record(pool.call({ ...hold, timeoutMs: 300 }))
      world.at(20, () => calls[0]!.subscription.unsubscribe())
      world.at(30, () => calls[5]!.subscription.unsubscribe())
      world.at(40, () => abort.abort())
      world.at(50, () => place.held[0]!.next(1))
      world.at(800, () => place.lose('refuses'))
      world.end(2_000.3)
      world.at(1_500, () => {
        assert.deepEqual(pool.holdings, { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 })
        assert.deepEqual([pool.stats().inFlight, pool.stats().waiting], [0, 0])
      })
      return () => assert.equal(place.ran.length, 4)
    }),
  )
})
