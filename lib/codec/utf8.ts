/**
 * Are bytes, and are strings, whole Unicode text? Strict on both ways: what would be replaced by U+FFFD on the way is found
 * here instead.
 */

/** Where bytes from `at` to `end` stop being valid UTF-8 (overlong forms, surrogates and cut sequences too), or -1. */
export function invalidUtf8At(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!
    if (byte < 0x80) {
      at++
      if (end - at >= 64) at = skipAscii(bytes, at, end)
      continue
    }
    const length = sequenceLength(bytes, at, end)
    if (length === 0) return at
    at += length
  }
  return -1
}

/** Passes over ASCII four bytes at a time: long text costs a third of what looking at each byte does. */
function skipAscii(bytes: Uint8Array, at: number, end: number): number {
  while ((bytes.byteOffset + at) & 3) {
    if (bytes[at]! >= 0x80) return at
    at++
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2)
  let word = 0
  while (word < words.length && (words[word]! & 0x80808080) === 0) word++
  return at + word * 4
}

/** Bytes of the sequence whose first byte, 0x80 or more, stands at `at`; 0 where it is not a valid one. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  if (length === 0 || end - at < length) return 0
  const second = bytes[at + 1]!
  // The second byte rules out overlong forms, surrogates, and code points above U+10FFFF.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  if (length > 2 && (bytes[at + 2]! & 0xc0) !== 0x80) return 0
  if (length > 3 && (bytes[at + 3]! & 0xc0) !== 0x80) return 0
  return length
}

interface WellFormed {
  isWellFormed(): boolean
}

/** Has `text` no lone surrogate? (`isWellFormed` is younger than the oldest browsers that can run this.) */
export const isWellFormed: (text: string) => boolean =
  'isWellFormed' in String.prototype
    ? text => (text as unknown as WellFormed).isWellFormed()
    : text => !/\p{Surrogate}/u.test(text)
