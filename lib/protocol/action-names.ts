/**
 * Action names as they stand on the wire, and back. Few names make up all the traffic of a connection, so both directions
 * remember what they have seen; the memory is bounded, and what does not fit is converted each time.
 */

/** Names remembered in each direction; a program has far fewer. */
const REMEMBERED = 1024
/** Longest name that is remembered, in bytes: the default of `maxActionBytes`. */
const REMEMBERED_BYTES = 256

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const encoded = new Map<string, Uint8Array>()
const decoded = new Map<number, { readonly bytes: Uint8Array; readonly name: string }>()
/** The one that was asked for last is likely to come again. */
let last: { readonly bytes: Uint8Array; readonly name: string } = { bytes: new Uint8Array(0), name: '' }

/** The UTF-8 bytes of a name, which all callers share: not to be changed. */
export function encodeActionName(name: string): Uint8Array {
  let bytes = encoded.get(name)
  if (bytes === undefined) {
    bytes = encoder.encode(name)
    if (encoded.size < REMEMBERED && bytes.length <= REMEMBERED_BYTES) encoded.set(name, bytes)
  }
  return bytes
}

/** The name that `length` bytes from `at` on spell (default: all of them), or `undefined` where they are not UTF-8. */
export function decodeActionName(bytes: Uint8Array, at = 0, length: number = bytes.length): string | undefined {
  if (last.bytes.length === length && same(last.bytes, bytes, at)) return last.name
  let hash = length
  for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
  const known = decoded.get(hash)
  if (known !== undefined && known.bytes.length === length && same(known.bytes, bytes, at)) {
    last = known
    return known.name
  }
  const own = new Uint8Array(bytes.subarray(at, at + length))
  let name: string
  try {
    name = decoder.decode(own)
  } catch {
    return undefined // the fatal decoder's one way to say "not UTF-8"
  }
  if (length > REMEMBERED_BYTES) return name
  // The newest of two names with one hash stays; a peer that sends ever new names only makes this forget them all.
  if (decoded.size >= REMEMBERED) decoded.clear()
  decoded.set(hash, { bytes: own, name })
  return name
}

function same(known: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[at + i]) return false
  return true
}
