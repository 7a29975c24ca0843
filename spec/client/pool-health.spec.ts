/**
 * What a pool does about an address that cannot be reached, goes away, comes and goes, or turns it away; and what it says of it.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asyncScheduler } from 'rxjs'
import { CallRefused, type ClientStatus, type Pool } from '../../lib/index.ts'
import { type PoolWorld, pooled, type Recorded } from '../support/pool-world.ts'

const now = { action: 'now', input: 1 } as const

/** What was said of a pool's state, and when. */
function states(pool: Pool): string[] {
  const seen: string[] = []
  const said = (status: ClientStatus): string =>
    status.state === 'unhealthy' ? `unhealthy ${status.attempt} ${status.retryInMs} ${status.cause.code}` : status.state
  pool.status$.subscribe({
    next: status => seen.push(`${asyncScheduler.now()} ${said(status)}`),
    error: assert.fail,
    complete: () => seen.push('completed'),
  })
  return seen
}

/** What happened to a pool, and when. */
function happenings(pool: Pool): string[] {
  const seen: string[] = []
  pool.events$.subscribe({
    next: event => seen.push(`${asyncScheduler.now()} ${event.type}${'error' in event ? ` ${event.error.code}` : ''}`),
    error: assert.fail,
    complete: () => seen.push('completed'),
  })
  return seen
}

/** A call each so many milliseconds. */
function every(world: PoolWorld, ms: number, until: number, call: () => void): void {
  for (let at = ms; at < until; at += ms) world.at(at + 0.5, call)
}

describe('a pool whose address cannot be reached', () => {
  it(
    'fails the calls that wait when the dial has failed, and those that come at once, with the number of tries and the next one',
    pooled(world => {
      const place = world.place('gone')
      place.manner = 'refuses'
      place.dialMs = 10
      const pool = world.pool(place)
      const waiting = world.record(pool.call(now))
      let later: Recorded, meanwhile: Recorded
      world.at(100, () => {
        later = world.record(pool.call(now))
      })
      world.at(515, () => {
        meanwhile = world.record(pool.call(now))
      })
      world.end(550.3)
      return () => {
        assert.deepEqual(waiting.seen, ['10 rpc_unreachable no'])
        assert.equal(waiting.error!.message, 'now: memory:gone refuses')
        assert.deepEqual(later.seen, ['100 rpc_unreachable no'])
        assert.match(
          later.error!.message,
          /^now: memory:gone is down after 1 failed attempts, the next try follows within 500 ms: memory:gone refuses/,
        )
        assert.deepEqual(meanwhile.seen, ['515 rpc_unreachable no'])
        assert.match(meanwhile.error!.message, /is down after 1 failed attempts, it is being tried again: /)
      }
    }),
  )

  it(
    'is tried again by itself, each time at random within a bound that doubles from backoffFirstMs to backoffMaxMs',
    pooled(world => {
      const place = world.place('gone')
      place.manner = 'refuses'
      const draws = [0.1, 0.9, 0.5, 0, 0.25, 0.75, 0.5, 0.5]
      const pool = world.pool(place, { backoffFirstMs: 1_000, backoffMaxMs: 10_000 }, () => draws.shift()!)
      world.record(pool.prewarm())
      world.end(23_500.3)
      return () => {
        const pauses = [0.1 * 1_000, 0.9 * 2_000, 0.5 * 4_000, 0, 0.25 * 10_000, 0.75 * 10_000, 0.5 * 10_000]
        const dials = [0]
        for (const pause of pauses) dials.push(dials.at(-1)! + pause)
        assert.deepEqual(place.dials, dials)
      }
    }),
  )

  it(
    'is dialled no more often however many calls there are',
    pooled(world => {
      const place = world.place('gone')
      place.manner = 'refuses'
      const pool = world.pool(place, { backoffFirstMs: 1_000, backoffMaxMs: 8_000 }, () => 0.999)
      every(world, 10, 20_000, () => world.record(pool.call(now)))
      world.end(20_000.3)
      return () => assert.equal(place.dials.length, 5, place.dials.join())
    }),
  )

  it(
    'works again without a word of anybody, as soon as the first try finds it there',
    pooled(world => {
      const place = world.place('gone')
      place.manner = 'refuses'
      const pool = world.pool(place)
      const first = world.record(pool.call(now))
      world.at(200, () => {
        place.manner = 'serves'
      })
      let after: Recorded
      world.at(501, () => {
        after = world.record(pool.call(now))
      })
      world.end(1_000.3)
      return () => {
        assert.deepEqual(first.seen, ['0 rpc_unreachable no'])
        assert.deepEqual(after.seen, ['501 next 1', '501 complete'])
        assert.deepEqual(place.dials, [0, 500])
      }
    }),
  )

  it(
    'is tried by the first call after the pause where it is not to be tried by itself',
    pooled(world => {
      const place = world.place('gone')
      place.manner = 'refuses'
      const pool = world.pool(place, { redial: 'on-call' })
      const calls: Recorded[] = []
      const call = (): unknown => calls.push(world.record(pool.call(now)))
      call()
      world.at(499, call)
      world.at(700, call)
      world.at(1_600, () => {
        place.manner = 'serves'
        call()
      })
      world.at(1_701, call)
      world.end(2_000.3)
      return () => {
        assert.deepEqual(place.dials, [0, 700, 1_701])
        const ends = calls.map(({ seen }) => seen[0])
        const down = (at: number): string => `${at} rpc_unreachable no`
        assert.deepEqual(ends, [down(0), down(499), down(700), down(1_600), '1701 next 1'])
      }
    }),
  )

  for (const [manner, dialMs] of [
    ['swallows', 0],
    ['is mute', 0],
    ['is mute', 8_000],
  ] as const) {
    it(
      `keeps no caller longer than connectTimeoutMs where it ${manner}, ${dialMs} ms after the dial`,
      pooled(world => {
        const place = world.place('hole')
        place.manner = manner
        place.dialMs = dialMs
        const pool = world.pool(place, { connectTimeoutMs: 10_000 }, () => 0.999)
        const calls: [number, Recorded][] = []
        every(world, 700, 60_000, () => calls.push([world.now(), world.record(pool.call(now))]))
        world.end(90_000.3)
        return () => {
          for (const [from, { seen }] of calls) {
            const [at, ...error] = seen[0]!.split(' ')
            assert.deepEqual(error, ['rpc_unreachable', 'no'])
            assert.ok(Number(at) - from <= 10_000, `the call of ${from} ms ended at ${at} ms`)
          }
          assert.ok(calls.filter(([from, { seen }]) => seen[0]!.startsWith(`${from} `)).length > 40, 'most at once')
        }
      }),
    )
  }

  it(
    'tells those whom it turns away why, with the code of that',
    pooled(world => {
      const place = world.place('strict', {
        authenticate: ({ token }) => {
          if (token !== 'right') throw new CallRefused('rpc_unauthenticated', 'who are you?')
          return 'user'
        },
      })
      let token = 'wrong'
      const pool = world.pool(place, { token: () => token })
      const calls: Recorded[] = []
      every(world, 10, 300, () => calls.push(world.record(pool.call(now))))
      let after: Recorded
      world.at(400, () => {
        token = 'right'
      })
      world.at(20_000, () => {
        after = world.record(pool.call(now))
      })
      world.end(21_000.3)
      return () => {
        for (const { seen } of calls) assert.match(seen[0]!, /rpc_unauthenticated no/)
        assert.ok(place.dials.filter(at => at < 300).length <= 3, place.dials.join())
        assert.match(
          calls.at(-1)!.error!.message,
          /memory:strict is down after \d failed attempts, .*rpc_unauthenticated/,
        )
        assert.match(after.seen[0]!, /next 1/)
        assert.equal(place.ran.length, 1)
      }
    }),
  )
})

describe('a pool whose server goes', () => {
  it(
    'dials at once for a call that wants it, where it was well until then',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place)
      world.record(pool.prewarm())
      world.at(100, () => place.lose())
      let call: Recorded
      world.at(101, () => {
        call = world.record(pool.call(now))
      })
      world.end(1_000.3)
      return () => {
        assert.deepEqual(call.seen, ['101 next 1', '101 complete'])
        assert.deepEqual(place.dials, [0, 101])
      }
    }),
  )

  it(
    'dials by itself, after a pause, where no call wants it',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place)
      const seen = states(pool)
      world.record(pool.prewarm())
      world.at(100, () => place.lose())
      world.end(1_000.3)
      return () => {
        assert.deepEqual(place.dials, [0, 600])
        assert.deepEqual(seen.slice(0, 5), ['0 idle', '0 connecting', '0 ready', '100 connecting', '600 ready'])
      }
    }),
  )

  it(
    'begins its back-off anew only when a connection has lasted for backoffResetMs',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place, { backoffResetMs: 60_000 }, () => 0.5)
      world.record(pool.prewarm())
      for (const at of [1_000, 10_000, 20_000, 90_000]) world.at(at, () => place.lose())
      world.end(95_000.3)
      return () => assert.deepEqual(place.dials, [0, 1_000 + 500, 10_000 + 1_000, 20_000 + 2_000, 90_000 + 500])
    }),
  )

  for (const [what, leaves] of [
    ['is gone as soon as it has agreed', 'lose'],
    ['takes its leave as soon as it has agreed', 'drain'],
  ] as const) {
    it(
      `is not dialled in a hot loop where it ${what}, with calls or without`,
      pooled(world => {
        const place = world.place('flapping')
        const pool = world.pool(place, { backoffFirstMs: 1_000, backoffMaxMs: 30_000 }, () => 0.999)
        pool.events$.subscribe({
          next: ({ type }) => {
            if (type === 'connected') asyncScheduler.schedule(() => place[leaves](), 1)
          },
          error: assert.fail,
        })
        every(world, 5, 20_000, () => world.record(pool.call({ action: 'hold', idempotent: true })))
        let busy = 0
        world.at(20_000.7, () => {
          busy = place.dials.length
        })
        world.end(120_000.3)
        return () => {
          assert.ok(busy >= 4 && busy <= 7, `${busy} dials in 20 s: ${place.dials.join()}`)
          assert.ok(place.dials.length <= busy + 5, `${place.dials.length} dials in 120 s`)
        }
      }),
    )
  }

  it(
    'fails no call where servers that answered take their leave soon after one another',
    pooled(world => {
      const place = world.place('restarting')
      const pool = world.pool(place, { maxConnections: 1 })
      const calls: Recorded[] = []
      every(world, 50, 5_000, () => calls.push(world.record(pool.call({ action: 'wait', input: 20 }))))
      for (let at = 310; at < 5_000; at += 300) world.at(at, () => place.drain())
      world.end(10_000.3)
      return () => {
        assert.ok(calls.length >= 90)
        const failed = calls.filter(({ seen }) => !/complete$/.test(seen.at(-1) ?? ''))
        assert.deepEqual(failed, [])
        assert.ok(place.dials.length >= 15)
      }
    }),
  )

  it(
    'takes those that wait along to a new connection when a server takes its leave in order',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place, { thresholds: 1, maxConnections: 1 })
      const calls = [1, 2, 3].map(() => world.record(pool.call({ action: 'wait', input: 2_000, timeoutMs: 60_000 })))
      world.at(1_500, () => place.drain())
      world.end(20_000.3)
      return () => {
        assert.deepEqual(
          calls.map(({ seen }) => seen),
          [
            ['2000 next 2000', '2000 complete'],
            ['3500 next 2000', '3500 complete'],
            ['5500 next 2000', '5500 complete'],
          ],
          'the new server takes the second while the old one finishes the first',
        )
        assert.deepEqual(place.dials, [0, 1_500])
      }
    }),
  )

  it(
    'lets a connection go when its own calls are over that a server left, however many others wait elsewhere',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place, { thresholds: 1, maxConnections: 1 })
      const gone: number[] = []
      pool.events$.subscribe({
        next: ({ type }) => {
          if (type === 'disconnected') gone.push(world.now())
        },
        error: assert.fail,
      })
      world.record(pool.call({ action: 'wait', input: 2_000 }))
      world.at(1_500, () => place.drain())
      const open: number[] = []
      for (let at = 1_600; at < 9_000; at += 100) {
        world.at(at, () => world.record(pool.call({ action: 'wait', input: 500 })))
        world.at(at + 0.5, () => open.push(pool.stats().connections))
      }
      world.end(60_000.3)
      return () => {
        assert.equal(gone[0], 1_500)
        assert.equal(open[0], 2)
        assert.deepEqual([...new Set(open.slice(5))], [1], 'the old one ended with its call')
      }
    }),
  )
})

describe('what a pool says of itself', () => {
  it(
    'is each state of its life, once, and the end',
    pooled(world => {
      const place = world.place('a')
      place.dialMs = 10
      const pool = world.pool(place)
      const seen = states(pool)
      const events = happenings(pool)
      world.at(1, () => world.record(pool.call(now)))
      world.at(100, () => place.lose('refuses'))
      world.at(2_000, () => {
        place.manner = 'serves'
      })
      world.at(9_000, () => world.record(pool.call({ action: 'wait', input: 100 })))
      world.at(9_050, () => pool.close().catch(assert.fail))
      let judged = false
      world.at(9_060, () => {
        judged = true
        assert.deepEqual(seen, [
          '0 idle',
          '1 connecting',
          '11 ready',
          '100 connecting',
          '610 unhealthy 2 1000 rpc_unreachable',
          '1610 unhealthy 2 0 rpc_unreachable',
          '1620 unhealthy 3 2000 rpc_unreachable',
          '3620 unhealthy 3 0 rpc_unreachable',
          '3630 ready',
          '9050 draining',
        ])
      })
      world.end(10_000.3)
      return () => {
        assert.ok(judged)
        assert.deepEqual(
          seen.slice(10).map(line => line.replace(/^\d+ /, '')),
          ['closed', 'completed'],
        )
        assert.deepEqual(events, [
          '11 connected',
          '100 disconnected rpc_io_err',
          '610 unreachable rpc_unreachable',
          '1620 unreachable rpc_unreachable',
          '3630 connected',
          '9100 disconnected rpc_canceled',
          'completed',
        ])
      }
    }),
  )

  it(
    'is that it is down only where calls fail at once: after a first loss the next one dials',
    pooled(world => {
      const place = world.place('a')
      const pools = (['background', 'on-call'] as const).map(redial => world.pool(place, { redial }))
      const seen = pools.map(pool => states(pool))
      for (const pool of pools) world.record(pool.prewarm())
      world.at(100, () => place.lose('refuses'))
      world.at(110, () => {
        for (const pool of pools) world.record(pool.call(now))
      })
      world.end(120.3)
      return () =>
        assert.deepEqual(
          seen.map(all => all.slice(3, -3)),
          [
            ['100 connecting', '110 unhealthy 2 1000 rpc_unreachable'],
            ['100 idle', '110 unhealthy 2 1000 rpc_unreachable'],
          ],
        )
    }),
  )

  it(
    'is that a connection was lost, and only then that there is none to be had',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place)
      const events = happenings(pool)
      // Whoever calls upon that does not go round the back-off.
      pool.events$.subscribe({
        next: ({ type }) => {
          if (type === 'disconnected') world.record(pool.call(now))
        },
        error: assert.fail,
      })
      world.record(pool.prewarm())
      world.at(100, () => place.lose())
      world.at(200, () => place.lose())
      world.end(300.3)
      return () => {
        assert.deepEqual(events.slice(0, -1), [
          '0 connected',
          '100 disconnected rpc_io_err',
          '100 connected',
          '200 disconnected rpc_io_err',
          '200 unreachable rpc_io_err',
        ])
        assert.deepEqual(place.dials, [0, 100])
      }
    }),
  )

  it(
    'is told anew to whoever subscribes late: the present state, and the end',
    pooled(world => {
      const place = world.place('a')
      const pool = world.pool(place)
      world.record(pool.call(now))
      world.at(10, () => assert.deepEqual(states(pool), ['10 ready']))
      world.end(100.3)
      return () =>
        assert.deepEqual(
          [states(pool), happenings(pool), pool.status],
          [['completed'], ['completed'], { state: 'closed' }],
        )
    }),
  )
})
