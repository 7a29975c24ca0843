/**
 * The frames of a linked pair, for diagrams and for people who read a failed spec.
 */
import { asyncScheduler, map, Observable, Subject } from 'rxjs'
import type { U64 } from '../protocol/bytes.ts'
import type { CallOnWire } from './ledger.ts'

/** A frame on the wire. */
export interface WireFrame {
  readonly direction: 'up' | 'down'
  /**
   * A letter. Up: `O` offer, `P` ping, `H` HELLO, `M` HEADERS, `R` REQUEST, `N` NEXT, `D` COMPLETE, `E` ERROR, `C` CREDIT, `X` CANCEL.
   * Down: `o` the answer to the offer, `p` pong, `h` HELLO, `n` NEXT, `d` DONE, `e` ERROR or ERRNO, `c` CREDIT, `x` CANCEL, `g` GOAWAY,
   * `b` the notice before a close. `?`: bytes that are no frame.
   */
  readonly kind: string
  /** Of the call; 0 for the connection. */
  readonly seq: U64
  /** Of the call; absent for the connection, and behind its end. */
  readonly action: number | string | undefined
  /** A line such as `REQUEST 2 Host.tail window=4`, `NEXT 2`, `CREDIT 2 +4@2` (window, consumed), `ERROR 2 rpc_canceled`. */
  readonly text: string
  /** Head and body. */
  readonly bytes: number
  /** When, in milliseconds since the pair was made. */
  readonly at: number
}

/**
 * Frames as they come. An Observable of a view emits to a new subscriber what came in this very millisecond before it, so the
 * order of the `expectObservable`s of a diagram does not matter.
 */
export interface WireView {
  readonly frames$: Observable<WireFrame>
  /** {@link WireFrame.kind}: `expectObservable(wire.up.kinds$).toBe('(OHR)')`. */
  readonly kinds$: Observable<string>
  /** {@link WireFrame.text}. */
  readonly texts$: Observable<string>
}

/** Both directions together, and each. */
export interface WireViews extends WireView {
  /** What the client sends. */
  readonly up: WireView
  /** What the server sends. */
  readonly down: WireView
}

/** The wire of a pair: its views show a frame when its sender hands it to the link. */
export interface Wire extends WireViews {
  /** The same when a frame reaches the receiver: later by latency and pace, without what vanished, with what came twice. */
  readonly arrived: WireViews
  /** The calls that have a slot: sent, and not answered; with their credit. */
  readonly calls: readonly CallOnWire[]
  /** The call with a seq, or the newest one of a name such as `Host.tail`, where it has a slot. */
  call(which: string | U64): CallOnWire | undefined
  /** The last 10,000 frames that were sent, one a line: time, direction, text. */
  toString(): string
}

/** Lines that are kept. */
const KEPT = 10_000

export class View implements WireView {
  readonly frames$: Observable<WireFrame>
  readonly kinds$: Observable<string>
  readonly texts$: Observable<string>
  readonly #frames = new Subject<WireFrame>()
  /** Those of the last millisecond in which there was any, and when that was. */
  #latest: WireFrame[] = []
  #latestAt = 0

  constructor() {
    this.frames$ = new Observable(subscriber => {
      if (asyncScheduler.now() === this.#latestAt) for (const frame of this.#latest) subscriber.next(frame)
      return this.#frames.subscribe(subscriber)
    })
    this.kinds$ = this.frames$.pipe(map(({ kind }) => kind))
    this.texts$ = this.frames$.pipe(map(({ text }) => text))
  }

  add(frame: WireFrame): void {
    const now = asyncScheduler.now()
    if (now !== this.#latestAt) this.#latest = []
    this.#latestAt = now
    this.#latest.push(frame)
    this.#frames.next(frame)
  }
}

export class Views extends View implements WireViews {
  readonly up: View = new View()
  readonly down: View = new View()

  override add(frame: WireFrame): void {
    super.add(frame)
    this[frame.direction].add(frame)
  }
}

/** What is sent, and what becomes of it. */
export class PairWire extends Views implements Wire {
  readonly arrived: Views = new Views()
  readonly #calls: () => CallOnWire[]
  #lines: string[] = []

  constructor(calls: () => CallOnWire[]) {
    super()
    this.#calls = calls
  }

  get calls(): CallOnWire[] {
    return this.#calls()
  }

  call(which: string | U64): CallOnWire | undefined {
    return this.calls.filter(call => (typeof which === 'string' ? call.action : call.seq) === which).at(-1)
  }

  override add(frame: WireFrame): void {
    const arrow = frame.direction === 'up' ? '->' : '<-'
    this.#lines.push(`${String(frame.at).padStart(8)} ${arrow} ${frame.text}`)
    if (this.#lines.length >= 2 * KEPT) this.#lines = this.#lines.slice(-KEPT)
    super.add(frame)
  }

  override toString(): string {
    return this.#lines.slice(-KEPT).join('\n')
  }
}
