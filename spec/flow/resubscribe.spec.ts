/**
 * A stream that outlives its connection: when it is subscribed to again, and how its consumer sees that items may be missing.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  concat,
  EMPTY,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  Subject,
  type Subscriber,
  take,
  tap,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs'
import type { ColdObservable } from 'rxjs/internal/testing/ColdObservable'
import type { RunHelpers } from 'rxjs/testing'
import { type RpcCode, RpcError, type RpcErrorInfo, UserError } from '../../lib/error.ts'
import { type Pace, Paced, pacedMap } from '../../lib/flow/paced.ts'
import { Gap, isTransient, type ResubscribeOptions, resubscribe } from '../../lib/flow/resubscribe.ts'
import { marbles } from '../support/marbles.ts'

const lost = new RpcError('rpc_io_err', 'lost its connection')
/** Waits of 2, 4, 8, 16 and from then on 16 ms; anew after 30 ms of health. */
const numbers = { firstMs: 4, maxMs: 32, resetAfterMs: 30, random: () => 0.5 } satisfies ResubscribeOptions
/** The gaps of a diagram, by the number of the attempt. */
const gaps = Object.fromEntries([2, 4, 8, 16, 16].map((ms, i) => [i + 1, new Gap(lost, i + 1, ms)]))

/** A source whose subscriptions get these diagrams, one after the other; in the end the last one again. */
function inTurn(
  { cold }: RunHelpers,
  ...diagrams: string[]
): { source$: Observable<string>; runs: ColdObservable<string>[] } {
  const runs = diagrams.map(diagram => cold<string>(diagram, undefined, lost) as ColdObservable<string>)
  let at = 0
  const source$ = new Observable<string>(subscriber => runs[Math.min(at++, runs.length - 1)]!.subscribe(subscriber))
  return { source$, runs }
}

const values = { a: 'a', b: 'b', c: 'c', d: 'd', ...gaps }

describe('a stream that is subscribed to again', () => {
  it(
    'shows a gap at the loss, and goes on after the back-off',
    marbles(helpers => {
      const { source$, runs } = inTurn(helpers, '-a-b-#', '-c-|')
      const expected = '           -a-b-1--c-|'
      const first = '              ^----!'
      const second = '             -------^--!'
      helpers.expectObservable(source$.pipe(resubscribe(numbers))).toBe(expected, values)
      helpers.expectSubscriptions(runs[0]!.subscriptions).toBe(first)
      helpers.expectSubscriptions(runs[1]!.subscriptions).toBe(second)
    }),
  )

  it(
    'waits longer with each attempt, with a gap for each',
    marbles(helpers => {
      const { source$ } = inTurn(helpers, '#', '#', '#', '#', '#', '-a|')
      const expected = '1-2---3-------4 15ms 5 16ms a|'
      helpers.expectObservable(source$.pipe(resubscribe(numbers))).toBe(expected, values)
    }),
  )

  it(
    'waits shortly again when items came for long enough, and not when they came for less',
    marbles(helpers => {
      const { source$ } = inTurn(helpers, 'a 29ms #', 'b 28ms #', 'c 29ms #', 'd')
      const expected = '                   a 29ms 1-b 28ms 2---c 29ms 1-d'
      helpers.expectObservable(source$.pipe(resubscribe(numbers))).toBe(expected, values)
    }),
  )

  it('tells the time by its scheduler', () => {
    const scheduler = new VirtualTimeScheduler()
    const source$ = concat(of('a'), timer(30, scheduler).pipe(mergeMap(() => throwError(() => lost))))
    const attempts: number[] = []
    source$.pipe(resubscribe({ ...numbers, scheduler }), take(8)).subscribe({
      next: item => Gap.is(item) && attempts.push(item.attempt),
      error: assert.fail,
    })
    scheduler.flush()
    assert.deepEqual(attempts, [1, 1, 1, 1])
  })

  it(
    'never ends where its source does not',
    marbles(({ expectObservable }) => {
      expectObservable(NEVER.pipe(resubscribe(numbers))).toBe('-')
    }),
  )

  it(
    'completes with its source, empty or with items',
    marbles(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(resubscribe(numbers))).toBe('|')
      expectObservable(of('a').pipe(resubscribe(numbers))).toBe('(a|)')
      expectObservable(cold('-a-b-c|').pipe(resubscribe(numbers))).toBe('-a-b-c|')
    }),
  )

  it(
    'subscribes to a source that fails at once one time after the other, and keeps nothing of those that are over',
    marbles(({ expectObservable, flush }) => {
      let open = 0
      let most = 0
      let subscriptions = 0
      const source$ = new Observable<string>(subscriber => {
        subscriptions++
        most = Math.max(most, ++open)
        subscriber.add(() => open--)
        subscriber.error(lost)
      })
      const options = { ...numbers, random: () => 0 }
      const gaps$ = source$.pipe(
        resubscribe(options),
        take(5_000),
        map(gap => Gap.is(gap)),
      )
      let gapsSeen = 0
      expectObservable(
        gaps$.pipe(
          tap(isGap => (gapsSeen += Number(isGap))),
          mergeMap(() => EMPTY),
        ),
      ).toBe('|')
      flush()
      assert.deepEqual([subscriptions, most, open, gapsSeen], [5_000, 1, 0, 5_000])
    }),
  )

  it(
    'has a back-off of its own for each subscriber',
    marbles(helpers => {
      const result$ = throwError(() => lost).pipe(resubscribe(numbers))
      helpers.expectObservable(result$, '^------!').toBe('1-2---3', values)
      helpers.expectObservable(result$, '---^--!').toBe('---1-2-', values)
    }),
  )
})

describe('what ends it', () => {
  it(
    'unsubscribing during the wait: nothing is subscribed to any more',
    marbles(helpers => {
      const { source$, runs } = inTurn(helpers, '-a#', '-b|')
      const unsubscribed = '               ---!'
      helpers.expectObservable(source$.pipe(resubscribe(numbers)), unsubscribed).toBe('-a1-', values)
      helpers.expectSubscriptions(runs[0]!.subscriptions).toBe('^-!')
      helpers.expectSubscriptions(runs[1]!.subscriptions).toBe([])
    }),
  )

  it(
    'unsubscribing while items come',
    marbles(helpers => {
      const { source$, runs } = inTurn(helpers, '-a#', '-b-c-|')
      const unsubscribed = '               ------!'
      helpers.expectObservable(source$.pipe(resubscribe(numbers)), unsubscribed).toBe('-a1--b-', values)
      helpers.expectSubscriptions(runs[1]!.subscriptions).toBe('----^-!')
    }),
  )

  it(
    'unsubscribing at the gap itself',
    marbles(helpers => {
      const { source$, runs } = inTurn(helpers, '-a#', '-b|')
      helpers.expectObservable(source$.pipe(resubscribe(numbers), take(2))).toBe('-a(1|)', values)
      helpers.expectSubscriptions(runs[1]!.subscriptions).toBe([])
    }),
  )

  it(
    'an error that a new subscription does not mend',
    marbles(({ cold, expectObservable }) => {
      const refused = new UserError('gone', 'Host.tail failed: gone')
      expectObservable(cold('-a-#', undefined, refused).pipe(resubscribe(numbers))).toBe('-a-#', undefined, refused)
    }),
  )

  it(
    'the last of its attempts in a row, with the error of it',
    marbles(helpers => {
      const { source$ } = inTurn(helpers, '-a#', '#', '#')
      helpers.expectObservable(source$.pipe(resubscribe({ ...numbers, attempts: 2 }))).toBe('-a1-2---#', values, lost)
      helpers.expectObservable(throwError(() => lost).pipe(resubscribe({ attempts: 0 }))).toBe('#', undefined, lost)
    }),
  )

  it(
    'not an attempt that comes after lasting health',
    marbles(helpers => {
      const { source$ } = inTurn(helpers, 'a 29ms #', 'b 29ms #', 'c|')
      const expected = '                   a 29ms 1-b 29ms 1-c|'
      helpers.expectObservable(source$.pipe(resubscribe({ ...numbers, attempts: 1 }))).toBe(expected, values)
    }),
  )

  it(
    'the predicate, with the error it throws',
    marbles(({ cold, expectObservable }) => {
      const broken = new Error('broken')
      const when = (): boolean => {
        throw broken
      }
      expectObservable(cold('-a#').pipe(resubscribe({ ...numbers, when }))).toBe('-a#', undefined, broken)
    }),
  )

  it(
    'the predicate that says no, after those that said yes',
    marbles(({ cold, expectObservable }) => {
      const timeout = new RpcError('rpc_timeout', 'late')
      const errors = [timeout, lost, timeout]
      const source$ = new Observable<string>(subscriber => cold('-#', undefined, errors.shift()).subscribe(subscriber))
      const when = (error: unknown): boolean =>
        errors.length > 0 && (isTransient(error) || RpcError.is(error, 'rpc_timeout'))
      const [first, second] = [new Gap(timeout, 1, 2), new Gap(lost, 2, 4)]
      expectObservable(source$.pipe(resubscribe({ ...numbers, when }))).toBe(
        '-f--s----#',
        { f: first, s: second },
        timeout,
      )
    }),
  )

  it('are not numbers that are none: those throw at once', () => {
    assert.throws(() => resubscribe({ attempts: Number.NaN }), { name: 'RangeError', message: /attempts.*NaN/ })
    assert.throws(() => resubscribe({ attempts: -1 }), RangeError)
    assert.throws(() => resubscribe({ firstMs: -1 }), { name: 'RangeError', message: /firstMs/ })
  })
})

describe('an error that a new subscription may mend', () => {
  const error = (code: RpcCode, info?: RpcErrorInfo): RpcError => new RpcError(code, code, info)

  it('is the loss of the connection, and a server that is busy or goes', () => {
    for (const code of ['rpc_io_err', 'rpc_busy', 'rpc_draining'] as const) assert.equal(isTransient(error(code)), true)
  })

  it('is a dial that failed, not a client that is closed', () => {
    assert.equal(isTransient(error('rpc_unreachable', { executed: 'no', cause: new Error('refused') })), true)
    assert.equal(isTransient(error('rpc_unreachable', { executed: 'no' })), false)
  })

  it('is a stream that the server cut when its grace was over, not one that its own signal aborted', () => {
    assert.equal(isTransient(error('rpc_canceled', { executed: 'yes' })), true)
    assert.equal(isTransient(error('rpc_canceled', { executed: 'yes', cause: new Error('aborted') })), false)
  })

  it('is none that would come again', () => {
    for (const code of ['rpc_timeout', 'rpc_overflow', 'rpc_decode', 'rpc_unauthenticated', 'rpc_resume_lost'] as const)
      assert.equal(isTransient(error(code)), false)
    assert.equal(isTransient(new UserError('rpc_busy', 'a text of the handler')), false)
    assert.equal(isTransient(new Error('ECONNRESET')), false)
    assert.equal(isTransient(undefined), false)
  })
})

describe('a gap', () => {
  it('is told from items by its mark, which another copy of the package makes too', () => {
    assert.equal(Gap.is(new Gap(lost, 1, 2)), true)
    assert.equal(Gap.is({ '~gap': true, error: lost, attempt: 1, retryInMs: 2 }), true)
    for (const item of [undefined, null, 'a', {}, { '~gap': 1 }, { attempt: 1 }]) assert.equal(Gap.is(item), false)
  })
})

/** A call of which a spec sees each subscription. */
class Calls {
  readonly running: { items: Subscriber<string>; done: number; over: boolean }[] = []
  readonly call = new Paced<string>((items, pace: Pace | undefined) => {
    const run = { items, done: 0, over: false }
    this.running.push(run)
    if (pace !== undefined) pace.done = () => void (run.over || run.done++)
    return () => {
      run.over = true
    }
  })

  get last(): (typeof this.running)[number] {
    return this.running.at(-1)!
  }
}

describe('behind a call', () => {
  it(
    'each item is reported to the call that sent it, and a gap to none',
    marbles(({ flush }) => {
      const calls = new Calls()
      const work: Subject<void>[] = []
      calls.call
        .pipe(
          resubscribe(numbers),
          pacedMap(() => {
            const each = new Subject<void>()
            work.push(each)
            return each
          }, 10),
        )
        .subscribe({ error: assert.fail })
      const [first] = calls.running
      first!.items.next('a')
      first!.items.next('b')
      work[0]!.complete()
      assert.equal(first!.done, 1)
      first!.items.error(lost)
      work[1]!.complete()
      assert.equal(work.length, 3, 'the gap takes its turn as an item does')
      work[2]!.complete()
      flush()
      assert.equal(calls.running.length, 2)
      calls.last.items.next('c')
      assert.equal(calls.last.done, 0)
      work[3]!.complete()
      assert.deepEqual([first!.done, calls.last.done], [1, 1])
    }),
  )

  it(
    'a new call waits until the consumer is done with what came before it',
    marbles(({ flush }) => {
      const calls = new Calls()
      const work = new Subject<void>()
      calls.call
        .pipe(
          resubscribe(numbers),
          pacedMap(() => work.pipe(take(1))),
        )
        .subscribe({ error: assert.fail })
      for (const item of ['a', 'b']) calls.last.items.next(item)
      calls.last.items.error(lost)
      flush()
      work.next() // a
      work.next() // b
      assert.equal(calls.running.length, 1)
      work.next() // the gap
      assert.equal(calls.running.length, 2)
      calls.last.items.next('c')
      assert.equal(calls.last.done, 0)
      work.next()
      assert.equal(calls.last.done, 1)
    }),
  )

  it(
    'the consumer is done first, and the back-off later',
    marbles(({ flush }) => {
      const calls = new Calls()
      calls.call.pipe(resubscribe(numbers), pacedMap(of)).subscribe({ error: assert.fail })
      calls.last.items.next('a')
      calls.last.items.error(lost)
      assert.equal(calls.running.length, 1)
      flush()
      assert.equal(calls.running.length, 2)
    }),
  )

  it(
    'without a pace an item counts as consumed when next has returned, and nobody is waited for',
    marbles(({ flush }) => {
      const calls = new Calls()
      const seen: unknown[] = []
      calls.call
        .pipe(
          resubscribe(numbers),
          map(item => (Gap.is(item) ? 'gap' : item)),
        )
        .subscribe({
          next: item => seen.push(item),
          error: assert.fail,
        })
      calls.last.items.next('a')
      calls.last.items.error(lost)
      flush()
      calls.last.items.next('b')
      calls.last.items.complete()
      assert.deepEqual(seen, ['a', 'gap', 'b'])
    }),
  )

  it(
    'leaving ends the wait, or the call',
    marbles(({ flush }) => {
      const calls = new Calls()
      const waiting = calls.call.pipe(resubscribe(numbers), pacedMap(of)).subscribe({ error: assert.fail })
      calls.last.items.error(lost)
      waiting.unsubscribe()
      flush()
      assert.equal(calls.running.length, 1)
      const running = calls.call
        .pipe(
          resubscribe(numbers),
          pacedMap(() => timer(9)),
        )
        .subscribe({ error: assert.fail })
      running.unsubscribe()
      assert.equal(calls.last.over, true)
    }),
  )

  it('a loop sees items and gaps in their order, and ends with the stream', async () => {
    const calls = new Calls()
    const time = new VirtualTimeScheduler()
    const items = calls.call.pipe(resubscribe({ ...numbers, scheduler: time }))[Symbol.asyncIterator]()
    const first = items.next()
    calls.last.items.next('a')
    calls.last.items.error(lost)
    assert.equal((await first).value, 'a')
    assert.deepEqual((await items.next()).value, gaps[1])
    time.flush()
    assert.equal(calls.running.length, 1, 'the loop is not done with the gap')
    const second = items.next()
    assert.equal(calls.running.length, 2)
    calls.last.items.next('b')
    calls.last.items.complete()
    assert.equal((await second).value, 'b')
    assert.deepEqual(await items.next(), { done: true, value: undefined })
  })
})
