/**
 * Several addresses: turns that come out even, leaders and redirects, lists that change while calls run, and what is said when all of
 * them are down.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { interval, map, mergeMap, NEVER, range, type Subscription, timer } from 'rxjs'
import { clientAt } from '../../lib/connect.ts'
import {
  type ClientStatus,
  type FailoverClient,
  type FailoverPool,
  memoryDialer,
  resubscribe,
  UserError,
} from '../../lib/index.ts'
import { type Place, type PoolWorld, pooled, type Recorded } from '../support/pool-world.ts'

const now = { action: 'now', input: 1 } as const

const places = (world: PoolWorld, count: number): Place[] =>
  Array.from({ length: count }, (_, i) => world.place('abcdefgh'[i]!))

const runs = (all: readonly Place[]): number[] => all.map(({ ran }) => ran.length)

/** Has a place send its callers elsewhere. */
const redirecting =
  (to: string) =>
  (call: { readonly fail: (value: unknown) => UserError }): never => {
    throw call.fail(to)
  }

const follow = ({ value }: UserError): string => String(value)

describe('round robin', () => {
  it(
    'gives each of five addresses 20,000 of 100,000 calls',
    pooled(world => {
      const all = places(world, 5)
      const pool = world.failover(all)
      world.record(pool.prewarm())
      let answered = 0
      let calling: Subscription
      world.at(10, () => {
        calling = range(0, 100_000)
          .pipe(mergeMap(input => pool.call({ action: 'now', input }), 64))
          .subscribe({ next: () => answered++, error: assert.fail })
      })
      world.end(1_000.3)
      return () => {
        assert.ok(calling.closed)
        assert.equal(answered, 100_000)
        assert.deepEqual(runs(all), [20_000, 20_000, 20_000, 20_000, 20_000])
      }
    }),
  )

  it(
    'leaves those out that are down, stays even among the others, and takes them in again',
    pooled(world => {
      const all = places(world, 3)
      const [a, b, c] = all as [Place, Place, Place]
      const pool = world.failover(all)
      world.record(pool.prewarm())
      const calls: Recorded[] = []
      const call = (count: number): void => {
        for (let i = 0; i < count; i++) calls.push(world.record(pool.call(now)))
      }
      world.at(10, () => b.lose('refuses'))
      world.at(600, () => {
        assert.equal(pool.stats().addresses[1]!.state, 'unhealthy')
        call(100)
        b.manner = 'serves'
      })
      world.at(601, () => assert.deepEqual(runs(all), [50, 0, 50]))
      world.at(5_000, () => {
        call(300)
      })
      world.at(5_001, () => assert.deepEqual(runs(all), [150, 100, 150]))
      world.end(6_000.3)
      return () => {
        assert.ok(calls.every(({ seen }) => seen.at(-1)!.endsWith('complete')))
        assert.deepEqual(
          [a, c].map(({ dials }) => dials),
          [[0], [0]],
        )
      }
    }),
  )

  it(
    'takes an address in again whose pause is over, where addresses are tried by calls alone',
    pooled(world => {
      const all = places(world, 2)
      const [a, b] = all as [Place, Place]
      const pool = world.failover(all, { redial: 'on-call' })
      world.record(pool.prewarm())
      a.manner = b.manner = 'refuses'
      const calls: Recorded[] = []
      const call = (): unknown => calls.push(world.record(pool.call(now)))
      world.at(100, () => {
        a.lose()
        b.lose()
        call()
        call()
      })
      world.at(10_000, () => {
        a.manner = b.manner = 'serves'
        call()
        call()
      })
      world.end(20_000.3)
      return () =>
        assert.deepEqual(
          calls.map(({ seen }) => seen[0]),
          ['100 rpc_unreachable no', '100 rpc_unreachable no', '10000 next 1', '10000 next 1'],
        )
    }),
  )

  it(
    'offers a call elsewhere that a server is too busy for, not there again',
    pooled(world => {
      const all = places(world, 3)
      const pool = world.failover(all)
      const calls = [1, 2, 3].map(() => world.record(pool.call({ action: 'busy' })))
      world.end(100.3)
      return () => {
        for (const { seen } of calls) assert.deepEqual(seen, ['0 rpc_busy no'])
        // Three retries each: to the other two, and on in the circle, so never to the same one twice in a row.
        assert.deepEqual(runs(all), [4, 4, 4])
      }
    }),
  )
})

describe('a leader', () => {
  it(
    'has all the calls, until it fails; then the next one has',
    pooled(world => {
      const all = places(world, 3)
      const pool = world.failover(all, {}, { route: 'leader' })
      const call = (count: number): void => {
        for (let i = 0; i < count; i++) world.record(pool.call(now))
      }
      call(10)
      world.at(10, () => {
        call(10)
      })
      world.at(11, () => {
        assert.deepEqual(runs(all), [20, 0, 0])
        all[0]!.lose('refuses')
        world.record(pool.call({ ...now, idempotent: true }))
        call(9)
      })
      world.at(20, () => assert.deepEqual(runs(all), [20, 10, 0]))
      world.at(5_000, () => {
        all[0]!.manner = 'serves'
      })
      world.at(60_000, () => {
        call(10)
      })
      world.at(60_001, () => assert.deepEqual(runs(all), [20, 20, 0], 'it stays, though the first one is back'))
      world.end(61_000.3)
      return () => assert.deepEqual(all[2]!.dials, [])
    }),
  )

  it(
    'stays when a call fails that would fail anywhere',
    pooled(world => {
      const all = places(world, 2)
      all[0]!.act = call => {
        if (call.action === 'bad') throw new Error('a bug')
        return undefined
      }
      const pool = world.failover(all, {}, { route: 'leader' })
      const bad = world.record(pool.call({ action: 'bad' }))
      const good = world.record(pool.call(now))
      world.at(10, () => world.record(pool.call(now)))
      world.end(100.3)
      return () => {
        assert.deepEqual(bad.seen, ['0 rpc_internal_err yes'])
        assert.match(good.seen[0]!, /next/)
        assert.deepEqual(runs(all), [3, 0])
      }
    }),
  )

  it(
    'is whom the servers say it is: a redirect moves the call, and those that follow',
    pooled(world => {
      const all = places(world, 3)
      const [a, b, c] = all as [Place, Place, Place]
      a.act = redirecting(c.address)
      const pool = world.failover(all, {}, { route: 'leader', shouldFailover: follow })
      const calls = [1, 2].map(() => world.record(pool.call(now)))
      world.at(10, () => calls.push(world.record(pool.call(now))))
      world.end(100.3)
      return () => {
        for (const { seen } of calls) assert.match(seen[0]!, /next 1/)
        assert.deepEqual([a.ran.length, b.ran.length, c.ran.length], [2, 0, 3])
      }
    }),
  )
})

describe('a redirect', () => {
  it(
    'to an address nobody gave adds it',
    pooled(world => {
      const all = places(world, 2)
      const other = world.place('other')
      all[0]!.act = redirecting(other.address)
      const pool = world.failover(all, {}, { route: 'leader', shouldFailover: follow })
      const added: string[] = []
      pool.events$.subscribe({
        next: event => {
          if (event.type === 'added' || event.type === 'removed') added.push(`${event.type} ${event.address}`)
        },
        error: assert.fail,
      })
      const call = world.record(pool.call(now))
      world.at(10, () => {
        assert.deepEqual(pool.addresses, ['memory:a', 'memory:b', 'memory:other'])
        pool.updateAddresses(['memory:b', 'memory:a'])
        assert.deepEqual(pool.addresses, ['memory:b', 'memory:a'], 'what was learned is forgotten')
      })
      world.end(100.3)
      return () => {
        assert.match(call.seen[0]!, /next 1/)
        assert.deepEqual(added, ['added memory:other', 'removed memory:other'])
      }
    }),
  )

  it(
    'to the next one goes there',
    pooled(world => {
      const all = places(world, 3)
      all[0]!.act = redirecting('next')
      all[1]!.act = redirecting('next')
      const pool = world.failover(all, {}, { shouldFailover: follow })
      const call = world.record(pool.call(now))
      world.end(100.3)
      return () => {
        assert.match(call.seen[0]!, /next 1/)
        assert.deepEqual(runs(all), [1, 1, 1])
      }
    }),
  )

  const bad: readonly (readonly [string, (error: UserError) => string | undefined, RegExp | undefined])[] = [
    ['is none where shouldFailover says nothing', () => undefined, undefined],
    [
      'is none where shouldFailover throws, which is logged',
      () => {
        throw new Error('a bug')
      },
      /cannot follow a redirect: a bug/,
    ],
    [
      'to what is no address is logged, and not followed',
      () => 'nonsense',
      /cannot follow a redirect: cannot dial nonsense/,
    ],
  ]
  for (const [name, shouldFailover, log] of bad) {
    it(
      name,
      pooled(world => {
        const all = places(world, 2)
        all[0]!.act = redirecting('x')
        const pool = world.failover(all, {}, { shouldFailover })
        const call = world.record(pool.call(now))
        world.end(100.3)
        return () => {
          assert.deepEqual(call.seen, ['0 user yes'])
          assert.ok(call.error instanceof UserError && call.error.value === 'x')
          assert.deepEqual(runs(all), [1, 0])
          if (log !== undefined) assert.match(world.log.map(({ message }) => message).join('\n'), log)
        }
      }),
    )
  }

  it(
    'in a circle ends after retryLimit steps, with the last error',
    pooled(world => {
      const all = places(world, 2)
      all[0]!.act = redirecting('memory:b')
      all[1]!.act = redirecting('memory:a')
      const pool = world.failover(all, { retryLimit: 5 }, { shouldFailover: follow })
      const call = world.record(pool.call(now))
      const self = places(world, 3)[2]!
      self.act = redirecting(self.address)
      const alone = world.failover([self], { retryLimit: 5 }, { shouldFailover: follow })
      const circle = world.record(alone.call(now))
      world.end(100.3)
      return () => {
        assert.deepEqual(runs(all), [3, 3])
        assert.deepEqual(call.seen, ['0 user yes'])
        assert.equal(self.ran.length, 6)
        assert.deepEqual(circle.seen, ['0 user yes'])
      }
    }),
  )

  it(
    'to a 65th address that nobody gave is not followed: a server can make a client know 64',
    pooled(world => {
      const all = places(world, 1)
      let next = 0
      all[0]!.act = call => redirecting(`memory:learned-${next++}`)(call)
      const pool = world.failover(all, {}, { shouldFailover: follow })
      // Each is told of a new one when it comes to the one that was given; the learned ones answer.
      const calls = Array.from({ length: 5_000 }, () => world.record(pool.call(now)))
      world.end(100.3)
      return () => {
        assert.equal(pool.addresses.length, 65)
        assert.match(world.log.map(({ message }) => message).join('\n'), /64 addresses were learned/)
        assert.ok(calls.some(({ seen }) => seen[0] === '0 user yes'))
      }
    }),
  )
})

describe('a list that changes', () => {
  it(
    'keeps the connections of addresses that stay, and finishes the calls of those that go',
    pooled(world => {
      const all = places(world, 3)
      const [a, b, c] = all as [Place, Place, Place]
      const pool = world.failover([a, b])
      world.record(pool.prewarm())
      const calls: Recorded[] = []
      world.at(10, () => {
        for (let i = 0; i < 10; i++) calls.push(world.record(pool.call({ action: 'wait', input: 500 })))
        pool.updateAddresses([b.address, c.address])
        assert.deepEqual(pool.addresses, [b.address, c.address])
        for (let i = 0; i < 10; i++) calls.push(world.record(pool.call({ action: 'wait', input: 500 })))
      })
      world.at(400, () => {
        assert.equal(a.connections, 1)
        assert.equal(pool.stats().addresses.length, 3)
      })
      world.at(600, () => assert.equal(a.connections, 0))
      world.end(1_000.3)
      return () => {
        assert.deepEqual(runs(all), [5, 10, 5])
        for (const { seen } of calls) assert.deepEqual(seen, ['510 next 500', '510 complete'])
        assert.deepEqual(
          all.map(({ dials }) => dials.length),
          [1, 1, 1],
        )
      }
    }),
  )

  it(
    'fails no call while it changes all the time',
    pooled(world => {
      const all = places(world, 4)
      const pool = world.failover(all)
      const calls: Recorded[] = []
      const ticking = interval(7).subscribe({
        next: n => {
          calls.push(world.record(pool.call({ action: 'wait', input: n % 40 })))
          if (n % 3 === 0) pool.updateAddresses([all[n % 4]!, all[(n + 1) % 4]!].map(({ address }) => address))
        },
        error: assert.fail,
      })
      world.at(5_000, () => ticking.unsubscribe())
      world.end(6_000.3)
      return () => {
        assert.ok(calls.length > 700)
        for (const { seen } of calls) assert.match(seen.at(-1)!, /complete/)
      }
    }),
  )

  it(
    'sends the calls elsewhere that wait for an address that goes',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      a.manner = 'refuses'
      a.dialMs = 100
      const pool = world.failover([a, b])
      const call = world.record(pool.call(now))
      world.at(50, () => pool.updateAddresses([b.address]))
      world.end(1_000.3)
      return () => assert.deepEqual(call.seen, ['100 next 1', '100 complete'])
    }),
  )

  it(
    'ends streams of an address that goes with rpc_draining, so that the same call may be made anew elsewhere',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      for (const place of [a, b]) place.act = () => interval(10).pipe(map(n => `${place.address} ${n}`))
      const pool = world.failover([a, b])
      const tail$ = pool.call({ action: 'tail', window: 8 })
      const once = world.record(tail$)
      world.record(pool.call(now)) // takes the turn of b
      const moved = world.record(tail$.pipe(resubscribe({ random: () => 0 })))
      world.at(25, () => pool.updateAddresses([b.address]))
      world.at(26, () => assert.equal(a.connections, 0))
      world.end(50.3)
      return () => {
        assert.deepEqual(once.seen.slice(-1), ['25 rpc_draining yes'])
        assert.match(once.error!.message, /^tail .*: its address was removed$/)
        assert.match(moved.seen.join(), /memory:a 1.*memory:b 1/)
      }
    }),
  )

  it(
    'sends streams elsewhere that still wait at an address that goes',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      for (const place of [a, b]) place.act = () => NEVER
      const pool = world.failover([a, b], { maxStreams: 1, maxConnections: 1 })
      const tail = (): Recorded => world.record(pool.call({ action: 'tail', window: 8 }))
      const ended = tail()
      const [onB, waiting] = [tail(), tail()]
      world.at(10, () => assert.deepEqual(runs([a, b]), [1, 1]))
      world.at(20, () => pool.updateAddresses([b.address]))
      world.at(30, () => onB.subscription.unsubscribe())
      world.at(40, () => assert.deepEqual(runs([a, b]), [1, 2]))
      world.end(50.3)
      return () => assert.deepEqual([ended.seen[0], waiting.seen[0]?.split(' ')[0]], ['20 rpc_draining maybe', '50.3'])
    }),
  )

  it(
    'sends calls elsewhere that may be sent again and are not answered within closeWaitMs at an address that goes',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      a.act = () => NEVER
      const pool = world.failover([a, b], { closeWaitMs: 100, taskTimeoutMs: 60_000 })
      const call = world.record(pool.call({ action: 'now', input: 1, idempotent: true }))
      world.record(pool.call(now))
      const once = world.record(pool.call(now))
      world.at(10, () => pool.updateAddresses([b.address]))
      world.end(1_000.3)
      return () =>
        assert.deepEqual([call.seen, once.seen], [['110 next 1', '110 complete'], ['110 rpc_draining maybe']])
    }),
  )

  it(
    'is what a client goes by that is asked for its address',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      const client = clientAt([a.address], memoryDialer, {}) as FailoverClient
      assert.equal(client.address, a.address)
      client.updateAddresses([b.address, a.address])
      assert.deepEqual([client.address, client.addresses], [b.address, [b.address, a.address]])
      client.close({ waitMs: 0 }).catch(assert.fail)
      world.end(10.3)
      return () => assert.equal(client.address, b.address)
    }),
  )

  it(
    'that is empty, or has something in it that is no address, is a TypeError and changes nothing',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      const pool = world.failover([a, b])
      world.record(pool.prewarm())
      world.at(10, () => {
        assert.throws(() => pool.updateAddresses([]), new TypeError('a client needs at least one address'))
        assert.throws(() => pool.updateAddresses(['memory:c', 'nonsense']), TypeError)
        assert.deepEqual(pool.addresses, [a.address, b.address])
      })
      world.at(20, () => assert.deepEqual([a.connections, b.connections], [1, 1]))
      world.end(100.3)
      return () => assert.deepEqual(world.place('c').dials, [])
    }),
  )
})

describe('addresses that are all down', () => {
  it(
    'fail calls at once with all their reasons, and answer again within the pause of the back-off once they are back',
    pooled(world => {
      const all = places(world, 3)
      const pool = world.failover(all, { backoffMaxMs: 4_000 }, { random: () => 0.999 })
      world.record(pool.prewarm())
      const seen: string[] = []
      const said = (status: ClientStatus): string => `${world.now()} ${status.state}`
      pool.status$.subscribe({ next: status => seen.push(said(status)), error: assert.fail })
      const during: [number, Recorded][] = []
      const after: Recorded[] = []
      const call = (to: (recorded: Recorded) => unknown): unknown => to(world.record(pool.call(now)))
      world.at(100, () => {
        for (const place of all) place.lose('refuses')
      })
      for (let at = 5_000; at < 30_000; at += 100) {
        world.at(at + 0.5, () => call(recorded => during.push([world.now(), recorded])))
      }
      world.at(30_000, () => {
        for (const place of all) place.manner = 'serves'
      })
      world.at(34_000, () => {
        for (let i = 0; i < 30; i++) call(recorded => after.push(recorded))
      })
      world.end(40_000.3)
      return () => {
        for (const [at, { seen: ends }] of during) assert.deepEqual(ends, [`${at} rpc_unreachable no`])
        assert.match(
          during.at(-1)![1].error!.message,
          /^now: all 3 addresses are down: memory:a is down after \d+ .*; memory:b is down after .*; memory:c is down after /,
        )
        for (const { seen: ends } of after) assert.equal(ends[0], '34000 next 1')
        assert.deepEqual(runs(all), [10, 10, 10])
        const changes = seen.map(line => line.split(' ')[1]).filter((state, i, all) => state !== all[i - 1])
        assert.deepEqual(changes, ['connecting', 'ready', 'connecting', 'unhealthy', 'ready', 'draining', 'closed'])
      }
    }),
  )

  it(
    'are not said to be unhealthy twice in the same words',
    pooled(world => {
      const all = places(world, 2)
      for (const place of all) place.manner = 'refuses'
      const pool: FailoverPool = world.failover(all)
      const seen: string[] = []
      pool.status$.subscribe({
        next: status => seen.push(JSON.stringify({ ...status, cause: undefined })),
        error: assert.fail,
      })
      const warm = world.record(pool.prewarm())
      world.end(10_000.3)
      return () => {
        assert.deepEqual(warm.seen, ['0 rpc_unreachable no'])
        assert.ok(seen.length > 4)
        for (const [i, line] of seen.entries()) assert.notEqual(line, seen[i - 1])
      }
    }),
  )
})

describe('one address that is down', () => {
  it(
    'does not keep the others from being made ready, and is told of when they are',
    pooled(world => {
      const all = places(world, 3)
      for (const place of all) place.dialMs = 10
      all[0]!.manner = 'refuses'
      all[0]!.dialMs = 0
      const pool = world.failover(all)
      const warm = world.record(pool.prewarm(2))
      world.end(100.3)
      return () => {
        assert.deepEqual(
          all.map(({ dials }) => dials.length),
          [1, 2, 2],
        )
        assert.deepEqual(warm.seen, ['10 rpc_unreachable no'])
        assert.match(warm.error!.message, /memory:a is down/)
      }
    }),
  )
})

describe('a black hole among the addresses', () => {
  it(
    'holds a call for connectTimeoutMs at most, which then is answered elsewhere',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      a.manner = 'swallows'
      const pool = world.failover([a, b], { connectTimeoutMs: 3_000 })
      const calls: [number, Recorded][] = []
      for (let at = 0; at < 20_000; at += 50) {
        world.at(at + 0.5, () => calls.push([world.now(), world.record(pool.call(now))]))
      }
      world.end(25_000.3)
      return () => {
        let late = 0
        for (const [from, { seen }] of calls) {
          const [at, what] = seen[0]!.split(' ')
          assert.equal(what, 'next')
          assert.ok(Number(at) - from <= 3_000)
          if (Number(at) > from) late++
        }
        assert.ok(late > 0 && late <= 30, `${late} waited for the dial`)
      }
    }),
  )
})

describe('a pool of several addresses that is closed', () => {
  it(
    'follows no redirect any more, so it makes no new connection that nobody would close',
    pooled(world => {
      const [a] = places(world, 1) as [Place]
      const other = world.place('other')
      a.act = call =>
        timer(50).pipe(
          map(() => {
            throw call.fail(other.address)
          }),
        )
      const pool = world.failover([a], {}, { shouldFailover: follow })
      const call = world.record(pool.call(now))
      world.at(10, () => pool.close().catch(assert.fail))
      world.end(1_000.3)
      return () => {
        assert.deepEqual(call.seen, ['50 user yes'])
        assert.deepEqual(other.dials, [])
        assert.deepEqual(pool.addresses, ['memory:a'])
      }
    }),
  )

  it(
    'tries no call again, and says what it is',
    pooled(world => {
      const [a, b] = places(world, 2) as [Place, Place]
      a.act = () => NEVER
      const pool = world.failover([a, b])
      const call = world.record(pool.call({ action: 'x', idempotent: true }))
      world.at(10, () => {
        pool.close(100).catch(assert.fail)
        assert.equal(pool.status.state, 'draining')
      })
      world.at(50, () => a.lose())
      let late: Recorded
      world.at(60, () => {
        late = world.record(pool.call(now))
      })
      world.end(1_000.3)
      return () => {
        assert.deepEqual(call.seen, ['50 rpc_io_err maybe'])
        assert.deepEqual(b.ran.length, 0)
        assert.deepEqual(late.seen, ['60 rpc_unreachable no'])
        assert.deepEqual(pool.status, { state: 'closed' })
      }
    }),
  )
})
