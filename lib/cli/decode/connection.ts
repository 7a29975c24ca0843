/**
 * One connection of a capture, or one direction of it alone: bytes in, events out.
 */
import { requestFramer, responseFramer } from '../../protocol/frames.ts'
import { FLAG_ERRNO, FLAG_ERROR, type RequestFrame, type ResponseFrame, RPC_VERSION_1 } from '../../protocol/heads.ts'
import {
  DOWN_CANCEL,
  DOWN_NEXT,
  UP_CANCEL,
  UP_COMPLETE,
  UP_ERROR,
  UP_NEXT,
  UP_REQUEST,
} from '../../protocol/heads-v2.ts'
import { downWords, errorText, upWords } from '../../testing/frame-text.ts'
import { Ledger, type Meaning } from '../../testing/ledger.ts'
import type { Direction } from '../capture/format.ts'
import { Calls } from './calls.ts'
import { type Budget, DirectionReader, type Fault, type Placed, WIDE_LIMITS } from './direction-reader.ts'
import type { CallEvent, DecodeEvent, FrameEvent } from './events.ts'
import { downFields, type FrameFields, upFields } from './fields.ts'
import type { MessageStyle } from './message.ts'

/** What the connections of one run share. */
export interface DecodeFacts {
  readonly style: MessageStyle
  readonly budget: Budget
  readonly emit: (event: DecodeEvent) => void
  readonly ended: (call: CallEvent) => void
  /** Of the other direction nothing is known, so nothing of credit either. */
  readonly oneWay: boolean
}

/** Characters of a frame in words. */
const MAX_TEXT = 300

/** Errors that stop a handler whose items may still have waited. */
const CUTS = /^rpc_(canceled|timeout)\b/

/** How a connection came to its end, for what was under way. */
export interface ConnectionEnd {
  /** Is a frame that is not whole a fault, or just what was cut off? */
  readonly isFault: boolean
  /** How its calls ended that had no terminal. */
  readonly calls: string
}

export class ConnectionDecoder {
  readonly #id: number
  readonly #facts: DecodeFacts
  readonly #ledger = new Ledger()
  readonly #calls: Calls
  readonly #up: DirectionReader<RequestFrame>
  readonly #down: DirectionReader<ResponseFrame>

  constructor(id: number, facts: DecodeFacts) {
    this.#id = id
    this.#facts = facts
    this.#calls = new Calls(id, facts.ended, seq => this.#ledger.forget(seq))
    this.#up = new DirectionReader(requestFramer(WIDE_LIMITS), facts.budget)
    this.#down = new DirectionReader(responseFramer(WIDE_LIMITS), facts.budget)
  }

  /** Bytes came by, at so many milliseconds. */
  push(direction: Direction, bytes: Uint8Array, at: number | undefined): void {
    const fault =
      direction === 'up'
        ? this.#up.push(bytes, placed => this.#sawUp(placed, at))
        : this.#down.push(bytes, placed => this.#sawDown(placed, at))
    this.#tell(direction, fault, true, at)
  }

  /** Nothing more comes. */
  end({ isFault, calls }: ConnectionEnd, at: number | undefined): void {
    this.#tell('up', this.#up.end(), isFault, at)
    this.#tell('down', this.#down.end(), isFault, at)
    this.#calls.over(calls, at)
  }

  #tell(direction: Direction, fault: Fault | undefined, isFault: boolean, at: number | undefined): void {
    if (fault === undefined) return
    const where = { at, connection: this.#id, direction }
    if (isFault) this.#facts.emit({ event: 'broken', ...where, ...fault })
    else this.#facts.emit({ event: 'note', ...where, note: fault.problem })
  }

  #sawUp(placed: Placed<RequestFrame>, at: number | undefined): void {
    const { frame, bytes } = placed
    const { seq, ver, format } = frame
    const meaning = this.#judged(this.#ledger.sentUp(frame, placed.messageBytes + placed.blobBytes))
    const { name, text } = upWords(frame, meaning)
    this.#ledger.arrivedUp(frame)
    const isV1 = ver === RPC_VERSION_1
    const isItem = !isV1 && format === UP_NEXT
    if (isV1 ? !meaning.isPing && !meaning.isOffer : format === UP_REQUEST) this.#calls.begin(frame, at)
    this.#calls.frame(seq, 'up', bytes, isItem)
    if (!isV1 && format === UP_CANCEL) this.#calls.canceled(seq, at)
    if (!isV1 && (format === UP_COMPLETE || format === UP_ERROR)) this.#calls.upOver(seq)
    const fields = upFields(placed, meaning, this.#facts.style)
    this.#emit(placed, 'up', name, text, meaning, fields, at)
    this.#creditNow(seq, at)
  }

  #sawDown(placed: Placed<ResponseFrame>, at: number | undefined): void {
    const { frame, bytes } = placed
    const { seq, ver, flag } = frame
    const meaning = this.#judged(this.#ledger.sentDown(frame, placed.messageBytes + placed.blobBytes))
    const { name, text } = downWords(frame, meaning)
    this.#ledger.arrivedDown(frame)
    const isItem = ver !== RPC_VERSION_1 && flag === DOWN_NEXT
    this.#calls.frame(seq, 'down', bytes, isItem)
    if (ver !== RPC_VERSION_1 && flag === DOWN_CANCEL) this.#calls.upOver(seq)
    const fields = downFields(placed, meaning, this.#facts.style)
    this.#emit(placed, 'down', name, text, meaning, fields, at)
    if (flag > FLAG_ERROR) this.#creditNow(seq, at)
    else this.#calls.terminal(seq, endOf(frame, name), flag === FLAG_ERROR && CUTS.test(errorText(frame.blob)), at)
  }

  /** Without the other direction, or behind what could not be read, nobody can say who had credit. */
  #judged(meaning: Meaning): Meaning {
    return this.#creditKnown ? meaning : { ...meaning, allowed: true }
  }

  get #creditKnown(): boolean {
    return !this.#facts.oneWay && !this.#up.lost && !this.#down.lost
  }

  #creditNow(seq: FrameEvent['seq'], at: number | undefined): void {
    const call = this.#creditKnown && at !== undefined ? this.#ledger.call(seq) : undefined
    if (call !== undefined && at !== undefined) this.#calls.credit(call, at)
  }

  #emit(
    { offset, bytes, frame }: Placed<RequestFrame | ResponseFrame>,
    direction: Direction,
    name: string,
    text: string,
    { action, cost, allowed }: Meaning,
    { creditOf, ...fields }: FrameFields,
    at: number | undefined,
  ): void {
    const credit =
      creditOf === undefined || !this.#creditKnown ? undefined : this.#ledger.call(frame.seq)?.credit[creditOf]
    this.#facts.emit({
      event: 'frame',
      at,
      connection: this.#id,
      direction,
      offset,
      frame: name,
      version: frame.ver,
      seq: frame.seq,
      action,
      text: text.slice(0, MAX_TEXT),
      bytes,
      ...fields,
      cost: cost > 0 ? cost : undefined,
      credit,
      problem: allowed ? undefined : 'sent without credit',
    })
  }
}

function endOf({ flag, errno, blob }: ResponseFrame, name: string): string {
  if (flag === FLAG_ERRNO) return `${name} ${errno}`
  return flag === FLAG_ERROR ? `${name} ${errorText(blob).slice(0, 200)}` : name
}
