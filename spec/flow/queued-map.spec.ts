/** What `mergeMap` with a limit does, and that it does so for any number of items that wait. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  EMPTY,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  range,
  Subject,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs'
import { queuedMap } from '../../lib/flow/queued-map.ts'
import { marbles } from '../support/marbles.ts'

describe('queuedMap', () => {
  it('works off 100,000 items that waited and end at once', () => {
    const gate = new Subject<number>()
    const seen: number[] = []
    let ended = 0
    let completed = false
    range(0, 100_000)
      .pipe(
        queuedMap(
          n => (n === 0 ? gate : of(n)),
          1,
          () => ended++,
        ),
      )
      .subscribe({
        next: n => seen.push(n),
        error: assert.fail,
        complete: () => {
          completed = true
        },
      })
    assert.deepEqual(seen, [])
    gate.next(0)
    gate.complete()
    assert.equal(seen.length, 100_000)
    assert.ok(seen.every((n, i) => n === i))
    assert.deepEqual([ended, completed], [100_000, true])
  })

  it('emits, fails and ends as mergeMap does, whatever comes when', () => {
    const inner = fc.record({ after: fc.nat(4), emits: fc.boolean(), fails: fc.integer({ min: 0, max: 9 }) })
    const items = fc.array(fc.tuple(fc.nat(3), inner), { maxLength: 12 })
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 3 }), fc.option(fc.nat(30)), (script, concurrency, until) => {
        marbles(({ cold, expectObservable }) => {
          const source = `${script.map(([gap], i) => `${'-'.repeat(gap)}${String.fromCharCode(97 + i)}`).join('')}|`
          const values = Object.fromEntries(script.map((_, i) => [String.fromCharCode(97 + i), i]))
          const project = (i: number): Observable<number> => {
            const { after, emits, fails } = script[i]![1]
            if (fails === 9) return throwError(() => new Error(`inner ${i}`))
            if (fails === 8) throw new Error(`project ${i}`)
            if (after === 0) return emits ? of(i) : EMPTY
            return timer(after).pipe(
              map(() => i),
              take(emits ? 1 : 0),
            )
          }
          const ending = until === null ? NEVER : timer(until)
          const mine$ = cold(source, values).pipe(queuedMap(project, concurrency), takeUntil(ending))
          const theirs$ = cold(source, values).pipe(mergeMap(project, concurrency), takeUntil(ending))
          expectObservable(mine$).toEqual(theirs$)
        })()
      }),
      { numRuns: 200 },
    )
  })

  it(
    'lets go of the source and of what runs when it is unsubscribed',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a-b-c----')
      const work = cold('  -------x')
      expectObservable(source.pipe(queuedMap(() => work, 2)), '^----!').toBe('------')
      expectSubscriptions(source.subscriptions).toBe('^----!')
      expectSubscriptions(work.subscriptions).toBe(['^----!', '--^--!'])
    }),
  )
})
