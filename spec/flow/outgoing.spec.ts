/**
 * The sending end: items of a source under credit, the link's mark and the call's turn, and one end behind them.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concat, EMPTY, NEVER, Observable, of, range, Subject, switchMap, throwError } from 'rxjs'
import { type RpcCode, RpcError } from '../../lib/error.ts'
import { type OutgoingEvents, OutgoingItems } from '../../lib/flow/outgoing.ts'
import type { Overflow } from '../../lib/flow/overflow.ts'
import { type Pumpable, TURN_BYTES, type Turns } from '../../lib/flow/turns.ts'

/** The turns of a link that does as a spec tells it. */
class Link implements Turns {
  open = true
  readonly waiting = new Set<Pumpable>()
  readonly yielded = new Set<Pumpable>()
  readonly forgotten: Pumpable[] = []

  wait(producer: Pumpable): void {
    this.waiting.add(producer)
  }

  yield(producer: Pumpable): void {
    this.yielded.add(producer)
  }

  forget(producer: Pumpable): void {
    this.forgotten.push(producer)
    this.waiting.delete(producer)
    this.yielded.delete(producer)
  }

  drained(): void {
    this.open = true
    const now = [...this.waiting]
    this.waiting.clear()
    for (const producer of now) producer.pump()
  }

  /** Gives the next turn to whoever waits for one; `false`: nobody does. */
  turn(): boolean {
    const now = [...this.yielded]
    this.yielded.clear()
    for (const producer of now) producer.pump()
    return now.length > 0
  }
}

/** A call whose items are numbers, the bytes that each has; all it does is logged. */
class Call implements OutgoingEvents {
  readonly log: unknown[] = []
  readonly complaints: unknown[] = []
  readonly items: OutgoingItems
  link: Link | undefined
  onItem: (item: unknown) => void = () => undefined
  /** Sets what `write` says of an item. */
  bytesOf: (item: unknown) => number = () => 100

  constructor(window: number, link: Link = new Link()) {
    this.link = link
    this.items = new OutgoingItems(window, this)
  }

  start(source: unknown, policy: Overflow = 'buffer', window = 8): this {
    this.items.start(source, policy, window)
    return this
  }

  turns(): Turns | undefined {
    return this.link
  }

  write(item: unknown): number {
    const bytes = this.bytesOf(item)
    this.log.push(item)
    this.onItem(item)
    return bytes
  }

  completed(): void {
    this.log.push('completed')
  }

  failed(error: unknown): void {
    this.log.push(`failed: ${error instanceof Error ? error.message : error}`)
  }

  refused(code: RpcCode, message: string): void {
    this.log.push(`refused: ${code}: ${message}`)
  }

  complain(error: unknown): void {
    this.complaints.push(error)
  }
}

const naturals = function* (): Generator<number> {
  for (let i = 0; ; i++) yield i
}

/** The demand as it was told, to one listener. */
function demandOf(items: OutgoingItems): unknown[] {
  const told: unknown[] = []
  items.demand$.subscribe({ next: wanted => told.push(wanted), error: assert.fail, complete: () => told.push('|') })
  return told
}

describe('items that go out', () => {
  it('go as far as credit allows, and on with each grant', () => {
    const { items, log } = new Call(2).start(naturals())
    assert.deepEqual(log, [0, 1])
    assert.equal(items.grant({ window: 2, consumed: 1 }), undefined)
    assert.deepEqual(log, [0, 1, 2])
    items.stop()
  })

  it('cost what they weigh: a large one overdraws once, and is paid for first', () => {
    const call = new Call(2)
    call.bytesOf = item => (item === 0 ? 40_000 : 10)
    const { items, log } = call.start(naturals())
    assert.deepEqual(log, [0])
    items.grant({ window: 2, consumed: 1 })
    assert.deepEqual(log, [0])
    items.grant({ window: 2, consumed: 3 })
    assert.deepEqual(log, [0, 1, 2])
    items.stop()
  })

  it('do not go before the first grant, where the call starts without a window', () => {
    const { items, log } = new Call(0).start(of('a', 'b'))
    assert.deepEqual(log, [])
    items.grant({ window: 2, consumed: 0 })
    assert.deepEqual(log, ['a', 'b', 'completed'])
  })

  it('wait while the call is not on a link, and go once it is', () => {
    const call = new Call(3)
    call.link = undefined
    call.start(['a', 'b'])
    assert.deepEqual(call.log, [])
    call.link = new Link()
    call.items.pump()
    assert.deepEqual(call.log, ['a', 'b', 'completed'])
  })

  it('say why a grant is a lie, and send nothing for it', () => {
    const { items, log } = new Call(1).start(naturals())
    assert.match(items.grant({ window: 4, consumed: 2 })!, /2 units as consumed, 1 were sent/)
    assert.match(items.grant({ window: 0, consumed: 1 })!, /window of 0/)
    assert.deepEqual(log, [0])
    items.stop()
  })

  it('wait for a link that is behind, and go on when it has drained', () => {
    const call = new Call(10)
    const { link, log } = call as { link: Link; log: unknown[] }
    call.onItem = item => {
      link.open = item !== 1 && item !== 3
    }
    call.start(naturals())
    assert.deepEqual(log, [0, 1])
    link.drained()
    assert.deepEqual(log, [0, 1, 2, 3])
    call.items.grant({ window: 10, consumed: 2 })
    assert.deepEqual(log, [0, 1, 2, 3])
    call.items.stop()
  })

  it('take turns of 64 KiB, from an iterable', () => {
    const call = new Call(1000)
    call.bytesOf = () => 10_000
    const { link, log } = call.start(naturals()) as Call & { link: Link }
    assert.equal(TURN_BYTES, 65_536)
    assert.equal(log.length, 7)
    assert.equal(link.turn(), true)
    assert.equal(log.length, 14)
    call.items.stop()
  })

  it('take one item a turn where each is larger than a turn', () => {
    const call = new Call(1000)
    call.bytesOf = () => 100_000
    const { link, log } = call.start(naturals()) as Call & { link: Link }
    for (let turns = 1; turns <= 3; turns++) {
      assert.equal(log.length, turns)
      link.turn()
    }
    call.items.stop()
  })

  it('of two calls of a link go alternately', () => {
    const link = new Link()
    const order: string[] = []
    const calls = ['a', 'b'].map(name => {
      const call = new Call(1000, link)
      call.bytesOf = () => 40_000
      call.onItem = () => order.push(name)
      return call.start(naturals())
    })
    for (let i = 0; i < 3; i++) link.turn()
    assert.equal(order.join(''), 'aabbaabbaabbaabb')
    for (const call of calls) call.items.stop()
  })

  it('are not lost for a turn: what is pushed under credit goes at once, by any policy', () => {
    for (const policy of ['error', 'dropNewest', 'latest', 'buffer', { conflate: 'key' }] as const) {
      const call = new Call(1000)
      call.bytesOf = () => 30_000
      call.start(range(0, 20), policy)
      assert.deepEqual(call.log, [...range20(), 'completed'])
      assert.equal(call.items.dropped, 0)
    }
  })

  it('take turns behind each other where a pushing source has made them wait', () => {
    const call = new Call(0)
    call.bytesOf = () => 30_000
    const { link } = call.start(range(0, 20), 'buffer', 50) as Call & { link: Link }
    call.items.grant({ window: 1000, consumed: 0 })
    assert.equal(call.log.length, 3)
    while (link.turn());
    assert.deepEqual(call.log, [...range20(), 'completed'])
  })

  it('that were pushed wait for a link that is behind, and their end behind them', () => {
    const call = new Call(10)
    const { link, log } = call as { link: Link; log: unknown[] }
    link.open = false
    call.start(of('a', 'b'))
    assert.deepEqual(log, [])
    link.drained()
    assert.deepEqual(log, ['a', 'b', 'completed'])
  })

  it('go on from within an item: by a grant that answers the one before, or by a pump', () => {
    const items = new Subject<number>()
    const call = new Call(1).start(items)
    items.next(1)
    call.onItem = item => {
      if (item === 2) items.next(3)
      call.items.pump()
    }
    items.next(2)
    assert.deepEqual(call.log, [1])
    call.items.grant({ window: 5, consumed: 1 })
    assert.deepEqual(call.log, [1, 2, 3])
    call.items.stop()
  })

  it('go on where credit came while the source was being started', () => {
    const call = new Call(1)
    const source = new Observable<number>(subscriber => {
      subscriber.next(1)
      subscriber.next(2)
      call.items.grant({ window: 1, consumed: 1 })
    })
    call.start(source)
    assert.deepEqual(call.log, [1, 2])
    call.items.stop()
  })

  it('keep their order and their bounds, whatever grants, turns and drains come when', () => {
    const act = fc.constantFrom(
      'push' as const,
      'grant' as const,
      'turn' as const,
      'behind' as const,
      'drained' as const,
    )
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(act, { maxLength: 100 }),
        fc.integer({ min: 1, max: 5 }),
        (pulls, acts, window) => {
          const pushed = new Subject<number>()
          const call = new Call(window)
          const link = call.link!
          call.bytesOf = () => 15_000
          call.onItem = () => assert.ok(link.open)
          call.start(pulls ? naturals() : pushed, 'buffer', 1000)
          let [granted, n] = [0, 0]
          const all = { push: 0, grant: 0, turn: 0, behind: 0, drained: 0 }
          for (const each of [...acts, 'drained', 'turn', 'turn', 'turn'] as const) {
            all[each]++
            if (each === 'push') pushed.next(n++)
            else if (each === 'grant') {
              granted = call.log.length
              call.items.grant({ window, consumed: granted })
            } else if (each === 'turn') link.turn()
            else if (each === 'behind') link.open = false
            else link.drained()
            assert.deepEqual(
              call.log,
              call.log.map((_, i) => i),
            )
            assert.ok(call.log.length <= granted + window)
          }
          while (link.turn());
          assert.equal(call.log.length, pulls ? granted + window : Math.min(n, granted + window), 'it stalls')
          call.items.stop()
        },
      ),
    )
  })
})

describe('the end of items that go out', () => {
  for (const [what, source, end] of [
    ['completes', of('a', 'b'), 'completed'],
    [
      'fails',
      concat(
        of('a', 'b'),
        throwError(() => new Error('broken')),
      ),
      'failed: broken',
    ],
  ] as const) {
    it(`waits behind those short of credit, where the source ${what}`, () => {
      const call = new Call(1).start(source)
      assert.deepEqual(call.log, ['a'])
      assert.equal(call.items.over, false)
      call.items.grant({ window: 1, consumed: 1 })
      assert.deepEqual(call.log, ['a', 'b', end])
      assert.equal(call.items.over, true)
    })
  }

  it('needs no credit where nothing waits', () => {
    assert.deepEqual(new Call(0).start(EMPTY).log, ['completed'])
  })

  it('comes once, and leaves nothing with the link', () => {
    const call = new Call(5).start([1])
    call.items.pump()
    call.items.stop()
    assert.equal(call.items.grant({ window: 9, consumed: 1 }), undefined)
    assert.deepEqual(call.log, [1, 'completed'])
    assert.deepEqual(call.link?.forgotten, [call.items])
  })

  for (const [what, thrown, told] of [
    ['cannot be encoded', new RpcError('rpc_encode', 'a function'), 'refused: rpc_encode: an item: a function'],
    ['is too large', new RpcError('rpc_too_large', '9 is over 8'), 'refused: rpc_too_large: an item: 9 is over 8'],
    ['throws anything', new TypeError('cyclic'), 'refused: rpc_encode: an item: cyclic'],
  ] as const) {
    it(`is an item that ${what}, once, and the source is let go of`, () => {
      const items = new Subject<number>()
      const call = new Call(5).start(items)
      items.next(1)
      call.bytesOf = () => {
        throw thrown
      }
      items.next(2)
      items.next(3)
      assert.deepEqual(call.log, [1, told])
      assert.equal(items.observed, false)
      assert.deepEqual(call.link?.forgotten, [call.items])
    })

    it(`is an item that ${what}, of a source that gave it within its start`, () => {
      for (const source of [concat(of(1), NEVER), [1, 2], naturals()]) {
        const call = new Call(5)
        call.bytesOf = () => {
          throw thrown
        }
        call.start(source)
        assert.deepEqual(call.log, [told])
      }
    })
  }

  it('is an overflow, once', () => {
    const items = new Subject<number>()
    const call = new Call(1).start(items, 'error')
    for (let i = 0; i < 3; i++) items.next(i)
    assert.equal(call.log.length, 2)
    assert.match(String(call.log[1]), /refused: rpc_overflow/)
    assert.equal(items.observed, false)
  })

  it('is told of no source at all', () => {
    const call = new Call(1).start(7)
    assert.equal(call.log.length, 1)
    assert.match(String(call.log[0]), /failed: .*not number/)
  })

  it('is not told where it was stopped, and what waits is thrown away', () => {
    const items = new Subject<number>()
    const call = new Call(1).start(items)
    items.next(1)
    items.next(2)
    call.items.stop()
    assert.equal(items.observed, false)
    call.items.grant({ window: 5, consumed: 1 })
    call.items.pump()
    assert.deepEqual(call.log, [1])
  })

  it('may come from within an item: stopped or complete', () => {
    const stopped = new Call(9)
    stopped.onItem = item => {
      if (item === 1) stopped.items.stop()
    }
    stopped.start(naturals())
    assert.deepEqual(stopped.log, [0, 1])

    const items = new Subject<string>()
    const complete = new Call(9)
    complete.onItem = () => items.complete()
    complete.start(items)
    items.next('a')
    assert.deepEqual(complete.log, ['a', 'completed'])
  })

  it('is complained of where the source throws behind it', () => {
    const call = new Call(9).start(
      new Observable(() => () => {
        throw new Error('torn')
      }),
    )
    call.items.stop()
    assert.equal(call.complaints.length, 1)
    assert.deepEqual(call.log, [])
  })
})

describe('demand', () => {
  it('replays what it is, and tells each change: no credit, and credit again', () => {
    const items = new Subject<number>()
    const call = new Call(2).start(items)
    const told = demandOf(call.items)
    items.next(1)
    assert.deepEqual(told, [true])
    items.next(2)
    assert.deepEqual(told, [true, false])
    assert.deepEqual(demandOf(call.items), [false])
    call.items.grant({ window: 2, consumed: 1 })
    assert.deepEqual(told, [true, false, true])
    call.items.stop()
  })

  it('changes at the mark of the link, and when it has drained', () => {
    const items = new Subject<number>()
    const call = new Call(9).start(items)
    const link = call.link!
    const told = demandOf(call.items)
    call.onItem = () => {
      link.open = false
    }
    items.next(1)
    assert.deepEqual(told, [true, false])
    link.drained()
    assert.deepEqual(told, [true, false, true])
    call.items.stop()
  })

  it('does not change for a turn', () => {
    const items = new Subject<number>()
    const call = new Call(99).start(items)
    call.bytesOf = () => 50_000
    const told = demandOf(call.items)
    for (let i = 0; i < 5; i++) items.next(i)
    assert.deepEqual(told, [true])
    assert.equal(call.log.length, 5)
    call.items.stop()
  })

  it('is none before the first grant, and none off a link', () => {
    assert.deepEqual(demandOf(new Call(0).items), [false])
    const call = new Call(5)
    call.link = undefined
    assert.deepEqual(demandOf(call.items), [false])
  })

  it('completes at the end of the items, and for whoever listens later', () => {
    const call = new Call(2)
    const told = demandOf(call.items)
    call.start(of(1))
    assert.deepEqual(told, [true, '|'])
    assert.deepEqual(demandOf(call.items), [false, '|'])
  })

  it('completes when the items are stopped', () => {
    const call = new Call(2).start(NEVER)
    const told = demandOf(call.items)
    call.items.stop()
    assert.deepEqual(told, [true, '|'])
  })

  it('tells all its listeners the same, where one of them sends all it can at once', () => {
    const items = new Subject<number>()
    const call = new Call(1).start(items)
    let n = 0
    call.items.demand$.subscribe({ next: wanted => wanted && items.next(n++), error: assert.fail })
    const told = demandOf(call.items)
    assert.deepEqual(told, [false])
    call.items.grant({ window: 1, consumed: 1 })
    call.items.grant({ window: 1, consumed: 2 })
    assert.deepEqual(call.log, [0, 1, 2])
    assert.deepEqual(demandOf(call.items), [false])
    assert.equal(told.at(-1), false)
    call.items.stop()
  })

  it('drives a source that stops when nobody can take, and goes on', () => {
    const ticks = new Subject<number>()
    const call = new Call(2)
    call.start(call.items.demand$.pipe(switchMap(wanted => (wanted ? ticks : NEVER))), 'error')
    for (let i = 0; i < 5; i++) ticks.next(i)
    assert.deepEqual(call.log, [0, 1])
    assert.equal(ticks.observed, false)
    call.items.grant({ window: 1, consumed: 2 })
    assert.equal(ticks.observed, true)
    ticks.next(9)
    assert.deepEqual(call.log, [0, 1, 9])
    call.items.stop()
    assert.equal(ticks.observed, false)
  })
})

function range20(): number[] {
  return Array.from({ length: 20 }, (_, i) => i)
}
