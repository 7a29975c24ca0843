/**
 * Frames recorded between a client and a server of the Rust crates 0.9 (`fixtures/razor-0.9.json`).
 */
import { readFileSync } from 'node:fs'

/** One request and the one response to it. */
export interface Vector {
  readonly name: string
  readonly note: string
  readonly request: Uint8Array
  readonly response: Uint8Array
}

interface Recorded {
  readonly vectors: readonly { name: string; note: string; request_hex: string; response_hex: string }[]
}

const recorded = JSON.parse(readFileSync(new URL('../fixtures/razor-0.9.json', import.meta.url), 'utf8')) as Recorded

export const vectors: readonly Vector[] = recorded.vectors.map(({ name, note, request_hex, response_hex }) => ({
  name,
  note,
  request: fromHex(request_hex),
  response: fromHex(response_hex),
}))

/** The message of a recorded request. Empty where it has none. */
export function requestMessage({ request }: Vector): Uint8Array {
  const head = new DataView(request.buffer, request.byteOffset)
  const action = head.getUint32(4, true)
  const start = 32 + (action >= 2 ** 31 ? action - 2 ** 31 : 0)
  return request.subarray(start, start + head.getUint32(24, true))
}

/** The message of a recorded response, or, where it is a coded error, the error's. Empty where it has neither. */
export function responseMessage({ response, note }: Vector): Uint8Array {
  const head = new DataView(response.buffer, response.byteOffset)
  if (response[3] === 0) return response.subarray(20, 20 + head.getUint32(4, true))
  return note.includes('msgpack in the blob') ? response.subarray(20, 20 + head.getInt32(16, true)) : new Uint8Array()
}

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
