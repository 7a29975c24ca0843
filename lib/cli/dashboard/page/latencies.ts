/**
 * How long calls took, as percentiles of the latest ones.
 */

/** What is told of them, in milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly most: number
}

/** The latest so many durations. */
export class Latencies {
  readonly #durations: Float64Array
  #next = 0
  #length = 0

  constructor(most: number) {
    this.#durations = new Float64Array(most)
  }

  /** One more call took so long, in milliseconds. */
  add(durationMs: number): void {
    this.#durations[this.#next] = durationMs
    this.#next = (this.#next + 1) % this.#durations.length
    this.#length = Math.min(this.#length + 1, this.#durations.length)
  }

  /** Of those that are kept, each the least duration that so many of them do not exceed; `undefined` where there are none. */
  percentiles(): Percentiles | undefined {
    if (this.#length === 0) return undefined
    const sorted = this.#durations.slice(0, this.#length).sort()
    const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1]!
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), most: sorted.at(-1)! }
  }
}
