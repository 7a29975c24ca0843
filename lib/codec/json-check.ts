/**
 * Looks over JSON text before and after `JSON.parse`: before, for what would cost too much or be rounded; after, for what
 * the parser lets through.
 */
import { RpcError } from '../error.ts'
import type { DecodeLimits } from './codec.ts'
import { REFUSED_KEYS } from './map-keys.ts'
import { isWellFormed } from './utf8.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Counts depth, values and keys in the bytes of a JSON text, without recursion, and refuses integers that a number would
 * round. Answers how many members its objects have in all. Whether the text is JSON at all is left to the parser. Throws
 * an `RpcError` `rpc_decode`.
 */
export function checkJson(bytes: Uint8Array, limits: DecodeLimits): number {
  const { maxDepth, maxElements, maxKeys } = limits
  const end = bytes.length
  const counts: number[] = [0]
  let depth = 0
  let values = 0
  let members = 0
  let at = 0
  while (at < end) {
    const start = at
    switch (bytes[at++]) {
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
      case 0x2c: // ,
        continue
      case 0x3a: // :
        members++
        if (++counts[depth]! > maxKeys)
          throw refused(`an object at depth ${depth} has more keys than maxKeys ${maxKeys}`)
        continue
      case 0x7d: // }
      case 0x5d: // ]
        if (depth === 0) throw refused(`nothing is open at byte ${start}`)
        depth--
        continue
      case 0x7b: // {
      case 0x5b: // [
        if (depth >= maxDepth) throw refused(`byte ${start} is ${depth + 1} deep, over maxDepth ${maxDepth}`)
        counts[++depth] = 0
        break
      case QUOTE:
        while (at < end && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
        at++
        break
      default:
        while (at < end && isPartOfWord(bytes[at]!)) at++
        exact(bytes, start, at)
    }
    if (++values > maxElements) throw refused(`more values than maxElements ${maxElements}`)
  }
  return members
}

/**
 * Refuses what the parser let through: refused keys, text with lone surrogates (escapes can write them), numbers beyond a
 * float64. Answers how many members the objects have in all: fewer than {@link checkJson} counted means that a key stood
 * twice. Depth is bounded by the check before.
 */
export function checkParsed(value: unknown): number {
  if (typeof value === 'string' && !isWellFormed(value)) throw refused('a string has a lone surrogate')
  if (typeof value === 'number' && !Number.isFinite(value)) throw refused('a number is beyond a float64')
  if (typeof value !== 'object' || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) members += checkParsed(item)
    return members
  }
  for (const key of Object.keys(value)) {
    if (REFUSED_KEYS.has(key)) throw refused(`key ${JSON.stringify(key)} is refused`)
    if (!isWellFormed(key)) throw refused('a key has a lone surrogate')
    members += 1 + checkParsed((value as Record<string, unknown>)[key])
  }
  return members
}

/** An `rpc_decode` for a JSON text. */
export function refused(what: string, cause?: unknown): RpcError {
  return new RpcError('rpc_decode', `JSON refused: ${what}`, cause === undefined ? {} : { cause })
}

/** A byte of a number, of `true`, `false`, `null`, or of nothing that JSON knows. */
function isPartOfWord(byte: number): boolean {
  return (
    byte > 0x20 && byte !== QUOTE && byte !== 0x2c && byte !== 0x3a && (byte & 0xdf) !== 0x5b && (byte & 0xdf) !== 0x5d
  )
}

function exact(bytes: Uint8Array, start: number, end: number): void {
  if (end - start < 16) return
  const word = String.fromCharCode(...bytes.subarray(start, Math.min(end, start + 40)))
  if (!/^-?[0-9]+$/.test(word) || Number.isSafeInteger(Number(word))) return
  throw refused(`integer ${word} at byte ${start} is not exact as a number`)
}
