/**
 * Credit as counters: the worked example of the protocol, its borders, and a small simulator of both ends whose grants are
 * late, doubled, out of order and lost.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concatMap, delay, type Observable, of, Subject, take, tap } from 'rxjs'
import { creditCost, type Grant, ReceiveCredit, SendCredit } from '../../lib/flow/credit.ts'
import { marbles } from '../support/marbles.ts'

const UNIT = 16 * 1024
const MIB = 1024 * 1024

describe('what an item costs', () => {
  for (const [bytes, cost] of [
    [0, 1],
    [1, 1],
    [UNIT - 1, 1],
    [UNIT, 1],
    [UNIT + 1, 2],
    [2 * UNIT, 2],
    [2 * UNIT + 1, 3],
    [40_000, 3],
    [16 * MIB, 1024],
    [16 * MIB + 1, 1025],
  ] as const) {
    it(`is ${cost} for ${bytes} bytes`, () => assert.equal(creditCost(bytes), cost))
  }
})

/** Sends items of the given cost for as long as there is credit; how many went. */
function sendAll(sender: SendCredit, cost = 1): number {
  let sent = 0
  for (; sender.open; sent++) sender.spend(cost)
  return sent
}

describe('a sender', () => {
  it('follows the worked example: a window of 4, small items, and one of 40,000 bytes', () => {
    const sender = new SendCredit(4)
    const receiver = new ReceiveCredit(4)
    const send = (bytes: number): void => {
      sender.spend(creditCost(bytes))
      assert.equal(receiver.receive(creditCost(bytes)), true)
    }
    const counts = (): unknown => ({ spent: sender.spent, limit: sender.limit, open: sender.open })

    for (let i = 0; i < 4; i++) send(100)
    assert.deepEqual(counts(), { spent: 4, limit: 4, open: false })

    assert.equal(receiver.consume(1), false)
    assert.equal(receiver.consume(1), true)
    const first = receiver.report()
    assert.deepEqual(first, { window: 4, consumed: 2 })
    sender.grant(first)
    assert.deepEqual(counts(), { spent: 4, limit: 6, open: true })
    send(100)
    send(100)
    assert.deepEqual(counts(), { spent: 6, limit: 6, open: false })

    receiver.consume(1)
    assert.equal(receiver.consume(1), true)
    const second = receiver.report()
    assert.deepEqual(second, { window: 4, consumed: 4 })
    sender.grant(second)
    send(40_000)
    assert.deepEqual(counts(), { spent: 9, limit: 8, open: false })

    receiver.consume(1)
    assert.equal(receiver.consume(1), true)
    const third = receiver.report()
    assert.deepEqual(third, { window: 4, consumed: 6 })
    sender.grant(third)
    assert.deepEqual(counts(), { spent: 9, limit: 10, open: true })
    send(100)
    assert.deepEqual(counts(), { spent: 10, limit: 10, open: false })
  })

  it('10: sends one item of a window of 1 for a grant that comes twice, and shrinks by none that is late', () => {
    const sender = new SendCredit(1)
    assert.equal(sendAll(sender), 1)
    const limits = [
      { window: 1, consumed: 1 },
      { window: 1, consumed: 1 },
      { window: 1, consumed: 0 },
    ].map(grant => {
      assert.equal(sender.grant(grant), undefined)
      return sender.limit
    })
    assert.deepEqual(limits, [2, 2, 2])
    assert.equal(sendAll(sender), 1)
  })

  it('11: passes 16 MiB through a window of 4, and goes on only when they were consumed', () => {
    const sender = new SendCredit(4)
    const receiver = new ReceiveCredit(4)
    const cost = creditCost(16 * MIB)
    sender.spend(cost)
    assert.equal(receiver.receive(cost), true)
    assert.equal(sender.open, false)
    assert.equal(receiver.receive(1), false)
    assert.equal(receiver.consume(cost), true)
    sender.grant(receiver.report())
    assert.equal(sender.limit, 1028)
    assert.equal(sendAll(sender), 4)
  })

  it('sends nothing before the first grant where it starts without a window', () => {
    const sender = new SendCredit(0)
    assert.equal(sender.open, false)
    sender.grant({ window: 3, consumed: 0 })
    assert.equal(sendAll(sender), 3)
  })

  it('takes a window that grows, and one that shrinks as soon as the larger one is used up', () => {
    const sender = new SendCredit(2)
    sendAll(sender)
    sender.grant({ window: 8, consumed: 1 })
    assert.equal(sender.limit, 9)
    sender.grant({ window: 2, consumed: 2 })
    assert.equal(sender.limit, 9)
    sendAll(sender)
    sender.grant({ window: 2, consumed: 9 })
    assert.equal(sender.limit, 11)
  })

  for (const [what, grant] of [
    ['a window of 0', { window: 0, consumed: 1 }],
    ['more consumed than was sent', { window: 4, consumed: 3 }],
    ['2^64 - 1 consumed', { window: 1, consumed: 2n ** 64n - 1n }],
  ] as const) {
    it(`calls a grant with ${what} a lie, and keeps its limit`, () => {
      const sender = new SendCredit(2)
      sendAll(sender)
      assert.equal(typeof sender.grant(grant), 'string')
      assert.equal(sender.limit, 2)
      assert.equal(sender.open, false)
    })
  }

  it('counts on exactly behind 2^32 units', () => {
    const sender = new SendCredit(1)
    sender.spend(2 ** 40 + 1)
    sender.grant({ window: 0x7fff_ffff, consumed: 2 ** 40 + 1 })
    assert.equal(sender.limit, 2 ** 40 + 2 ** 31)
  })
})

describe('a receiver', () => {
  for (const [window, due] of [
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
    [64, 32],
    [1024, 512],
  ] as const) {
    it(`reports after ${due} of a window of ${window}`, () => {
      const receiver = new ReceiveCredit(window)
      for (let i = 0; i < window; i++) receiver.receive(1)
      for (let i = 1; i <= due; i++) assert.equal(receiver.consume(1), i === due)
      assert.deepEqual(receiver.report(), { window, consumed: due })
    })
  }

  it('refuses an item without credit, and does not count it', () => {
    const receiver = new ReceiveCredit(2)
    assert.deepEqual([receiver.receive(1), receiver.receive(1), receiver.receive(1)], [true, true, false])
    assert.equal(receiver.unconsumed, 2)
  })

  it('refuses all items before the first report where nothing was granted', () => {
    const receiver = new ReceiveCredit(2, 0)
    assert.equal(receiver.receive(1), false)
    assert.deepEqual(receiver.report(), { window: 2, consumed: 0 })
    assert.equal(receiver.receive(1), true)
  })

  it('reports no more consumed than came', () => {
    const receiver = new ReceiveCredit(4)
    receiver.receive(1)
    receiver.consume(3)
    assert.deepEqual(receiver.report(), { window: 4, consumed: 1 })
    assert.equal(receiver.unconsumed, 0)
  })
})

describe('credit in time', () => {
  it(
    'goes back and forth a half window at a time, for a consumer that takes 2 frames an item over a link of 3 frames',
    marbles(({ expectObservable }) => {
      const sender = new SendCredit(4)
      const receiver = new ReceiveCredit(4)
      const source = of('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
      const waiting: string[] = []
      source.subscribe({ next: item => waiting.push(item), error: assert.fail })

      const arrivals = new Arrivals(receiver)
      const pump = (): void => {
        while (sender.open && waiting.length > 0) {
          sender.spend(1)
          of(waiting.shift()!)
            .pipe(delay(3))
            .subscribe({ next: item => arrivals.next(item), error: assert.fail })
        }
      }
      arrivals.grant = grant =>
        void of(grant)
          .pipe(
            delay(3),
            tap(late => sender.grant(late)),
          )
          .subscribe({ next: pump, error: assert.fail })
      pump()
      // Four come at 3; two are done at 7, reported, and answered by two more at 13.
      expectObservable(arrivals.done$.pipe(take(8))).toBe('-----a-b-c-d---e-f-g-(h|)')
    }),
  )
})

/** The receiving end of the diagram: works on one item after the other, two frames each. */
class Arrivals {
  readonly #items = new Subject<string>()
  readonly #receiver: ReceiveCredit
  grant: (grant: Grant) => void = () => undefined

  readonly done$: Observable<string> = this.#items.pipe(
    concatMap(item => of(item).pipe(delay(2))),
    tap(() => {
      if (this.#receiver.consume(1)) this.grant(this.#receiver.report())
    }),
  )

  constructor(receiver: ReceiveCredit) {
    this.#receiver = receiver
  }

  next(item: string): void {
    assert.equal(this.#receiver.receive(1), true)
    this.#items.next(item)
  }
}

/** What the simulated network and consumer do next. */
type Step =
  | { readonly what: 'deliver item' }
  | { readonly what: 'consume' }
  | { readonly what: 'deliver grant'; readonly which: number; readonly again: boolean }
  | { readonly what: 'lose grant'; readonly which: number }

/**
 * Both ends and what is under way between them. Items keep their order, as on a link. Grants do not have to: each may
 * come late, twice, in any order, or never, as long as a later one comes.
 */
class Simulation {
  readonly sender: SendCredit
  readonly receiver: ReceiveCredit
  readonly #window: number
  readonly #costs: number[]
  readonly #largest: number
  readonly #items: number[] = []
  readonly #held: number[] = []
  readonly #grants: Grant[] = []
  #consumed = 0
  received = 0

  constructor(window: number, costs: readonly number[], startsWithout: boolean) {
    this.#window = window
    this.#costs = [...costs]
    this.#largest = Math.max(1, ...costs)
    this.sender = new SendCredit(startsWithout ? 0 : window)
    this.receiver = new ReceiveCredit(window, startsWithout ? 0 : window)
    if (startsWithout) this.#grants.push(this.receiver.report())
    this.#send()
  }

  step(step: Step): void {
    if (step.what === 'deliver item') this.#deliver()
    else if (step.what === 'consume') this.#consume()
    else if (this.#grants.length > 0) {
      const at = step.which % this.#grants.length
      // The newest one is never lost: it stands for the last repeat.
      if (step.what === 'lose grant') {
        if (at < this.#grants.length - 1) this.#grants.splice(at, 1)
      } else {
        this.#grant(this.#grants[at]!)
        if (!step.again) this.#grants.splice(at, 1)
      }
    }
    this.#check()
  }

  /** Nothing is delayed any more. */
  settle(): void {
    while (this.#items.length + this.#held.length + this.#grants.length > 0) {
      if (this.#grants.length > 0) this.#grant(this.#grants.shift()!)
      else if (this.#items.length > 0) this.#deliver()
      else this.#consume()
      this.#check()
    }
  }

  get unsent(): number {
    return this.#costs.length
  }

  #send(): void {
    while (this.sender.open && this.#costs.length > 0) {
      const cost = this.#costs.shift()!
      this.sender.spend(cost)
      this.#items.push(cost)
    }
  }

  #deliver(): void {
    const cost = this.#items.shift()
    if (cost === undefined) return
    assert.equal(this.receiver.receive(cost), true, 'an honest sender was taken for a liar')
    this.#held.push(cost)
    this.received++
  }

  #consume(): void {
    const cost = this.#held.shift()
    if (cost === undefined) return
    this.#consumed += cost
    if (this.receiver.consume(cost)) this.#grants.push(this.receiver.report())
  }

  #grant(grant: Grant): void {
    const before = this.sender.limit
    assert.equal(this.sender.grant(grant), undefined, 'an honest receiver was taken for a liar')
    assert.ok(this.sender.limit >= before, `the limit fell from ${before} to ${this.sender.limit}`)
    this.#send()
  }

  #check(): void {
    const out = this.sender.spent - this.#consumed
    assert.ok(
      out < this.#window + this.#largest,
      `${out} units are under way, ${this.#window} + ${this.#largest} allowed`,
    )
    assert.ok(this.receiver.unconsumed <= out)
  }
}

describe('credit between two ends', () => {
  const cost = fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 40 }))
  const which = fc.nat(1000)
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.constant({ what: 'deliver item' } as const),
    fc.constant({ what: 'consume' } as const),
    fc.record({ what: fc.constant('deliver grant' as const), which, again: fc.boolean() }),
    fc.record({ what: fc.constant('lose grant' as const), which }),
  )

  it('bounds what is under way, breaches nothing and never stalls, whatever becomes of the grants', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(cost, { maxLength: 60 }),
        fc.boolean(),
        fc.array(step, { maxLength: 200 }),
        (window, costs, startsWithout, steps) => {
          const both = new Simulation(window, costs, startsWithout)
          for (const each of steps) both.step(each)
          both.settle()
          assert.equal(both.unsent, 0, 'the sender waits for ever')
          assert.equal(both.received, costs.length)
        },
      ),
      { numRuns: 500 },
    )
  })
})
