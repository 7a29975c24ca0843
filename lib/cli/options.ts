/**
 * Numbers on the command line, read strictly: `10ms`, `1e3` and an empty text are none.
 */
import { InvalidArgumentError } from 'commander'

/** A reader for commander of whole numbers from `least` to `most`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return text => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  }
}

/** The longest time that can be asked for: 24 h. */
export const MOST_MS: number = 24 * 60 * 60 * 1000
