/**
 * The keys of a map: which are refused, and whether one stands there twice.
 */

/** Keys that no codec writes or reads: they reach the prototype of an object that somebody merges or copies carelessly. */
export const REFUSED_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const REFUSED_BYTES = [...REFUSED_KEYS].map(key => Uint8Array.from(key, char => char.charCodeAt(0)))

/** Is the string from `start` to `end` one of {@link REFUSED_KEYS}? */
export function isRefusedKey(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length !== 9 && length !== 11) return false
  return REFUSED_BYTES.some(key => key.length === length && key.every((byte, i) => bytes[start + i] === byte))
}

/** Up to here the keys of a map are compared as bytes, one with another; above, by way of a set of strings. */
const FEW = 16

/**
 * The keys read so far of each map that is open while bytes are scanned. A map of few keys costs a handful of
 * comparisons (a 32-bit filter spares most of them); in a larger one each key becomes a string in a set, whose hash the
 * engine seeds, so that no choice of keys makes it slow.
 */
export class MapKeys {
  /** Where each remembered key begins and ends; the keys of an inner map lie above those of the outer one. */
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  private top = 0
  /** By open map: where its keys begin in the two lists, its filter, its set where it has one. */
  private readonly bases: number[] = []
  private readonly filters: number[] = []
  private readonly sets: (Set<string> | undefined)[] = []
  private open = -1

  /** Forgets everything: a scan before this one may have ended in an error. */
  reset(): void {
    this.top = 0
    this.open = -1
    if (this.sets.length > 0) this.sets.length = 0
  }

  /** A map of `entries` begins, inside the one that was open. */
  enter(entries: number): void {
    const open = ++this.open
    this.bases[open] = this.top
    this.filters[open] = 0
    if (entries > FEW) this.sets[open] = new Set()
  }

  /** The innermost map is over. */
  leave(): void {
    this.top = this.bases[this.open]!
    if (this.sets.length > this.open) this.sets.length = this.open
    this.open--
  }

  /** Takes the string key from `start` to `end`; false where the map has it already. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const open = this.open
    const set = this.sets[open]
    if (set !== undefined) return addTo(set, text(bytes, start, end))
    const length = end - start
    const bit = length === 0 ? 1 : 1 << ((length + bytes[start]! + 3 * bytes[end - 1]!) & 31)
    if ((this.filters[open]! & bit) !== 0 && this.has(bytes, start, end)) return false
    this.filters[open]! |= bit
    this.starts[this.top] = start
    this.ends[this.top] = end
    this.top++
    return true
  }

  /** Takes an integer key, which reads as its decimal text; false where the map has it already, as text or as integer. */
  addInteger(bytes: Uint8Array, decimal: string): boolean {
    const open = this.open
    let set = this.sets[open]
    if (set === undefined) {
      set = new Set()
      for (let i = this.bases[open]!; i < this.top; i++) set.add(text(bytes, this.starts[i]!, this.ends[i]!))
      this.sets[open] = set
    }
    return addTo(set, decimal)
  }

  private has(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    for (let i = this.bases[this.open]!; i < this.top; i++) {
      const other = this.starts[i]!
      if (this.ends[i]! - other !== length) continue
      let same = 0
      while (same < length && bytes[start + same] === bytes[other + same]) same++
      if (same === length) return true
    }
    return false
  }
}

function addTo(set: Set<string>, key: string): boolean {
  const before = set.size
  return set.add(key).size > before
}

/** One character per byte: not the text, but as different as the bytes are. */
function text(bytes: Uint8Array, start: number, end: number): string {
  let all = ''
  for (let at = start; at < end; at += 4096) {
    all += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(end, at + 4096)) as unknown as number[])
  }
  return all
}
