/**
 * Which failed calls are sent again: a table over codes, rules and shapes, with the runs of the handler counted at the server; and what
 * a second try is like.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EMPTY, NEVER, Observable, Subject, timer } from 'rxjs'
import { RpcClient } from '../../lib/client/client.ts'
import {
  CallRefused,
  type CallRequest,
  CLIENT_DEFAULTS,
  type ClientConfig,
  type RetryRule,
  type ServerCall,
} from '../../lib/index.ts'
import { type Manner, type Place, pooled, type Recorded } from '../support/pool-world.ts'

/** How the first try of a call ends. */
const ENDS = [
  'lost',
  'rpc_busy',
  'rpc_draining',
  'rpc_timeout',
  'rpc_internal_err',
  'rpc_method_notfound',
  'user',
] as const
type End = (typeof ENDS)[number]
const SHAPES = ['unary', 'idempotent', 'stream', 'upload', 'upload, an item gone', 'duplex'] as const
type Shape = (typeof SHAPES)[number]
const RULES: readonly RetryRule[] = ['safe', 'razor', 'never']

/** Is a call sent again? The promise of the library, by the letter. */
function isSentAgain(end: End, shape: Shape, rule: RetryRule): boolean {
  if (rule === 'never' || shape === 'upload, an item gone') return false
  // It provably never ran.
  if (end === 'rpc_busy' || end === 'rpc_draining') return true
  const mayRunTwice = shape === 'idempotent' || (rule === 'razor' && shape === 'unary')
  if (end === 'lost') return mayRunTwice
  return end === 'rpc_timeout' && rule === 'razor' && mayRunTwice
}

/** Fails the call that came in as `end` says. */
function failAs(end: End, call: ServerCall, place: Place): unknown {
  if (end === 'lost') {
    place.lose()
    return NEVER
  }
  if (end === 'user') throw call.fail('no')
  throw new CallRefused(end, end)
}

function requestOf(shape: Shape): CallRequest {
  const items = new Observable<number>(subscriber => {
    subscriber.next(1)
    subscriber.complete()
  })
  switch (shape) {
    case 'unary':
      return { action: 'unary' }
    case 'idempotent':
      return { action: 'unary', idempotent: true }
    case 'stream':
      return { action: 'stream', window: 8 }
    case 'duplex':
      return { action: 'duplex', window: 8, items }
    default:
      return { action: 'upload', items }
  }
}

describe('a call that failed at its first address', () => {
  for (const rule of RULES) {
    for (const shape of SHAPES) {
      for (const end of ENDS) {
        const again = isSentAgain(end, shape, rule)
        it(
          `with ${end} is ${again ? '' : 'not '}sent again to another: ${shape}, rule ${rule}`,
          pooled(world => {
            const [a, b] = [world.place('a'), world.place('b')]
            a.act = call => {
              // An upload is granted credit when its handler asks for items: its item goes up then.
              if (shape === 'upload, an item gone') {
                return new Observable(subscriber => {
                  const taking = call.items$.subscribe({
                    next: () => {
                      try {
                        subscriber.add((failAs(end, call, a) as typeof NEVER).subscribe(subscriber))
                      } catch (error) {
                        subscriber.error(error)
                      }
                    },
                    error: () => {},
                  })
                  subscriber.add(taking)
                })
              }
              return failAs(end, call, a)
            }
            b.act = call => (call.shape === 'stream' || call.shape === 'duplex' ? EMPTY : 'ok')
            // The first call goes to the first address.
            const pool = world.failover([a, b], { retry: rule })
            world.record(pool.prewarm())
            let call: Recorded
            world.at(10, () => {
              call = world.record(pool.call(requestOf(shape)))
            })
            world.end(100.3)
            return () => {
              assert.equal(a.ran.length, 1)
              assert.equal(b.ran.length, again ? 1 : 0, call.seen.join())
              if (again) assert.match(call.seen.at(-1)!, /complete/)
              else assert.match(call.seen.at(-1)!, new RegExp(end === 'lost' ? 'rpc_io_err maybe|rpc_io_err yes' : end))
              assert.equal(pool.stats().retries, again ? 1 : 0)
            }
          }),
        )
      }
    }
  }
})

/** Loses its connections at the first word of a call. */
const losing =
  (place: Place, manner?: Manner): (() => unknown) =>
  () => {
    place.lose(manner)
    return NEVER
  }

describe('a call that is sent again', () => {
  it(
    'is tried retryLimit times besides the first, and says in the end that it may have run',
    pooled(world => {
      const places = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => world.place(name))
      for (const place of places) place.act = losing(place)
      const pool = world.failover(places, { retryLimit: 3 })
      world.record(pool.prewarm())
      let call: Recorded
      world.at(10, () => {
        call = world.record(pool.call({ action: 'x', idempotent: true }))
      })
      world.end(100.3)
      return () => {
        assert.deepEqual(
          places.map(({ ran }) => ran.length),
          [1, 1, 1, 1, 0, 0],
        )
        assert.deepEqual(call.seen, ['10 rpc_io_err maybe'])
      }
    }),
  )

  it(
    'never says that it did not run where an earlier try may have',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      a.act = losing(a, 'refuses')
      b.act = () => {
        throw new CallRefused('rpc_busy', 'busy')
      }
      const pool = world.failover([a, b])
      world.record(pool.prewarm())
      let call: Recorded
      world.at(10, () => {
        call = world.record(pool.call({ action: 'x', idempotent: true }))
      })
      world.end(100.3)
      return () => {
        assert.deepEqual([a.ran.length, b.ran.length], [1, 1])
        assert.deepEqual(call.seen, ['10 rpc_busy maybe'])
      }
    }),
  )

  it(
    'says that it ran where one of its tries did, whatever the last one did',
    pooled(world => {
      const [a, b, c] = [world.place('a'), world.place('b'), world.place('c')]
      a.act = losing(a, 'refuses')
      b.act = () => {
        throw new CallRefused('rpc_timeout', 'too long')
      }
      c.act = () => {
        throw new CallRefused('rpc_busy', 'busy')
      }
      const pool = world.failover([a, b, c], { retry: 'razor', retryLimit: 2 })
      world.record(pool.prewarm())
      let call: Recorded
      world.at(10, () => {
        call = world.record(pool.call({ action: 'x' }))
      })
      world.end(100.3)
      return () => assert.deepEqual(call.seen, ['10 rpc_busy yes'])
    }),
  )

  it(
    'costs one token together with all the others that one loss hit, and a tenth comes back with each answer',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      const pool = world.failover([a, b], { retryTokens: 1, redial: 'background' })
      world.record(pool.prewarm())
      const calls: Recorded[] = []
      const idempotent = { action: 'wait', input: 500, idempotent: true }
      // Half of them go to a, and are lost with it.
      world.at(10, () => {
        for (let i = 0; i < 100; i++) calls.push(world.record(pool.call(idempotent)))
      })
      world.at(20, () => a.lose('refuses'))
      let answered: Recorded[] = []
      world.at(1_000, () => {
        answered = calls.filter(({ seen }) => seen.at(-1)?.endsWith('complete'))
      })
      world.end(2_000.3)
      return () => {
        assert.equal(answered.length, 100)
        assert.equal(pool.stats().retries, 50)
      }
    }),
  )

  it(
    'finds the bucket empty where each call fails by itself',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      for (const place of [a, b]) {
        place.act = () => {
          throw new CallRefused('rpc_busy', 'busy')
        }
      }
      const pool = world.failover([a, b], { retryTokens: 3, retryLimit: 1 })
      const calls: Recorded[] = []
      for (let i = 0; i < 10; i++) calls.push(world.record(pool.call({ action: 'x' })))
      world.end(100.3)
      return () => {
        assert.equal(a.ran.length + b.ran.length, 13)
        for (const { seen } of calls) assert.match(seen[0]!, /rpc_busy no/)
      }
    }),
  )

  for (const timeoutMs of [3_000, 20_000]) {
    it(
      `ends within its ${timeoutMs} ms and a tick, and tells each server what is left of them`,
      pooled(world => {
        const places = ['a', 'b', 'c', 'd'].map(name => world.place(name))
        for (const place of places) {
          place.act = () => {
            timer(timeoutMs * 0.3).subscribe({ next: () => place.lose(), error: assert.fail })
            return NEVER
          }
        }
        const pool = world.failover(places, { retryLimit: 9 })
        world.record(pool.prewarm())
        let call: Recorded
        world.at(10, () => {
          call = world.record(pool.call({ action: 'x', idempotent: true, timeoutMs }))
        })
        world.end(100_000.3)
        return () => {
          const [at, ...error] = call.seen[0]!.split(' ')
          assert.deepEqual(error, ['rpc_timeout', 'maybe'])
          assert.ok(Number(at) >= 10 + timeoutMs && Number(at) < 10 + timeoutMs + 1_000, at)
          assert.match(call.error!.message, new RegExp(`within ${timeoutMs} ms`), 'the time it was given at first')
          const left = places.map(({ ran }) => ran[0]!.msLeft)
          assert.deepEqual(
            left,
            [1, 0.7, 0.4, 0.1].map(part => Math.round(timeoutMs * part)),
          )
        }
      }),
    )
  }

  for (const how of ['aborted by its signal', 'left by its caller']) {
    it(
      `is tried no further once it was ${how}`,
      pooled(world => {
        const [a, b, c] = [world.place('a'), world.place('b'), world.place('c')]
        a.act = losing(a, 'refuses')
        b.manner = 'swallows'
        const abort = new AbortController()
        const pool = world.failover([a, b, c])
        let call: Recorded
        world.at(10, () => {
          call = world.record(pool.call({ action: 'x', idempotent: true, signal: abort.signal }))
        })
        // It waits for the dial of b then.
        world.at(500, () => {
          assert.deepEqual([a.ran.length, b.dials.length], [1, 1])
          if (how.startsWith('aborted')) abort.abort('enough')
          else call.subscription.unsubscribe()
          assert.deepEqual(pool.holdings, { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 })
          assert.equal(pool.stats().waiting, 0)
        })
        world.end(30_000.3)
        return () => {
          assert.equal(c.ran.length, 0)
          assert.deepEqual(call.seen, how.startsWith('aborted') ? ['500 rpc_canceled maybe'] : [])
        }
      }),
    )
  }

  it(
    'has its argument, its headers and its blob, byte for byte',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      a.act = losing(a)
      const pool = world.failover([a, b])
      world.record(pool.prewarm())
      const blob = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7)
      const input = { deep: [1, 'two', { three: 2 ** 40 + 1 }] }
      let call: Recorded
      world.at(10, () => {
        call = world.record(
          pool.call({ action: 'x', input, blob, headers: { trace: 'abc', other: 'ü' }, idempotent: true }),
        )
      })
      world.end(100.3)
      return () => {
        assert.match(call.seen.at(-1)!, /complete|next/)
        const [{ at: _a, msLeft: _l, ...first }, { at: _b, msLeft: _m, ...second }] = [a.ran[0]!, b.ran[0]!]
        assert.deepEqual(first, second)
        assert.deepEqual([...second.blob], [...blob])
        assert.deepEqual(second.headers, { trace: 'abc', other: 'ü' })
      }
    }),
  )

  it(
    'takes its items along where none has gone: those of a Subject too, to which it subscribes once',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      a.manner = 'swallows'
      const took: unknown[] = []
      b.act = call =>
        new Observable(subscriber =>
          call.items$.subscribe({
            next: item => took.push(item),
            error: error => subscriber.error(error),
            complete: () => {
              subscriber.next('all')
              subscriber.complete()
            },
          }),
        )
      let subscriptions = 0
      const hot = new Subject<number>()
      const items = new Observable<number>(subscriber => {
        subscriptions++
        return hot.subscribe(subscriber)
      })
      const pool = world.failover([a, b], { connectTimeoutMs: 1_000 })
      let call: Recorded
      world.at(10, () => {
        call = world.record(pool.call({ action: 'up', items }))
      })
      for (let i = 0; i < 100; i++) world.at(20 + i * 20, () => hot.next(i))
      world.at(2_100, () => {
        assert.equal(subscriptions, 1)
        hot.complete()
        assert.equal(hot.observed, false)
      })
      world.end(10_000.3)
      return () => {
        assert.deepEqual(call.seen, ['2100 next "all"', '2100 complete'])
        assert.deepEqual(
          took,
          Array.from({ length: 100 }, (_, i) => i),
        )
        assert.equal(subscriptions, 1)
      }
    }),
  )

  it(
    'is over for good where whoever hears of it gives it up',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      b.dialMs = 100
      const pool = world.failover([a, b])
      let call: Recorded
      pool.events$.subscribe({
        next: ({ type }) => {
          if (type === 'retry') call.subscription.unsubscribe()
        },
        error: assert.fail,
      })
      a.act = () => NEVER
      call = world.record(pool.call({ action: 'x', idempotent: true }))
      world.at(10, () => a.lose('refuses'))
      world.at(50, () => assert.deepEqual([pool.stats().retries, pool.stats().waiting], [1, 0]))
      world.at(200, () => assert.equal(pool.holdings.waitingBytes, 0))
      world.end(1_000.3)
      return () => assert.deepEqual([call.seen, b.ran.length], [[], 0])
    }),
  )

  it(
    'costs nothing, and is not counted, where no address takes it',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      a.act = () => NEVER
      const pool = world.failover([a, b], { retryTokens: 1, backoffFirstMs: 100, backoffMaxMs: 100 })
      const lost = world.record(pool.call({ action: 'x', idempotent: true }))
      b.manner = 'refuses'
      world.at(10, () => a.lose('refuses'))
      world.at(11, () => {
        assert.deepEqual(lost.seen, ['10 rpc_io_err maybe'])
        assert.equal(pool.stats().retries, 0)
        a.manner = b.manner = 'serves'
        a.act = losing(a)
      })
      const calls: Recorded[] = []
      world.at(500, () => {
        for (let i = 0; i < 2; i++) calls.push(world.record(pool.call({ action: 'x', idempotent: true })))
      })
      world.at(600, () => {
        assert.equal(pool.stats().retries, 1)
        assert.deepEqual(
          pool.stats().addresses.map(({ retries }) => retries),
          [0, 1],
          'counted where it went',
        )
        pool.updateAddresses([a.address])
      })
      world.at(700, () => assert.equal(pool.stats().retries, 1, 'however its address fares'))
      world.end(1_000.3)
      return () => {
        for (const { seen } of calls) assert.equal(seen.at(-1), '500 complete')
      }
    }),
  )

  it(
    'passes the interceptors once',
    pooled(world => {
      const [a, b] = [world.place('a'), world.place('b')]
      a.act = losing(a)
      const pool = world.failover([a, b])
      const seen: unknown[] = []
      const client = new RpcClient(pool, CLIENT_DEFAULTS, [
        (request, next) => {
          seen.push(request.action)
          return next(request)
        },
      ])
      world.record(pool.prewarm())
      let call: Recorded
      world.at(10, () => {
        call = world.record(client.call({ action: 'x', idempotent: true }))
      })
      world.end(100.3)
      return () => {
        assert.deepEqual([a.ran.length, b.ran.length], [1, 1])
        assert.match(call.seen.at(-1)!, /complete/)
        assert.deepEqual(seen, ['x'])
      }
    }),
  )
})

describe('one address alone', () => {
  const cases: readonly (readonly [string, Partial<ClientConfig>, CallRequest, number])[] = [
    ['sends an idempotent call again over a new connection', {}, { action: 'x', idempotent: true }, 2],
    ['sends no other call again', {}, { action: 'x' }, 1],
    ['sends every unary call again by the rule razor', { retry: 'razor' }, { action: 'x' }, 2],
    ['sends none again by the rule never', { retry: 'never' }, { action: 'x', idempotent: true }, 1],
  ]
  for (const [name, config, request, runs] of cases) {
    it(
      `${name} when its connection is lost`,
      pooled(world => {
        const a = world.place('a')
        let first = true
        a.act = () => {
          if (!first) return undefined
          first = false
          a.lose()
          return NEVER
        }
        const pool = world.pool(a, config)
        world.record(pool.call(request))
        world.end(100.3)
        return () => assert.equal(a.ran.length, runs)
      }),
    )
  }

  it(
    'does not offer a call to a server again that has just said it is busy',
    pooled(world => {
      const a = world.place('a')
      const pool = world.pool(a)
      const call = world.record(pool.call({ action: 'busy' }))
      world.end(100.3)
      return () => {
        assert.deepEqual(call.seen, ['0 rpc_busy no'])
        assert.equal(a.ran.length, 1)
      }
    }),
  )
})
