/**
 * The file that `--record` writes and `razor decode` reads: every chunk of every connection, with its time and direction.
 *
 * All integers are little endian. A file head of 24 bytes, then records: a head of 20 bytes and a body each.
 *
 *     file    0   8  magic, the text "razorcap"
 *             8   2  version of the format, 1
 *            10   6  0
 *            16   8  when it began, in microseconds of Unix time
 *     record  0   1  kind; one that is not known is passed over
 *             1   3  0
 *             4   4  connection, numbered from 1 as they open; 0 is the recording itself
 *             8   8  when, in microseconds since the beginning
 *            16   4  bytes of the body
 *
 *     kind 1  OPEN     {"address", "transport", "recordedBy": "client" or "server"}, as JSON
 *     kind 2  UP       bytes from client to server, as the link took or gave them
 *     kind 3  DOWN     bytes from server to client
 *     kind 4  END      {"how"}, as JSON: "finished" by the far end, "closed" or "destroyed" by this one, "lost" with a "reason"
 *     kind 5  STOPPED  {"reason"}, as JSON: nothing was recorded behind it, and the connections went on
 */
import { readU16, readU32, readU64, writeU16, writeU32, writeU64 } from '../../protocol/bytes.ts'

/** The first bytes of a capture. */
export const CAPTURE_MAGIC: Uint8Array = new TextEncoder().encode('razorcap')
/** The version of the format that this program writes, and the only one it reads. */
export const CAPTURE_VERSION = 1
/** Bytes of the file head. */
export const FILE_HEAD_BYTES = 24
/** Bytes of the head of a record. */
export const RECORD_HEAD_BYTES = 20
/** The longest body of a record that is no bytes of a connection. */
export const MAX_FACTS_BYTES: number = 64 * 1024

/** Kinds of records. */
export const OPEN = 1
export const UP = 2
export const DOWN = 3
export const END = 4
export const STOPPED = 5

/** Client to server, or server to client. */
export type Direction = 'up' | 'down'

/** What OPEN says. */
export interface OpenFacts {
  /** The far end, as a URL. */
  readonly address: string
  /** `tcp`, `unix`, `ws`, `memory`. */
  readonly transport: string
  /** Which end of the connection recorded it. */
  readonly recordedBy: 'client' | 'server'
}

/** What END says. */
export interface EndFacts {
  readonly how: 'finished' | 'closed' | 'destroyed' | 'lost'
  readonly reason?: string
}

/** The head of a record. */
export interface RecordHead {
  readonly kind: number
  readonly connection: number
  /** Microseconds since the beginning. */
  readonly atMicros: number
  readonly bytes: number
}

/** The file head of a capture that begins at `unixMs`. */
export function fileHead(unixMs: number): Uint8Array {
  const head = new Uint8Array(FILE_HEAD_BYTES)
  head.set(CAPTURE_MAGIC)
  writeU16(head, 8, CAPTURE_VERSION)
  writeU64(head, 16, Math.round(unixMs * 1000))
  return head
}

/** Is this the beginning of a capture, as far as it goes? */
export function startsAsCapture(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, CAPTURE_MAGIC.length)
  for (let at = 0; at < length; at++) if (bytes[at] !== CAPTURE_MAGIC[at]) return false
  return true
}

/** The version and the beginning, in milliseconds of Unix time, that a file head names. */
export function readFileHead(
  bytes: Uint8Array,
  at: number,
): { readonly version: number; readonly beganUnixMs: number } {
  return { version: readU16(bytes, at + 8), beganUnixMs: Number(readU64(bytes, at + 16)) / 1000 }
}

/** Writes the head of a record into `bytes` at `at`. */
export function writeRecordHead(bytes: Uint8Array, at: number, head: RecordHead): void {
  writeU32(bytes, at, head.kind)
  writeU32(bytes, at + 4, head.connection)
  writeU64(bytes, at + 8, head.atMicros)
  writeU32(bytes, at + 16, head.bytes)
}

/** Reads the head of a record. */
export function readRecordHead(bytes: Uint8Array, at: number): RecordHead {
  return {
    kind: bytes[at]!,
    connection: readU32(bytes, at + 4),
    atMicros: Number(readU64(bytes, at + 8)),
    bytes: readU32(bytes, at + 16),
  }
}
