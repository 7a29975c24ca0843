/**
 * What becomes of items that a handler pushes while nobody can take them: each policy of a contract, end to end, and its counts.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { Observable, range, Subject, tap } from 'rxjs'
import { implement, type Overflow, type ServerCall, service, stream } from '../../lib/node/index.ts'
import { follow } from '../support/arena.ts'
import { until, withServer } from '../support/stage.ts'

interface Tick {
  readonly k: number
  readonly n: number
}
const ticks = (count: number): Observable<Tick> =>
  new Observable(out => {
    for (let n = 0; n < count && !out.closed; n++) out.next({ k: n % 2, n })
    out.complete()
  })

const POLICIES: readonly (readonly [
  what: string,
  policy: Overflow<'k'>,
  got: number[],
  dropped: number,
  code?: string,
])[] = [
  ['latest keeps the newest', 'latest', [0, 1, 9], 7],
  ['dropNewest keeps nothing', 'dropNewest', [0, 1], 8],
  ['dropOldest keeps the newest three', { dropOldest: 3 }, [0, 1, 7, 8, 9], 5],
  ['conflate keeps the newest of each key', { conflate: 'k' }, [0, 1, 8, 9], 6],
  ['sample sends the newest of each period', { sample: 5 }, [0, 9], 8],
  ['buffer keeps a window, and then fails', 'buffer', [0, 1], 0, 'rpc_overflow'],
  ['error fails at once', 'error', [0, 1], 0, 'rpc_overflow'],
]

describe('without credit', () => {
  for (const [what, policy, expected, dropped, code] of POLICIES) {
    const Lab = service('Lab', { ticks: stream<void, Tick>({ overflow: policy, window: 2 }) })
    let call: { readonly dropped: number } | undefined
    let before = 0
    withServer(
      what,
      () => {
        return {
          run: async stage => {
            before = stage.server.stats().dropped
            const client = stage.client()
            const pace = { done: () => {} }
            const request = { action: 'Lab.ticks', window: 2, pace }
            const got = follow(client.call<Tick>(request))
            // What comes is consumed only when all that comes by itself is there.
            let consumed = 0
            while (got.ends === 0) {
              await until(() => got.ends > 0 || got.values.length > consumed)
              for (let turns = 0; turns < 5 && got.ends === 0; turns++) await new Promise(setImmediate)
              while (consumed < got.values.length) {
                consumed++
                pace.done()
              }
            }
            assert.deepEqual(
              got.values.map(({ n }) => n),
              expected,
            )
            assert.equal(got.error?.code, code)
            assert.equal(call!.dropped, dropped)
            assert.equal(stage.server.stats().dropped, dropped)
          },
        }
      },
      {
        options: {
          services: [
            implement(Lab, {
              ticks: (_, theCall) => {
                call = theCall
                return ticks(10)
              },
            }),
          ],
        },
      },
    )
    void before
  }
})

withServer('loses and fails nothing while there is credit, however much comes in one turn', () => {
  const policies: readonly Overflow[] = [
    'error',
    'dropNewest',
    'latest',
    { dropOldest: 1 },
    { conflate: 'n' },
    'buffer',
  ]
  const text = 'x'.repeat(2000)
  return {
    handlers: {
      'S.push': call => {
        call.overflow = policies[call.input as number]!
        return new Observable(out => {
          for (let n = 0; n < 300; n++) out.next({ n, text })
          setImmediate(() => {
            for (let n = 300; n < 350; n++) out.next({ n, text })
            out.complete()
          })
        })
      },
    },
    run: async stage => {
      const client = stage.client()
      for (const [input, policy] of policies.entries()) {
        const got = follow(client.call<{ n: number }>({ action: 'S.push', input, window: 1024 }))
        await got.over
        assert.equal(got.error, undefined, JSON.stringify(policy))
        assert.deepEqual(
          got.values.map(({ n }) => n),
          Array.from({ length: 350 }, (_, n) => n),
          JSON.stringify(policy),
        )
      }
      assert.equal(stage.server.stats().dropped, 0)
    },
  }
})

withServer('counts what running streams have lost, and what those have that are over', () => {
  const source$ = new Subject<number>()
  let call: ServerCall | undefined
  return {
    handlers: {
      'S.hot': theCall => {
        call = theCall
        theCall.overflow = 'latest'
        return source$
      },
    },
    run: async stage => {
      const client = stage.client()
      const one = follow(client.call<number>({ action: 'S.hot', window: 1, pace: { done: () => {} } }))
      await until(() => source$.observed)
      for (let n = 0; n < 5; n++) source$.next(n)
      assert.deepEqual([call!.dropped, stage.server.stats().dropped], [3, 3])
      one.unsubscribe()
      await until(() => stage.server.stats().calls === 0)
      assert.equal(stage.server.stats().dropped, 3)
      await until(() => client.stats().inFlight === 0)
    },
  }
})

withServer('keeps what a hot source of the caller gives before the server asks, as its policy says', () => {
  let go: () => void = () => {}
  const asked = new Promise<void>(resolve => {
    go = resolve
  })
  return {
    handlers: {
      'S.upload': async call => {
        await asked
        const got: unknown[] = []
        await new Promise<void>((resolve, reject) => {
          call.items$.pipe(tap(item => got.push(item))).subscribe({ complete: resolve, error: reject })
        })
        return got
      },
    },
    run: async stage => {
      const client = stage.client()
      const kept = follow(client.call({ action: 'S.upload', items: range(0, 100) }))
      const last = follow(client.call({ action: 'S.upload', items: range(0, 100), overflow: 'latest' }))
      const full = follow(client.call({ action: 'S.upload', items: range(0, 2000) }))
      await until(() => stage.server.stats().calls === 3)
      go()
      assert.deepEqual(
        ((await kept.answers()) as { value: unknown }).value,
        Array.from({ length: 100 }, (_, n) => n),
      )
      assert.deepEqual(((await last.answers()) as { value: unknown }).value, [99])
      await full.failsWith('rpc_canceled', /1024 items wait already/, 'yes')
    },
  }
})
