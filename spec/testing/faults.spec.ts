/** The weather of a linked pair's link: latency, pace, and faults as letters of a diagram. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  asyncScheduler,
  catchError,
  concatMap,
  delay,
  filter,
  interval,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  repeat,
  take,
  timer,
  toArray,
} from 'rxjs'
import { implement, RpcError, service, stream, unary } from '../../lib/index.ts'
import { type Fault, type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Lab = service('Lab', {
  echo: unary<string, string>(),
  slow: unary<number, number>(),
  never: unary(),
  count: stream<number, number>(),
  ticks: stream<number, number>(),
  bytes: stream<number, Uint8Array>(),
})

function labOf(options: LinkedPairOptions = {}) {
  const pulled = { items: 0 }
  const lab = implement(Lab, {
    echo: text => text,
    slow: ms => timer(ms).pipe(map(() => ms)),
    never: () => NEVER,
    count: function* (n) {
      for (let i = 0; i < n; i++) yield i
    },
    ticks: ms => interval(ms),
    bytes: function* (size) {
      for (;;) {
        pulled.items++
        yield new Uint8Array(size)
      }
    },
  })
  const pair = linkedPair({ services: [lab], ...options })
  return { ...pair, lab: pair.client.use(Lab), pulled }
}

/** The code of the error that ends a source. */
const code$ = (source: Observable<unknown>): Observable<unknown> =>
  source.pipe(catchError(error => of(RpcError.from(error).code)))

describe('latency', () => {
  it(
    'is given for each direction',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ up: { latencyMs: 10 }, down: { latencyMs: 20 } })
      expectObservable(lab.echo('e')).toBe('60ms (e|)') // two ways there, two back
      expectObservable(wire.up.kinds$).toBe('O 29ms (HR)')
      expectObservable(wire.arrived.up.kinds$).toBe('10ms O 29ms (HR)')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'may change, and where it shrinks no frame overtakes another',
    marbles(({ cold, expectObservable }) => {
      const latencyMs = cold('a 9ms b 4ms c', { a: 0, b: 30, c: 1 })
      const { lab } = labOf({ down: { latencyMs } })
      expectObservable(
        timer(5, 6).pipe(
          take(3),
          mergeMap(i => lab.echo(String(i))),
        ),
      ).toBe('-----0 35ms (12|)')
    }),
  )
})

describe('a link that takes so many bytes a millisecond', () => {
  it(
    'lets a frame go when its last byte does',
    marbles(({ expectObservable }) => {
      const { lab, wire } = labOf({ client: { version: 1 }, up: { bytesPerMs: 10 } })
      // 32 bytes of head, 8 of the name, 2 of the argument.
      expectObservable(lab.echo('e')).toBe('5ms (e|)')
      expectObservable(wire.up.kinds$).toBe('R')
      expectObservable(wire.arrived.up.kinds$).toBe('-----R')
    }),
  )

  it(
    'shows the high-water mark: what can be pulled is pulled no faster than it leaves',
    marbles(({ expectObservable, flush }) => {
      const { lab, pulled, close } = labOf({ down: { bytesPerMs: 100 }, highWaterMarkBytes: 1_000 })
      const got: number[] = []
      lab.bytes(480).subscribe({ next: () => got.push(asyncScheduler.now()), error: () => {} })
      expectObservable(
        timer(30, 100).pipe(
          take(3),
          map(() => pulled.items - got.length <= 5),
        ),
      ).toBe('30ms a 99ms a 99ms (a|)', { a: true })
      timer(300).subscribe({ next: close, error: assert.fail })
      flush()
      assert.ok(got.length > 50, `${got.length} items came`)
      for (let i = 1; i < got.length; i++) assert.equal(got[i]! - got[i - 1]!, 5)
    }),
  )

  it('takes more than 0', () => {
    assert.throws(() => labOf({ up: { bytesPerMs: 0 } }), /^TypeError: bytesPerMs must be above 0, not 0$/)
    assert.throws(() => labOf({ up: { latencyMs: -1 } }), /^TypeError: latencyMs must be 0 or more, not -1$/)
  })
})

describe('the fault', () => {
  it(
    'x loses the link: both ends hear of it, and the next call dials anew',
    marbles(({ expectObservable, flush }) => {
      const { lab, server, wire, expectNoLeaks } = labOf({ up: { faults: '-----x' } })
      expectObservable(code$(lab.never())).toBe('-----(c|)', { c: 'rpc_io_err' })
      expectObservable(timer(5).pipe(map(() => server.stats().calls))).toBe('-----(0|)', { 0: 0 })
      expectObservable(timer(9).pipe(concatMap(() => lab.echo('e')))).toBe('---------(e|)')
      expectObservable(wire.up.kinds$).toBe('(OHR)----(OHR)')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'h lets everything vanish until o, and nobody is told',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ up: { faults: '--h-----o' } })
      expectObservable(
        timer(0, 5).pipe(
          take(3),
          concatMap(i => code$(lab.echo(String(i), { timeoutMs: 20 }))),
        ),
      ).toBe('0 49ms (c2|)', { 0: '0', c: 'rpc_timeout', 2: '2' })
      expectObservable(wire.up.kinds$.pipe(filter(kind => kind === 'R'))).toBe('R----R 44ms R')
      expectObservable(wire.arrived.up.kinds$.pipe(filter(kind => kind === 'R'))).toBe('R 49ms R')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    's stops the reader and f lets it go on: above the mark nothing is pulled',
    marbles(({ expectObservable }) => {
      const { lab, pulled, close } = labOf({ down: { faults: '-s 40ms f' }, highWaterMarkBytes: 1_000 })
      expectObservable(
        timer(5).pipe(
          concatMap(() =>
            lab.bytes(480).pipe(
              take(4),
              map(bytes => bytes.length),
            ),
          ),
        ),
      ).toBe('42ms (aaaa|)', { a: 480 })
      expectObservable(
        timer(20, 10).pipe(
          take(2),
          map(() => pulled.items),
        ),
      ).toBe('20ms a 9ms (a|)', { a: 0 })
      timer(80).subscribe({ next: close, error: assert.fail })
    }),
  )

  it(
    'd lets the next frame come twice: an answer nobody waits for any more is counted',
    marbles(({ expectObservable, flush }) => {
      const { lab, client, wire, expectNoLeaks } = labOf({ down: { faults: '---d' } })
      expectObservable(lab.slow(5)).toBe('-----(5|)', { 5: 5 })
      expectObservable(wire.arrived.down.kinds$).toBe('(oh)-(dd)')
      expectObservable(timer(7).pipe(map(() => client.stats().lateAnswers))).toBe('-------(1|)', { 1: 1 })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'd on a request breaks the link, and the handler runs once',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ up: { faults: '---d' } })
      expectObservable(code$(lab.slow(9))).toBe('-----(c|)', { c: 'rpc_io_err' })
      expectObservable(timer(5).pipe(concatMap(() => code$(lab.never())))).toBe('-----(c|)', { c: 'rpc_io_err' })
      expectObservable(wire.arrived.up.kinds$).toBe('(OHR)(RR)')
      expectObservable(wire.down.kinds$).toBe('(oh)-b')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'r lets the answer of another call go first, and never changes the order within a call',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ down: { faults: '-r' } })
      expectObservable(lab.slow(3)).toBe('-----(3|)', { 3: 3 })
      expectObservable(lab.slow(5)).toBe('-----(5|)', { 5: 5 })
      expectObservable(wire.arrived.down.texts$).toBe('(oh)-(ba)', {
        o: 'pong 1 of version 2',
        h: 'HELLO',
        a: 'DONE 2',
        b: 'DONE 3',
      })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'g puts garbage between two frames: each end breaks off, and says so as far as it can',
    marbles(({ expectObservable, flush }) => {
      const up = labOf({ up: { faults: '--g' } })
      expectObservable(code$(up.lab.never())).toBe('--(c|)', { c: 'rpc_io_err' })
      expectObservable(up.wire.down.texts$.pipe(filter(text => text.startsWith('notice')))).toBe('--b', {
        b: 'notice rpc_protocol',
      })
      const down = labOf({ down: { faults: '--g' } })
      expectObservable(code$(down.lab.never())).toBe('--(c|)', { c: 'rpc_io_err' })
      expectObservable(down.wire.up.kinds$).toBe('(OHR)')
      // As with sockets the server hears of it by a reset, when what it sends is no longer read.
      expectObservable(
        timer(2_001, 2).pipe(
          take(2),
          map(() => down.server.stats().calls),
        ),
      ).toBe('2001ms 1-(0|)', {
        0: 0,
        1: 1,
      })
      flush()
      up.expectNoLeaks()
      down.expectNoLeaks()
    }),
  )

  it(
    'of bytes puts those on the link: a frame that was never sent',
    marbles(({ cold, expectObservable }) => {
      const forged = Uint8Array.of(0x25, 0x4d, 2, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
      const { lab } = labOf({ down: { faults: cold<Fault>('---a', { a: forged }) } })
      expectObservable(lab.never().pipe(catchError(({ message }) => of(message)))).toBe('---(c|)', {
        c: 'Lab.never: lost its connection: response has seq 99, the highest sent is 2',
      })
    }),
  )

  it('is refused where the letter is none', () => {
    const wrong = /^TypeError: a fault is one of x h o s f d r g, not q$/
    assert.throws(() => labOf({ up: { faults: '--q' } }), wrong)
    assert.throws(() => labOf({ up: { faults: '--#' } }), /^TypeError: a fault is one of .*, not #$/)
  })

  it(
    'may come from any Observable',
    marbles(({ expectObservable, hot }) => {
      const { lab } = labOf({ down: { faults: hot<Fault>('---x---x') } })
      expectObservable(code$(lab.never()).pipe(delay(1), repeat(2))).toBe('----c---(c|)', { c: 'rpc_io_err' })
    }),
  )
})

describe('frames that are held back and overtaken at random', () => {
  it('reach each of many streams in order, and all of them', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 20 }), fc.integer({ min: 1, max: 4 }), (times, window) => {
        marbles(({ flush }) => {
          const faults = of(...times).pipe(concatMap(ms => timer(ms).pipe(map(() => 'r' as const))))
          const { lab, expectNoLeaks } = labOf({ down: { faults, latencyMs: 1 } })
          const seen: number[][] = []
          for (const n of [7, 9, 30]) {
            const items$ = lab.count(n, { window })
            items$.pipe(toArray()).subscribe({ next: items => seen.push(items), error: assert.fail })
          }
          // Goes on as long as there may be frames to overtake.
          lab.ticks(1).pipe(take(300)).subscribe({ error: assert.fail })
          flush()
          assert.deepEqual(
            seen.map(items => items.length).sort((a, b) => a - b),
            [7, 9, 30],
          )
          for (const items of seen) assert.deepEqual(items, [...items.keys()])
          expectNoLeaks()
        })()
      }),
      { numRuns: 20, includeErrorInReport: true },
    )
  })
})
