/**
 * One direction of one link: frames leave at the pace the link takes them, meet the faults, and arrive after the latency.
 */
import { asyncScheduler, interval, type Subscription, takeWhile } from 'rxjs'
import type { RequestFrame, ResponseFrame } from '../protocol/heads.ts'
import { type Conditions, type Fault, GARBAGE } from './faults.ts'
import type { Cut, FrameCutter } from './frame-cutter.ts'
import type { WireFrame } from './wire.ts'

/** What a lane tells. */
export interface LaneEvents<F> {
  /** Bytes were sent; says what they are. */
  sent(cut: Cut<F>): WireFrame
  /** They arrive now. */
  arrived(frame: WireFrame, cut: Cut<F>): void
  /** Hands bytes to the receiver. */
  deliver(bytes: Uint8Array): void
  /** All that was sent has left. */
  drained(): void
  /** The link is lost. */
  lost(): void
}

interface Item<F> {
  readonly cut: Cut<F>
  /** Absent for the end of the direction. */
  readonly frame: WireFrame | undefined
  /** The end of the direction arrives. */
  readonly last?: () => void
}

/** How long a frame waits for another to overtake it; at no tick, for the reason of `LOOK_MS`. */
const HOLD_MS = 1_000.125

const NO_CUT = { bytes: new Uint8Array(0), frame: undefined }

/** Kinds that a frame of another call may overtake, and those that nothing may overtake nor stay behind. */
const OVERTAKABLE = /[NDECXdencx]/
const BORDERS = /[hogb?]/

export class Lane<F extends RequestFrame | ResponseFrame> {
  readonly #conditions: Conditions
  readonly #newCutter: () => FrameCutter<F>
  readonly #cutter: FrameCutter<F>
  readonly #events: LaneEvents<F>
  readonly #faults: Subscription
  /** Sent, and not left; of the first so many bytes are through. */
  #queue: Item<F>[] = []
  #queuedBytes = 0
  #through = 0
  #departing = false
  #pacing = false
  /** Frames of one call that wait for a frame of another to overtake them. */
  #held: Item<F>[] = []
  /** On their way. */
  #flight: { readonly item: Item<F>; readonly due: number }[] = []
  #arriving = false

  constructor(conditions: Conditions, newCutter: () => FrameCutter<F>, events: LaneEvents<F>) {
    this.#conditions = conditions
    this.#newCutter = newCutter
    this.#cutter = newCutter()
    this.#events = events
    this.#faults = conditions.faults$.subscribe({
      next: fault => this.#happens(fault),
      error: () => events.lost(),
    })
  }

  /** Bytes that the link has not taken. */
  get unsentBytes(): number {
    const first = this.#queue[0]
    return this.#queuedBytes - (first === undefined ? 0 : Math.min(Math.floor(this.#through), first.cut.bytes.length))
  }

  /** Frames that are held back or on their way. */
  get frames(): number {
    return this.#held.length + this.#flight.length
  }

  /** What is sent vanishes. */
  get vanishing(): boolean {
    return this.#conditions.vanishing
  }

  send(bytes: Uint8Array): void {
    for (const cut of this.#cutter.push(bytes)) {
      this.#queue.push({ cut, frame: this.#events.sent(cut) })
      this.#queuedBytes += cut.bytes.length
    }
    this.#depart()
  }

  /** The direction ends behind what was sent. */
  end(arrived: () => void): void {
    this.#queue.push({ cut: NO_CUT, frame: undefined, last: arrived })
    this.#depart()
  }

  /** Drops all that has not arrived. */
  destroy(): void {
    this.#faults.unsubscribe()
    // Timers find nothing left to do when they are due. See `LOOK_MS` for why they are not cleared.
    this.#queue = []
    this.#held = []
    this.#flight = []
    this.#queuedBytes = 0
  }

  #happens(fault: Fault): void {
    if (fault === 'x') this.#events.lost()
    else if (fault === 'f') this.#depart()
    else if (fault === 'g') this.#inject(GARBAGE)
    else if (typeof fault !== 'string') this.#inject(fault)
  }

  #inject(bytes: Uint8Array): void {
    // Apart from what is sent: this may be anything.
    for (const cut of this.#newCutter().push(bytes)) this.#pass({ cut, frame: this.#events.sent(cut) })
  }

  /** Lets go of what the link takes now. */
  #depart(): void {
    if (this.#departing) return // the far end answered from within: the loop below goes on by itself
    this.#departing = true
    const { bytesPerMs } = this.#conditions
    const before = this.#queuedBytes
    while (this.#queue.length > 0 && !this.#conditions.stuck) {
      const { length } = this.#queue[0]!.cut.bytes
      if (length > this.#through && bytesPerMs !== Number.POSITIVE_INFINITY) break
      this.#through = Math.max(0, this.#through - length)
      this.#queuedBytes -= length
      this.#pass(this.#queue.shift()!)
    }
    this.#departing = false
    if (this.#queue.length > 0) this.#pace()
    else {
      this.#through = 0
      if (before > 0) this.#events.drained()
    }
  }

  #pace(): void {
    const { bytesPerMs } = this.#conditions
    if (this.#pacing || bytesPerMs === Number.POSITIVE_INFINITY) return
    this.#pacing = true
    interval(1)
      .pipe(takeWhile(() => this.#queue.length > 0))
      .subscribe({
        next: () => {
          if (!this.#conditions.stuck) this.#through += bytesPerMs
          this.#depart()
        },
        error: () => this.#events.lost(),
        complete: () => {
          this.#pacing = false
        },
      })
  }

  /** A frame has left, and meets the faults. */
  #pass(item: Item<F>): void {
    const conditions = this.#conditions
    if (conditions.vanishing) return
    if (conditions.twice > 0 && item.cut.frame !== undefined) {
      conditions.twice--
      this.#order(item)
    }
    this.#order(item)
  }

  /** Holds a frame back until it was overtaken. */
  #order(item: Item<F>): void {
    const { frame } = item
    const kind = frame?.kind ?? '?'
    const first = this.#held[0]?.frame
    if (first !== undefined && first.seq === frame?.seq) this.#held.push(item)
    else if (first !== undefined) {
      const inOrder = BORDERS.test(kind) ? [...this.#held, item] : [item, ...this.#held]
      this.#release(inOrder)
    } else if (this.#conditions.overtaken > 0 && OVERTAKABLE.test(kind)) {
      this.#conditions.overtaken--
      const held = [item]
      this.#held = held
      asyncScheduler.schedule(() => {
        if (this.#held === held) this.#release(held)
      }, HOLD_MS)
    } else this.#fly(item)
  }

  #release(items: readonly Item<F>[]): void {
    this.#held = []
    for (const item of items) this.#fly(item)
  }

  #fly(item: Item<F>): void {
    const now = asyncScheduler.now()
    const last = this.#flight.at(-1)
    const due = Math.max(last?.due ?? 0, now + this.#conditions.latencyMs)
    if (last === undefined && due <= now) this.#arrive(item)
    else {
      this.#flight.push({ item, due })
      if (!this.#arriving) this.#land(due - now)
    }
  }

  /** The first in flight arrives after `ms`. */
  #land(ms: number): void {
    this.#arriving = true
    asyncScheduler.schedule(() => {
      const now = asyncScheduler.now()
      while (this.#flight.length > 0 && this.#flight[0]!.due <= now) this.#arrive(this.#flight.shift()!.item)
      this.#arriving = false
      const next = this.#flight[0]
      if (next !== undefined) this.#land(next.due - now)
    }, ms)
  }

  #arrive({ cut, frame, last }: Item<F>): void {
    if (frame !== undefined) this.#events.arrived(frame, cut)
    if (last === undefined) this.#events.deliver(cut.bytes)
    else last()
  }
}
