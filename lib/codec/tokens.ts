/**
 * MessagePack's type bytes as tables: what a byte opens, how many bytes of number follow it, and the length it carries
 * itself. Every pass over MessagePack bytes reads these.
 */

export const NIL = 0
export const BOOL = 1
export const INT = 2
export const FLOAT = 3
export const STRING = 4
export const BINARY = 5
export const EXTENSION = 6
export const ARRAY = 7
export const MAP = 8
export const NEVER = 9

/** By type byte: the kind of value, one of the constants above. */
export const KIND: Uint8Array = new Uint8Array(256)

/** By type byte: how many bytes of number stand behind it. For INT and FLOAT they are the value, else a length. */
export const HEAD: Uint8Array = new Uint8Array(256)

/** By type byte, where HEAD is 0: bytes of a string or extension, elements of an array, entries of a map. */
export const FIXED: Uint8Array = new Uint8Array(256)

for (let byte = 0; byte < 256; byte++) {
  if (byte < 0x80 || byte >= 0xe0) define(byte, INT, 0)
  else if (byte < 0x90) define(byte, MAP, 0, byte & 0x0f)
  else if (byte < 0xa0) define(byte, ARRAY, 0, byte & 0x0f)
  else if (byte < 0xc0) define(byte, STRING, 0, byte & 0x1f)
}
define(0xc0, NIL, 0)
define(0xc1, NEVER, 0)
define(0xc2, BOOL, 0)
define(0xc3, BOOL, 0)
for (const [power, head] of [1, 2, 4].entries()) {
  define(0xc4 + power, BINARY, head)
  define(0xc7 + power, EXTENSION, head)
  define(0xd9 + power, STRING, head)
}
define(0xca, FLOAT, 4)
define(0xcb, FLOAT, 8)
for (const [power, head] of [1, 2, 4, 8].entries()) {
  define(0xcc + power, INT, head)
  define(0xd0 + power, INT, head)
}
for (const [power, length] of [1, 2, 4, 8, 16].entries()) define(0xd4 + power, EXTENSION, 0, length)
define(0xdc, ARRAY, 2)
define(0xdd, ARRAY, 4)
define(0xde, MAP, 2)
define(0xdf, MAP, 4)

function define(byte: number, kind: number, head: number, length = 0): void {
  KIND[byte] = kind
  HEAD[byte] = head
  FIXED[byte] = length
}

/** The unsigned number of `head` bytes (1, 2 or 4) at `at`, or, for a `head` of 0, the one that `byte` carries itself. */
export function lengthAt(bytes: Uint8Array, at: number, byte: number, head: number): number {
  if (head === 0) return FIXED[byte]!
  if (head === 1) return bytes[at]!
  if (head === 2) return (bytes[at]! << 8) | bytes[at + 1]!
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/**
 * How many bytes the value whose type byte stands at `at` takes, without the values inside it: adding it up visits every
 * value of a message in turn, whatever the nesting. Only for bytes that were checked, or that an encoder just wrote.
 */
export function tokenLength(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!
  const head = HEAD[byte]!
  const kind = KIND[byte]!
  if (kind === STRING || kind === BINARY) return 1 + head + lengthAt(bytes, at + 1, byte, head)
  if (kind === EXTENSION) return 2 + head + lengthAt(bytes, at + 1, byte, head)
  return 1 + head
}
