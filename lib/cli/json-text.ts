/**
 * JSON as the command line reads and prints it: integers of any size are exact, and bytes are written
 * `{"$bytes":"base64"}`, both ways. `JSON` itself rounds integers beyond 2^53 - 1; here they pass through it as marked text.
 */
import { randomUUID } from 'node:crypto'

/** Nobody can have written it before it was made. */
const MARK = `${randomUUID()}:`
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const INTEGER = /^-?\d+$/
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
/** What JSON may hold as it is, but a terminal may obey. */
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g

/** Reads JSON; an integer beyond the safe ones becomes a bigint. Throws the `SyntaxError` of `JSON.parse`. */
export function parseJson(text: string): unknown {
  // First as it is, so that a complaint is about what was typed.
  JSON.parse(text)
  const marked = text.replace(STRING_OR_NUMBER, token =>
    INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${MARK}${token}"` : token,
  )
  return JSON.parse(marked, (_, value: unknown) => {
    if (typeof value === 'string' && value.startsWith(MARK)) return BigInt(value.slice(MARK.length))
    return bytesIn(value) ?? value
  })
}

/**
 * Writes JSON on one line: bigints with all their digits, `undefined` as null, a Date as its ISO text, NaN and the infinities
 * as text.
 */
export function formatJson(value: unknown): string {
  const text = JSON.stringify(value ?? null, (_, part: unknown) => {
    if (typeof part === 'bigint') return `${MARK}${part}`
    if (typeof part === 'number' && !Number.isFinite(part)) return String(part)
    // A Buffer has a toJSON, which would have been asked before.
    if (part instanceof Uint8Array) return { $bytes: Buffer.from(part).toString('base64') }
    return part
  })
  return text
    .replace(MARKED, '$1')
    .replace(CONTROLS, control => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function bytesIn(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { $bytes } = value as { $bytes?: unknown }
  if (typeof $bytes !== 'string' || Object.keys(value).length !== 1) return undefined
  return new Uint8Array(Buffer.from($bytes, 'base64'))
}
