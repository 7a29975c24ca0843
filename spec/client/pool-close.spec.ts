/**
 * A pool that is closed, in whatever state it is: its calls end, its connections go, no clock runs on.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { interval } from 'rxjs'
import type { ClientConfig, ConnPool, Pool } from '../../lib/index.ts'
import { type Place, type PoolWorld, pooled, type Recorded } from '../support/pool-world.ts'

const NOTHING = { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 }
const now = { action: 'now', input: 1 } as const

/** Closes it; what is told is when the last of its connections was gone. */
function close(world: PoolWorld, pool: Pool, place: Place, waitMs?: number): { goneAt: number | undefined } {
  const told: { goneAt: number | undefined } = { goneAt: undefined }
  pool.close(waitMs).catch(assert.fail)
  const looking = interval(1).subscribe({
    next: () => {
      if (pool.stats().connections + place.connections + place.dialling > 0) return
      told.goneAt ??= world.now()
      looking.unsubscribe()
    },
    error: assert.fail,
  })
  return told
}

/** A state that a pool may be closed in. */
interface State {
  readonly name: string
  readonly config?: Partial<ClientConfig>
  readonly waitMs?: number
  /** Brings it about before 100 ms. */
  make(world: PoolWorld, pool: ConnPool, place: Place): Recorded[]
  /** What became of its calls. */
  readonly ends: readonly (readonly string[])[]
  /** By then all is gone. */
  readonly byMs: number
}

const STATES: readonly State[] = [
  { name: 'idle', make: () => [], ends: [], byMs: 102 },
  {
    name: 'dialling, with a call that waits for it',
    make: (world, pool, place) => {
      place.dialMs = 500
      return [world.record(pool.call(now))]
    },
    ends: [['500 next 1', '500 complete']],
    byMs: 502,
  },
  {
    name: 'dialling what cannot be reached, with a call that waits for it',
    make: (world, pool, place) => {
      place.dialMs = 500
      place.manner = 'refuses'
      return [world.record(pool.call(now))]
    },
    ends: [['500 rpc_unreachable no']],
    byMs: 502,
  },
  {
    name: 'dialling a black hole, with a call that waits for it, for no longer than waitMs',
    waitMs: 300,
    make: (world, pool, place) => {
      place.manner = 'swallows'
      return [world.record(pool.call(now))]
    },
    ends: [['400 rpc_canceled no']],
    byMs: 402,
  },
  {
    name: 'dialling by prewarm, where nobody waits',
    make: (world, pool, place) => {
      place.manner = 'swallows'
      return [world.record(pool.prewarm())]
    },
    ends: [['100 rpc_unreachable no']],
    byMs: 102,
  },
  {
    name: 'ready',
    make: (world, pool) => [world.record(pool.prewarm(3))],
    ends: [['0 complete']],
    byMs: 102,
  },
  {
    name: 'at work, on all its connections and with calls that wait',
    config: { thresholds: 1, maxConnections: 2 },
    make: (world, pool) => [300, 500, 100].map(input => world.record(pool.call({ action: 'wait', input }))),
    ends: [
      ['300 next 300', '300 complete'],
      ['500 next 500', '500 complete'],
      ['400 next 100', '400 complete'],
    ],
    byMs: 502,
  },
  {
    name: 'at work, while one connection more is dialled in vain: nobody waits for that one',
    config: { thresholds: 1, maxConnections: 2 },
    make: (world, pool, place) => {
      const first = world.record(pool.call({ action: 'wait', input: 300 }))
      let second: Recorded
      world.at(50, () => {
        place.manner = 'swallows'
        second = world.record(pool.call({ action: 'wait', input: 100 }))
        both.push(second)
      })
      const both = [first]
      return both
    },
    ends: [
      ['300 next 300', '300 complete'],
      ['400 next 100', '400 complete'],
    ],
    byMs: 402,
  },
  {
    name: 'at work, with calls that last longer than waitMs',
    waitMs: 200,
    make: (world, pool) => [world.record(pool.call({ action: 'hold' }))],
    ends: [['300 rpc_canceled maybe']],
    byMs: 302,
  },
  {
    name: 'at work, with streams, which have no answer to wait for',
    make: (world, pool, place) => {
      place.act = () => interval(30.5)
      return [world.record(pool.call({ action: 'items', window: 8 }))]
    },
    ends: [['30.5 next 0', '61 next 1', '91.5 next 2', '100 rpc_canceled yes']],
    byMs: 102,
  },
  {
    name: 'down, with a dial to come',
    make: (world, pool, place) => {
      place.manner = 'refuses'
      return [world.record(pool.call(now))]
    },
    ends: [['0 rpc_unreachable no']],
    byMs: 102,
  },
  {
    name: 'well until a moment ago, with a dial to come',
    make: (world, pool, place) => {
      world.at(50, () => place.lose())
      return [world.record(pool.prewarm())]
    },
    ends: [['0 complete']],
    byMs: 102,
  },
]

describe('a pool', () => {
  for (const { name, config = {}, waitMs, make, ends, byMs } of STATES) {
    it(
      `can be closed while it is ${name}`,
      pooled(world => {
        const place = world.place('a')
        const pool = world.pool(place, config)
        const calls = make(world, pool, place)
        let dials = 0
        let told: ReturnType<typeof close>
        let late: Recorded
        world.at(100, () => {
          told = close(world, pool, place, waitMs)
          dials = place.dials.length
        })
        world.at(101, () => {
          late = world.record(pool.call(now))
          assert.equal(pool.status.state, 'draining')
        })
        world.at(byMs + 1, () => assert.deepEqual(pool.holdings, NOTHING))
        // No server, and no `end`: virtual time comes to its own end, so no clock of the pool runs on.
        world.at(5_000, () => {
          place.server.close({ waitMs: 0 }).catch(assert.fail)
          place.lose()
        })
        return () => {
          assert.deepEqual(
            calls.map(({ seen }) => seen),
            ends,
          )
          assert.ok(told.goneAt! <= byMs, `gone at ${told.goneAt} ms`)
          assert.equal(place.dials.length, dials, 'it dials no more')
          assert.deepEqual(late.seen, ['101 rpc_unreachable no'])
          assert.match(late.error!.message, /the client of memory:a is closed/)
          assert.deepEqual(pool.status, { state: 'closed' })
        }
      }),
    )
  }

  it(
    'can be closed again, to be done sooner',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place)
      const call = world.record(pool.call({ action: 'hold' }))
      world.at(100, () => close(world, pool, place))
      world.at(200, () => close(world, pool, place, 50))
      world.end(1_000.3)
      return () => assert.deepEqual(call.seen, ['250 rpc_canceled maybe'])
    }),
  )

  it(
    'is closed for good, however often it is closed',
    pooled(world => {
      const pool = world.pool(world.place('a'))
      world.end(10.3)
      return async () => {
        assert.deepEqual(pool.status, { state: 'closed' })
        const again = pool.close()
        assert.deepEqual(pool.status, { state: 'closed' })
        await again
      }
    }),
  )

  it(
    'can be closed by whoever hears that it is ready',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place, { version: 1 })
      const watching = pool.status$.subscribe({
        next: ({ state }) => {
          if (state === 'ready') pool.close(0).catch(assert.fail)
        },
        error: assert.fail,
      })
      const call = world.record(pool.call(now))
      world.at(50, () => assert.equal(place.connections, 0))
      world.end(1_000.3)
      return () => {
        assert.match(call.seen.join(), /rpc_canceled no|rpc_unreachable no/)
        assert.ok(watching.closed)
      }
    }),
  )

  it(
    'sends what comes at once over a connection that was ready at once',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place, { version: 1, thresholds: 1 })
      world.record(pool.call({ action: 'hold' }))
      const second = world.record(pool.call(now))
      world.at(10, () => assert.deepEqual(second.seen, ['0 next 1', '0 complete']))
      world.end(100.3)
      return () => assert.equal(place.dials.length, 2)
    }),
  )
})
