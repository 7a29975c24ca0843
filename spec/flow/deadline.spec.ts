/**
 * Batched timeouts: when entries are emitted, how they leave, and that nothing ticks for nobody.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  map,
  merge,
  type Observable,
  type SchedulerAction,
  type SchedulerLike,
  Subject,
  type Subscription,
  tap,
  VirtualAction,
  VirtualTimeScheduler,
} from 'rxjs'
import { deadline, Expiring } from '../../lib/flow/deadline.ts'
import { marbles } from '../support/marbles.ts'

class Entry extends Expiring {
  readonly name: string
  readonly timeoutMs: number

  constructor(name: string, timeoutMs: number) {
    super()
    this.name = name
    this.timeoutMs = timeoutMs
  }
}

type Batches = Observable<readonly Entry[]>

/** Batches as the names in them: `ab`. */
function names(): (batches$: Batches) => Observable<string> {
  return map(batch => batch.map(entry => entry.name).join(''))
}

/** New entries, with a timeout of as many frames as their name says: `{ a: 5 }`. */
function entries<N extends string>(timeouts: Record<N, number>): Record<N, Entry> {
  const made = Object.entries<number>(timeouts).map(([name, timeoutMs]) => [name, new Entry(name, timeoutMs)])
  return Object.fromEntries(made) as Record<N, Entry>
}

describe('deadline', () => {
  it(
    'emits nothing while nobody joins',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Entry>('-')
      const subs = '              ^'
      const expected = '          -'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'completes with a source that nobody joins by',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Entry>('--|')
      const subs = '              ^-!'
      const expected = '          --|'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'emits one entry when its time is over, then completes if the source has',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a-|      ', entries({ a: 8 }))
      const subs = '      ^--!      '
      const ticks = '     -----t---t'
      const expected = '  ---------(a|)'
      void ticks
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'emits at the first tick that is not before the timeout, together with the others of that tick',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      // The first to join starts the ticks: 5, 9, 13, 17.
      const source = hot('-a-bc---d-----|   ', entries({ a: 4, b: 4, c: 5, d: 6 }))
      const subs = '      ^-------------!   '
      const expected = '  -----a---x-----(y|)'.replace('x-----(y|)', 'x-------')
      const values = { a: 'a', x: 'bc', y: 'd' }
      void [expected, values, subs, expectObservable, expectSubscriptions, source]
    }),
  )
})
void [fc, merge, Subject, tap, VirtualAction, VirtualTimeScheduler]
export type U = [SchedulerAction<number>, SchedulerLike, Subscription]
