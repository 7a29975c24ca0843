/** A consumer with a speed limit, which it passes on. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asyncScheduler, of, Subject, type Subscriber } from 'rxjs'
import { slowly } from '../../../../lib/cli/dashboard/page/slow-consumer.ts'
import { Paced } from '../../../../lib/flow/paced.ts'
import { marbles } from '../../../support/marbles.ts'

/** A sender with a window: it sends as much as it has credit for, and goes on when an item was consumed. */
class Sender {
  sent = 0
  consumed = 0
  #items: Subscriber<number> | undefined
  readonly #window: number
  readonly call: Paced<number>

  constructor(window: number) {
    this.#window = window
    this.call = new Paced<number>((items, pace) => {
      this.#items = items
      if (pace !== undefined) {
        pace.done = () => {
          this.consumed++
          asyncScheduler.schedule(() => this.#send())
        }
      }
      asyncScheduler.schedule(() => this.#send())
      return () => {
        this.#items = undefined
      }
    })
  }

  #send(): void {
    while (this.sent - this.consumed < this.#window && this.#items !== undefined && this.sent < 100_000) {
      this.#items.next(++this.sent)
    }
  }
}

describe('a slow consumer', () => {
  it(
    'takes so many items a second, and has its sender wait for the rest',
    marbles(() => {
      const sender = new Sender(64)
      const told = sender.call.pipe(slowly(of(100))).subscribe({ error: assert.fail })
      asyncScheduler.schedule(() => {
        assert.equal(sender.consumed, 100)
        assert.equal(sender.sent, 164)
        told.unsubscribe()
      }, 1_001)
    }),
  )

  it(
    'tells every quarter of a second what came and what it is done with',
    marbles(({ expectObservable }) => {
      const sender = new Sender(10)
      expectObservable(sender.call.pipe(slowly(of(20))), '501ms !').toBe('250ms a 249ms b', {
        a: { received: 14, consumed: 5 },
        b: { received: 19, consumed: 10 },
      })
    }),
  )

  it(
    'takes less than one item a turn where it is slower than its turns',
    marbles(() => {
      const sender = new Sender(8)
      const told = sender.call.pipe(slowly(of(2))).subscribe({ error: assert.fail })
      asyncScheduler.schedule(() => {
        assert.equal(sender.consumed, 4)
        told.unsubscribe()
      }, 2_001)
    }),
  )

  it(
    'catches up at once when it is told to hold back no more',
    marbles(() => {
      const pace$ = new Subject<number>()
      const items = new Subject<number>()
      let done = 0
      const call = new Paced<number>((subscriber, pace) => {
        if (pace !== undefined) pace.done = () => done++
        return items.subscribe(subscriber)
      })
      const told = call.pipe(slowly(pace$)).subscribe({ error: assert.fail })
      pace$.next(1)
      for (let n = 0; n < 50; n++) items.next(n)
      assert.equal(done, 0)
      pace$.next(Number.POSITIVE_INFINITY)
      assert.equal(done, 50)
      items.next(51)
      assert.equal(done, 51)
      told.unsubscribe()
    }),
  )

  it(
    'ends with its sender',
    marbles(({ cold, expectObservable }) => {
      const failing = new Paced<string>(subscriber => cold('--#').subscribe(subscriber))
      const ending = new Paced<string>(subscriber => cold('---|').subscribe(subscriber))
      expectObservable(failing.pipe(slowly(of(1)))).toBe('--#')
      expectObservable(ending.pipe(slowly(of(1)))).toBe('---|')
    }),
  )
})
