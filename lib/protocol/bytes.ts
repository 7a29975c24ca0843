/**
 * Little-endian numbers in a byte array. 64-bit values are exact: a `number` up to 2^53 - 1, a `bigint` above, so that
 * each value has one form and can be a key.
 */

/** An unsigned 64-bit number: a `number` where that is exact, else a `bigint`. */
export type U64 = number | bigint

/** The largest value of a {@link U64}. */
export const U64_MAX: bigint = 0xffff_ffff_ffff_ffffn

const TWO_32 = 0x1_0000_0000

/** Reads 16 bits. */
export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

/** Reads 32 bits, unsigned. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** Reads 64 bits, unsigned and exact. */
export function readU64(bytes: Uint8Array, at: number): U64 {
  const low = readU32(bytes, at)
  const high = readU32(bytes, at + 4)
  if (high === 0) return low
  return high < 0x20_0000 ? high * TWO_32 + low : (BigInt(high) << 32n) | BigInt(low)
}

/** Writes 16 bits. */
export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

/** Writes the low 32 bits. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Writes 64 bits; `value` is an integer from 0 to {@link U64_MAX}. */
export function writeU64(bytes: Uint8Array, at: number, value: U64): void {
  if (typeof value === 'number') {
    writeU32(bytes, at, value >>> 0)
    writeU32(bytes, at + 4, Math.floor(value / TWO_32))
  } else {
    writeU32(bytes, at, Number(value & 0xffff_ffffn))
    writeU32(bytes, at + 4, Number(value >> 32n))
  }
}

/** `value` in its one form, or `undefined` where it is no integer from 0 to {@link U64_MAX} or not exact. */
export function asU64(value: U64): U64 | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (value < 0n || value > U64_MAX) return undefined
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}
