/**
 * The items that one end of a call receives: counted as they come, and granted anew as their consumer is done with them.
 */
import { creditCost, type Grant, ReceiveCredit } from './credit.ts'

/** What happens with the counts. */
export interface IncomingEvents {
  /** Sends a grant to the far end. */
  grant(grant: Grant): void
  /** The consumer holds so many bytes more, or fewer. */
  hold(bytes: number): void
}

/** The items that come in. */
export class IncomingItems {
  readonly #credit: ReceiveCredit
  readonly #events: IncomingEvents
  /** Bytes of the items that the consumer is not done with, oldest first, from `#first` to before `#end`; kept at its length. */
  #sizes: number[] = []
  #first = 0
  #end = 0
  #over = false

  /** `granted` is what the sender may send before the first grant. */
  constructor(window: number, granted: number, events: IncomingEvents) {
    this.#credit = new ReceiveCredit(window, granted)
    this.#events = events
  }

  /** Lets the sender begin, where nothing was granted from the start. */
  open(): void {
    this.#events.grant(this.#credit.report())
  }

  /** Items that may be under way, at most. */
  get underWay(): number {
    return this.#credit.outstanding
  }

  /** An item of so many bytes came. `false`: the sender had no credit for it. After the end it is of no interest. */
  receive(bytes: number): boolean {
    if (this.#over) return true
    if (!this.#credit.receive(creditCost(bytes))) return false
    this.#sizes[this.#end++] = bytes
    this.#events.hold(bytes)
    return true
  }

  /** The consumer is done with the oldest item. Does nothing where there is none, or after the end. */
  done(): void {
    if (this.#first === this.#end) return
    const bytes = this.#sizes[this.#first++]!
    if (this.#first === this.#end) {
      this.#first = this.#end = 0
    } else if (this.#first >= 1024) {
      this.#sizes = this.#sizes.slice(this.#first, this.#end)
      this.#end -= this.#first
      this.#first = 0
    }
    this.#events.hold(-bytes)
    if (this.#credit.consume(creditCost(bytes))) this.#events.grant(this.#credit.report())
  }

  /** No item is of interest any more. */
  end(): void {
    if (this.#over) return
    this.#over = true
    let held = 0
    for (let i = this.#first; i < this.#end; i++) held += this.#sizes[i]!
    this.#sizes = []
    this.#first = this.#end = 0
    if (held > 0) this.#events.hold(-held)
  }
}
