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
      const source = hot('-a-|         ', entries({ a: 8 }))
      const subs = '      ^--!         '
      const expected = '  ---------(a|)'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'emits at the first tick that is not before the timeout, with all that are due in it',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      // The first to join starts the ticks: 5, 9, 13, 17.
      const source = hot('-a-bc---d-----|      ', entries({ a: 4, b: 4, c: 5, d: 6 }))
      const subs = '      ^-------------!      '
      const expected = '  -----a---x-------(y|)'
      const batches = { a: 'a', x: 'bc', y: 'd' }
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected, batches)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'starts its ticks anew with the first that joins after nobody waited',
    marbles(({ hot, expectObservable }) => {
      const source = hot('-a------b-----', entries({ a: 2, b: 2 }))
      const expected = '  -----a------b-'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
    }),
  )

  it(
    'errors with the source at once, and emits nobody afterwards',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a--#     ', entries({ a: 2 }))
      const subs = '      ^---!     '
      const expected = '  ----#     '
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'emits nobody after it was unsubscribed',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-ab-------', entries({ a: 2, b: 6 }))
      const unsub = '     ------!---'
      const subs = '      ^-----!---'
      const expected = '  -----a----'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names()), unsub).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'never emits an entry that has left',
    marbles(({ hot, expectObservable }) => {
      const values = entries({ a: 3, b: 3 })
      const source = hot('-ab-------', values)
      hot('               ----a-----', values).subscribe({ next: entry => entry.leaveDeadline(), error: assert.fail })
      const expected = '  -----b----'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
    }),
  )

  it(
    'counts from the last time an entry joined',
    marbles(({ hot, expectObservable }) => {
      const source = hot('-a-a-------', entries({ a: 4 }))
      const expected = '  ---------a-'
      expectObservable(source.pipe(deadline({ tickMs: 4 }), names())).toBe(expected)
    }),
  )

  it(
    'loses an entry to the deadline it joins next',
    marbles(({ hot, expectObservable }) => {
      const values = entries({ a: 4, b: 4 })
      const first = hot(' -ab---------', values)
      const second = hot('---a--------', values)
      const expected1 = ' ---------b--'
      const expected2 = ' -------a----'
      expectObservable(first.pipe(deadline({ tickMs: 4 }), names())).toBe(expected1)
      expectObservable(second.pipe(deadline({ tickMs: 4 }), names())).toBe(expected2)
    }),
  )

  it(
    'takes an entry in from within a batch, and counts from then on',
    marbles(({ hot, expectObservable }) => {
      const values = entries({ a: 4, b: 4 })
      const added = new Subject<Entry>()
      const source = hot('-a---------', values)
      const expected = '  -----a---b-'
      const add = tap((batch: readonly Entry[]) => batch[0] === values.a && added.next(values.b))
      expectObservable(merge(source, added).pipe(deadline({ tickMs: 4 }), add, names())).toBe(expected)
    }),
  )

  it(
    'takes an entry of the batch in again from within it',
    marbles(({ hot, expectObservable }) => {
      const values = entries({ a: 4 })
      const again = new Subject<Entry>()
      const source = hot('-a-----------', values)
      const unsub = '     ----------!  '
      const expected = '  -----a---a---'
      const rejoin = tap((batch: readonly Entry[]) => again.next(batch[0]!))
      expectObservable(merge(source, again).pipe(deadline({ tickMs: 4 }), rejoin, names()), unsub).toBe(expected)
    }),
  )

  it(
    'lets entries leave from within a batch, where those of the batch itself are out already',
    marbles(({ hot, expectObservable }) => {
      const values = entries({ a: 3, b: 3, c: 7, d: 7 })
      const source = hot('-(abcd)-------|', values)
      const expected = '  -----x---d----|'
      const leave = tap((_: readonly Entry[]) => {
        for (const entry of [values.a, values.b, values.c]) entry.leaveDeadline()
      })
      const batches$ = source.pipe(deadline({ tickMs: 4 }), leave, names())
      expectObservable(batches$).toBe(expected, { x: 'ab', d: 'd' })
    }),
  )
})

/** Virtual time with a clock that can be set, and a list of what was scheduled. */
class SetClock implements SchedulerLike {
  readonly virtual = new VirtualTimeScheduler(VirtualAction, 1_000_000)
  readonly #actions: Subscription[] = []
  offset = 0

  now(): number {
    return this.virtual.now() + this.offset
  }

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay?: number, state?: T): Subscription {
    const action = this.virtual.schedule<T>(work, delay, state as T)
    this.#actions.push(action)
    return action
  }

  /** Calls `action` at this frame. */
  at(frame: number, action: () => void): void {
    this.virtual.schedule(action, frame - this.virtual.frame)
  }

  /** How much of what was scheduled through this is not over. */
  get active(): number {
    return this.#actions.filter(action => !action.closed).length
  }
}

interface Watched {
  readonly clock: SetClock
  readonly joined: Subject<Entry>
  /** Emitted names by frame. */
  readonly heard: [frame: number, names: string][]
  readonly subscription: Subscription
}

function watched(tickMs: number): Watched {
  const clock = new SetClock()
  const joined = new Subject<Entry>()
  const heard: [number, string][] = []
  const subscription = joined.pipe(deadline({ tickMs, scheduler: clock }), names()).subscribe({
    next: batch => heard.push([clock.virtual.frame, batch]),
    error: assert.fail,
    complete: () => heard.push([clock.virtual.frame, 'complete']),
  })
  return { clock, joined, heard, subscription }
}

describe('the ticks of a deadline', () => {
  it('start with the first entry and end with the last', () => {
    const { clock, joined, heard } = watched(10)
    assert.equal(clock.active, 0)
    joined.next(new Entry('a', 25))
    joined.next(new Entry('b', 35))
    assert.equal(clock.active, 1)
    clock.virtual.flush()
    assert.deepEqual(heard, [
      [30, 'a'],
      [40, 'b'],
    ])
    assert.equal(clock.active, 0)
    assert.equal(clock.virtual.frame, 40)
  })

  it('end at the next one when everybody has left', () => {
    const { clock, joined, heard } = watched(10)
    const entry = new Entry('a', 1_000)
    joined.next(entry)
    clock.at(25, () => entry.leaveDeadline())
    clock.virtual.flush()
    assert.deepEqual(heard, [])
    assert.equal(clock.virtual.frame, 30)
    assert.equal(clock.active, 0)
  })

  it('end when the result is unsubscribed', () => {
    const { clock, joined, subscription } = watched(10)
    const entry = new Entry('a', 1_000)
    joined.next(entry)
    clock.at(25, () => subscription.unsubscribe())
    clock.virtual.flush()
    assert.equal(clock.virtual.frame, 25)
    assert.equal(clock.active, 0)
    entry.leaveDeadline()
  })

  it('let the result complete when the last who waited has left', () => {
    const { clock, joined, heard } = watched(10)
    const entry = new Entry('a', 1_000)
    joined.next(entry)
    joined.complete()
    clock.at(25, () => entry.leaveDeadline())
    clock.virtual.flush()
    assert.deepEqual(heard, [[30, 'complete']])
  })

  for (const [way, step] of [
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ] as const) {
    it(`move no deadline that was given before the clock was set ${way}`, () => {
      const { clock, joined, heard } = watched(10)
      joined.next(new Entry('a', 95))
      clock.at(33, () => joined.next(new Entry('b', 60)))
      clock.at(35, () => {
        clock.offset = step
      })
      clock.virtual.flush()
      assert.deepEqual(heard, [[100, 'ab']])
    })

    it(`give at most one tick more to a deadline that is given in the tick in which the clock is set ${way}`, () => {
      for (let joinsAt = 35; joinsAt < 60; joinsAt++) {
        const { clock, joined, heard } = watched(10)
        joined.next(new Entry('a', 300))
        clock.at(35, () => {
          clock.offset = step
        })
        clock.at(joinsAt, () => joined.next(new Entry('b', 42)))
        clock.virtual.flush()
        const [frame] = heard.find(([, batch]) => batch === 'b')!
        const late = frame - joinsAt - 42
        const ticks = joinsAt <= 40 ? 2 : 1
        assert.ok(late >= 0 && late < 10 * ticks, `joined at ${joinsAt}, emitted at ${frame}`)
      }
    })
  }

  it('hold for every entry: emitted once in [T, T + 1 tick), or never where it left before', () => {
    const arbitrary = fc.array(
      fc.record({
        at: fc.nat(60),
        timeoutMs: fc.integer({ min: 1, max: 80 }),
        leavesAt: fc.option(fc.nat(140), { nil: undefined }),
      }),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 25 }), (plan, tickMs) => {
        const clock = new SetClock()
        const joined = new Subject<Entry>()
        const times = new Map<string, number[]>(plan.map((_, index) => [`${index}`, []]))
        const frames: number[] = []
        let ends = 0
        joined.pipe(deadline({ tickMs, scheduler: clock })).subscribe({
          next: batch => {
            frames.push(clock.virtual.frame)
            for (const { name } of batch) times.get(name)!.push(clock.virtual.frame)
          },
          error: assert.fail,
          complete: () => ends++,
        })
        plan.forEach(({ at, timeoutMs, leavesAt }, index) => {
          const entry = new Entry(`${index}`, timeoutMs)
          clock.at(at, () => joined.next(entry))
          if (leavesAt !== undefined) clock.at(leavesAt, () => entry.leaveDeadline())
        })
        clock.at(61, () => joined.complete())
        clock.virtual.flush()

        assert.equal(clock.active, 0)
        assert.equal(ends, 1)
        assert.equal(new Set(frames).size, frames.length, 'one batch a tick')
        plan.forEach(({ at, timeoutMs, leavesAt }, index) => {
          const emitted = times.get(`${index}`)!
          const due = at + timeoutMs
          const left = leavesAt !== undefined && leavesAt >= at
          const mayBeEmitted = !left || leavesAt >= due
          const mustBeEmitted = !left || leavesAt >= due + tickMs
          assert.ok(emitted.length <= 1)
          if (emitted.length === 0) assert.ok(!mustBeEmitted, `entry ${index} is never emitted`)
          for (const frame of emitted) {
            assert.ok(mayBeEmitted, `entry ${index} is emitted after it left`)
            assert.ok(frame >= due && frame < due + tickMs, `entry ${index} is due at ${due}, emitted at ${frame}`)
          }
        })
      }),
      { numRuns: 300 },
    )
  })
})

interface Crowd {
  readonly clock: SetClock
  readonly joined: Subject<Entry>
  readonly entries: readonly Entry[]
  /** Slices as they came: the names in them. */
  readonly slices: string[][]
  readonly ends: string[]
  readonly subscription: Subscription
}

/** So many entries that are due at 10; `onSlice` is called in each slice, with its number from 1. */
function crowd(count: number, onSlice: (slice: number, crowd: Crowd) => void = () => {}): Crowd {
  const clock = new SetClock()
  const joined = new Subject<Entry>()
  const slices: string[][] = []
  const ends: string[] = []
  const subscription = joined.pipe(deadline({ tickMs: 10, scheduler: clock })).subscribe({
    next: slice => {
      slices.push(slice.map(entry => entry.name))
      onSlice(slices.length, all)
    },
    error: assert.fail,
    complete: () => ends.push(`complete at ${clock.virtual.frame}`),
  })
  const entries = Array.from({ length: count }, (_, index) => new Entry(`${index}`, 10))
  for (const entry of entries) joined.next(entry)
  const all: Crowd = { clock, joined, entries, slices, ends, subscription }
  return all
}

describe('a batch of many', () => {
  it('comes in slices of 1,024, a turn of the scheduler apart, in the order of joining', () => {
    const log: string[] = []
    const { clock, slices } = crowd(2_500, (slice, { clock }) => {
      log.push(`slice ${slice} at ${clock.virtual.frame}`)
      clock.at(clock.virtual.frame, () => log.push('a turn'))
    })
    clock.virtual.flush()
    assert.deepEqual(log, ['slice 1 at 10', 'a turn', 'slice 2 at 10', 'a turn', 'slice 3 at 10', 'a turn'])
    assert.deepEqual(
      slices.map(slice => slice.length),
      [1024, 1024, 452],
    )
    assert.deepEqual(
      slices.flat(),
      Array.from({ length: 2_500 }, (_, index) => `${index}`),
    )
    assert.equal(clock.active, 0)
  })

  it('leaves out those that leave before their slice', () => {
    const { clock, slices } = crowd(2_500, (slice, { entries }) => {
      if (slice === 1) for (const entry of entries.slice(1_000, 2_400)) entry.leaveDeadline()
    })
    clock.virtual.flush()
    assert.equal(slices[0]!.length, 1_024)
    assert.deepEqual(
      slices.slice(1).flat(),
      Array.from({ length: 100 }, (_, index) => `${2_400 + index}`),
    )
  })

  it('ends with the slice from within which all the others leave', () => {
    const { clock, slices, joined, ends } = crowd(2_500, (_, { entries }) => {
      for (const entry of entries) entry.leaveDeadline()
    })
    joined.complete()
    clock.virtual.flush()
    assert.equal(slices.length, 1)
    assert.deepEqual(ends, ['complete at 10'])
    assert.equal(clock.active, 0)
  })

  it('ends when the rest leaves between two slices', () => {
    const { clock, slices, joined, ends } = crowd(2_500, (slice, { clock, entries }) => {
      if (slice > 1) return
      clock.at(10, () => {
        for (const entry of entries) entry.leaveDeadline()
      })
    })
    joined.complete()
    clock.virtual.flush()
    assert.equal(slices.length, 1)
    assert.deepEqual(ends, ['complete at 10'])
    assert.equal(clock.active, 0)
  })

  it('ends with the slice from within which the result is unsubscribed', () => {
    let active: number | undefined
    const { clock, slices } = crowd(2_500, (_, { clock, subscription }) => {
      subscription.unsubscribe()
      clock.at(10, () => {
        active = clock.active
      })
    })
    clock.virtual.flush()
    assert.equal(slices.length, 1)
    assert.equal(active, 0)
    assert.equal(clock.virtual.frame, 10)
  })

  it('does not take in what joins from within one of its slices', () => {
    const { clock, slices } = crowd(1_025, (slice, { joined }) => {
      if (slice === 1) joined.next(new Entry('late', 10))
    })
    clock.virtual.flush()
    assert.deepEqual(slices.slice(1), [['1024'], ['late']])
    assert.equal(clock.virtual.frame, 20)
  })

  it('lets the result complete after its last slice', () => {
    const { clock, joined, slices, ends } = crowd(1_025)
    joined.complete()
    clock.virtual.flush()
    assert.equal(slices.length, 2)
    assert.deepEqual(ends, ['complete at 10'])
  })

  it('keeps nothing of its slices while others wait on', () => {
    const { clock, joined, slices } = crowd(5_000)
    const other = new Entry('other', 1_000)
    joined.next(other)
    let active = 0
    clock.at(15, () => {
      active = clock.active
      other.leaveDeadline()
    })
    clock.virtual.flush()
    assert.equal(slices.length, 5)
    assert.equal(active, 1, 'only the ticks')
  })

  it('C17: is 98 slices for 100,000 entries, each emitted once', () => {
    const { clock, slices } = crowd(100_000)
    clock.virtual.flush()
    assert.equal(slices.length, 98)
    assert.ok(slices.every(slice => slice.length <= 1_024))
    assert.equal(new Set(slices.flat()).size, 100_000)
    assert.equal(slices.flat().length, 100_000)
  })
})
