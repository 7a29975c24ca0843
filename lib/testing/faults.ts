/**
 * What can be wrong with one direction of a link, as letters of a marble diagram, and what is wrong with it right now.
 */
import { asyncScheduler, isObservable, Observable, Subject, Subscription } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'

/**
 * What happens to a direction at a moment. Bytes, of whole frames or of none, are put between two frames as if the sender had sent
 * them.
 *
 * | letter | from here on |
 * |---|---|
 * | `x` | the link is lost: both ends get `rpc_io_err`; a further call dials anew |
 * | `h` | half-open: what is sent vanishes, the end of the link too, and nobody is told |
 * | `o` | open again |
 * | `s` | the reader is stuck: what is sent stays unsent |
 * | `f` | it flows again |
 * | `d` | the next frame comes twice |
 * | `r` | the next frame of a call comes after one of another call, or a second later; frames of one call keep their order |
 * | `g` | garbage comes: {@link GARBAGE} |
 */
export type Fault = FaultLetter | Uint8Array

/** The letters of {@link Fault}. */
export type FaultLetter = 'x' | 'h' | 'o' | 's' | 'f' | 'd' | 'r' | 'g'

/** How one direction of the link behaves. Times in milliseconds, which are the frames of a diagram in `TestScheduler.run`. */
export interface DirectionOptions {
  /** From the last byte of a frame that leaves to its arrival; order is kept where it gets shorter. Default 0. */
  readonly latencyMs?: number | Observable<number>
  /** What the link takes; the rest is unsent. A frame leaves when its last byte does. Default: no limit. */
  readonly bytesPerMs?: number
  /** A diagram of {@link FaultLetter}s, from the making of the pair on, or an Observable of faults. Default: none. */
  readonly faults?: string | Observable<Fault>
}

/** What the fault `g` puts on the link: no frame begins like this. */
export const GARBAGE: Uint8Array = new TextEncoder().encode('this is no frame')

const LETTERS: ReadonlySet<string> = new Set<FaultLetter>(['x', 'h', 'o', 's', 'f', 'd', 'r', 'g'])

/** The state of one direction, shared by all links of a pair. */
export class Conditions {
  latencyMs = 0
  readonly bytesPerMs: number
  /** What is sent vanishes. */
  vanishing = false
  /** The reader takes nothing. */
  stuck = false
  /** Frames that are still to come twice. */
  twice = 0
  /** Frames that are still to be overtaken. */
  overtaken = 0
  readonly #faults = new Subject<Fault>()
  readonly #scripts = new Subscription()

  /** Each fault, after the state took notice of it. */
  readonly faults$: Observable<Fault> = this.#faults.asObservable()

  /** Throws a `TypeError` for options that are none. */
  constructor(options: DirectionOptions, failed: (error: unknown) => void) {
    const { latencyMs = 0, bytesPerMs = Number.POSITIVE_INFINITY, faults } = options
    if (!(bytesPerMs > 0)) throw new TypeError(`bytesPerMs must be above 0, not ${bytesPerMs}`)
    this.bytesPerMs = bytesPerMs
    if (isObservable(latencyMs)) {
      this.#scripts.add(latencyMs.subscribe({ next: ms => this.#setLatency(ms), error: failed }))
    } else this.#setLatency(latencyMs)
    const faults$ = typeof faults === 'string' ? script(faults) : faults
    if (faults$ !== undefined)
      this.#scripts.add(faults$.subscribe({ next: fault => this.#happens(fault), error: failed }))
  }

  /** Nothing further happens. */
  stop(): void {
    this.#scripts.unsubscribe()
  }

  #setLatency(ms: number): void {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) throw new TypeError(`latencyMs must be 0 or more, not ${ms}`)
    this.latencyMs = ms
  }

  #happens(fault: Fault): void {
    if (typeof fault === 'string') checkLetter(fault)
    if (fault === 'h' || fault === 'o') this.vanishing = fault === 'h'
    else if (fault === 's' || fault === 'f') this.stuck = fault === 's'
    else if (fault === 'd') this.twice++
    else if (fault === 'r') this.overtaken++
    this.#faults.next(fault)
  }
}

function checkLetter(letter: string): asserts letter is FaultLetter {
  if (!LETTERS.has(letter)) throw new TypeError(`a fault is one of ${[...LETTERS].join(' ')}, not ${letter}`)
}

/** The faults of a diagram, at their times. Throws for a letter that is none. */
function script(diagram: string): Observable<Fault> {
  const faults = TestScheduler.parseMarbles(diagram, undefined, undefined, false, true).flatMap(message => {
    const { notification } = message
    if (notification.kind === 'E') throw new TypeError(`a fault is one of ${[...LETTERS].join(' ')}, not #`)
    if (notification.kind === 'C') return []
    const fault: string = notification.value
    checkLetter(fault)
    // Outside of `run` a character stands for more than a millisecond.
    return [{ fault, atMs: message.frame / TestScheduler.frameTimeFactor }]
  })
  return new Observable<Fault>(subscriber => {
    for (const { fault, atMs } of faults) {
      subscriber.add(asyncScheduler.schedule(() => subscriber.next(fault), atMs))
    }
  })
}
