/**
 * How long the next attempt waits, and when an attempt counts as a first one again.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { defer, NEVER, repeat, tap, timer } from 'rxjs'
import { Backoff } from '../../lib/flow/backoff.ts'
import { marbles } from '../support/marbles.ts'

/** A clock that a spec sets. */
function clock(): { now(): number; at: number } {
  return {
    at: 0,
    now() {
      return this.at
    },
  }
}

const nearlyOne = (): number => 1 - 2 ** -53

describe('the delay before an attempt', () => {
  it('is drawn from zero to a bound that doubles up to the longest delay', () => {
    const backoff = new Backoff({ firstMs: 1_000, maxMs: 30_000 }, () => 0.5, clock())
    const delays = Array.from({ length: 8 }, () => backoff.next())
    assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
  })

  it('is bounded by a second at first and by thirty in the end where nothing else is said', () => {
    const backoff = new Backoff(undefined, () => 0.5)
    assert.equal(backoff.next(), 500)
    for (let i = 0; i < 9; i++) backoff.next()
    assert.equal(backoff.next(), 15_000)
  })

  it('is from zero to less than its bound, whatever is drawn and however often', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 60 }),
        (firstMs, maxMs, draws) => {
          let drawn = 0
          const backoff = new Backoff({ firstMs, maxMs }, () => draws[drawn++]!, clock())
          let bound = firstMs
          for (const at of draws.keys()) {
            const delay = backoff.next()
            assert.ok(delay >= 0 && delay < bound && delay < maxMs, `attempt ${at}: ${delay}`)
            assert.equal(backoff.attempt, at + 1)
            bound *= 2
          }
        },
      ),
    )
  })

  it('spreads evenly: a tenth of the delays falls into each tenth of the range', () => {
    let state = 1
    const lehmer = (): number => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    }
    const tenths = new Array<number>(10).fill(0)
    for (let i = 0; i < 10_000; i++) tenths[Math.floor(new Backoff({}, lehmer, clock()).next() / 100)]!++
    for (const count of tenths) assert.ok(count > 850 && count < 1_150, tenths.join(' '))
  })

  it('stays a number after thousands of attempts', () => {
    for (const firstMs of [0, 1_000]) {
      const backoff = new Backoff({ firstMs, maxMs: 30_000 }, nearlyOne, clock())
      for (let i = 0; i < 3_000; i++) backoff.next()
      assert.ok(backoff.next() <= 30_000)
      assert.equal(backoff.attempt, 3_001)
    }
  })

  it('is refused at once where no timer can keep it', () => {
    for (const options of [{ firstMs: -1 }, { firstMs: Number.NaN }, { maxMs: 2 ** 31 }, { resetAfterMs: -1 }]) {
      assert.throws(() => new Backoff(options), { name: 'RangeError', message: new RegExp(Object.keys(options)[0]!) })
    }
  })
})

describe('health', () => {
  it('makes the next attempt a first one where it lasted long enough', () => {
    const time = clock()
    const backoff = new Backoff({ resetAfterMs: 60_000 }, nearlyOne, time)
    backoff.next()
    backoff.next()
    backoff.healthy()
    time.at = 60_000
    backoff.failed()
    assert.equal(backoff.attempt, 0)
    assert.ok(backoff.next() < 1_000)
  })

  it('changes nothing where it did not last', () => {
    const time = clock()
    const backoff = new Backoff({ resetAfterMs: 60_000 }, () => 0.5, time)
    backoff.next()
    backoff.healthy()
    time.at = 59_999
    backoff.failed()
    assert.equal(backoff.attempt, 1)
    assert.equal(backoff.next(), 1_000)
  })

  it('does not add up over several short times', () => {
    const time = clock()
    const backoff = new Backoff({ resetAfterMs: 60_000 }, () => 0.5, time)
    for (let i = 0; i < 10; i++) {
      backoff.next()
      backoff.healthy()
      time.at += 59_000
      backoff.failed()
      time.at += 1_000
    }
    assert.equal(backoff.attempt, 10)
  })

  it('counts from the first word of it', () => {
    const time = clock()
    const backoff = new Backoff({ resetAfterMs: 60_000 }, () => 0.5, time)
    backoff.next()
    backoff.healthy()
    time.at = 50_000
    backoff.healthy()
    time.at = 60_000
    backoff.failed()
    assert.equal(backoff.attempt, 0)
  })

  it('ends at the next attempt where nobody said so before', () => {
    const time = clock()
    const backoff = new Backoff({ resetAfterMs: 60_000 }, () => 0.5, time)
    for (let i = 0; i < 5; i++) backoff.next()
    backoff.healthy()
    time.at = 70_000
    assert.equal(backoff.next(), 500)
    assert.equal(backoff.attempt, 1)
    time.at = 200_000
    assert.equal(backoff.next(), 1_000, 'the health before it counts once')
  })

  it('that has not begun cannot end', () => {
    const time = clock()
    const backoff = new Backoff({}, () => 0.5, time)
    backoff.next()
    time.at = 1_000_000
    backoff.failed()
    assert.equal(backoff.attempt, 1)
  })

  it('is not long because the clock was set back', () => {
    const time = clock()
    time.at = 1_000_000
    const backoff = new Backoff({}, () => 0.5, time)
    backoff.next()
    backoff.healthy()
    time.at = 0
    backoff.failed()
    assert.equal(backoff.attempt, 1)
  })

  it(
    'is measured by the scheduler: a server that comes for less than the reset is dialled ever more seldom',
    marbles(({ expectObservable }) => {
      const backoff = new Backoff({ firstMs: 4, maxMs: 100, resetAfterMs: 20 }, () => 0.5)
      const healths = [5, 5, 20, 5]
      const dial$ = defer(() => timer(backoff.next())).pipe(tap(() => backoff.healthy()))
      const dials$ = dial$.pipe(repeat({ delay: nth => (nth > healths.length ? NEVER : timer(healths[nth - 1]!)) }))
      // Delays 2, 4, 8, and after 20 ms of health 2 again.
      expectObservable(dials$).toBe('--0 8ms 0 12ms 0 21ms 0 8ms 0', { 0: 0 })
    }),
  )
})
