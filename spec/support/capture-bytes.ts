/**
 * Captures, written by the letter of their format and without the library.
 */
import { concat } from './hex.ts'

const encoder = new TextEncoder()

/** A record: kind, connection, microseconds, and a body: bytes, or facts that are written as JSON. */
export function record(kind: number, connection: number, atMicros: number, body: Uint8Array | object): Uint8Array {
  const bytes = body instanceof Uint8Array ? body : encoder.encode(JSON.stringify(body))
  const head = new DataView(new ArrayBuffer(20))
  head.setUint8(0, kind)
  head.setUint32(4, connection, true)
  head.setBigUint64(8, BigInt(atMicros), true)
  head.setUint32(16, bytes.length, true)
  return concat([new Uint8Array(head.buffer), bytes])
}

export const opened = (connection: number, atMicros = 0): Uint8Array =>
  record(1, connection, atMicros, { address: 'tcp://10.0.0.1:4000', transport: 'tcp', recordedBy: 'client' })
export const wentUp = (connection: number, atMicros: number, bytes: Uint8Array): Uint8Array =>
  record(2, connection, atMicros, bytes)
export const wentDown = (connection: number, atMicros: number, bytes: Uint8Array): Uint8Array =>
  record(3, connection, atMicros, bytes)
export const ended = (connection: number, atMicros: number, how = 'closed'): Uint8Array =>
  record(4, connection, atMicros, { how })
export const stopped = (atMicros: number, reason: string): Uint8Array => record(5, 0, atMicros, { reason })

/** The head of a file that began with the year 2020. */
export function fileHead(version = 1): Uint8Array {
  const head = new DataView(new ArrayBuffer(24))
  new Uint8Array(head.buffer).set(encoder.encode('razorcap'))
  head.setUint16(8, version, true)
  head.setBigUint64(16, BigInt(Date.UTC(2020, 0)) * 1000n, true)
  return new Uint8Array(head.buffer)
}

/** A capture of these records. */
export function capture(...records: readonly Uint8Array[]): Uint8Array {
  return concat([fileHead(), ...records])
}
