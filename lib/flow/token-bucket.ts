/**
 * What retries may cost: a budget that failures use up and successes slowly fill again.
 */

/** The budget counts in tenths of a token, which add up exactly where 0.1 does not. */
const TOKEN = 10
const PER_SUCCESS = 1

/**
 * Lets single failures be retried and stops retrying where most calls fail, when more calls are what the far end needs
 * least. A retry takes one token, a success brings a tenth of one: no more than one retry in ten successes, in the long run.
 * The idea is the retry throttling of gRPC (proposal A6, client retries), which stops at half of the tokens already.
 *
 * Calls that one cause has lost cost one token together. A link that ends loses all its calls at once, and they
 * would use up the budget at the first restart of a server; what protects it then is that dialling again is limited by the
 * back-off, and each call by its own number of retries.
 */
export class TokenBucket {
  readonly #capacity: number
  #level: number
  /** Causes that have been paid for. */
  readonly #paid = new WeakSet<object>()

  /** Begins full. 0 tokens: no retries; `Infinity`: no limit. Throws a `RangeError` for anything but a number from 0. */
  constructor(tokens = 10) {
    if (!(tokens >= 0)) throw new RangeError(`a token bucket holds a number of tokens from 0, not ${String(tokens)}`)
    this.#capacity = tokens * TOKEN
    this.#level = this.#capacity
  }

  /** What is left. */
  get tokens(): number {
    return this.#level / TOKEN
  }

  /**
   * May a call be retried that `cause` has lost? Takes a token for it, unless that very object has been paid for. So a
   * cause is an object made for one event, as the end of a link; anything else (a call's own error, `undefined`) costs its token.
   */
  take(cause: unknown): boolean {
    if (!this.has(cause)) return false
    if (this.#isPaid(cause)) return true
    this.#level -= TOKEN
    if (typeof cause === 'object' && cause !== null) this.#paid.add(cause)
    return true
  }

  /** Would {@link take} give it? */
  has(cause: unknown): boolean {
    return this.#level >= TOKEN || this.#isPaid(cause)
  }

  #isPaid(cause: unknown): boolean {
    return typeof cause === 'object' && cause !== null && this.#paid.has(cause)
  }

  /** A call was answered, be it with the handler's own error: the far end is at work. Never fills above the capacity. */
  success(): void {
    this.#level = Math.min(this.#capacity, this.#level + PER_SUCCESS)
  }
}
