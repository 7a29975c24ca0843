/**
 * Who goes on when a link was behind, and in which order; nobody is forgotten who did not ask for it.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { take, VirtualTimeScheduler } from 'rxjs'
import type { Pumpable } from '../../lib/flow/turns.ts'
import { implement, service, stream } from '../../lib/index.ts'
import { linkedPair } from '../../lib/testing/index.ts'
import { Outflow } from '../../lib/transport/outflow.ts'
import { LinkWriter } from '../../lib/transport/writer.ts'
import { marbles } from '../support/marbles.ts'
import { RecordingLink } from '../support/recording-link.ts'

const MARK = 1000

class TurnLink extends RecordingLink {
  readonly turn: VirtualTimeScheduler = new VirtualTimeScheduler()
}

/** A link, its writer and its outflow, with a mark of 1,000 bytes. */
class Arena {
  readonly link = new TurnLink()
  readonly writer = new LinkWriter(this.link)
  readonly outflow = new Outflow(this.writer, this.link, MARK)
  readonly order: string[] = []

  /** A producer that does `act` when it goes on. */
  producer(name: string, act: (self: Pumpable) => void = () => undefined): Pumpable {
    const self: Pumpable = {
      pump: () => {
        this.order.push(name)
        act(self)
      },
    }
    return self
  }

  /** Puts the link behind by so many bytes. */
  behind(bytes: number): void {
    this.write(1)
    this.writer.flush()
    this.link.unsentBytes = bytes
  }

  drain(): void {
    this.link.unsentBytes = 0
    this.link.drained$.next()
  }

  write(bytes: number): void {
    const at = this.writer.begin(bytes)
    this.writer.slab.fill(1, at, at + bytes)
    this.writer.end(new Uint8Array(0))
  }

  /** All that is scheduled for the end of the turn. */
  turn(): void {
    this.link.turn.flush()
  }
}

describe('the outflow of a link', () => {
  it('is open up to its mark', () => {
    const arena = new Arena()
    const { outflow, link } = arena
    assert.equal(outflow.open, true)
    arena.behind(MARK)
    assert.equal(outflow.open, true)
    link.unsentBytes = MARK + 1
    assert.equal(outflow.open, false)
  })

  it('counts what the writer still holds', () => {
    const arena = new Arena()
    arena.write(MARK + 1)
    assert.equal(arena.outflow.open, false)
  })

  it('lets all who waited go on when the link has drained, once, in the order in which they came', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    arena.behind(5000)
    const first = arena.producer('first')
    outflow.wait(first)
    outflow.wait(arena.producer('second'))
    outflow.wait(first)
    arena.turn()
    assert.deepEqual(order, [])
    arena.drain()
    assert.deepEqual(order, ['first', 'second'])
    arena.drain()
    assert.deepEqual(order, ['first', 'second'])
  })

  it('wakes whoever waits again from within being woken, at the next drain', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    const again = arena.producer('again', self => {
      arena.behind(5000)
      outflow.wait(self)
    })
    arena.behind(5000)
    outflow.wait(again)
    arena.drain()
    arena.drain()
    arena.drain()
    assert.deepEqual(order, ['again', 'again', 'again'])
    outflow.destroy()
  })

  it('wakes those behind one that filled the link again, at the next drain at the latest', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    const greedy = arena.producer('greedy', () => arena.behind(5000))
    arena.behind(5000)
    outflow.wait(greedy)
    outflow.wait(arena.producer('patient'))
    arena.drain()
    assert.deepEqual(order, ['greedy'])
    arena.drain()
    assert.deepEqual(order, ['greedy', 'patient'])
    assert.equal(outflow.open, true)
  })

  it('never wakes anybody from within its wait, but at the end of the turn where the link is below its mark', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    // The link takes what the writer holds at once: only a flush is missing.
    arena.write(MARK + 1)
    assert.equal(outflow.open, false)
    outflow.wait(arena.producer('one'))
    outflow.wait(arena.producer('two'))
    assert.equal(outflow.open, true)
    assert.deepEqual(order, [])
    arena.turn()
    assert.deepEqual(order, ['one', 'two'])
  })

  it('wakes nobody who was forgotten, nor whoever is forgotten by one that is woken', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    const ended = arena.producer('ended')
    const victim = arena.producer('victim')
    arena.behind(5000)
    outflow.wait(ended)
    outflow.wait(arena.producer('ends another', () => outflow.forget(victim)))
    outflow.wait(victim)
    outflow.forget(ended)
    arena.drain()
    assert.deepEqual(order, ['ends another'])
  })

  it('gives turns at the end of a turn, in the order in which they were asked for', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    let rounds = 0
    for (const name of ['a', 'b']) {
      outflow.yield(
        arena.producer(name, self => {
          if (++rounds < 6) outflow.yield(self)
        }),
      )
    }
    assert.deepEqual(order, [])
    arena.turn()
    assert.equal(order.join(''), 'abababa')
  })

  it('lets those who wait go first with the turns of the others, where the link is far enough ahead before it has drained', () => {
    const arena = new Arena()
    const { outflow, link, order } = arena
    arena.behind(MARK + 1)
    outflow.wait(arena.producer('waits'))
    outflow.yield(arena.producer('yields'))
    link.unsentBytes = MARK
    arena.turn()
    assert.deepEqual(order, ['waits', 'yields'])
    arena.drain()
    assert.deepEqual(order, ['waits', 'yields'])
  })

  it('gives no turn to whoever was forgotten', () => {
    const arena = new Arena()
    const { outflow, order } = arena
    const ended = arena.producer('ended')
    outflow.yield(ended)
    outflow.yield(arena.producer('other'))
    outflow.forget(ended)
    arena.turn()
    assert.deepEqual(order, ['other'])
  })

  it('lets those go on first the next time whom others left no room', () => {
    const arena = new Arena()
    const { outflow } = arena
    const wrote: string[] = []
    const writing = (name: string, times: number): Pumpable =>
      arena.producer(name, self => {
        if (outflow.open) {
          wrote.push(name)
          arena.behind(5000)
          times--
        }
        if (times > 0) outflow.wait(self)
      })
    arena.behind(5000)
    for (const producer of [writing('a', 3), writing('b', 1), writing('c', 2)]) outflow.wait(producer)
    for (let i = 0; i < 7; i++) arena.drain()
    assert.deepEqual(wrote, ['a', 'b', 'c', 'a', 'c', 'a'])
  })

  it('wakes nobody after it was destroyed, and listens to the link no more', () => {
    const arena = new Arena()
    const { outflow, order, link } = arena
    arena.behind(5000)
    outflow.wait(arena.producer('waiting'))
    outflow.yield(arena.producer('yielded'))
    outflow.destroy()
    assert.equal(link.drained$.observed, false)
    arena.drain()
    arena.turn()
    assert.deepEqual(order, [])
  })

  it('wakes nobody where the link ends instead of draining', () => {
    const arena = new Arena()
    const { outflow, order, link } = arena
    arena.behind(5000)
    outflow.wait(arena.producer('waiting'))
    link.drained$.complete()
    arena.turn()
    assert.deepEqual(order, [])
  })

  it('tells by `below` when the link is far enough ahead', () => {
    const arena = new Arena()
    const told: string[] = []
    arena.behind(5000)
    arena.outflow
      .below()
      .subscribe({ next: () => told.push('below'), error: assert.fail, complete: () => told.push('|') })
    assert.deepEqual(told, [])
    arena.drain()
    assert.deepEqual(told, ['below', '|'])
  })
})

const Blobs = service('Blobs', { endless: stream<void, Uint8Array>() })

const blobs = implement(Blobs, {
  *endless() {
    for (;;) yield new Uint8Array(480)
  },
})

it(
  'producers that fill a link above its mark go on each time it has drained, all of them',
  marbles(({ flush }) => {
    const { client, expectNoLeaks } = linkedPair({
      services: [blobs],
      down: { bytesPerMs: 500 },
      highWaterMarkBytes: 1_000,
    })
    const came = [0, 0, 0]
    for (const i of came.keys()) {
      const items$ = client.use(Blobs).endless().pipe(take(100))
      items$.subscribe({ next: () => came[i]!++, error: assert.fail })
    }
    flush()
    assert.deepEqual(came, [100, 100, 100])
    expectNoLeaks()
  }),
)
