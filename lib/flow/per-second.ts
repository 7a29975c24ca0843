/**
 * How many of something came within a second, told from ticks instead of a clock.
 */

/** Counts events, and forgets them once a second, or once a tick where that is longer. */
export class PerSecond {
  readonly #most: number
  readonly #ticks: number
  #tick = 0
  #count = 0
  #allowed = 0

  /** At most `most` a second are allowed; `tick` will be called every `tickMs`. */
  constructor(most: number, tickMs: number) {
    this.#most = most * Math.max(1, tickMs / 1000)
    this.#ticks = Math.max(1, Math.round(1000 / tickMs))
  }

  /** Events since the last second began. */
  get count(): number {
    return this.#count
  }

  /** Counts one more; returns whether that is too many. */
  add(): boolean {
    return ++this.#count > this.#most
  }

  /** So many more may come, in this second or the next. */
  allow(count: number): void {
    this.#allowed += count
    this.#count -= count
  }

  tick(): void {
    this.#tick = (this.#tick + 1) % this.#ticks
    if (this.#tick !== 0) return
    // What was allowed in this second, and did not come yet.
    this.#count = Math.max(Math.min(this.#count, 0), -this.#allowed)
    this.#allowed = 0
  }
}
