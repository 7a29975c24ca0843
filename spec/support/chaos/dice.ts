/**
 * Chance that can be repeated: the same seed throws the same numbers, on every machine.
 */

/** Numbers by a seed (mulberry32). Each name given to {@link Dice.fork} has numbers of its own, whoever throws first. */
export class Dice {
  readonly #seed: number
  #state: number

  constructor(seed: number) {
    this.#seed = seed | 0
    this.#state = this.#seed
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** `true` in that share of throws. */
  chance(share: number): boolean {
    return this.next() < share
  }

  /** One of them. */
  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length - 1)]!
  }

  /** Dice that depend on the seed and the name alone, not on what was thrown before. */
  fork(name: string | number): Dice {
    return new Dice(textSum(`${this.#seed}:${name}`))
  }
}

/** A number of 32 bits that nearly every change of the text changes (FNV-1a). */
export function textSum(text: string): number {
  let sum = 0x811c9dc5
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193)
  return sum | 0
}
