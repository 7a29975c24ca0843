/** Credit as two real ends spend and grant it, in virtual time: starvation, resumption, a window of one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concatMap, delay, filter, map, NEVER, of, range, scan, take, tap, timer, toArray } from 'rxjs'
import { duplex, implement, pacedMap, service, stream, upload } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Flow = service('Flow', {
  count: stream<number, number>(),
  late: upload<{ afterMs: number; eachMs: number }, number, number>({ window: 2 }),
  echo: duplex<void, number, number>({ window: 3 }),
  demand: stream<void, boolean>(),
})

function flowOf(options: LinkedPairOptions = {}) {
  const pulled = { items: 0 }
  const demand: string[] = []
  const flow = implement(Flow, {
    count: function* (n) {
      for (let i = 0; i < n; i++) {
        pulled.items++
        yield i
      }
    },
    late: ({ afterMs, eachMs }, { items$ }) =>
      timer(afterMs).pipe(
        concatMap(() => items$.pipe(pacedMap(item => timer(eachMs).pipe(map(() => item))))),
        scan(sum => sum + 1, 0),
        filter(sum => sum === 5),
      ),
    echo: (_, { items$ }) => items$,
    demand: (_, { demand$ }) => demand$.pipe(tap(wanted => demand.push(String(wanted)))),
  })
  const pair = linkedPair({ services: [flow], ...options })
  return { ...pair, flow: pair.client.use(Flow), pulled, demand }
}

describe('credit', () => {
  it(
    'that is used up stops a source that is pulled; a grant lets it go on, half a window at a time',
    marbles(({ cold, expectObservable, flush }) => {
      const { flow, pulled, wire, expectNoLeaks } = flowOf()
      const items$ = flow.count(8, { window: 4 }).pipe(pacedMap(item => timer(10).pipe(map(() => item))))
      expectObservable(items$.pipe(toArray())).toBe('80ms (a|)', { a: [0, 1, 2, 3, 4, 5, 6, 7] })
      expectObservable(wire.up.texts$.pipe(filter(text => text.startsWith('CREDIT')))).toBe('20ms a 19ms b 19ms c', {
        a: 'CREDIT 2 +4@2',
        b: 'CREDIT 2 +4@4',
        c: 'CREDIT 2 +4@6',
      })
      expectObservable(cold('-a 18ms b-c 16ms d-e').pipe(map(() => pulled.items))).toBe('-a 18ms b-c 16ms d-e', {
        a: 4,
        b: 4,
        c: 6,
        d: 6,
        e: 8,
      })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'of a window of one makes an item cost a round trip',
    marbles(({ expectObservable, flush }) => {
      const { flow, wire, expectNoLeaks } = flowOf({ up: { latencyMs: 10 }, down: { latencyMs: 5 } })
      expectObservable(flow.count(4, { window: 1 }).pipe(map(String))).toBe('30ms 0 14ms 1 14ms 2 14ms 3 14ms |')
      expectObservable(wire.down.kinds$.pipe(filter(kind => kind === 'n' || kind === 'd'))).toBe(
        '25ms n 14ms n 14ms n 14ms n 14ms d',
      )
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'of an upload begins with the subscription of its handler, and is given back as the handler gets on',
    marbles(({ expectObservable, flush }) => {
      const { flow, wire, expectNoLeaks } = flowOf()
      expectObservable(flow.late({ afterMs: 30, eachMs: 10 }, range(0, 6))).toBe('80ms (5|)', { 5: 5 })
      expectObservable(wire.up.kinds$.pipe(filter(kind => kind === 'N'))).toBe('30ms (NN) 6ms N 9ms N 9ms N 9ms N')
      expectObservable(timer(10).pipe(map(() => wire.call('Flow.late')?.credit.up))).toBe('10ms (0|)', { 0: 0 })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'shows the handler its demand: true, and false where it is used up',
    marbles(({ expectObservable, flush }) => {
      const { flow, demand, close, expectNoLeaks } = flowOf()
      const items$ = flow.demand(undefined, { window: 1 }).pipe(pacedMap(wanted => of(wanted).pipe(delay(10))))
      expectObservable(items$.pipe(take(2))).toBe('10ms t 9ms (f|)', { t: true, f: false })
      flush()
      assert.deepEqual(demand.slice(0, 2), ['true', 'false'])
      close()
      expectNoLeaks()
    }),
  )

  it(
    'that is never given back holds the sender for ever, and holds nobody else',
    marbles(({ expectObservable, flush }) => {
      const { flow, pulled, client, expectNoLeaks } = flowOf()
      const held$ = flow.count(1_000_000, { window: 16 }).pipe(pacedMap(() => NEVER))
      expectObservable(held$, '^ 60s !').toBe('')
      expectObservable(timer(30_000).pipe(map(() => [pulled.items, client.holdings.itemBytes]))).toBe('30s (a|)', {
        a: [16, 16],
      })
      expectObservable(timer(40_000).pipe(concatMap(() => flow.echo(undefined, [1, 2])))).toBe('40s (12|)', {
        1: 1,
        2: 2,
      })
      flush()
      assert.equal(pulled.items, 16)
      expectNoLeaks()
    }),
  )
})

describe('whatever window, latency and pace', () => {
  it('each item comes once, in order, and neither end ever sends without credit', () => {
    const ms = fc.integer({ min: 0, max: 7 })
    const cases = fc.record({
      window: fc.integer({ min: 1, max: 9 }),
      up: ms,
      down: ms,
      each: ms,
      n: fc.nat({ max: 40 }),
    })
    fc.assert(
      fc.property(cases, ({ window, up, down, each, n }) => {
        marbles(({ flush }) => {
          const { flow, wire, expectNoLeaks } = flowOf({ up: { latencyMs: up }, down: { latencyMs: down } })
          const seen: number[] = []
          let most = -1
          const watch = {
            next: () => (most = Math.max(most, wire.call('Flow.count')?.credit.down ?? 0)),
            error: assert.fail,
          }
          wire.frames$.subscribe(watch)
          const slowly = (item: number) => timer(each).pipe(map(() => item))
          const items$ = flow.count(n, { window }).pipe(pacedMap(slowly, 2))
          items$.subscribe({ next: item => seen.push(item), error: assert.fail })
          const echoed: number[] = []
          const all = Array.from({ length: n }, (_, i) => i)
          const echo$ = flow.echo(undefined, all, { window: 64 }).pipe(pacedMap(slowly))
          echo$.subscribe({ next: item => echoed.push(item), error: assert.fail })
          flush()
          // With two at a time the items may end in either order.
          assert.deepEqual([seen.sort((a, b) => a - b), echoed], [all, all])
          assert.ok(most <= window, `${most} units of credit in a window of ${window}`)
          assert.doesNotMatch(String(wire), /without credit|notice/)
          expectNoLeaks()
        })()
      }),
      { numRuns: 60, includeErrorInReport: true },
    )
  })
})
