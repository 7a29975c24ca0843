/**
 * Frames of the wire, written and read by the letter of PROTOCOL.md and without the library, any field as wrong as a spec
 * wants it.
 */
import { concat } from './hex.ts'

const NONE = new Uint8Array(0)
const encoder = new TextEncoder()

/** The fields of a request; what is left out is right. */
export interface RawRequest {
  readonly magic?: number
  readonly ver?: number
  readonly format?: number
  /** A number, or a name. Default the name `Lab.echo`. */
  readonly action?: number | string | Uint8Array
  /** What the head says of the name's length. Default: its length. */
  readonly actionBytes?: number
  readonly seq?: number | bigint
  readonly clientId?: number | bigint
  /** Default: nil, which is unit. */
  readonly msg?: Uint8Array
  readonly msgBytes?: number
  readonly blob?: Uint8Array
  readonly blobBytes?: number
}

/** A request frame. */
export function request(fields: RawRequest = {}): Uint8Array {
  const { action = 'Lab.echo', msg = Uint8Array.of(0xc0), blob = NONE } = fields
  const name = typeof action === 'number' ? undefined : typeof action === 'string' ? encoder.encode(action) : action
  const head = new DataView(new ArrayBuffer(32))
  head.setUint16(0, fields.magic ?? 19749, true)
  head.setUint8(2, fields.ver ?? 1)
  head.setUint8(3, fields.format ?? 0)
  const nameBytes = fields.actionBytes ?? name?.length
  head.setUint32(4, nameBytes === undefined ? (action as number) : (0x8000_0000 | nameBytes) >>> 0, true)
  head.setBigUint64(8, BigInt(fields.seq ?? 1), true)
  head.setBigUint64(16, BigInt(fields.clientId ?? 0), true)
  head.setUint32(24, fields.msgBytes ?? msg.length, true)
  head.setUint32(28, fields.blobBytes ?? blob.length, true)
  return concat([new Uint8Array(head.buffer), name ?? NONE, msg, blob])
}

/** A ping. */
export function ping(seq: number | bigint): Uint8Array {
  return request({ action: 0, seq, msg: NONE })
}

/** The fields of a response; what is left out is right. */
export interface RawResponse {
  readonly magic?: number
  readonly ver?: number
  readonly flag?: number
  readonly seq?: number | bigint
  readonly msg?: Uint8Array
  /** What stands in msg_len: the errno where `flag` is 1. */
  readonly msgBytes?: number
  readonly blob?: Uint8Array | string
  readonly blobBytes?: number
}

/** A response frame. */
export function response(fields: RawResponse = {}): Uint8Array {
  const { msg = NONE } = fields
  const blob = typeof fields.blob === 'string' ? encoder.encode(fields.blob) : (fields.blob ?? NONE)
  const head = new DataView(new ArrayBuffer(20))
  head.setUint16(0, fields.magic ?? 19749, true)
  head.setUint8(2, fields.ver ?? 1)
  head.setUint8(3, fields.flag ?? 0)
  head.setUint32(4, fields.msgBytes ?? msg.length, true)
  head.setBigUint64(8, BigInt(fields.seq ?? 1), true)
  head.setUint32(16, fields.blobBytes ?? blob.length, true)
  return concat([new Uint8Array(head.buffer), msg, blob])
}

/** The notice before a close. */
export function notice(text: string): Uint8Array {
  return response({ seq: 0, flag: 2, blob: text })
}

/** A response as it was read. */
export interface Answer {
  readonly flag: number
  readonly seq: bigint
  /** The errno where `flag` is 1, else the length of `msg`. */
  readonly msgBytes: number
  readonly msg: Buffer
  readonly blob: Buffer
}

/** All whole responses in `bytes`. Throws for what is none. */
export function answers(bytes: Buffer): Answer[] {
  const found: Answer[] = []
  for (let at = 0; at + 20 <= bytes.length; ) {
    if (bytes.readUInt16LE(at) !== 19749 || bytes[at + 2] !== 1) throw new Error(`no response at byte ${at}`)
    const flag = bytes[at + 3]!
    const msgBytes = bytes.readUInt32LE(at + 4)
    const blobAt = at + 20 + (flag === 1 ? 0 : msgBytes)
    const end = blobAt + bytes.readInt32LE(at + 16)
    if (end > bytes.length) break
    const msg = bytes.subarray(at + 20, blobAt)
    found.push({ flag, seq: bytes.readBigUInt64LE(at + 8), msgBytes, msg, blob: bytes.subarray(blobAt, end) })
    at = end
  }
  return found
}

/** A request, or a ping, as it was read. */
export interface Asked {
  readonly ver: number
  readonly action: number | string
  readonly seq: bigint
  readonly msg: Buffer
  readonly blob: Buffer
}

/** All whole requests in `bytes`, of either version; pings too, but not the offer of version 2. Throws for what is no frame. */
export function asked(bytes: Buffer): Asked[] {
  const found: Asked[] = []
  for (let at = 0; at + 32 <= bytes.length; ) {
    const ver = bytes[at + 2]!
    const kind = bytes[at + 3]!
    if (bytes.readUInt16LE(at) !== 19749 || ver < 1 || ver > 2) throw new Error(`no request at byte ${at}`)
    const field = bytes.readUInt32LE(at + 4)
    const nameBytes = field >= 0x8000_0000 ? field - 0x8000_0000 : 0
    const msgAt = at + 32 + nameBytes
    const blobAt = msgAt + bytes.readUInt32LE(at + 24)
    const end = blobAt + bytes.readUInt32LE(at + 28)
    if (end > bytes.length) break
    const action = field >= 0x8000_0000 ? bytes.toString('utf8', at + 32, msgAt) : field
    const seq = bytes.readBigUInt64LE(at + 8)
    // In version 1 this is the format, 2 in an offer and else 0; in version 2 the kind, 1 for a request.
    const isOffer = ver === 1 && kind === 2 && field === 0
    if (ver === 1 && kind > 0 && !isOffer) throw new Error(`request ${seq} has format ${kind}`)
    if (kind === ver - 1) {
      found.push({ ver, action, seq, msg: bytes.subarray(msgAt, blobAt), blob: bytes.subarray(blobAt, end) })
    }
    at = end
  }
  return found
}
