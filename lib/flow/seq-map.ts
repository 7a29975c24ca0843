/**
 * What is under way, by seq: a ring that has a place for each of the newest seqs, and a Map for what outlives its place.
 *
 * A Map alone costs more than its look-ups. With insertions and deletions in turn it is rebuilt all the time, and V8 links each
 * old table to its successor: one that got old before it died keeps alive what all later ones held, until a full collection.
 */
import type { U64 } from '../protocol/bytes.ts'

/** Places at first, and at most: as many as calls are likely to be in flight. Powers of two. */
const FIRST_PLACES = 16
const MOST_PLACES = 2048

/** Stands in a place that is free: no seq. */
const FREE = -1

/** The part of a `Map` by seq that a connection needs. Fast where seqs grow by one and most leave in order. */
export class SeqMap<V> {
  /** By place: whose it is, and what stands there. */
  #seqs: number[] = []
  #values: (V | undefined)[] = []
  #mask = -1
  /** Those whose place belongs to another one. */
  readonly #others = new Map<U64, V>()
  #placed = 0

  /** Entries. */
  get size(): number {
    return this.#placed + this.#others.size
  }

  get(seq: U64): V | undefined {
    const place = this.#placeOf(seq)
    if (this.#seqs[place] === seq) return this.#values[place]
    return this.#others.size === 0 ? undefined : this.#others.get(seq)
  }

  has(seq: U64): boolean {
    return this.#seqs[this.#placeOf(seq)] === seq || this.#others.has(seq)
  }

  /** Puts a value under a seq, instead of the one that is there. The newest seq gets the place. */
  set(seq: U64, value: V): void {
    if (typeof seq !== 'number' || (this.#others.size > 0 && this.#others.has(seq))) {
      this.#others.set(seq, value)
      return
    }
    if (this.#mask < 0) this.#grow(FIRST_PLACES)
    let place = seq & this.#mask
    while (this.#seqs[place] !== seq && this.#seqs[place] !== FREE) {
      // Half full: it is too small. Emptier, one call just takes long.
      if (2 * this.#placed >= this.#seqs.length && this.#seqs.length < MOST_PLACES) this.#grow(2 * this.#seqs.length)
      else this.#moveOut(place)
      place = seq & this.#mask
    }
    if (this.#seqs[place] === FREE) this.#placed++
    this.#seqs[place] = seq
    this.#values[place] = value
  }

  delete(seq: U64): boolean {
    const place = this.#placeOf(seq)
    if (this.#seqs[place] !== seq) return this.#others.size > 0 && this.#others.delete(seq)
    this.#free(place)
    return true
  }

  clear(): void {
    this.#seqs = []
    this.#values = []
    this.#mask = -1
    this.#placed = 0
    this.#others.clear()
  }

  /** The values that are there now, by growing seq. */
  values(): V[] {
    const all: [U64, V][] = [...this.#others]
    for (const [place, seq] of this.#seqs.entries()) if (seq !== FREE) all.push([seq, this.#values[place] as V])
    return all.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
  }

  /** A seq that is no number has none of its own: whatever stands there has another seq. */
  #placeOf(seq: U64): number {
    return typeof seq === 'number' ? seq & this.#mask : 0
  }

  #moveOut(place: number): void {
    this.#others.set(this.#seqs[place]!, this.#values[place] as V)
    this.#free(place)
  }

  #free(place: number): void {
    this.#seqs[place] = FREE
    this.#values[place] = undefined
    this.#placed--
  }

  #grow(places: number): void {
    const seqs = this.#seqs
    const values = this.#values
    this.#seqs = new Array<number>(places).fill(FREE)
    this.#values = new Array<V | undefined>(places).fill(undefined)
    this.#mask = places - 1
    // No two meet: what differs in the low bits still does with one bit more.
    for (const [old, seq] of seqs.entries()) {
      if (seq === FREE) continue
      this.#seqs[seq & this.#mask] = seq
      this.#values[seq & this.#mask] = values[old]
    }
  }
}
