/**
 * The consumer's side: when an item counts as consumed, by whichever way it is taken.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  delay,
  EMPTY,
  endWith,
  filter,
  firstValueFrom,
  from,
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
  toArray,
} from 'rxjs'
import { IncomingItems } from '../../lib/flow/incoming.ts'
import { mapPaced, type Pace, Paced, pacedMap } from '../../lib/flow/paced.ts'
import { marbles } from '../support/marbles.ts'

/** One subscription to a call: its items come when a spec sends them. */
interface Running {
  readonly items: Subscriber<unknown>
  readonly pace: Pace | undefined
  /** Items reported as consumed. */
  done: number
  over: boolean
}

/** A call without a network; counts what is reported of each of its subscriptions. */
class Calls<T> {
  readonly running: Running[] = []
  readonly call: Paced<T>

  constructor(start: (running: Running) => void = () => undefined) {
    this.call = new Paced<T>((items, pace) => {
      const running: Running = { items: items as Subscriber<unknown>, pace, done: 0, over: false }
      this.running.push(running)
      // As the library fills it in.
      if (pace !== undefined) pace.done = () => void (running.over || running.done++)
      start(running)
      return () => {
        running.over = true
      }
    })
  }

  /** The only one. */
  get one(): Running {
    assert.equal(this.running.length, 1)
    return this.running[0]!
  }
}

/** A call that has these items at once, and then completes. */
function having<T>(...items: readonly T[]): Calls<T> {
  return new Calls<T>(running => {
    for (const item of items) running.items.next(item)
    running.items.complete()
  })
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a call as an Observable', () => {
  it('has no pace: its items count as consumed when next has returned', () => {
    const calls = having(1, 2)
    const seen: unknown[] = []
    calls.call.subscribe({ next: item => seen.push(item), error: assert.fail })
    assert.deepEqual(seen, [1, 2])
    assert.equal(calls.one.pace, undefined)
    assert.equal(calls.one.over, true)
  })

  it('has none behind other operators either', async () => {
    const calls = having(1, 2)
    assert.deepEqual(
      await firstValueFrom(
        calls.call.pipe(
          map(n => n * 2),
          toArray(),
        ),
      ),
      [2, 4],
    )
    assert.equal(calls.one.pace, undefined)
  })

  it('is itself to other operators, and not read as the AsyncIterable that it is, too', async () => {
    const calls = having(1, 2)
    assert.equal(from(calls.call), calls.call)
    assert.deepEqual(
      await firstValueFrom(
        of(0).pipe(
          mergeMap(() => calls.call),
          toArray(),
        ),
      ),
      [1, 2],
    )
    assert.equal(calls.one.pace, undefined)
  })
})

describe('pacedMap', () => {
  it('gives an item back when its inner Observable completes, not before', () => {
    const calls = new Calls<number>()
    const inner = [new Subject<string>(), new Subject<string>()]
    const seen: unknown[] = []
    calls.call
      .pipe(pacedMap(n => inner[n]!))
      .subscribe({ next: item => seen.push(item), error: assert.fail, complete: () => seen.push('|') })
    const { one } = calls
    one.items.next(0)
    one.items.next(1)
    inner[0]!.next('a')
    assert.deepEqual([seen, one.done, inner[1]!.observed], [['a'], 0, false])
    inner[0]!.complete()
    assert.deepEqual([one.done, inner[1]!.observed], [1, true])
    inner[1]!.next('b')
    inner[1]!.complete()
    assert.deepEqual([seen, one.done], [['a', 'b'], 2])
    one.items.complete()
    assert.deepEqual(seen, ['a', 'b', '|'])
  })

  it('works on n items at a time, and gives each back as it ends, in any order', () => {
    const calls = new Calls<number>()
    const inner = [0, 1, 2].map(() => new Subject<string>())
    calls.call.pipe(pacedMap(n => inner[n]!, 2)).subscribe({ error: assert.fail })
    const { one } = calls
    for (let n = 0; n < 3; n++) one.items.next(n)
    assert.deepEqual(
      inner.map(each => each.observed),
      [true, true, false],
    )
    inner[1]!.complete()
    assert.deepEqual([one.done, inner[2]!.observed], [1, true])
    inner[0]!.complete()
    inner[2]!.complete()
    assert.equal(one.done, 3)
  })

  it('takes a Promise, an array or nothing as work, and tells its index', async () => {
    const calls = having('a', 'b', 'c')
    const works = [Promise.resolve(1), [2, 3], EMPTY]
    const indices: number[] = []
    const work = (_: string, index: number): Promise<number> | number[] | Observable<never> => {
      indices.push(index)
      return works[index]!
    }
    assert.deepEqual(await firstValueFrom(calls.call.pipe(pacedMap(work), toArray())), [1, 2, 3])
    assert.deepEqual(indices, [0, 1, 2])
  })

  for (const [what, project] of [
    ['an inner Observable fails', () => throwError(() => new Error('broken'))],
    [
      'project throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['project gives nothing to wait for', () => 7 as unknown as Observable<never>],
  ] as const) {
    it(`fails, and ends the call, where ${what}`, () => {
      const calls = new Calls<number>()
      const errors: unknown[] = []
      calls.call.pipe(pacedMap(project)).subscribe({ error: error => errors.push(error) })
      calls.one.items.next(0)
      assert.equal(errors.length, 1)
      assert.deepEqual([calls.one.over, calls.one.done], [true, 0])
    })
  }

  it('fails with the call, and lets go of the work that runs', () => {
    const calls = new Calls<number>()
    const work = new Subject<number>()
    const errors: unknown[] = []
    calls.call.pipe(pacedMap(() => work)).subscribe({ error: error => errors.push(error) })
    calls.one.items.next(0)
    calls.one.items.error('lost')
    assert.deepEqual(errors, ['lost'])
    assert.equal(work.observed, false)
  })

  it('ends the call and its work when it is unsubscribed, and reports nothing after that', () => {
    const calls = new Calls<number>()
    const work = new Subject<number>()
    const subscription = calls.call.pipe(pacedMap(() => work)).subscribe({ error: assert.fail })
    calls.one.items.next(0)
    subscription.unsubscribe()
    assert.deepEqual([calls.one.over, work.observed], [true, false])
    work.complete()
    assert.equal(calls.one.done, 0)
  })

  it('ends the call when an operator behind it has enough', () => {
    const calls = new Calls<number>()
    const seen: unknown[] = []
    calls.call
      .pipe(
        pacedMap(n => of(n, n)),
        take(3),
      )
      .subscribe({ next: n => seen.push(n), error: assert.fail, complete: () => seen.push('|') })
    const { one } = calls
    one.items.next(1)
    one.items.next(2)
    assert.deepEqual(seen, [1, 1, 2, '|'])
    assert.deepEqual([one.over, one.done], [true, 1])
  })

  it('makes one call for each subscription', () => {
    const calls = new Calls<number>()
    const worked$ = calls.call.pipe(pacedMap(n => of(n)))
    worked$.subscribe({ error: assert.fail })
    worked$.subscribe({ error: assert.fail })
    calls.running[1]!.items.next(1)
    assert.deepEqual(
      calls.running.map(running => running.done),
      [0, 1],
    )
  })

  for (const [what, concurrency, frames] of [
    ['4, 8, 12 and 16 for work of 4 frames', 1, '----1---2---3---4'],
    ['4 and 8, two at a time, for work of 4 frames with a concurrency of 2', 2, '----(12)(34)'],
  ] as const) {
    it(
      `gives credit back at the frames ${what}`,
      marbles(({ expectObservable, time }) => {
        const work = time('----|')
        const reports$ = new Observable<string>(subscriber => {
          let done = 0
          const calls = new Calls<number>(running => {
            const { pace } = running
            const { done: report } = pace!
            pace!.done = () => {
              report()
              subscriber.next(String(++done))
            }
            for (let n = 0; n < 4; n++) running.items.next(n)
          })
          return calls.call.pipe(pacedMap(n => of(n).pipe(delay(work)), concurrency)).subscribe({ error: assert.fail })
        })
        expectObservable(reports$).toBe(frames)
      }),
    )
  }

  it(
    'holds the sender: with a window of 2, an item comes when a place is free and not before',
    marbles(({ expectObservable, time }) => {
      const work = time('----|')
      const arrivals$ = new Observable<string>(subscriber => {
        const call = sending(6, 2, n => subscriber.next(String(n)))
        return call.pipe(pacedMap(n => of(n).pipe(delay(work)))).subscribe({ error: assert.fail })
      })
      expectObservable(arrivals$).toBe('(01)2---3---4---5')
    }),
  )
})

/** A call whose sender has so many items, and sends one for each unit of credit. */
function sending(count: number, window: number, sent: (n: number) => void): Paced<number> {
  return new Paced<number>((items, pace) => {
    let [n, limit] = [0, window]
    let pumping = false
    const pump = (): void => {
      if (pumping) return
      pumping = true
      for (; n < Math.min(count, limit); n++) {
        sent(n)
        incoming.receive(1)
        items.next(n)
        if (pace === undefined) incoming.done()
      }
      pumping = false
    }
    const incoming: IncomingItems = new IncomingItems(window, window, {
      grant: grant => {
        limit = Number(grant.consumed) + grant.window
        pump()
      },
      hold: () => undefined,
    })
    if (pace !== undefined) pace.done = () => incoming.done()
    pump()
    return () => incoming.end()
  })
}

describe('paced', () => {
  it('reports what the function is told, dropped items among them', () => {
    const calls = new Calls<number>()
    const seen: unknown[] = []
    calls.call
      .paced((items$, done) =>
        items$.pipe(
          tap(n => {
            if (n % 2 === 1) done()
          }),
          filter(n => n % 2 === 0),
          mergeMap(n => timer(0).pipe(map(() => n))),
          tap(done),
        ),
      )
      .subscribe({ next: n => seen.push(n), error: assert.fail })
    const { one } = calls
    for (let n = 0; n < 5; n++) one.items.next(n)
    assert.equal(one.done, 2)
    one.items.complete()
  })

  it('counts nothing as consumed by itself', () => {
    const calls = having(1, 2, 3)
    calls.call.paced(items$ => items$).subscribe({ error: assert.fail })
    assert.notEqual(calls.one.pace, undefined)
    assert.equal(calls.one.done, 0)
  })

  it('ignores reports after the end, and before the items were subscribed to', () => {
    const calls = new Calls<number>()
    let report: () => void = () => undefined
    const subscription = calls.call
      .paced((items$, done) => {
        report = done
        done()
        return items$
      })
      .subscribe({ error: assert.fail })
    calls.one.items.next(1)
    report()
    subscription.unsubscribe()
    report()
    assert.equal(calls.one.done, 1)
  })

  it('fails where the function throws, and starts no call', () => {
    const calls = new Calls<number>()
    const errors: unknown[] = []
    calls.call
      .paced(() => {
        throw new Error('no')
      })
      .subscribe({ error: error => errors.push(error.message) })
    assert.deepEqual(errors, ['no'])
    assert.equal(calls.running.length, 0)
  })

  it('runs the function once for each subscription', () => {
    const calls = new Calls<number>()
    let runs = 0
    const paced$ = calls.call.paced(items$ => {
      runs++
      return items$
    })
    assert.equal(runs, 0)
    paced$.subscribe({ error: assert.fail })
    paced$.subscribe({ error: assert.fail })
    assert.deepEqual([runs, calls.running.length], [2, 2])
  })
})

describe('for await over a call', () => {
  it('gets all items, and reports each when it asks for the next', async () => {
    const calls = new Calls<string>(running => {
      for (const item of ['a', 'b', 'c']) running.items.next(item)
    })
    const seen: unknown[] = []
    for await (const item of calls.call) {
      seen.push([item, calls.one.done])
      if (item === 'c') calls.one.items.complete()
    }
    assert.deepEqual(seen, [
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ])
  })

  it('reports the last item, too, where the call goes on', async () => {
    const calls = new Calls<number>()
    const iterator = calls.call[Symbol.asyncIterator]()
    const first = iterator.next()
    calls.one.items.next(1)
    assert.deepEqual(await first, { done: false, value: 1 })
    assert.equal(calls.one.done, 0)
    const second = iterator.next()
    assert.equal(calls.one.done, 1)
    calls.one.items.complete()
    assert.deepEqual(await second, { done: true, value: undefined })
  })

  it('starts the call when it asks for the first item, not before', () => {
    const calls = new Calls<number>()
    const iterator = calls.call[Symbol.asyncIterator]()
    assert.equal(calls.running.length, 0)
    void iterator.next()
    assert.equal(calls.running.length, 1)
  })

  it('ends the call when it is left by break, and by an error of its body', async () => {
    const broken = new Calls<number>(running => running.items.next(1))
    for await (const item of broken.call) if (item === 1) break
    assert.deepEqual([broken.one.over, broken.one.done], [true, 0])

    const threw = new Calls<number>(running => running.items.next(1))
    const loop = async (): Promise<void> => {
      for await (const item of threw.call) throw new Error(`item ${item}`)
    }
    await assert.rejects(loop, /item 1/)
    assert.equal(threw.one.over, true)
  })

  it('fails with the call, behind the items that came before', async () => {
    const calls = new Calls<number>(running => {
      running.items.next(1)
      running.items.next(2)
      running.items.error(new Error('broken'))
    })
    const seen: unknown[] = []
    const loop = async (): Promise<void> => {
      for await (const item of calls.call) seen.push(item)
    }
    await assert.rejects(loop, /broken/)
    assert.deepEqual(seen, [1, 2])
  })

  it('fails while it waits, and is over then', async () => {
    const calls = new Calls<number>()
    const iterator = calls.call[Symbol.asyncIterator]()
    const [first, second] = [iterator.next(), iterator.next()]
    calls.one.items.error(new Error('broken'))
    await assert.rejects(first, /broken/)
    assert.deepEqual(await second, { done: true, value: undefined })
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
    assert.equal(calls.running.length, 1)
  })

  it('may return while it waits: whoever waits hears of the end', async () => {
    const calls = new Calls<number>()
    const iterator = calls.call[Symbol.asyncIterator]()
    const waiting = iterator.next()
    assert.deepEqual(await iterator.return?.(), { done: true, value: undefined })
    assert.deepEqual(await waiting, { done: true, value: undefined })
    assert.equal(calls.one.over, true)
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
  })

  it('never starts the call where it returned before', async () => {
    const calls = new Calls<number>()
    const iterator = calls.call[Symbol.asyncIterator]()
    await iterator.return?.()
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
    assert.equal(calls.running.length, 0)
  })

  it('drops what waits, and an error behind it, where it returns', async () => {
    const calls = new Calls<number>(running => {
      running.items.next(1)
      running.items.next(2)
      running.items.error(new Error('broken'))
    })
    const iterator = calls.call[Symbol.asyncIterator]()
    await iterator.next()
    await iterator.return?.()
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
  })

  it('is a call of its own for each loop', async () => {
    const calls = having(1, 2)
    const [first, second] = await Promise.all([collect(calls.call), collect(calls.call)])
    assert.deepEqual(
      [first, second],
      [
        [1, 2],
        [1, 2],
      ],
    )
    assert.equal(calls.running.length, 2)
  })

  it('gets undefined as an item, too', async () => {
    assert.deepEqual(await collect(having<unknown>(undefined, null).call), [undefined, null])
  })

  it('reports an item at once where another is asked for already', async () => {
    const calls = new Calls<number>()
    const iterator = calls.call[Symbol.asyncIterator]()
    const asked = [iterator.next(), iterator.next(), iterator.next()]
    for (const [n, done] of [1, 2, 2].entries()) {
      calls.one.items.next(n)
      assert.equal(calls.one.done, done)
      assert.deepEqual(await asked[n], { done: false, value: n })
    }
    void iterator.next()
    assert.equal(calls.one.done, 3)
  })

  it('reports every item where many are asked for at once, and starves none of them', async () => {
    for (const window of [1, 2, 3]) {
      const call = sending(12, window, () => undefined)
      const iterator = call[Symbol.asyncIterator]()
      const seen: number[] = []
      for (let round = 0; round < 4; round++) {
        const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
        for (const { value } of results) seen.push(value)
      }
      assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
      await iterator.return?.()
    }
  })

  it('holds the sender while its body works', async () => {
    let sent = 0
    const call = sending(100, 4, () => {
      sent++
    })
    let n = 0
    for await (const item of call) {
      await turn()
      assert.equal(item, n)
      assert.ok(sent <= 4 + n, `${sent} were sent when ${n} had been consumed`)
      if (++n === 20) break
    }
  })
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('a call whose items are mapped', () => {
  for (const [what, next] of [
    ['at once', (n: unknown) => (n as number) * 10],
    ['by a Promise', (n: unknown) => Promise.resolve((n as number) * 10)],
  ] as const) {
    it(`gives them in order, and reports each when next has returned: ${what}`, async () => {
      const calls = new Calls<unknown>()
      const seen: unknown[] = []
      mapPaced(calls.call, next).subscribe({
        next: item => seen.push([item, calls.one.done]),
        error: assert.fail,
        complete: () => seen.push('|'),
      })
      const { one } = calls
      one.items.next(1)
      one.items.next(2)
      await turn()
      assert.deepEqual(seen, [
        [10, 0],
        [20, 1],
      ])
      assert.equal(one.done, 2)
      one.items.complete()
      await turn()
      assert.equal(seen.at(-1), '|')
    })

    it(`leaves the reports to a consumer with a pace: ${what}`, async () => {
      const calls = new Calls<unknown>()
      const work = new Subject<never>()
      mapPaced(calls.call, next)
        .pipe(pacedMap(() => work))
        .subscribe({ error: assert.fail })
      calls.one.items.next(1)
      await turn()
      assert.equal(calls.one.done, 0)
      work.complete()
      assert.equal(calls.one.done, 1)
    })
  }

  it('keeps the order where a later item is ready before an earlier one', async () => {
    const calls = new Calls<unknown>()
    const resolves: (() => void)[] = []
    const seen: unknown[] = []
    mapPaced(calls.call, item => new Promise(resolve => resolves.push(() => resolve(item)))).subscribe({
      next: item => seen.push(item),
      error: assert.fail,
    })
    calls.one.items.next('a')
    calls.one.items.next('b')
    assert.equal(resolves.length, 1)
    resolves[0]!()
    await turn()
    resolves[1]!()
    await turn()
    assert.deepEqual(seen, ['a', 'b'])
    assert.equal(calls.one.done, 2)
  })

  for (const [what, next] of [
    [
      'throws',
      () => {
        throw new Error('refused')
      },
    ],
    ['rejects', () => Promise.reject(new Error('refused'))],
  ] as const) {
    it(`fails, and ends the call, where the function ${what}`, async () => {
      const calls = new Calls<unknown>()
      const errors: unknown[] = []
      mapPaced(calls.call, next).subscribe({ error: error => errors.push(error.message) })
      calls.one.items.next(1)
      await turn()
      assert.deepEqual(errors, ['refused'])
      assert.deepEqual([calls.one.over, calls.one.done], [true, 0])
    })
  }

  it('fails and ends with the call', async () => {
    const failed: unknown[] = []
    const calls = new Calls<unknown>()
    mapPaced(calls.call, item => item).subscribe({ error: error => failed.push(error) })
    calls.one.items.error('lost')
    assert.deepEqual(failed, ['lost'])
    const ended = mapPaced(having(1, 2).call, item => Promise.resolve(item)).pipe(endWith('|'), toArray())
    assert.deepEqual(await firstValueFrom(ended), [1, 2, '|'])
  })

  it('is one for await loop like any other', async () => {
    assert.deepEqual(await collect(mapPaced(having(1, 2).call, n => `${n}`)), ['1', '2'])
  })

  it('is given up by unsubscribing', () => {
    const calls = new Calls<unknown>()
    mapPaced(calls.call, () => NEVER.subscribe())
      .subscribe({ error: assert.fail })
      .unsubscribe()
    assert.equal(calls.one.over, true)
  })
})
