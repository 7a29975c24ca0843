/**
 * Looks over MessagePack bytes before a decoder sees them: one pass without recursion, nothing allocated for what the
 * bytes only claim. What passes is one whole value of plain data within the limits; what does not, throws `rpc_decode`.
 *
 * Refused besides what is over a limit or cut short: the never-used byte 0xc1, extensions other than a timestamp, text
 * that is not UTF-8, bytes behind the value, and keys that are neither string nor integer, stand twice in a map, or are
 * one of `__proto__`, `constructor`, `prototype`. Integer keys are let through because a Rust map of numbers is written
 * with them; each reads as the property of its decimal text, so `1` and `"1"` in one map count as the same key twice.
 */
import { RpcError } from '../error.ts'
import type { DecodeLimits } from './codec.ts'
import { isRefusedKey, MapKeys } from './map-keys.ts'
import { ARRAY, BINARY, EXTENSION, HEAD, INT, KIND, lengthAt, MAP, NEVER, STRING } from './tokens.ts'
import { invalidUtf8At } from './utf8.ts'

/** The value holds `bin`. Like the two below, a bit of what {@link check} answers. */
export const FOUND_BINARY = 1
/** It holds an integer of nine bytes that a number could hold exactly. */
export const FOUND_WIDE = 2
/** It holds a string that begins with a byte order mark. */
export const FOUND_MARK = 4

const keys = new MapKeys()
/** By depth: the values still to come of an outer container, and whether it is a map. */
const lefts: number[] = []
const maps: boolean[] = []

/**
 * Checks that the bytes from `from` to `end` are one value within `limits`, and says what the decoder has to mind in it: a sum of
 * the `FOUND_` bits. Throws an `RpcError` `rpc_decode` that names what is wrong, where (counted from `from`), and the numbers.
 */
export function check(bytes: Uint8Array, limits: DecodeLimits, from = 0, end: number = bytes.length): number {
  try {
    return scan(bytes, limits, from, end)
  } catch (error) {
    // Once more over a view of the value alone, for the places in the message.
    return from === 0 ? raise(error) : scan(bytes.subarray(from, end), limits, 0, end - from)
  }
}

function raise(error: unknown): never {
  throw error
}

function scan(bytes: Uint8Array, limits: DecodeLimits, from: number, end: number): number {
  const { maxDepth, maxElements, maxKeys } = limits
  keys.reset()
  let at = from
  let found = 0
  let elements = 0
  let depth = 0
  /** Values still to come: of the container at hand, a key and a value being two; and of all that are open. */
  let left = 1
  let owed = 1
  let inMap = false

  for (;;) {
    while (left === 0) {
      if (depth === 0) {
        if (at < end) throw refused(`${end - at} bytes follow the value, which ends at byte ${at}`)
        return found
      }
      if (inMap) keys.leave()
      depth--
      left = lefts[depth]!
      inMap = maps[depth]!
    }
    const start = at
    if (start >= end) throw refused(end === from ? 'no bytes, where one value is expected' : cut(start, 1, 0))
    left--
    owed--
    if (++elements > maxElements) throw refused(`more values than maxElements ${maxElements}`)
    const byte = bytes[at++]!
    const kind = KIND[byte]!
    const head = HEAD[byte]!
    if (end - at < head) throw refused(cut(start, head, end - at))

    // Keys and values take turns, a key first: an odd number is left behind a key.
    if (inMap && (left & 1) === 1) {
      if (kind === INT) {
        const decimal = integer(bytes, start, byte, head)
        if (!keys.addInteger(bytes, decimal))
          throw refused(`key ${decimal} stands twice in a map, again at byte ${start}`)
      } else if (kind !== STRING) {
        throw refused(`map key at byte ${start} is ${NAMES[kind]}, neither a string nor an integer`)
      }
    }

    switch (kind) {
      case INT:
        if (head === 8 && isSafe(bytes, at, byte)) found |= FOUND_WIDE
        at += head
        break
      case STRING: {
        const length = lengthAt(bytes, at, byte, head)
        at += head
        const stop = at + length
        if (stop > end) throw refused(claims(STRING, start, length, 'bytes', end - at))
        const invalid = invalidUtf8At(bytes, at, stop)
        if (invalid >= 0)
          throw refused(`string at byte ${start} is not UTF-8: byte ${invalid} is ${hex(bytes[invalid]!)}`)
        if (bytes[at] === 0xef && length > 2 && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) found |= FOUND_MARK
        if (inMap && (left & 1) === 1) {
          if (isRefusedKey(bytes, at, stop))
            throw refused(`map key ${quote(bytes, at, stop)} at byte ${start} is refused`)
          if (!keys.add(bytes, at, stop)) {
            throw refused(`key ${quote(bytes, at, stop)} stands twice in a map, again at byte ${start}`)
          }
        }
        at = stop
        break
      }
      case BINARY: {
        const length = lengthAt(bytes, at, byte, head)
        at += head
        if (length > end - at) throw refused(claims(BINARY, start, length, 'bytes', end - at))
        found |= FOUND_BINARY
        at += length
        break
      }
      case ARRAY:
      case MAP: {
        const length = lengthAt(bytes, at, byte, head)
        at += head
        const items = kind === MAP ? 2 * length : length
        // Each value owed takes a byte at least, so claims cannot pile up, container in container, beyond the bytes.
        if (items + owed > end - at) {
          const around = owed > 0 ? ` (and ${owed} are due around it)` : ''
          throw refused(claims(kind, start, items, `values${around}`, end - at))
        }
        if (depth >= maxDepth)
          throw refused(`${NAMES[kind]} at byte ${start} is ${depth + 1} deep, over maxDepth ${maxDepth}`)
        if (kind === MAP && length > maxKeys) {
          throw refused(`map at byte ${start} has ${length} keys, over maxKeys ${maxKeys}`)
        }
        const total = elements + owed + items
        if (total > maxElements) throw refused(`${total} values or more, over maxElements ${maxElements}`)
        lefts[depth] = left
        maps[depth] = inMap
        depth++
        left = items
        owed += items
        inMap = kind === MAP
        if (inMap) keys.enter(length)
        break
      }
      case EXTENSION: {
        const length = lengthAt(bytes, at, byte, head)
        at += head
        if (length >= end - at) throw refused(claims(EXTENSION, start, length, 'bytes behind its type', end - at))
        timestamp(bytes, start, at, length)
        at += 1 + length
        break
      }
      case NEVER:
        throw refused(`byte ${start} is 0xc1, which MessagePack never uses`)
      default:
        at += head
    }
  }
}

/** Does a number hold the eight-byte integer at `at` exactly? */
function isSafe(bytes: Uint8Array, at: number, byte: number): boolean {
  const top = (bytes[at]! << 8) | bytes[at + 1]!
  if (top < 0x20) return true
  if (byte === 0xcf || top < 0xffe0) return false
  // Negative: everything from -(2^53 - 1) up, so not -(2^53) itself, which is ffe0 and six zeros.
  if (top > 0xffe0) return true
  for (let i = 2; i < 8; i++) if (bytes[at + i] !== 0) return true
  return false
}

/** The decimal text of the integer at `start`, exact for all of 64 bits. */
function integer(bytes: Uint8Array, start: number, byte: number, head: number): string {
  if (head === 0) return String(byte < 0x80 ? byte : byte - 256)
  let bits = 0n
  for (let i = 1; i <= head; i++) bits = (bits << 8n) | BigInt(bytes[start + i]!)
  return String(byte < 0xd0 ? bits : BigInt.asIntN(8 * head, bits))
}

/** Seconds and nanoseconds, in one of the three forms that the specification of MessagePack has, and within a `Date`. */
function timestamp(bytes: Uint8Array, start: number, at: number, length: number): void {
  const type = (bytes[at]! << 24) >> 24
  if (type !== -1) throw refused(`extension ${type} at byte ${start}: only timestamps (-1) are read`)
  if (length !== 4 && length !== 8 && length !== 12) {
    throw refused(`timestamp at byte ${start} has ${length} bytes, not 4, 8 or 12`)
  }
  if (length === 4) return
  const first = lengthAt(bytes, at + 1, 0, 4)
  const nanos = length === 8 ? first >>> 2 : first
  if (nanos > 999_999_999) throw refused(`timestamp at byte ${start} has ${nanos} nanoseconds, over 999999999`)
  if (length === 8) return
  const seconds = (lengthAt(bytes, at + 5, 0, 4) | 0) * 2 ** 32 + lengthAt(bytes, at + 9, 0, 4)
  // A Date ends at ±8.64e15 ms; the last second may have no fraction.
  const over = seconds > 0 ? seconds + nanos / 1e9 > 8.64e12 : seconds < -8.64e12
  if (over) throw refused(`timestamp at byte ${start} of ${seconds} seconds is outside of what a Date holds`)
}

const NAMES = [
  'nil',
  'a boolean',
  'an integer',
  'a float',
  'a string',
  'binary',
  'an extension',
  'an array',
  'a map',
  '0xc1',
]

function refused(what: string): RpcError {
  return new RpcError('rpc_decode', `MessagePack refused: ${what}`)
}

function cut(at: number, needed: number, have: number): string {
  return `the value is cut short: ${needed} bytes are needed at byte ${at}, ${have} are left`
}

function claims(kind: number, start: number, count: number, what: string, left: number): string {
  return `${NAMES[kind]} at byte ${start} claims ${count} ${what}, ${left} bytes are left`
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}

/** At most 40 bytes of a key, for a message. */
function quote(bytes: Uint8Array, start: number, end: number): string {
  const shown = new TextDecoder().decode(bytes.subarray(start, Math.min(end, start + 40)))
  return JSON.stringify(end - start > 40 ? `${shown}…` : shown)
}
