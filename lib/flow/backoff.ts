/**
 * How long to wait before the next attempt: exponential back-off with full jitter.
 */
import { asyncScheduler, type TimestampProvider } from 'rxjs'
import { LONGEST_TIMER_MS } from './long-timer.ts'

/** Numbers of a back-off, in milliseconds. */
export interface BackoffOptions {
  /** Upper bound of the first delay; it doubles with each attempt. Default 1,000. */
  readonly firstMs?: number
  /** No delay reaches this, at most 2³¹ - 1. Default 30,000. */
  readonly maxMs?: number
  /** Health of this length makes the next attempt a first one again; `Infinity`: never. Default 60,000. */
  readonly resetAfterMs?: number
}

/**
 * Delays of one thing that is attempted again and again, each drawn evenly from zero to a bound that doubles. Drawing from zero
 * on, not from near the bound, is what spreads out many clients that lost one server at the same instant: "full jitter" in
 * Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
 *
 * It has no timer: whoever waits does so with {@link next}'s number. The Rust crates have no counterpart: their pools
 * look after an unhealthy address at a fixed interval.
 */
export class Backoff {
  readonly #firstMs: number
  readonly #maxMs: number
  readonly #resetAfterMs: number
  readonly #random: () => number
  readonly #clock: TimestampProvider
  #attempt = 0
  /** Since when it is healthy. */
  #healthySince: number | undefined

  /** `random` gives numbers of [0, 1). Throws a `RangeError` for numbers that are no such times. */
  constructor(
    options: BackoffOptions = {},
    random: () => number = Math.random,
    scheduler: TimestampProvider = asyncScheduler,
  ) {
    const { firstMs = 1_000, maxMs = 30_000, resetAfterMs = 60_000 } = options
    this.#firstMs = checked('firstMs', firstMs, LONGEST_TIMER_MS)
    this.#maxMs = checked('maxMs', maxMs, LONGEST_TIMER_MS)
    this.#resetAfterMs = checked('resetAfterMs', resetAfterMs, Number.POSITIVE_INFINITY)
    this.#random = random
    this.#clock = scheduler
  }

  /** Attempts since the last reset. */
  get attempt(): number {
    return this.#attempt
  }

  /** The attempt succeeded: health begins, where it had not begun already. */
  healthy(): void {
    this.#healthySince ??= this.#clock.now()
  }

  /** Health ends. Only where it lasted is the next attempt a first one: who comes and goes has not recovered. */
  failed(): void {
    if (this.#healthySince === undefined) return
    if (this.#clock.now() - this.#healthySince >= this.#resetAfterMs) this.#attempt = 0
    this.#healthySince = undefined
  }

  /** How many milliseconds to wait before the next attempt, which it counts. Ends the health that nobody ended. */
  next(): number {
    this.failed()
    // Beyond this exponent the power is infinite, and zero times that is no number.
    const bound = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#attempt, 1023))
    this.#attempt++
    return this.#random() * bound
  }
}

function checked(name: string, value: number, most: number): number {
  if (value >= 0 && value <= most) return value
  throw new RangeError(`${name} must be milliseconds from 0 to ${most}, not ${String(value)}`)
}
