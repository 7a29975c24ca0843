/**
 * How fast a count grows.
 */

/** A count at a moment, in milliseconds. */
export interface Counted {
  readonly at: number
  readonly count: number
}

/** By how much it grew in a second, from one moment to a later one; 0 where it started anew, or no time has passed. */
export function rate(before: Counted, after: Counted): number {
  const seconds = (after.at - before.at) / 1000
  const more = after.count - before.count
  return seconds > 0 && more > 0 ? more / seconds : 0
}
