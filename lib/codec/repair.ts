/**
 * Puts right, in MessagePack bytes, what msgpackr writes or reads otherwise than this library promises. Each pass is
 * needed by few messages; whoever calls it knows from a look at the value or the bytes.
 *
 * Whole numbers of 2^32 and more: msgpackr writes a number as a float64 and a bigint as a signed integer, both nine bytes
 * like the unsigned integer that belongs there, so the bytes are rewritten in place. Reading, it makes each 64-bit integer
 * a bigint, so one that a number holds exactly is rewritten as a float64 first.
 */
import { HEAD, KIND, lengthAt, STRING, tokenLength } from './tokens.ts'

const UINT64 = 0xcf
const INT64 = 0xd3
const FLOAT64 = 0xcb

/** What stands for -0 until {@link writeIntegers}: msgpackr writes -0 as 0, but this bigint, needed by no value, as int64. */
export const MINUS_ZERO = 0n

/**
 * After packing: each float64 of a safe whole number becomes the integer, each int64 that is not negative
 * the uint64, and int64 0, which is {@link MINUS_ZERO}, the float64 of -0.
 */
export function writeIntegers(bytes: Uint8Array, start: number, end: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, end)
  for (let at = start; at < end; at += tokenLength(bytes, at)) {
    const byte = bytes[at]
    if (byte === FLOAT64) {
      const value = view.getFloat64(at + 1)
      if (!Number.isSafeInteger(value)) continue
      bytes[at] = value < 0 ? INT64 : UINT64
      view.setInt32(at + 1, Math.floor(value / 2 ** 32))
      view.setUint32(at + 5, value >>> 0)
    } else if (byte === INT64) {
      const high = view.getInt32(at + 1)
      if (high === 0 && view.getUint32(at + 5) === 0) {
        bytes[at] = FLOAT64
        view.setFloat64(at + 1, -0)
      } else if (high >= 0) bytes[at] = UINT64
    }
  }
}

/** Before unpacking, in a copy of `length` bytes: each 64-bit integer that a number holds exactly becomes its float64. */
export function readIntegers(bytes: Uint8Array, view: DataView, length: number): void {
  for (let at = 0; at < length; at += tokenLength(bytes, at)) {
    const byte = bytes[at]
    if (byte !== UINT64 && byte !== INT64) continue
    const high = byte === UINT64 ? view.getUint32(at + 1) : view.getInt32(at + 1)
    const value = high * 2 ** 32 + view.getUint32(at + 5)
    if (!Number.isSafeInteger(value)) continue
    bytes[at] = FLOAT64
    view.setFloat64(at + 1, value)
  }
}

/**
 * Before unpacking: a copy in which each string that begins with a byte order mark and is long enough for msgpackr to use
 * a `TextDecoder` (over 64 bytes) has that mark twice, because its `TextDecoder` swallows one.
 */
export function doubleMarks(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  let kept = 0
  for (let at = 0; at < bytes.length; at += tokenLength(bytes, at)) {
    const byte = bytes[at]!
    if (KIND[byte] !== STRING) continue
    const text = at + 1 + HEAD[byte]!
    const length = lengthAt(bytes, at + 1, byte, HEAD[byte]!)
    if (length <= 64 || bytes[text] !== 0xef || bytes[text + 1] !== 0xbb || bytes[text + 2] !== 0xbf) continue
    const head = Uint8Array.of(0xdb, 0, 0, 0, 0, 0xef, 0xbb, 0xbf)
    new DataView(head.buffer).setUint32(1, length + 3)
    parts.push(bytes.subarray(kept, at), head)
    kept = text
  }
  parts.push(bytes.subarray(kept))
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
