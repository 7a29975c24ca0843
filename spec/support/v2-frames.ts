/**
 * Frames of version 2, written and read by the letter of PROTOCOL.md and without the library's framer, any field as wrong as a
 * spec wants it.
 */
import { msgpack } from '../../lib/codec/msgpack.ts'
import { concat } from './hex.ts'
import { request, response } from './raw-frames.ts'

export const NONE: Uint8Array = new Uint8Array(0)
const codec = msgpack()
const encoder = new TextEncoder()

/** A value as a message. */
export const pack = (value: unknown): Uint8Array => codec.encode(value)
/** A message as a value. */
export const unpack = (bytes: Uint8Array): unknown => codec.decode(bytes)

/** Kinds of frames, by direction. */
export const UP = { request: 1, next: 2, complete: 3, error: 4, credit: 5, cancel: 6, hello: 7, headers: 8 } as const
export const DOWN = { done: 0, errno: 1, error: 2, next: 3, credit: 5, cancel: 6, hello: 7, goAway: 9 } as const

/** The fields of a frame from a client; what is left out is 0 or empty. */
export interface RawUp {
  readonly ver?: number
  readonly field?: number
  readonly name?: string
  readonly seq?: number | bigint
  /** The eight bytes at 16. */
  readonly word?: bigint
  readonly msg?: Uint8Array
  readonly msgBytes?: number
  readonly blob?: Uint8Array
  readonly blobBytes?: number
}

/** A frame from a client. */
export function up(kind: number, fields: RawUp = {}): Uint8Array {
  const { msg = NONE, blob = NONE } = fields
  const name = fields.name === undefined ? NONE : encoder.encode(fields.name)
  const head = new DataView(new ArrayBuffer(32))
  head.setUint16(0, 19749, true)
  head.setUint8(2, fields.ver ?? 2)
  head.setUint8(3, kind)
  head.setUint32(4, fields.name === undefined ? (fields.field ?? 0) : 0x8000_0000 + name.length, true)
  head.setBigUint64(8, BigInt(fields.seq ?? 0), true)
  head.setBigUint64(16, fields.word ?? 0n, true)
  head.setUint32(24, fields.msgBytes ?? msg.length, true)
  head.setUint32(28, fields.blobBytes ?? blob.length, true)
  return concat([new Uint8Array(head.buffer), name, msg, blob])
}

/** What a request says besides its seq. */
export interface RawCall {
  readonly action?: string
  readonly window?: number
  readonly open?: boolean
  readonly msLeft?: number
  readonly msg?: Uint8Array
  readonly blob?: Uint8Array
}

export const upRequest = (seq: number | bigint, call: RawCall = {}): Uint8Array => {
  const { action = 'S.echo', window = 0, open = false, msLeft = 0, msg = pack(null), blob = NONE } = call
  const shape = BigInt(window) + (open ? 0x8000_0000n : 0n)
  return up(UP.request, { name: action, seq, word: shape + (BigInt(msLeft) << 32n), msg, blob })
}
export const upNext = (seq: number | bigint, item: unknown): Uint8Array =>
  item instanceof Uint8Array ? up(UP.next, { seq, blob: item }) : up(UP.next, { seq, msg: pack(item) })
export const upComplete = (seq: number | bigint): Uint8Array => up(UP.complete, { seq })
export const upError = (seq: number | bigint, text: string): Uint8Array =>
  up(UP.error, { seq, blob: encoder.encode(text) })
export const upCredit = (seq: number | bigint, window: number, consumed: number | bigint): Uint8Array =>
  up(UP.credit, { field: window, seq, word: BigInt(consumed) })
export const upCancel = (seq: number | bigint): Uint8Array => up(UP.cancel, { seq })
export const upHello = (map: unknown = {}): Uint8Array => up(UP.hello, { msg: pack(map) })
export const upHeaders = (seq: number | bigint, map: unknown): Uint8Array => up(UP.headers, { seq, msg: pack(map) })
/** A ping of version 1 that offers version 2. */
export const offer = (seq: number | bigint = 1, clientId = 0): Uint8Array =>
  request({ action: 0, seq, format: 2, clientId, msg: NONE })

const downFrame = (kind: number, seq: number | bigint, msg: Uint8Array = NONE, blob: Uint8Array | string = NONE) =>
  response({ ver: 2, flag: kind, seq, msg, blob })
export const downDone = (seq: number | bigint, msg: Uint8Array = NONE, blob: Uint8Array = NONE): Uint8Array =>
  downFrame(DOWN.done, seq, msg, blob)
export const downError = (seq: number | bigint, text: string): Uint8Array => downFrame(DOWN.error, seq, NONE, text)
export const downNext = (seq: number | bigint, item: unknown): Uint8Array =>
  item instanceof Uint8Array ? downFrame(DOWN.next, seq, NONE, item) : downFrame(DOWN.next, seq, pack(item))
export const downCredit = (seq: number | bigint, window: number, consumed: number | bigint): Uint8Array => {
  const body = new DataView(new ArrayBuffer(12))
  body.setUint32(0, window, true)
  body.setBigUint64(4, BigInt(consumed), true)
  return downFrame(DOWN.credit, seq, new Uint8Array(body.buffer))
}
export const downCancel = (seq: number | bigint): Uint8Array => downFrame(DOWN.cancel, seq)
export const downHello = (map: unknown = {}): Uint8Array => downFrame(DOWN.hello, 0, pack(map))
export const goAway = (seq: number | bigint, map: unknown = {}): Uint8Array => downFrame(DOWN.goAway, seq, pack(map))
/** The answer to the offer. */
export const pong = (seq: number | bigint = 1, map: unknown = { v: 2 }): Uint8Array => response({ seq, msg: pack(map) })

/** A frame of either version from a client, as it was read. */
export interface SeenUp {
  readonly ver: number
  readonly kind: number
  /** The number at 4, or the name it stands for. */
  readonly action: number | string
  readonly seq: number
  readonly window: number
  readonly open: boolean
  readonly msLeft: number
  readonly consumed: number
  readonly msg: Buffer
  readonly blob: Buffer
}

/** All whole frames of a client in `bytes`. Throws for what is none. */
export function ups(bytes: Buffer): SeenUp[] {
  const found: SeenUp[] = []
  for (let at = 0; at + 32 <= bytes.length; ) {
    if (bytes.readUInt16LE(at) !== 19749) throw new Error(`no frame at byte ${at}`)
    const field = bytes.readUInt32LE(at + 4)
    const msgAt = at + 32 + (field >= 0x8000_0000 ? field - 0x8000_0000 : 0)
    const blobAt = msgAt + bytes.readUInt32LE(at + 24)
    const end = blobAt + bytes.readUInt32LE(at + 28)
    if (end > bytes.length) break
    const word = bytes.readUInt32LE(at + 16)
    const kind = bytes[at + 3]!
    found.push({
      ver: bytes[at + 2]!,
      kind,
      action: field >= 0x8000_0000 ? bytes.toString('utf8', at + 32, msgAt) : field,
      seq: Number(bytes.readBigUInt64LE(at + 8)),
      window: kind === UP.credit ? field : word % 0x8000_0000,
      open: word >= 0x8000_0000,
      msLeft: bytes.readUInt32LE(at + 20),
      consumed: Number(bytes.readBigUInt64LE(at + 16)),
      msg: bytes.subarray(msgAt, blobAt),
      blob: bytes.subarray(blobAt, end),
    })
    at = end
  }
  return found
}

/** A frame of either version from a server, as it was read. */
export interface SeenDown {
  readonly ver: number
  readonly kind: number
  readonly seq: number
  /** The errno where `kind` is 1. */
  readonly errno: number
  readonly msg: Buffer
  readonly blob: Buffer
  /** The blob as text. */
  readonly text: string
}

/** All whole frames of a server in `bytes`. Throws for what is none. */
export function downs(bytes: Buffer): SeenDown[] {
  const found: SeenDown[] = []
  for (let at = 0; at + 20 <= bytes.length; ) {
    if (bytes.readUInt16LE(at) !== 19749) throw new Error(`no frame at byte ${at}`)
    const kind = bytes[at + 3]!
    const field = bytes.readUInt32LE(at + 4)
    const blobAt = at + 20 + (kind === DOWN.errno ? 0 : field)
    const end = blobAt + bytes.readUInt32LE(at + 16)
    if (end > bytes.length) break
    const blob = bytes.subarray(blobAt, end)
    found.push({
      ver: bytes[at + 2]!,
      kind,
      seq: Number(bytes.readBigUInt64LE(at + 8)),
      errno: kind === DOWN.errno ? field : 0,
      msg: bytes.subarray(at + 20, blobAt),
      blob,
      text: blob.toString(),
    })
    at = end
  }
  return found
}

/** The window and the consumed units of a CREDIT from a server. */
export function creditOf(frame: SeenDown): { window: number; consumed: number } {
  return { window: frame.msg.readUInt32LE(0), consumed: Number(frame.msg.readBigUInt64LE(4)) }
}
