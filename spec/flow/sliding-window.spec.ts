/**
 * The sliding window: what `mergeMap(send, size)` does, with a queue that a task can leave.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  asyncScheduler,
  concat,
  defer,
  EMPTY,
  finalize,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs'
import { SlidingWindow, slidingWindow } from '../../lib/flow/sliding-window.ts'
import { marbles } from '../support/marbles.ts'

type Window = <T>(send: (task: T) => Observable<string>, size: number, queue?: Set<T>) => Run<T>
type Run<T> = (tasks$: Observable<T>) => Observable<string>

/** The operator in its use: a task's slot comes back at the end of the Observable that was made for it. */
const windowed: Window = (send, size, queue) => tasks$ =>
  defer(() => {
    const released$ = new Subject<void>()
    return tasks$.pipe(
      slidingWindow({ size, released$, ...(queue === undefined ? {} : { queue }) }),
      mergeMap(task => send(task).pipe(finalize(() => released$.next()))),
    )
  })

const SAME: readonly (readonly [name: string, window: Window])[] = [
  ['slidingWindow', windowed],
  ['mergeMap, which it equals', (send, size) => mergeMap(send, size)],
]

for (const [name, window] of SAME) {
  describe(`${name}, as a window`, () => {
    it(
      'sends nothing while no task comes',
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const tasks = cold('-')
        const subs = '      ^'
        const expected = '  -'
        expectObservable(tasks.pipe(window(() => NEVER, 1))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
      }),
    )

    it(
      'completes with a source that has no task',
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const tasks = cold('--|')
        const subs = '      ^-!'
        const expected = '  --|'
        expectObservable(tasks.pipe(window(() => NEVER, 1))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
      }),
    )

    it(
      'completes when the source has completed and its one task has ended',
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const tasks = cold('-a-|')
        const subs = '      ^--!'
        const sent = cold('  --x-y|')
        const sentSubs = '  -^----!'
        const expected = '  ---x-y|'
        expectObservable(tasks.pipe(window(() => sent, 2))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
        expectSubscriptions(sent.subscriptions).toBe(sentSubs)
      }),
    )

    it(
      'holds the third task until a slot of a window of two comes back',
      marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
        const tasks = hot(' -a-b-c-d-|   ')
        const subs = '      ^--------!   '
        const a = cold('     ---x----|   ')
        const aSubs = '     -^-------!   '
        const b = cold('       --y-|     ')
        const bSubs = '     ---^---!     '
        const c = cold('           -z---|')
        const cSubs = '     -------^----!'
        const d = cold('             --w|')
        const dSubs = '     ---------^--!'
        const expected = '  ----xy--z--w|'
        const sent: Record<string, Observable<string>> = { a, b, c, d }
        expectObservable(tasks.pipe(window(task => sent[task]!, 2))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
        expectSubscriptions(a.subscriptions).toBe(aSubs)
        expectSubscriptions(b.subscriptions).toBe(bSubs)
        expectSubscriptions(c.subscriptions).toBe(cSubs)
        expectSubscriptions(d.subscriptions).toBe(dSubs)
      }),
    )

    it(
      'sends what waits when the source has completed',
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const tasks = cold('(abc|)      ')
        const sent = cold(' ---x|       ')
        const subs = [
          '                 ^---!       ',
          '                 ----^---!   ',
          '                 --------^---!',
        ]
        const expected = '  ---x---x---x|'
        expectObservable(tasks.pipe(window(() => sent, 1))).toBe(expected)
        expectSubscriptions(sent.subscriptions).toBe(subs)
      }),
    )

    it(
      'errors with the source at once, and lets go of the tasks that are out',
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const tasks = hot(' -a-b-#  ')
        const subs = '      ^----!  '
        const sent = hot('  --x---y-')
        const sentSubs = '  -^---!  '
        const expected = '  --x--#  '
        expectObservable(tasks.pipe(window(() => sent, 1))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
        expectSubscriptions(sent.subscriptions).toBe(sentSubs)
      }),
    )

    it(
      'errors with the first task that does, and lets go of the others',
      marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
        const tasks = hot(' -a-b-c--|')
        const subs = '      ^----!   '
        const a = cold('     --------')
        const aSubs = '     -^---!   '
        const b = cold('       --#   ')
        const bSubs = '     ---^-!   '
        const expected = '  -----#   '
        const sent: Record<string, Observable<string>> = { a, b, c: EMPTY }
        expectObservable(tasks.pipe(window(task => sent[task]!, 2))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
        expectSubscriptions(a.subscriptions).toBe(aSubs)
        expectSubscriptions(b.subscriptions).toBe(bSubs)
      }),
    )

    it(
      'lets go of everything when it is unsubscribed',
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const tasks = hot(' -a-b-c--|')
        const unsub = '     ----!    '
        const subs = '      ^---!    '
        const sent = hot('  --x---y--')
        const sentSubs = '  -^--!    '
        const expected = '  --x------'
        expectObservable(tasks.pipe(window(() => sent, 1)), unsub).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
        expectSubscriptions(sent.subscriptions).toBe(sentSubs)
      }),
    )

    it(
      'errors with what the callback throws, for a task that goes at once',
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const tasks = hot(' -a-b-|')
        const subs = '      ^--!  '
        const expected = '  ---#  '
        const send = (task: string): Observable<string> => {
          if (task === 'b') throw 'error'
          return EMPTY
        }
        expectObservable(tasks.pipe(window(send, 1))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
      }),
    )

    it(
      'errors with what the callback throws, for a task that waited',
      marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
        const tasks = hot(' -ab--c-|')
        const subs = '      ^---!   '
        const a = cold('     ---|   ')
        const aSubs = '     -^--!   '
        const expected = '  ----#   '
        const send = (task: string): Observable<string> => {
          if (task === 'b') throw 'error'
          return a
        }
        expectObservable(tasks.pipe(window(send, 1))).toBe(expected)
        expectSubscriptions(tasks.subscriptions).toBe(subs)
        expectSubscriptions(a.subscriptions).toBe(aSubs)
      }),
    )

    it(
      'sends a task that is added while another one ends, when that one has its slot back',
      marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
        const added = new Subject<string>()
        const tasks = hot(' -a-------')
        const a = cold('     --x|     ')
        const aSubs = '     -^--!     '
        const b = cold('        --y|  ')
        const bSubs = '     ----^--!  '
        const expected = '  ---x--y-  '
        const send = (task: string): Observable<string> => (task === 'a' ? a.pipe(finalize(() => added.next('b'))) : b)
        expectObservable(merge(tasks, added).pipe(window(send, 1))).toBe(expected)
        expectSubscriptions(a.subscriptions).toBe(aSubs)
        expectSubscriptions(b.subscriptions).toBe(bSubs)
      }),
    )

    it('stops a source that emits while it is subscribed to', () => {
      const made: string[] = []
      const task = (name: string): Observable<string> =>
        defer(() => {
          made.push(name)
          return of(name)
        })
      const heard: string[] = []
      concat(task('a'), task('b'), task('c'))
        .pipe(
          window(name => of(name), 1),
          take(2),
        )
        .subscribe({ next: value => heard.push(value), error: assert.fail })
      assert.deepEqual(made, ['a', 'b'])
      assert.deepEqual(heard, ['a', 'b'])
    })
  })
}

/** A task of a random timeline, in virtual milliseconds. */
interface Timed {
  readonly name: string
  readonly at: number
  /** How long it is out; 0 ends while it is sent. */
  readonly lasts: number
  readonly fails: boolean
  /** When it leaves, which has an effect if it still waits then. */
  readonly leavesAt: number | undefined
}

/** All that can be seen of a window on a timeline: what was sent, what came out, how it ended, and when. */
function seen(timeline: readonly Timed[], leave: (task: Timed) => void, window: (send: Send) => Run<Timed>): string[] {
  const log: string[] = []
  const note = (what: string): number => log.push(`${asyncScheduler.now()}: ${what}`)
  const send: Send = task =>
    defer(() => {
      note(`${task.name} is sent`)
      const answer$ = task.fails ? throwError(() => task.name) : of(task.name)
      if (task.lasts === 0) return answer$
      return timer(task.lasts).pipe(
        mergeMap(() => answer$),
        finalize(() => note(`${task.name} is over`)),
      )
    })
  const each = (at: (task: Timed) => number | undefined): Observable<Timed> =>
    merge(...timeline.map(task => (at(task) === undefined ? EMPTY : timer(at(task)!).pipe(map(() => task)))))
  marbles(() => {
    each(task => task.leavesAt).subscribe({ next: leave, error: assert.fail })
    each(task => task.at)
      .pipe(window(send))
      .subscribe({
        next: name => note(`${name} comes out`),
        error: error => note(`error ${String(error)}`),
        complete: () => note('complete'),
      })
  })()
  return log
}

type Send = (task: Timed) => Observable<string>

const timelines = fc
  .array(
    fc.record({
      at: fc.nat(20),
      lasts: fc.nat(8),
      fails: fc.integer({ min: 0, max: 39 }).map(chance => chance === 0),
      leavesAt: fc.option(fc.nat(25), { nil: undefined }),
    }),
    { maxLength: 16 },
  )
  .map(tasks => tasks.map((task, index): Timed => ({ ...task, name: `task ${index}` })))

describe('slidingWindow, on any timeline', () => {
  it('does what mergeMap does, at the same times and in the same order', () => {
    fc.assert(
      fc.property(timelines, fc.integer({ min: 1, max: 4 }), (timeline, size) => {
        const stay = (): void => {}
        const actual = seen(timeline, stay, send => windowed(send, size))
        const expected = seen(timeline, stay, send => mergeMap(send, size))
        assert.deepEqual(actual, expected)
      }),
      { numRuns: 300 },
    )
  })

  it('does what mergeMap does without the tasks that left before their turn', () => {
    fc.assert(
      fc.property(timelines, fc.integer({ min: 1, max: 4 }), (timeline, size) => {
        const queue = new Set<Timed>()
        const actual = seen(
          timeline,
          task => queue.delete(task),
          send => windowed(send, size, queue),
        )
        // A task that leaves before it comes has not joined yet, so nothing happens to it.
        const left = new Set<Timed>()
        const expected = seen(
          timeline,
          task => asyncScheduler.now() >= task.at && left.add(task),
          send => tasks$ =>
            tasks$.pipe(
              tap(task => left.delete(task)),
              mergeMap(task => (left.has(task) ? EMPTY : send(task)), size),
            ),
        )
        assert.deepEqual(actual, expected)
      }),
      { numRuns: 300 },
    )
  })
})

/** A window whose slots are given back by hand. */
function byHand(size: number): {
  readonly tasks: Subject<number>
  readonly released: Subject<void>
  readonly queue: Set<number>
  readonly heard: (number | string)[]
} {
  const tasks = new Subject<number>()
  const released = new Subject<void>()
  const queue = new Set<number>()
  const heard: (number | string)[] = []
  tasks.pipe(slidingWindow({ size, released$: released, queue })).subscribe({
    next: task => heard.push(task),
    error: error => heard.push(`error ${String(error)}`),
    complete: () => heard.push('complete'),
  })
  return { tasks, released, queue, heard }
}

describe('the queue of a slidingWindow', () => {
  it(
    'never sends a task that has left it',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const queue = new Set<string>()
      hot('               -----b---|').subscribe({ next: task => queue.delete(task), error: assert.fail })
      const tasks = hot(' -a-b-c---|')
      const subs = '      ^--------!'
      const released$ = hot('-------r-r', {})
      const releasedSubs = ' ^--------!'
      const expected = '  -a-----c-|'
      expectObservable(tasks.pipe(slidingWindow({ size: 1, released$, queue }))).toBe(expected)
      expectSubscriptions(tasks.subscriptions).toBe(subs)
      expectSubscriptions(released$.subscriptions).toBe(releasedSubs)
    }),
  )

  it(
    'is sent before the tasks of the source',
    marbles(({ hot, expectObservable }) => {
      const queue = new Set(['x', 'y'])
      const tasks = hot('    --a---b--|')
      const released$ = hot('----r-r-r', {})
      const expected = '     x---y-a-b|  '
      expectObservable(tasks.pipe(slidingWindow({ size: 1, released$, queue }))).toBe(expected)
    }),
  )

  it('is sent before the tasks of a source that has them at once', () => {
    const released = new Subject<void>()
    const heard: string[] = []
    concat(of('c', 'd'), NEVER)
      .pipe(slidingWindow({ size: 1, released$: released, queue: new Set(['a', 'b']) }))
      .subscribe({ next: task => heard.push(task), error: assert.fail })
    for (let slot = 0; slot < 3; slot++) released.next()
    assert.deepEqual(heard, ['a', 'b', 'c', 'd'])
  })

  it('is the owner’s again when the result errors or is unsubscribed', () => {
    const { tasks, queue, heard } = byHand(1)
    for (const task of [1, 2, 3]) tasks.next(task)
    tasks.error('lost')
    assert.deepEqual(heard, [1, 'error lost'])
    assert.deepEqual([...queue], [2, 3])
  })

  it('holds a task once, however often it comes while it waits', () => {
    const { tasks, released, heard } = byHand(1)
    for (const task of [1, 2, 2, 3, 2]) tasks.next(task)
    for (let slot = 0; slot < 5; slot++) released.next()
    assert.deepEqual(heard, [1, 2, 3])
  })

  it('is one for each subscription where none is given', () => {
    const released = new Subject<void>()
    const heard: string[] = []
    const sent$ = concat(of('a', 'b'), NEVER).pipe(slidingWindow({ size: 1, released$: released }))
    sent$.subscribe({ error: assert.fail }).unsubscribe()
    sent$.subscribe({ next: task => heard.push(task), error: assert.fail })
    released.next()
    released.next()
    assert.deepEqual(heard, ['a', 'b'])
  })

  it('lets the result complete when all that waited have left', () => {
    const { tasks, released, queue, heard } = byHand(1)
    tasks.next(1)
    tasks.next(2)
    tasks.complete()
    queue.clear()
    assert.deepEqual(heard, [1])
    released.next()
    assert.deepEqual(heard, [1, 'complete'])
  })

  it('keeps nothing of 100,000 tasks that join a full window and leave it, one by one or together', () => {
    const many = 100_000
    const { tasks, released, queue, heard } = byHand(2)
    tasks.next(-1)
    tasks.next(-2)
    for (let task = 0; task < many; task++) {
      tasks.next(task)
      queue.delete(task)
    }
    for (let task = 0; task < many; task++) tasks.next(task)
    assert.equal(queue.size, many)
    queue.clear()
    for (const task of [1, 2, 3]) tasks.next(task)
    assert.deepEqual(heard, [-1, -2])
    released.next()
    assert.deepEqual(heard, [-1, -2, 1])
    released.next()
    assert.deepEqual(heard, [-1, -2, 1, 2], 'one slot, one task')
  })
})

describe('slidingWindow, entered from within', () => {
  it('sends a task that comes while another is sent after that one', () => {
    const tasks = new Subject<string>()
    const log: string[] = []
    tasks.pipe(slidingWindow({ size: 9, released$: NEVER })).subscribe({
      next: task => {
        log.push(`begin ${task}`)
        if (task === 'a') tasks.next('b')
        log.push(`end ${task}`)
      },
      error: assert.fail,
    })
    tasks.next('a')
    assert.deepEqual(log, ['begin a', 'end a', 'begin b', 'end b'])
  })

  it('hears a task that comes while those that waited at the start are sent', () => {
    const tasks = new Subject<string>()
    const heard: string[] = []
    tasks.pipe(slidingWindow({ size: 9, released$: NEVER, queue: new Set(['a', 'b']) })).subscribe({
      next: task => {
        heard.push(task)
        if (task === 'a') tasks.next('c')
      },
      error: assert.fail,
    })
    assert.deepEqual(heard, ['a', 'b', 'c'])
  })

  it('sends 20,000 tasks that give their slot back while they are sent without nesting them', () => {
    const many = 20_000
    const tasks = new Subject<number>()
    const released = new Subject<void>()
    let sent = 0
    let depth = 0
    let deepest = 0
    tasks.pipe(slidingWindow({ size: 1, released$: released })).subscribe({
      next: task => {
        sent++
        deepest = Math.max(deepest, ++depth)
        if (task > 0) released.next()
        depth--
      },
      error: assert.fail,
    })
    for (let task = 0; task < many; task++) tasks.next(task)
    assert.equal(sent, 1)
    released.next()
    assert.equal(sent, many)
    assert.equal(deepest, 1)
  })

  it('finds the front of a long queue without a walk over the places that sent tasks left', () => {
    // An iterator that starts anew steps over each of those places.
    let walks = 0
    class Counted extends Set<number> {
      override values(): ReturnType<Set<number>['values']> {
        walks++
        return super.values()
      }

      override [Symbol.iterator](): ReturnType<Set<number>['values']> {
        return this.values()
      }
    }
    const queue = new Counted(Array.from({ length: 1000 }, (_, task) => task))
    const released = new Subject<void>()
    const heard: number[] = []
    const window = slidingWindow({ size: 1, released$: released, queue })
    const sending = new Subject<number>().pipe(window).subscribe({ next: task => heard.push(task), error: assert.fail })
    for (let turn = 1; turn < 1000; turn++) released.next()
    assert.deepEqual(heard, [...Array(1000).keys()])
    assert.ok(walks <= 2, `${walks} walks`)
    sending.unsubscribe()
  })

  it('completes when the source does so from within a task', () => {
    const { tasks, heard } = byHand(1)
    tasks.pipe(take(1)).subscribe({ next: () => tasks.complete(), error: assert.fail })
    tasks.next(1)
    assert.deepEqual(heard, [1, 'complete'])
  })

  it('takes nothing out of the queue for a result that is unsubscribed from within a task', () => {
    const queue = new Set([1, 2, 3])
    const heard: number[] = []
    new Subject<number>()
      .pipe(slidingWindow({ size: 9, released$: NEVER, queue }), take(1))
      .subscribe({ next: task => heard.push(task), error: assert.fail })
    assert.deepEqual(heard, [1])
    assert.deepEqual([...queue], [2, 3])
  })

  it(
    'errors with what gives the slots back',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const tasks = hot('    -a-b-c-')
      const subs = '         ^---!  '
      const released$ = hot('--r-#  ')
      const expected = '     -a-b#  '
      expectObservable(tasks.pipe(slidingWindow({ size: 1, released$ }))).toBe(expected)
      expectSubscriptions(tasks.subscriptions).toBe(subs)
    }),
  )
})

it('a window that is not open lets tasks wait, and goes on where it is told to, as far as it is open', () => {
  const queue = new Set<number>()
  const sent: number[] = []
  let room = 1
  const window = new SlidingWindow<number>(
    9,
    queue,
    task => {
      sent.push(task)
      room--
    },
    () => room > 0,
  )
  for (const task of [1, 2, 3, 4]) window.enter(task)
  assert.deepEqual([sent, [...queue]], [[1], [2, 3, 4]])
  window.release()
  assert.deepEqual(sent, [1], 'a slot alone is not enough')
  room = 2
  window.fill()
  assert.deepEqual([sent, [...queue]], [[1, 2, 3], [4]])
})
