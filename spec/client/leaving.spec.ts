/** A caller that goes while its call is out: who hears of it when, and how long the slot stays taken. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catchError, concatMap, filter, finalize, map, NEVER, Observable, of, take, takeUntil, timer } from 'rxjs'
import { implement, RpcError, service, stream, unary } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Work = service('Work', {
  after: unary<number, string>(),
  never: unary(),
  forever: stream<void, number>(),
})

function workOf(options: LinkedPairOptions = {}) {
  const handlers = { now: 0, most: 0, tornDown: 0 }
  const running = <T>(source: Observable<T>): Observable<T> =>
    new Observable<T>(subscriber => {
      handlers.most = Math.max(handlers.most, ++handlers.now)
      return source.pipe(finalize(() => handlers.now--)).subscribe(subscriber)
    }).pipe(finalize(() => handlers.tornDown++))
  const work = implement(Work, {
    after: ms => running(timer(ms).pipe(map(() => 'done'))),
    never: () => running(NEVER),
    forever: () => running(NEVER),
  })
  const pair = linkedPair({ services: [work], ...options })
  const slots = (): string => `${pair.client.holdings.slots}/${pair.client.holdings.leaving}`
  return { ...pair, work: pair.client.use(Work), handlers, slots }
}

const way = { latencyMs: 10 }
const code = catchError(error => of(RpcError.from(error).code))

describe('a call that is given up', () => {
  it(
    'keeps its slot from the unsubscribe to the last answer, and lets nothing of it be heard',
    marbles(({ cold, expectObservable, flush }) => {
      const { work, slots, handlers, wire, expectNoLeaks } = workOf({ up: way, down: way })
      expectObservable(work.forever().pipe(takeUntil(timer(50)))).toBe('50ms |')
      const seen$ = cold('49ms a--b 15ms c-d').pipe(map(() => `${slots()} ${handlers.now}`))
      expectObservable(seen$).toBe('49ms a--b 15ms c-d', { a: '1/0 1', b: '1/1 1', c: '1/1 0', d: '1/1 0' })
      expectObservable(wire.up.kinds$.pipe(filter(kind => kind === 'X'))).toBe('50ms X')
      expectObservable(wire.down.texts$.pipe(filter(text => text.startsWith('ERROR')))).toBe('60ms e', {
        e: 'ERROR 2 rpc_canceled: the caller has gone',
      })
      flush()
      assert.equal(slots(), '0/0')
      expectNoLeaks()
    }),
  )

  it(
    'while its answer is on the way takes that for the last one, and CANCEL is dropped (4)',
    marbles(({ expectObservable, flush }) => {
      const { work, client, slots, wire, expectNoLeaks } = workOf({ up: way, down: way })
      // Asked for at 20, there at 30, answered at 45; CANCEL leaves at 50 and would be there at 60.
      expectObservable(work.after(15).pipe(takeUntil(timer(50)))).toBe('50ms |')
      expectObservable(timer(54, 2).pipe(take(2), map(slots))).toBe('54ms a-(b|)', { a: '1/1', b: '0/0' })
      expectObservable(wire.arrived.kinds$.pipe(filter(kind => /[RXde]/.test(kind)))).toBe('30ms R 24ms d----X')
      flush()
      assert.equal(client.stats().lateAnswers, 0)
      expectNoLeaks()
    }),
  )

  it(
    'thousands of times leaves no more calls out than there are slots, and none is refused (5)',
    marbles(({ flush }) => {
      const { work, server, handlers, wire, expectNoLeaks } = workOf({
        client: { thresholds: 8 },
        up: { latencyMs: 1 },
        down: { latencyMs: 1 },
        maxCallsPerConnection: 8,
      })
      let busy = 0
      wire.down.texts$.subscribe({ next: text => (busy += Number(text.includes('rpc_busy'))), error: assert.fail })
      let asked = 0
      const ask = (): void => {
        if (asked++ >= 2_000) return
        // Each is given up as soon as it is out.
        const given = work.never().subscribe({ error: assert.fail })
        timer(1).subscribe({
          next: () => {
            given.unsubscribe()
            ask()
          },
          error: assert.fail,
        })
      }
      for (let i = 0; i < 5; i++) ask()
      flush()
      assert.ok(handlers.tornDown > 500 && handlers.most <= 8, `${handlers.tornDown} ran, ${handlers.most} at once`)
      assert.equal(busy, 0)
      assert.equal(server.stats().calls, 0)
      expectNoLeaks()
    }),
  )
})

describe('a call whose time is over', () => {
  it(
    'fails once, by its own clock; CANCEL and the rpc_timeout of the server cross, and the slot is free once (17)',
    marbles(({ cold, expectObservable, flush }) => {
      const up = { latencyMs: cold('a 99ms b', { a: 10, b: 40 }) }
      const { work, client, handlers, slots, wire, expectNoLeaks } = workOf({ up, down: way })
      expectObservable(work.never(undefined, { timeoutMs: 8_000 }).pipe(code)).toBe('8s (c|)', { c: 'rpc_timeout' })
      expectObservable(wire.texts$.pipe(filter(text => /REQUEST|CANCEL|ERROR/.test(text)))).toBe(
        '20ms r 7979ms x 29ms e',
        { r: 'REQUEST 2 Work.never timeout=7980', x: 'CANCEL 2', e: 'ERROR 2 rpc_timeout' },
      )
      expectObservable(timer(8_039, 2).pipe(take(2), map(slots))).toBe('8039ms a-(b|)', { a: '1/1', b: '0/0' })
      flush()
      assert.deepEqual([handlers.tornDown, client.stats().lateAnswers], [1, 0])
      expectNoLeaks()
    }),
  )

  it(
    'gives its slot up after a further taskTimeoutMs where the server never has its last word',
    marbles(({ expectObservable, flush }) => {
      const { work, slots, expectNoLeaks } = workOf({
        client: { taskTimeoutMs: 10_000, deadAfterMs: 100_000, pingIntervalMs: 200_000 },
        down: { faults: '1s h' },
      })
      expectObservable(work.never(undefined, { timeoutMs: 5_000 }).pipe(code)).toBe('5s (c|)', { c: 'rpc_timeout' })
      expectObservable(timer(5_100, 9_800).pipe(take(2), map(slots))).toBe('5100ms a 9799ms (a|)', { a: '1/1' })
      expectObservable(timer(16_100).pipe(map(slots))).toBe('16100ms (a|)', { a: '0/0' })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'before it was sent is forgotten: no frame of it leaves',
    marbles(({ expectObservable, flush }) => {
      const { work, wire, expectNoLeaks } = workOf({ client: { thresholds: 1 } })
      expectObservable(work.after(300)).toBe('300ms (d|)', { d: 'done' })
      const refused$ = work
        .after(1, { timeoutMs: 100 })
        .pipe(catchError(error => of(`${error.code} ${error.executed}`)))
      expectObservable(refused$).toBe('100ms (c|)', { c: 'rpc_timeout no' })
      expectObservable(timer(10).pipe(concatMap(() => work.after(1).pipe(takeUntil(timer(20)))))).toBe('30ms |')
      expectObservable(wire.up.kinds$).toBe('(OHR)')
      flush()
      expectNoLeaks()
    }),
  )
})
