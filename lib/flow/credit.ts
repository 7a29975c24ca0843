/**
 * Credit, as pure counters: what a sender may still send, and what a receiver has to grant. PROTOCOL.md, "Credit".
 *
 * Both count units since the start of the stream, so a grant that comes twice, late or out of turn does no harm.
 */
import type { U64 } from '../protocol/bytes.ts'

/** Bytes of an item that cost one unit; a smaller item costs one too. */
export const CREDIT_UNIT_BYTES: number = 16 * 1024

/** What an item of so many bytes, message and blob together, costs. */
export function creditCost(bytes: number): number {
  return bytes <= CREDIT_UNIT_BYTES ? 1 : Math.ceil(bytes / CREDIT_UNIT_BYTES)
}

/** What a grant tells: how much may be under way, and how much has been consumed since the start. */
export interface Grant {
  readonly window: number
  readonly consumed: U64
}

/** The sender's side. */
export class SendCredit {
  #spent = 0
  #limit: number

  /** `window` is what may be sent before the first grant: 0 for items of a client. */
  constructor(window: number) {
    this.#limit = window
  }

  /** May an item be sent? The last one may overdraw, so that a large item passes a small window. */
  get open(): boolean {
    return this.#spent < this.#limit
  }

  /** Units sent since the start. */
  get spent(): number {
    return this.#spent
  }

  /** Units that may have been sent in all. */
  get limit(): number {
    return this.#limit
  }

  /** An item is sent. */
  spend(cost: number): void {
    this.#spent += cost
  }

  /** Takes a grant: the limit rises or stays. Says why where the grant is a lie, and then changes nothing. */
  grant({ window, consumed }: Grant): string | undefined {
    if (window === 0) return 'a grant has a window of 0'
    if (consumed > this.#spent) return `a grant reports ${consumed} units as consumed, ${this.#spent} were sent`
    this.#limit = Math.max(this.#limit, Number(consumed) + window)
    return undefined
  }
}

/** The receiver's side. */
export class ReceiveCredit {
  readonly #window: number
  #limit: number
  #received = 0
  #consumed = 0
  #reported = 0

  /** `granted` is what the sender may send before the first report: the window itself, or 0 until {@link report} was called. */
  constructor(window: number, granted: number = window) {
    this.#window = window
    this.#limit = granted
  }

  /** Units that came and are not consumed. */
  get unconsumed(): number {
    return this.#received - this.#consumed
  }

  /** Units that may still come. */
  get outstanding(): number {
    return Math.max(0, this.#limit - this.#received)
  }

  /** An item came. `false`: the sender had no credit for it. */
  receive(cost: number): boolean {
    if (this.#received >= this.#limit) return false
    this.#received += cost
    return true
  }

  /** An item is done with. `true`: enough has gathered for a report. */
  consume(cost: number): boolean {
    this.#consumed = Math.min(this.#received, this.#consumed + cost)
    return this.#consumed - this.#reported >= Math.ceil(this.#window / 2)
  }

  /** The grant to send now. */
  report(): Grant {
    this.#reported = this.#consumed
    this.#limit = Math.max(this.#limit, this.#consumed + this.#window)
    return { window: this.#window, consumed: this.#consumed }
  }
}
