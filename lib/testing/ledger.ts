/**
 * The calls of one link, as somebody sees them who reads both directions: which have no terminal, and what their senders may
 * still send. It counts by the frames alone, so it can contradict the two ends.
 */
import { creditCost, SendCredit } from '../flow/credit.ts'
import type { U64 } from '../protocol/bytes.ts'
import { FLAG_ERROR, PING_ACTION, type RequestFrame, type ResponseFrame, RPC_VERSION_1 } from '../protocol/heads.ts'
import { DOWN_CREDIT, DOWN_NEXT, readCreditBody, UP_CREDIT, UP_NEXT, UP_REQUEST } from '../protocol/heads-v2.ts'

/** A call whose request was sent and whose last answer has not arrived: it has a slot, at one end at least. */
export interface CallOnWire {
  readonly seq: U64
  readonly action: number | string
  /**
   * Units that may still be sent, as the sender knows it: `down` by the server, `up` by the client. A unit is an item, or 16 KiB of
   * a large one; below 0 where the last item was larger than what was left.
   */
  readonly credit: { readonly down: number; readonly up: number }
}

interface Entry {
  readonly action: number | string
  readonly down: SendCredit
  readonly up: SendCredit
}

/** What a frame turned out to be, besides what it says. */
export interface Meaning {
  readonly isPing: boolean
  readonly isOffer: boolean
  /** Of an item: what it costs, and whether its sender had credit. */
  readonly cost: number
  readonly allowed: boolean
  /** Of the call; absent where it is not known. */
  readonly action: number | string | undefined
}

export class Ledger {
  readonly #calls = new Map<U64, Entry>()
  readonly #pings = new Set<U64>()
  #offer: U64 | undefined

  /** Calls without a terminal, oldest first. */
  get calls(): CallOnWire[] {
    return Array.from(this.#calls, ([seq, entry]) => callOf(seq, entry))
  }

  /** The call with a seq, where it has no terminal. */
  call(seq: U64): CallOnWire | undefined {
    const entry = this.#calls.get(seq)
    return entry === undefined ? undefined : callOf(seq, entry)
  }

  /** A call or a ping is not waited for any more. */
  forget(seq: U64): void {
    this.#calls.delete(seq)
    this.#pings.delete(seq)
  }

  /** A frame was sent; `bodyBytes` where its body was not kept. */
  sentUp(frame: RequestFrame, bodyBytes: number = bodyOf(frame)): Meaning {
    const { seq, action, ver } = frame
    const isV1 = ver === RPC_VERSION_1
    const isPing = isV1 && action === PING_ACTION
    const isOffer = isPing && frame.format > 0 && this.#offer === undefined && this.#pings.size === 0
    if (isOffer) this.#offer = seq
    else if (isPing) this.#pings.add(seq)
    else if (isV1 || frame.format === UP_REQUEST) {
      this.#calls.set(seq, { action: action ?? '', down: new SendCredit(frame.window), up: new SendCredit(0) })
    }
    const isItem = !isV1 && frame.format === UP_NEXT
    return { isPing, isOffer, ...this.#meaning(seq, bodyBytes, isItem ? this.#calls.get(seq)?.up : undefined) }
  }

  /** The same from the server. */
  sentDown(frame: ResponseFrame, bodyBytes: number = bodyOf(frame)): Meaning {
    const isOffer = frame.seq === this.#offer
    const isItem = frame.ver !== RPC_VERSION_1 && frame.flag === DOWN_NEXT
    const credit = isItem ? this.#calls.get(frame.seq)?.down : undefined
    return { isPing: this.#pings.has(frame.seq), isOffer, ...this.#meaning(frame.seq, bodyBytes, credit) }
  }

  /** A frame reached the server. */
  arrivedUp({ ver, format, seq, window, consumed }: RequestFrame): void {
    if (ver !== RPC_VERSION_1 && format === UP_CREDIT) this.#calls.get(seq)?.down.grant({ window, consumed })
  }

  /** A frame reached the client. */
  arrivedDown({ ver, flag, seq, msg }: ResponseFrame): void {
    if (flag <= FLAG_ERROR) this.forget(seq)
    else if (ver !== RPC_VERSION_1 && flag === DOWN_CREDIT) this.#calls.get(seq)?.up.grant(readCreditBody(msg))
  }

  #meaning(seq: U64, bodyBytes: number, credit: SendCredit | undefined): Omit<Meaning, 'isPing' | 'isOffer'> {
    const action = this.#calls.get(seq)?.action
    if (credit === undefined) return { cost: 0, allowed: true, action }
    const allowed = credit.open
    const cost = creditCost(bodyBytes)
    credit.spend(cost)
    return { cost, allowed, action }
  }
}

function bodyOf({ msg, blob }: RequestFrame | ResponseFrame): number {
  return msg.length + blob.length
}

function callOf(seq: U64, { action, down, up }: Entry): CallOnWire {
  return { seq, action, credit: { down: down.limit - down.spent, up: up.limit - up.spent } }
}
