/**
 * The inlet: a Subject for one observer.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Inlet } from '../../lib/flow/inlet.ts'

describe('an inlet', () => {
  it('hands each value to its one subscriber, at once, and loses what comes while there is none', () => {
    const inlet = new Inlet<number>()
    const seen: number[] = []
    inlet.next(1)
    const subscription = inlet.values$.subscribe({ next: value => seen.push(value), error: assert.ifError })
    inlet.next(2)
    inlet.next(3)
    subscription.unsubscribe()
    inlet.next(4)
    assert.deepEqual(seen, [2, 3])
  })

  it('takes another subscriber when the first has left, and refuses one before that', () => {
    const inlet = new Inlet<number>()
    const seen: unknown[] = []
    const first = inlet.values$.subscribe({ next: value => seen.push(value), error: assert.ifError })
    inlet.values$.subscribe({ error: (error: Error) => seen.push(error.message) })
    inlet.next(1)
    first.unsubscribe()
    inlet.values$.subscribe({ next: value => seen.push(-value), error: assert.ifError })
    inlet.next(2)
    assert.deepEqual(seen, ['an inlet has one subscriber at a time, and it has one', 1, -2])
  })

  it('may be fed from within', () => {
    const inlet = new Inlet<number>()
    const seen: number[] = []
    inlet.values$.subscribe({
      next: value => {
        seen.push(value)
        if (value < 3) inlet.next(value + 1)
      },
      error: assert.ifError,
    })
    inlet.next(1)
    assert.deepEqual(seen, [1, 2, 3])
  })
})
