/**
 * Chunks to frames: where frames come out, how a gate holds them back, and how each side ends.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concat, defer, map, type Observable, of, Subject, take, tap } from 'rxjs'
import { frames } from '../../lib/flow/frames.ts'
import { Gate } from '../../lib/flow/gate.ts'
import { requestFramer } from '../../lib/protocol/frames.ts'
import { marbles } from '../support/marbles.ts'

interface Pair {
  readonly name: string
  skipped: boolean
  msg: Uint8Array
  blob: Uint8Array
}

/** A framer whose frames are two equal bytes; two different ones are an error. */
class PairFramer {
  #bytes: number[] = []

  push(chunk: Uint8Array): void {
    if (chunk.length > 100) throw 'chunk'
    this.#bytes.push(...chunk)
  }

  next(): Pair | undefined {
    if (this.#bytes.length < 2) return undefined
    const [left, right] = this.#bytes.splice(0, 2)
    if (left !== right) throw 'error'
    return { name: String.fromCharCode(left!), skipped: false, msg: new Uint8Array(), blob: new Uint8Array() }
  }
}

const bytes = (text: string): Uint8Array => Uint8Array.from(text, char => char.charCodeAt(0))

/** Under each marble a chunk: one frame, three, halves, a frame and a half, and a good one before a bad one. */
const CHUNKS = {
  a: bytes('aa'),
  b: bytes('bb'),
  t: bytes('aabbcc'),
  l: bytes('a'),
  r: bytes('a'),
  h: bytes('aab'),
  i: bytes('b'),
  x: bytes('aabbx!cc'),
  o: new Uint8Array(101),
}

/** The names of the frames, which in the diagrams are their marbles. */
function names(gate?: Gate, framer = new PairFramer()): (chunks$: Observable<Uint8Array>) => Observable<string> {
  return chunks$ =>
    chunks$.pipe(
      frames(framer, gate),
      map(frame => frame.name),
    )
}

describe('frames', () => {
  it(
    'emits nothing for a source that stays silent',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const chunks = cold('-', CHUNKS)
      const subs = '       ^'
      const expected = '   -'
      expectObservable(chunks.pipe(names())).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'completes with a source that has no chunk',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const chunks = cold('---|', CHUNKS)
      const subs = '       ^--!'
      const expected = '   ---|'
      expectObservable(chunks.pipe(names())).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'emits the one frame of a chunk',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const chunks = cold('-a-|', CHUNKS)
      const subs = '       ^--!'
      const expected = '   -a-|'
      expectObservable(chunks.pipe(names())).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'emits each frame when its last byte has come',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const chunks = hot(' -t----l-r-h-i-|', CHUNKS)
      const subs = '       ^-------------!'
      const expected = '   -(abc)--a-a-b-|'
      expectObservable(chunks.pipe(names())).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'drops an incomplete frame when the source completes',
    marbles(({ hot, expectObservable }) => {
      const chunks = hot(' -h-|', CHUNKS)
      const expected = '   -a-|'
      expectObservable(chunks.pipe(names())).toBe(expected)
    }),
  )

  it(
    'passes the error of the source on',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const chunks = hot(' -h-#', CHUNKS)
      const subs = '       ^--!'
      const expected = '   -a-#'
      expectObservable(chunks.pipe(names())).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'errors with what the framer throws, after the frames before it and before those behind it',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const chunks = hot(' -x-----a-|', CHUNKS)
      const subs = '       ^!'
      const expected = '   -(ab#)'
      expectObservable(chunks.pipe(names())).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'errors with what the framer throws when it takes a chunk',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const chunks = hot(' -a-o-a-|', CHUNKS)
      const subs = '       ^--!'
      const expected = '   -a-#'
      expectObservable(chunks.pipe(names())).toBe(expected, undefined, 'chunk')
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'lets go of the source when it is unsubscribed',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const chunks = hot(' -a-t-----a-|', CHUNKS)
      const unsub = '      ^-!'
      const subs = '       ^-!'
      const expected = '   -a---------'
      expectObservable(chunks.pipe(names()), unsub).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'lets go of the source between two frames of a chunk',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const chunks = hot(' -a-t-----a-|', CHUNKS)
      const subs = '       ^--!'
      const expected = '   -a-(a|)'
      expectObservable(chunks.pipe(names(), take(2))).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it('stops a source that emits while it is subscribed to', () => {
    const made: string[] = []
    const chunk = (name: string): Observable<Uint8Array> =>
      defer(() => {
        made.push(name)
        return of(bytes(name))
      })
    const heard: string[] = []
    concat(chunk('aa'), chunk('bb'), chunk('cc'))
      .pipe(names(), take(2))
      .subscribe({ next: name => heard.push(name), error: assert.fail, complete: () => heard.push('complete') })
    assert.deepEqual(made, ['aa', 'bb'])
    assert.deepEqual(heard, ['a', 'b', 'complete'])
  })

  it('asks the framer for no frame that nobody takes', () => {
    const framer = new PairFramer()
    const heard: string[] = []
    of(bytes('aabb'))
      .pipe(names(undefined, framer), take(1))
      .subscribe({ next: name => heard.push(name), error: assert.fail })
    assert.deepEqual(heard, ['a'])
    assert.equal(framer.next()?.name, 'b')
  })

  it('gives the same frames of the real framer at every cut', () => {
    const head = (seq: number, msg: number, blob: number): number[] => {
      const bytes = new DataView(new ArrayBuffer(32))
      bytes.setUint16(0, 19749, true)
      bytes.setUint8(2, 1)
      bytes.setUint32(4, 7, true)
      bytes.setUint32(8, seq, true)
      bytes.setUint32(24, msg, true)
      bytes.setUint32(28, blob, true)
      return [...new Uint8Array(bytes.buffer)]
    }
    const wire = Uint8Array.from([...head(1, 3, 0), 0x93, 1, 2, ...head(2, 1, 2), 0xc0, 8, 9])
    const read = (...chunks: Uint8Array[]): unknown[] => {
      const seen: unknown[] = []
      of(...chunks)
        .pipe(frames(requestFramer()))
        .subscribe({ next: f => seen.push([f.seq, f.action, [...f.msg], [...f.blob]]), error: assert.fail })
      return seen
    }
    const whole = [
      [1, 7, [0x93, 1, 2], []],
      [2, 7, [0xc0], [8, 9]],
    ]
    for (let cut = 0; cut <= wire.length; cut++) {
      assert.deepEqual(read(wire.subarray(0, cut), wire.subarray(cut)), whole, `cut at ${cut}`)
    }
    assert.deepEqual(read(...[...wire].map(byte => Uint8Array.of(byte))), whole, 'one byte at a time')
  })
})

/** Holds the gate at `c` and releases it at `o`. */
function turning(gate: Gate, turns$: Observable<string>): void {
  turns$.subscribe({ next: turn => (turn === 'c' ? gate.hold('spec') : gate.release('spec')), error: assert.fail })
}

/** Holds the gate from within the frame of this name. */
function holdAt(gate: Gate, name: string): (frames$: Observable<string>) => Observable<string> {
  return tap(frame => frame === name && gate.hold('spec'))
}

describe('frames behind a gate', () => {
  it(
    'takes chunks while the gate is closed, and emits their frames when it opens',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const gate = new Gate()
      turning(gate, hot('  --c-------o-----'))
      const chunks = hot(' -a--a-t-l-------|', CHUNKS)
      const subs = '       ^---------------!'
      const expected = '   -a--------(aabc)|'
      expectObservable(chunks.pipe(names(gate))).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'stops in the middle of a chunk when a frame closes the gate, and goes on behind that frame',
    marbles(({ hot, expectObservable }) => {
      const gate = new Gate()
      turning(gate, hot('  ------o-----'))
      const chunks = hot(' -t--------a|', CHUNKS)
      const expected = '   -(ab)-c---a|'
      expectObservable(chunks.pipe(names(gate), holdAt(gate, 'b'))).toBe(expected)
    }),
  )

  it(
    'goes on by itself when a frame closes the gate and opens it again',
    marbles(({ hot, expectObservable }) => {
      const gate = new Gate()
      const chunks = hot(' -t-----|', CHUNKS)
      const expected = '   -(abc)-|'
      const blink = tap(() => {
        gate.hold('spec')
        gate.release('spec')
      })
      expectObservable(chunks.pipe(names(gate), blink)).toBe(expected)
    }),
  )

  it(
    'completes only when the gate is open and the last frame is out',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const gate = new Gate()
      turning(gate, hot('  --c---o--'))
      const chunks = hot(' ---a|', CHUNKS)
      const subs = '       ^---!'
      const expected = '   ------(a|)'
      expectObservable(chunks.pipe(names(gate))).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it(
    'holds the completion back although no frame is left',
    marbles(({ hot, expectObservable }) => {
      const gate = new Gate()
      turning(gate, hot('  --c---o--'))
      const chunks = hot(' -a--|', CHUNKS)
      const expected = '   -a----|'
      expectObservable(chunks.pipe(names(gate))).toBe(expected)
    }),
  )

  it(
    'errors with the source at once, whatever the gate holds back',
    marbles(({ hot, expectObservable }) => {
      const gate = new Gate()
      turning(gate, hot('  --c---o--'))
      const chunks = hot(' ---a#', CHUNKS)
      const expected = '   ----#'
      expectObservable(chunks.pipe(names(gate))).toBe(expected)
    }),
  )

  it(
    'finds what is wrong only when the gate lets it look',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const gate = new Gate()
      turning(gate, hot('  --c---o----'))
      const chunks = hot(' ---x-----a-|', CHUNKS)
      const subs = '       ^-----!'
      const expected = '   ------(ab#)'
      expectObservable(chunks.pipe(names(gate))).toBe(expected)
      expectSubscriptions(chunks.subscriptions).toBe(subs)
    }),
  )

  it('emits the frames of a chunk that comes from within a frame behind those that came before it', () => {
    const heard: string[] = []
    const chunks$ = new Subject<Uint8Array>()
    chunks$.pipe(names()).subscribe({
      next: name => {
        heard.push(name)
        if (name === 'a') chunks$.next(bytes('dd'))
        if (name === 'd') chunks$.complete()
      },
      error: assert.fail,
      complete: () => heard.push('complete'),
    })
    chunks$.next(bytes('aabb'))
    assert.deepEqual(heard, ['a', 'b', 'd', 'complete'])
  })

  for (const [end, chunks$] of [
    ['completes', of(bytes('aa'))],
    ['errors', of(bytes('xy'))],
    ['is unsubscribed', new Subject<Uint8Array>()],
  ] as const) {
    it(`lets go of the gate when it ${end}`, () => {
      const gate = new Gate()
      let observers = 0
      const changes$ = gate.changes$.pipe(
        tap({
          subscribe: () => observers++,
          finalize: () => observers--,
        }),
      )
      Object.defineProperty(gate, 'changes$', { value: changes$ })
      let ends = 0
      const ended = (): number => ends++
      const subscription = (chunks$ as Observable<Uint8Array>)
        .pipe(names(gate))
        .subscribe({ error: ended, complete: ended })
      if (ends === 0) assert.equal(observers, 1)
      if (ends === 0) subscription.unsubscribe()
      assert.equal(observers, 0)
    })
  }
})
