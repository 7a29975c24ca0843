/**
 * Reading sources: what pushes, what is pulled, what comes later, and what is none; each stopped at any moment.
 */
import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { describe, it } from 'node:test'
import { concat, EMPTY, from, NEVER, Observable, of, Subject, throwError, timer } from 'rxjs'
import { RpcError } from '../../lib/error.ts'
import type { Overflow } from '../../lib/flow/overflow.ts'
import { type ItemSink, type ItemSource, isSource, readSource } from '../../lib/flow/source.ts'
import { marbles } from '../support/marbles.ts'

/** A sink with so much credit, and all it was told: items as they are, the rest by name. */
class Sink implements ItemSink {
  credit: number
  readonly log: unknown[] = []
  readonly complaints: unknown[] = []
  /** Runs within each item, behind the taking of it. */
  onItem: (item: unknown) => void = () => undefined
  #over = false

  constructor(credit: number) {
    this.credit = credit
  }

  ready(): boolean {
    return this.credit > 0 && !this.#over
  }

  wanted(): boolean {
    return this.ready()
  }

  item(item: unknown): void {
    this.credit--
    this.log.push(item)
    this.onItem(item)
  }

  overflow(message: string): void {
    this.#end(`overflow: ${message}`)
  }

  complete(): void {
    this.#end('complete')
  }

  error(error: unknown): void {
    this.#end(`error: ${error instanceof Error ? error.message : error}`)
  }

  complain(error: unknown): void {
    this.complaints.push(error instanceof Error ? error.message : error)
  }

  #end(how: string): void {
    this.#over = true
    this.log.push(how)
  }
}

function read(source: unknown, sink: Sink, policy: Overflow = 'buffer', window = 4): ItemSource {
  return readSource(source, sink, policy, window)
}

/** Gives credit, as a grant does. */
function grant(sink: Sink, source: ItemSource, credit: number): void {
  sink.credit += credit
  source.pump()
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('an Observable as a source', () => {
  it('passes its items and its end', () => {
    const sink = new Sink(9)
    read(of(1, 2, 3), sink)
    assert.deepEqual(sink.log, [1, 2, 3, 'complete'])
  })

  it('keeps what comes without credit, and its end behind it', () => {
    const sink = new Sink(1)
    const source = read(of(1, 2, 3), sink)
    assert.deepEqual(sink.log, [1])
    grant(sink, source, 1)
    assert.deepEqual(sink.log, [1, 2])
    grant(sink, source, 9)
    assert.deepEqual(sink.log, [1, 2, 3, 'complete'])
    source.pump()
    assert.equal(sink.log.length, 4)
  })

  it('keeps its error behind the items it emitted before', () => {
    const sink = new Sink(1)
    const source = read(
      concat(
        of(1, 2),
        throwError(() => new Error('broken')),
      ),
      sink,
    )
    assert.deepEqual(sink.log, [1])
    grant(sink, source, 5)
    assert.deepEqual(sink.log, [1, 2, 'error: broken'])
  })

  it('ends at once without credit where nothing waits', () => {
    const [completed, failed] = [new Sink(0), new Sink(0)]
    read(EMPTY, completed)
    read(
      throwError(() => new Error('broken')),
      failed,
    )
    assert.deepEqual([...completed.log, ...failed.log], ['complete', 'error: broken'])
  })

  it('never lets a new item pass one that waits', () => {
    const items = new Subject<number>()
    const sink = new Sink(0)
    const source = read(items, sink)
    items.next(1)
    sink.credit = 2
    items.next(2)
    assert.deepEqual(sink.log, [])
    source.pump()
    assert.deepEqual(sink.log, [1, 2])
  })

  it('overflows once more waits than its policy allows, and is let go of', () => {
    const items = new Subject<number>()
    const sink = new Sink(1)
    read(items, sink, 'buffer', 2)
    for (let i = 0; i < 9; i++) items.next(i)
    assert.deepEqual(sink.log, [0, 'overflow: 2 items wait already, and the source goes on'])
    assert.equal(items.observed, false)
  })

  it('is stopped in the middle of a flood from within its subscribe', () => {
    let emitted = 0
    const flood = new Observable<number>(subscriber => {
      while (!subscriber.closed && emitted < 100_000) subscriber.next(emitted++)
    })
    const sink = new Sink(3)
    read(flood, sink, 'buffer', 4)
    assert.equal(emitted, 8)
    assert.equal(sink.log.length, 4)
  })

  it('counts what its policy loses', () => {
    const sink = new Sink(1)
    const source = read(of(1, 2, 3, 4), sink, 'latest')
    assert.equal(source.dropped, 2)
    grant(sink, source, 1)
    assert.deepEqual(sink.log, [1, 4, 'complete'])
  })

  it('is unsubscribed when it is stopped, and heard no more', () => {
    const items = new Subject<number>()
    const sink = new Sink(5)
    const source = read(items, sink)
    items.next(1)
    source.stop()
    source.stop()
    assert.equal(items.observed, false)
    items.next(2)
    source.pump()
    assert.deepEqual(sink.log, [1])
  })

  it('loses what waits when it is stopped', () => {
    const sink = new Sink(0)
    const source = read(concat(of(1, 2), NEVER), sink)
    source.stop()
    grant(sink, source, 5)
    assert.deepEqual(sink.log, [])
  })

  for (const [what, credit, end] of [
    ['it is stopped', 5, (source: ItemSource) => source.stop()],
    ['it completes', 5, (_: ItemSource, items: Subject<number>) => items.complete()],
    ['it completes while items wait', 0, (_: ItemSource, items: Subject<number>) => items.complete()],
    ['it fails', 5, (_: ItemSource, items: Subject<number>) => items.error(new Error('broken'))],
    ['it overflows', 0, (_: ItemSource, items: Subject<number>) => Array.from('abcdef', (_, i) => items.next(i))],
  ] as const) {
    it(`is complained of, and harms nobody, where its teardown throws when ${what}`, () => {
      const items = new Subject<number>()
      const sink = new Sink(credit)
      const throwing = new Observable<number>(subscriber => {
        subscriber.add(items.subscribe(subscriber))
        return () => {
          throw new Error('torn')
        }
      })
      const source = read(throwing, sink)
      items.next(1)
      end(source, items)
      assert.equal(sink.complaints.length, 1)
      assert.match(String(sink.complaints[0]), /torn/)
    })
  }

  it('is complained of where its teardown throws within its subscribe', () => {
    const sink = new Sink(5)
    const throwing = new Observable<number>(subscriber => {
      subscriber.next(1)
      subscriber.complete()
      return () => {
        throw new Error('torn')
      }
    })
    read(throwing, sink)
    assert.deepEqual(sink.log, [1, 'complete'])
    assert.deepEqual(sink.complaints, ['torn'])
  })

  it('fails where its subscribe throws', () => {
    const sink = new Sink(5)
    const throwing = new Observable<number>(() => {
      throw new Error('no')
    })
    read(throwing, sink)
    assert.deepEqual(sink.log, ['error: no'])
  })

  it('may get credit, end, or be pumped from within an item', () => {
    const items = new Subject<number>()
    const sink = new Sink(1)
    const source = read(items, sink)
    sink.onItem = item => {
      if (item === 3) items.complete()
      else grant(sink, source, 1)
    }
    items.next(1)
    items.next(2)
    items.next(3)
    assert.deepEqual(sink.log, [1, 2, 3, 'complete'])
  })

  it('may be stopped from within an item, while others wait', () => {
    const sink = new Sink(0)
    const source = read(concat(of(1, 2, 3), NEVER), sink)
    sink.onItem = () => source.stop()
    grant(sink, source, 5)
    assert.deepEqual(sink.log, [1])
  })

  it(
    'is sampled: the first item at once, then the newest of each period, the last before its end',
    marbles(({ hot, time, expectObservable, flush }) => {
      const source$ = hot('a-bc------d-e---f-(g|)')
      const period = time('   -----|')
      const out$ = new Observable<string>(subscriber => {
        const sink = new Sink(99)
        sink.onItem = item => subscriber.next(item as string)
        sink.complete = () => subscriber.complete()
        const source = read(source$, sink, { sample: period })
        return () => source.stop()
      })
      expectObservable(out$).toBe('a----c----d----e----(g|)')
      flush()
    }),
  )

  it(
    'is sampled no faster than credit allows, and forgets its timer when it is stopped',
    marbles(({ expectObservable }) => {
      const out$ = new Observable<number>(subscriber => {
        const sink = new Sink(2)
        sink.onItem = item => subscriber.next(item as number)
        const source = read(timer(0, 3), sink, { sample: 4 })
        subscriber.add(timer(11).subscribe({ next: () => grant(sink, source, 1), error: assert.fail }))
        return () => source.stop()
      })
      expectObservable(out$, '------------------!').toBe('a---b------c', { a: 0, b: 1, c: 3 })
    }),
  )
})

describe('an iterable as a source', () => {
  it('is asked for an item when there is credit for it, and not before', () => {
    let asked = 0
    function* numbers(): Generator<number> {
      for (;;) yield ++asked
    }
    const sink = new Sink(2)
    const source = read(numbers(), sink)
    assert.equal(asked, 2)
    grant(sink, source, 1)
    assert.equal(asked, 3)
    source.stop()
  })

  it('is an array, a Set or anything else that is Iterable', () => {
    for (const items of [[1, 2], new Set([1, 2]), { [Symbol.iterator]: () => [1, 2].values() }]) {
      const sink = new Sink(5)
      read(items, sink)
      assert.deepEqual(sink.log, [1, 2, 'complete'])
    }
  })

  it('needs credit before its end is known', () => {
    const sink = new Sink(1)
    const source = read([1], sink)
    assert.deepEqual(sink.log, [1])
    grant(sink, source, 1)
    assert.deepEqual(sink.log, [1, 'complete'])
  })

  it('runs its finally blocks when it is stopped, once', () => {
    const ended: string[] = []
    function* numbers(): Generator<number> {
      try {
        yield 1
        yield 2
      } finally {
        ended.push('finally')
      }
    }
    const sink = new Sink(1)
    const source = read(numbers(), sink)
    source.stop()
    source.stop()
    assert.deepEqual(ended, ['finally'])
    grant(sink, source, 5)
    assert.deepEqual(sink.log, [1])
  })

  it('fails with what it throws, and is not asked to return after that', () => {
    let returned = 0
    const items = {
      [Symbol.iterator]: () => ({
        next: (): never => {
          throw new Error('broken')
        },
        return: () => {
          returned++
          return { done: true, value: undefined }
        },
      }),
    }
    const sink = new Sink(1)
    const source = read(items, sink)
    source.stop()
    assert.deepEqual(sink.log, ['error: broken'])
    assert.equal(returned, 0)
  })

  it('is not asked to return after its end', () => {
    let returned = 0
    const items = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: true, value: undefined }),
        return: () => {
          returned++
          return { done: true, value: undefined }
        },
      }),
    }
    const sink = new Sink(1)
    read(items, sink).stop()
    assert.deepEqual(sink.log, ['complete'])
    assert.equal(returned, 0)
  })

  it('fails where it gives no iterator, or an iterator that gives no results', () => {
    for (const [items, pattern] of [
      [{ [Symbol.iterator]: 1 }, /error: .*not a function/],
      [
        {
          [Symbol.iterator]: () => {
            throw new Error('no')
          },
        },
        /error: no/,
      ],
      [{ [Symbol.iterator]: () => ({ next: () => 7 }) }, /error: /],
      [{ [Symbol.asyncIterator]: () => ({ next: () => undefined }) }, /error: /],
    ] as const) {
      const sink = new Sink(1)
      read(items, sink)
      assert.equal(sink.log.length, 1)
      assert.match(String(sink.log[0]), pattern)
    }
  })

  it('is complained of where it throws while it is stopped', () => {
    function* numbers(): Generator<number> {
      try {
        yield 1
        yield 2
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: that is what it does wrong
        throw new Error('torn')
      }
    }
    const sink = new Sink(1)
    read(numbers(), sink).stop()
    assert.deepEqual(sink.complaints, ['torn'])
    assert.deepEqual(sink.log, [1])
  })

  it('may get credit, be stopped or be pumped from within an item', () => {
    const sink = new Sink(1)
    let depth = 0
    const source = read(
      (function* () {
        for (let i = 0; ; i++) yield i
      })(),
      sink,
    )
    sink.onItem = item => {
      assert.equal(++depth, 1, 'an item within an item')
      if (item === 1000) source.stop()
      else grant(sink, source, 1)
      depth--
    }
    grant(sink, source, 1)
    assert.equal(sink.log.length, 1001)
  })

  it('may be pumped from within its own next', () => {
    const sink = new Sink(0)
    function* numbers(): Generator<number> {
      for (let i = 0; i < 3; i++) {
        source.pump()
        yield i
      }
    }
    const source = read(numbers(), sink)
    grant(sink, source, 9)
    assert.deepEqual(sink.log, [0, 1, 2, 'complete'])
  })

  it('may be stopped from within its own next, and runs its finally blocks then', () => {
    const ended: string[] = []
    const sink = new Sink(0)
    function* numbers(): Generator<number> {
      try {
        yield 0
        source.stop()
        yield 1
      } finally {
        ended.push('finally')
      }
    }
    const source = read(numbers(), sink)
    grant(sink, source, 9)
    assert.deepEqual(sink.log, [0])
    assert.deepEqual(ended, ['finally'])
    assert.deepEqual(sink.complaints, [])
  })
})

describe('an async iterable as a source', () => {
  it('is asked for one item at a time, under credit', async () => {
    let asked = 0
    async function* numbers(): AsyncGenerator<number> {
      while (asked < 5) yield ++asked
    }
    const sink = new Sink(2)
    const source = read(numbers(), sink)
    await turn()
    assert.equal(asked, 2)
    grant(sink, source, 9)
    await turn()
    assert.deepEqual(sink.log, [1, 2, 3, 4, 5, 'complete'])
  })

  it('is not asked again while it is still to answer', async () => {
    const answers: ((result: IteratorResult<number>) => void)[] = []
    const items = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(resolve => answers.push(resolve)),
      }),
    }
    const sink = new Sink(5)
    const source = read(items, sink)
    source.pump()
    grant(sink, source, 5)
    assert.equal(answers.length, 1)
    answers[0]!({ done: false, value: 1 })
    await turn()
    assert.equal(answers.length, 2)
    assert.deepEqual(sink.log, [1])
    source.stop()
  })

  it('fails with what it throws, or rejects with', async () => {
    async function* throwing(): AsyncGenerator<number> {
      yield 1
      throw new Error('broken')
    }
    const rejecting = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('no')) }) }
    const [first, second] = [new Sink(5), new Sink(5)]
    read(throwing(), first)
    read(rejecting, second)
    await turn()
    assert.deepEqual(first.log, [1, 'error: broken'])
    assert.deepEqual(second.log, ['error: no'])
  })

  it('runs its finally blocks when it is stopped between two items', async () => {
    const ended: string[] = []
    async function* numbers(): AsyncGenerator<number> {
      try {
        yield 1
        yield 2
      } finally {
        ended.push('finally')
      }
    }
    const sink = new Sink(1)
    const source = read(numbers(), sink)
    await turn()
    source.stop()
    await turn()
    assert.deepEqual(sink.log, [1])
    assert.deepEqual(ended, ['finally'])
  })

  it('passes no item that it was still to give when it was stopped', async () => {
    let give: (value: number) => void = () => undefined
    const ended: string[] = []
    async function* numbers(): AsyncGenerator<number> {
      try {
        yield await new Promise<number>(resolve => {
          give = resolve
        })
      } finally {
        ended.push('finally')
      }
    }
    const sink = new Sink(5)
    const source = read(numbers(), sink)
    await turn()
    source.stop()
    assert.deepEqual(ended, [])
    give(1)
    await turn()
    assert.deepEqual(ended, ['finally'])
    assert.deepEqual(sink.log, [])
    assert.deepEqual(sink.complaints, [])
  })

  it('may reject what it was still to give when it was stopped: an aborted wait is no news', async () => {
    const aborting = new AbortController()
    async function* numbers(): AsyncGenerator<number> {
      await new Promise((_, reject) => aborting.signal.addEventListener('abort', () => reject(new Error('aborted'))))
      yield 1
    }
    const sink = new Sink(5)
    const source = read(numbers(), sink)
    source.stop()
    aborting.abort()
    await turn()
    assert.deepEqual([sink.log, sink.complaints], [[], []])
  })

  it('is complained of where it fails while it is stopped', async () => {
    async function* numbers(): AsyncGenerator<number> {
      try {
        yield 1
        yield 2
      } finally {
        await turn()
        // biome-ignore lint/correctness/noUnsafeFinally: that is what it does wrong
        throw new Error('torn')
      }
    }
    const sink = new Sink(1)
    const source = read(numbers(), sink)
    await turn()
    source.stop()
    await turn()
    await turn()
    assert.deepEqual(sink.complaints, ['torn'])
  })

  it('may be stopped from within its own next', async () => {
    const ended: string[] = []
    const sink = new Sink(0)
    async function* numbers(): AsyncGenerator<number> {
      try {
        source.stop()
        yield 1
      } finally {
        ended.push('finally')
      }
    }
    const source = read(numbers(), sink)
    grant(sink, source, 9)
    await turn()
    assert.deepEqual([sink.log, ended, sink.complaints], [[], ['finally'], []])
  })
})

describe('a Node readable as a source', () => {
  it('gives objects, in object mode', async () => {
    const sink = new Sink(9)
    read(Readable.from([{ a: 1 }, { a: 2 }]), sink)
    while (sink.log.length < 3) await turn()
    assert.deepEqual(sink.log, [{ a: 1 }, { a: 2 }, 'complete'])
  })

  it('gives bytes otherwise', async () => {
    const sink = new Sink(9)
    const readable = new PassThrough()
    read(readable, sink)
    readable.end('abc')
    while (sink.log.length < 2) await turn()
    assert.ok(sink.log[0] instanceof Uint8Array)
    assert.equal(Buffer.from(sink.log[0]).toString(), 'abc')
    assert.equal(sink.log[1], 'complete')
  })

  it('is read no further than credit allows', async () => {
    let pushed = 0
    const readable = new Readable({
      objectMode: true,
      highWaterMark: 2,
      read() {
        this.push(++pushed)
      },
    })
    const sink = new Sink(3)
    const source = read(readable, sink)
    for (let i = 0; i < 20; i++) await turn()
    assert.deepEqual(sink.log, [1, 2, 3])
    assert.ok(pushed <= 3 + 2 + 1, `${pushed} were read`)
    source.stop()
  })

  for (const [what, credit] of [
    ['between two items', 1],
    ['while it has nothing to give', 5],
    ['before it was read at all', 0],
  ] as const) {
    it(`is destroyed when it is stopped ${what}`, async () => {
      const readable = new PassThrough({ objectMode: true })
      readable.write(1)
      readable.write(2)
      const sink = new Sink(credit)
      const source = read(readable, sink)
      await turn()
      source.stop()
      assert.equal(readable.destroyed, true)
      await turn()
      assert.deepEqual(sink.complaints, [])
      assert.ok(!sink.log.some(item => typeof item === 'string'))
    })
  }

  for (const credit of [0, 1]) {
    it(`fails with its error, with ${credit} of credit`, async () => {
      const readable = new PassThrough({ objectMode: true })
      const sink = new Sink(credit)
      read(readable, sink)
      await turn()
      readable.destroy(new Error('disk is gone'))
      await turn()
      await turn()
      assert.deepEqual(sink.log, ['error: disk is gone'])
      assert.deepEqual(sink.complaints, [])
    })
  }

  it('is complained of where it fails to be destroyed', async () => {
    const readable = new Readable({
      read: () => undefined,
      destroy: (_, done) => done(new Error('stuck')),
    })
    const sink = new Sink(0)
    const source = read(readable, sink)
    source.stop()
    await finished(readable).catch(() => undefined)
    await turn()
    assert.deepEqual(sink.complaints, ['stuck'])
    assert.deepEqual(sink.log, [])
  })
})

describe('a Promise of a source', () => {
  it('is read as what it settles to', async () => {
    for (const items of [
      of(1, 2),
      [1, 2],
      from([1, 2]),
      Readable.from([1, 2]),
      (function* () {
        yield* [1, 2]
      })(),
      (async function* () {
        yield* [1, 2]
      })(),
      Promise.resolve([1, 2]),
    ]) {
      const sink = new Sink(9)
      read(Promise.resolve(items), sink)
      while (sink.log.length < 3) await turn()
      assert.deepEqual(sink.log, [1, 2, 'complete'])
    }
  })

  it('may be anything with a then', async () => {
    const sink = new Sink(9)
    // biome-ignore lint/suspicious/noThenProperty: that is what it has
    read({ then: (resolve: (items: unknown) => void) => resolve([1]) }, sink)
    await turn()
    assert.deepEqual(sink.log, [1, 'complete'])
  })

  it('takes the credit that came before it settled', async () => {
    const sink = new Sink(0)
    const source = read(Promise.resolve(of(1, 2)), sink)
    grant(sink, source, 1)
    await turn()
    assert.deepEqual(sink.log, [1])
    assert.equal(source.dropped, 0)
    grant(sink, source, 1)
    assert.deepEqual(sink.log, [1, 2, 'complete'])
  })

  it('fails where it rejects', async () => {
    const sink = new Sink(9)
    read(Promise.reject(new Error('no')), sink)
    await turn()
    assert.deepEqual(sink.log, ['error: no'])
  })

  it('fails where it settles to no source', async () => {
    const sink = new Sink(9)
    read(Promise.resolve(7), sink)
    await turn()
    assert.match(String(sink.log[0]), /error: .*not number/)
  })

  it('passes its policy on', async () => {
    const sink = new Sink(0)
    const source = read(Promise.resolve(of(1, 2, 3)), sink, 'latest')
    await turn()
    assert.equal(source.dropped, 2)
    source.stop()
  })

  it('is not subscribed to where it settles after it was stopped', async () => {
    let subscribed = 0
    const late = new Observable(() => {
      subscribed++
    })
    const sink = new Sink(9)
    read(Promise.resolve(late), sink).stop()
    await turn()
    assert.equal(subscribed, 0)
    assert.deepEqual([sink.log, sink.complaints], [[], []])
  })

  it('is let go of where it settles after it was stopped: a readable is destroyed, a generator never runs', async () => {
    let ran = false
    const readable = new PassThrough()
    const generator = (function* () {
      ran = true
      yield 1
    })()
    const sink = new Sink(9)
    read(Promise.resolve(readable), sink).stop()
    read(Promise.resolve(generator), sink).stop()
    await turn()
    assert.equal(readable.destroyed, true)
    assert.deepEqual([...generator], [])
    assert.equal(ran, false)
    assert.deepEqual([sink.log, sink.complaints], [[], []])
  })

  it('is complained of where it rejects after it was stopped', async () => {
    const sink = new Sink(9)
    read(Promise.reject(new Error('late')), sink).stop()
    await turn()
    assert.deepEqual([sink.log, sink.complaints], [[], ['late']])
  })

  it('may be stopped from within its first item', async () => {
    const sink = new Sink(9)
    const items = new Subject<number>()
    const source = read(Promise.resolve(concat(of(1), items)), sink)
    sink.onItem = () => source.stop()
    await turn()
    assert.deepEqual(sink.log, [1])
    assert.equal(items.observed, false)
  })
})

describe('what is no source', () => {
  for (const [what, value, name] of [
    ['a number', 7, 'number'],
    ['text', 'abc', 'string'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a function', () => [1], 'function'],
    ['a plain object', { items: [1] }, 'Object'],
    ['bytes, which are one value', Uint8Array.of(1, 2), 'Uint8Array'],
    ['a Buffer', Buffer.from('ab'), 'Buffer'],
    ['another typed array', Float64Array.of(1), 'Float64Array'],
  ] as const) {
    it(`ends with an error: ${what}`, () => {
      const sink = new Sink(9)
      const source = read(value, sink)
      source.pump()
      source.stop()
      assert.deepEqual(sink.log, [`error: a stream needs an Observable or an iterable, not ${name}`])
      assert.equal(source.dropped, 0)
      assert.equal(isSource(value), false)
    })
  }

  it('is an rpc_internal_err, and so tells the far end nothing', () => {
    let failure: unknown
    const sink = new Sink(9)
    sink.error = error => {
      failure = error
    }
    read(7, sink)
    assert.ok(RpcError.is(failure, 'rpc_internal_err'))
  })

  it('is told from what is one', () => {
    for (const value of [EMPTY, [], new Set(), new PassThrough(), Promise.resolve([]), (function* () {})()]) {
      assert.equal(isSource(value), true)
    }
  })
})
