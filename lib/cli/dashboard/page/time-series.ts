/**
 * Numbers over time in a fixed amount of memory: an hour of points takes as much as a day of them.
 */

/** Columns that are as long as each other: seconds since 1970, then one of values each. `null` is a gap. */
export type Columns = [number[], ...(number | null)[][]]

/** Points of some values at a time; the newest replaces the oldest. All room is taken at once. */
export class TimeSeries {
  readonly #most: number
  readonly #times: Float64Array
  readonly #columns: readonly Float64Array[]
  /** Where the next point goes. */
  #next = 0
  #length = 0

  /** Keeps `most` points of `columns` values. */
  constructor(columns: number, most: number) {
    this.#most = most
    this.#times = new Float64Array(most)
    this.#columns = Array.from({ length: columns }, () => new Float64Array(most))
  }

  /** Points that are kept. */
  get length(): number {
    return this.#length
  }

  /** Adds a point at `atMs`, in milliseconds since 1970; a value that is not known is `undefined`. One that is not later replaces the last. */
  push(atMs: number, ...values: readonly (number | undefined)[]): void {
    const last = (this.#next + this.#most - 1) % this.#most
    // The clock was set back: charts take times in order.
    const replaces = this.#length > 0 && atMs <= this.#times[last]! * 1000
    const at = replaces ? last : this.#next
    if (!replaces) {
      this.#times[at] = atMs / 1000
      this.#next = (this.#next + 1) % this.#most
      this.#length = Math.min(this.#most, this.#length + 1)
    }
    this.#columns.forEach((column, index) => {
      column[at] = values[index] ?? Number.NaN
    })
  }

  /** A gap: what follows is not joined to what came before. */
  gap(atMs: number): void {
    if (this.#length > 0) this.push(atMs)
  }

  /** The points of the last so many seconds before `untilMs`, oldest first. */
  since(seconds: number, untilMs: number): Columns {
    const from = untilMs / 1000 - seconds
    const oldest = this.#next - this.#length + this.#most
    let skipped = 0
    while (skipped < this.#length && this.#times[(oldest + skipped) % this.#most]! < from) skipped++
    // One more, so that the line comes in from the edge.
    skipped = Math.max(0, skipped - 1)
    const taken = Array.from({ length: this.#length - skipped }, (_, n) => (oldest + skipped + n) % this.#most)
    const values = this.#columns.map(column => taken.map(at => (Number.isNaN(column[at]) ? null : column[at]!)))
    return [taken.map(at => this.#times[at]!), ...values]
  }
}
