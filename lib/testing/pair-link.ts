/**
 * One link between the client and the server of a pair: two ends, a lane each way, and the account of its calls.
 */
import { asyncScheduler } from 'rxjs'
import type { RequestFrame, ResponseFrame } from '../protocol/heads.ts'
import { memoryPair } from '../transport/memory.ts'
import type { Conditions } from './faults.ts'
import { type Cut, downCutter, upCutter } from './frame-cutter.ts'
import { downWords, noFrame, upWords, type Words } from './frame-text.ts'
import { Lane, type LaneEvents } from './lane.ts'
import { type CallOnWire, Ledger, type Meaning } from './ledger.ts'
import { ShapedLink } from './shaped-link.ts'
import type { PairWire, WireFrame } from './wire.ts'

/** What the links of a pair share. */
export interface PairFacts {
  readonly up: Conditions
  readonly down: Conditions
  readonly wire: PairWire
  /** Milliseconds since the pair was made. */
  readonly now: () => number
}

/** How long an end that has closed still reads what comes; at no tick, for the reason of `LOOK_MS`. */
const LINGER_MS = 2_000.25

export class PairLink {
  /** The client's end. */
  readonly near: ShapedLink
  /** The server's end. */
  readonly far: ShapedLink
  readonly #up: Lane<RequestFrame>
  readonly #down: Lane<ResponseFrame>
  readonly #ledger = new Ledger()
  readonly #facts: PairFacts

  constructor(address: string, facts: PairFacts) {
    this.#facts = facts
    const ledger = this.#ledger
    const [nearInner, farInner] = memoryPair()
    const lost = (): void => this.lose()
    const upEvents: LaneEvents<RequestFrame> = {
      sent: cut => this.#sent('up', cut, frame => [ledger.sentUp(frame), upWords]),
      arrived: (seen, { frame }) => {
        if (frame !== undefined) ledger.arrivedUp(frame)
        this.#arrived(seen)
      },
      deliver: bytes => nearInner.send(bytes),
      drained: () => this.near.drained(),
      lost,
    }
    const downEvents: LaneEvents<ResponseFrame> = {
      sent: cut => this.#sent('down', cut, frame => [ledger.sentDown(frame), downWords]),
      arrived: (seen, { frame }) => {
        if (frame !== undefined) ledger.arrivedDown(frame)
        this.#arrived(seen)
      },
      deliver: bytes => farInner.send(bytes),
      drained: () => this.far.drained(),
      lost,
    }
    this.#up = new Lane(facts.up, upCutter, upEvents)
    this.#down = new Lane(facts.down, downCutter, downEvents)
    this.near = new ShapedLink(address, nearInner, this.#up, isClose => this.#ended(isClose, this.far, this.near))
    this.far = new ShapedLink(address, farInner, this.#down, isClose => this.#ended(isClose, this.near, this.far))
  }

  /** Calls that have a slot; none once the client has let the link go. */
  get calls(): CallOnWire[] {
    return this.near.ended ? [] : this.#ledger.calls
  }

  /** Frames that have not arrived. */
  get frames(): number {
    return this.#up.frames + this.#down.frames
  }

  /** Both ends have let go. */
  get over(): boolean {
    return this.near.ended && this.far.ended
  }

  /** The link is lost, and both ends hear of it. */
  lose(): void {
    this.near.lose()
    this.far.lose()
  }

  /** An end has let go: where the other one does not follow soon it is reset, as sockets are. */
  #ended(isClose: boolean, other: ShapedLink, end: ShapedLink): void {
    if (!isClose || other.ended) return
    asyncScheduler.schedule(() => {
      if (!other.ended) end.reset()
    }, LINGER_MS)
  }

  #sent<F extends { readonly seq: WireFrame['seq'] }>(
    direction: 'up' | 'down',
    { frame, bytes }: Cut<F>,
    read: (frame: F) => [Meaning, (frame: F, meaning: Meaning) => Words],
  ): WireFrame {
    let words = noFrame(bytes)
    let action: WireFrame['action']
    if (frame !== undefined) {
      const [meaning, inWords] = read(frame)
      words = inWords(frame, meaning)
      action = meaning.action
    }
    const { kind, text } = words
    const seen = { direction, kind, text, seq: frame?.seq ?? 0, action, bytes: bytes.length, at: this.#facts.now() }
    this.#facts.wire.add(seen)
    return seen
  }

  #arrived(frame: WireFrame): void {
    this.#facts.wire.arrived.add({ ...frame, at: this.#facts.now() })
  }
}
