/**
 * What version 2 writes into the two heads: the kinds of its frames, and the fields that differ. PROTOCOL.md, "Version 2".
 */
import { readU32, readU64, type U64, writeU16, writeU32, writeU64 } from './bytes.ts'
import { ProtocolError } from './close.ts'
import {
  type BodyLengths,
  checkBlobSign,
  checkLength,
  checkMagic,
  type FrameLimits,
  RequestFrame,
  ResponseFrame,
  RPC_MAGIC,
  RPC_VERSION_2,
  readResponseHead,
  STRING_ACTION,
} from './heads.ts'

/** Kinds of frames from client to server. */
export const UP_REQUEST = 1
export const UP_NEXT = 2
export const UP_COMPLETE = 3
export const UP_ERROR = 4
export const UP_CREDIT = 5
export const UP_CANCEL = 6
export const UP_HELLO = 7
export const UP_HEADERS = 8

/** Kinds of frames from server to client; 0 to 2 are the flags of version 1. */
export const DOWN_DONE = 0
export const DOWN_ERRNO = 1
export const DOWN_ERROR = 2
export const DOWN_NEXT = 3
export const DOWN_CREDIT = 5
export const DOWN_CANCEL = 6
export const DOWN_HELLO = 7
export const DOWN_GOAWAY = 9

/** Bytes of the map that a HELLO, HEADERS or GOAWAY carries. */
export const MAX_CONTROL_BYTES = 4096
/** Bytes of the text of an ERROR from a client. */
export const MAX_UP_ERROR_BYTES = 1024
/** Bytes of the body of a CREDIT from a server. */
export const CREDIT_BYTES = 12
/** Largest window that a CREDIT from a server may name. */
export const MAX_WINDOW = 0x7fff_ffff

const OPEN = 0x8000_0000

/** Reads and checks the head of a frame of version 2 from a client; fills `lengths`. A name is empty as yet. */
export function readUpHead(bytes: Uint8Array, at: number, lengths: BodyLengths, limits: FrameLimits): RequestFrame {
  checkMagic(bytes, at)
  const seq = readU64(bytes, at + 8)
  const kind = bytes[at + 3]!
  const field = readU32(bytes, at + 4)
  const isRequest = kind === UP_REQUEST
  if (kind < UP_REQUEST || kind > UP_HEADERS) throw new ProtocolError(4400, `frame ${seq} has the unknown kind ${kind}`)
  if (field >= STRING_ACTION && !isRequest) {
    throw new ProtocolError(4400, `frame ${seq} of kind ${kind} has bit 31 of its action field set`)
  }
  if ((seq === 0) !== (kind === UP_HELLO)) throw new ProtocolError(4400, `frame of kind ${kind} has seq ${seq}`)
  const named = field >= STRING_ACTION
  lengths.action = named ? field - STRING_ACTION : 0
  lengths.msg = readU32(bytes, at + 24)
  lengths.blob = readU32(bytes, at + 28)
  checkLength('action', lengths.action, 'maxActionBytes', limits.maxActionBytes, seq, 'request')
  checkUpBody(kind, seq, lengths, limits)
  const word = isRequest ? readU32(bytes, at + 16) : 0
  return new RequestFrame(
    RPC_VERSION_2,
    kind,
    named ? '' : isRequest ? field : 0,
    seq,
    0,
    isRequest ? word % OPEN : kind === UP_CREDIT ? field : 0,
    word >= OPEN,
    isRequest ? readU32(bytes, at + 20) : 0,
    kind === UP_CREDIT ? readU64(bytes, at + 16) : 0,
  )
}

function checkUpBody(kind: number, seq: U64, lengths: BodyLengths, limits: FrameLimits): void {
  checkBlobSign(lengths.blob, seq, 'request')
  const control = kind === UP_HELLO || kind === UP_HEADERS
  if (control) checkControl(lengths.msg, lengths.blob, seq)
  else if (kind === UP_ERROR) {
    checkLength('text of error', lengths.blob, 'its limit of', MAX_UP_ERROR_BYTES, seq, 'request')
    checkLength('message', lengths.msg, 'its limit of', 0, seq, 'request')
  } else if (kind === UP_REQUEST || kind === UP_NEXT) {
    checkLength('message', lengths.msg, 'maxMessageBytes', limits.maxMessageBytes, seq, 'request')
    checkLength('blob', lengths.blob, 'maxBlobBytes', limits.maxBlobBytes, seq, 'request')
  } else if (lengths.msg + lengths.blob > 0) {
    throw new ProtocolError(4400, `frame ${seq} of kind ${kind} has a body of ${lengths.msg + lengths.blob} bytes`)
  }
}

/** Reads and checks the head of a frame of version 2 from a server; fills `lengths`. */
export function readDownHead(bytes: Uint8Array, at: number, lengths: BodyLengths, limits: FrameLimits): ResponseFrame {
  const kind = bytes[at + 3]!
  if (kind <= DOWN_ERROR) return readResponseHead(bytes, at, lengths, limits, RPC_VERSION_2)
  checkMagic(bytes, at)
  const seq = readU64(bytes, at + 8)
  lengths.action = 0
  lengths.msg = readU32(bytes, at + 4)
  lengths.blob = readU32(bytes, at + 16)
  checkBlobSign(lengths.blob, seq, 'response')
  switch (kind) {
    case DOWN_NEXT:
      checkLength('message of item', lengths.msg, 'maxMessageBytes', limits.maxMessageBytes, seq, 'response')
      checkLength('blob of item', lengths.blob, 'maxBlobBytes', limits.maxBlobBytes, seq, 'response')
      break
    case DOWN_CREDIT:
      if (lengths.msg !== CREDIT_BYTES || lengths.blob !== 0) {
        throw new ProtocolError(4400, `credit for ${seq} has a body of ${lengths.msg + lengths.blob} bytes`)
      }
      break
    case DOWN_CANCEL:
      if (lengths.msg + lengths.blob > 0) throw new ProtocolError(4400, `cancel of ${seq} has a body`)
      break
    case DOWN_HELLO:
      checkControl(lengths.msg, lengths.blob, seq)
      if (seq !== 0) throw new ProtocolError(4400, `HELLO has seq ${seq}`)
      break
    case DOWN_GOAWAY:
      checkControl(lengths.msg, lengths.blob, seq)
      break
    default:
      throw new ProtocolError(4400, `response ${seq} has the unknown kind ${kind}`)
  }
  return new ResponseFrame(RPC_VERSION_2, kind, seq, 0)
}

function checkControl(msgBytes: number, blobBytes: number, seq: U64): void {
  if (msgBytes > MAX_CONTROL_BYTES || blobBytes > 0) {
    throw new ProtocolError(
      4400,
      `control map of frame ${seq} is ${msgBytes} bytes with ${blobBytes} of blob, at most ${MAX_CONTROL_BYTES} and none are allowed`,
    )
  }
}

/** Writes the head of a frame of version 2 from a client. `field` is an action, with {@link STRING_ACTION} where it is a name, or a window. */
export function writeUpHead(
  bytes: Uint8Array,
  at: number,
  kind: number,
  field: number,
  seq: U64,
  msgBytes: number,
  blobBytes: number,
): void {
  writeU16(bytes, at, RPC_MAGIC)
  bytes[at + 2] = RPC_VERSION_2
  bytes[at + 3] = kind
  writeU32(bytes, at + 4, field)
  writeU64(bytes, at + 8, seq)
  writeU32(bytes, at + 16, 0)
  writeU32(bytes, at + 20, 0)
  writeU32(bytes, at + 24, msgBytes)
  writeU32(bytes, at + 28, blobBytes)
}

/** Fills in what a REQUEST says besides: its shape and the time left. */
export function writeShape(bytes: Uint8Array, at: number, window: number, open: boolean, msLeft: number): void {
  writeU32(bytes, at + 16, open ? window + OPEN : window)
  writeU32(bytes, at + 20, msLeft)
}

/** Fills in what a CREDIT from a client reports as consumed. */
export function writeConsumed(bytes: Uint8Array, at: number, consumed: U64): void {
  writeU64(bytes, at + 16, consumed)
}

/** The body of a CREDIT from a server. */
export function creditBody(window: number, consumed: U64): Uint8Array {
  const body = new Uint8Array(CREDIT_BYTES)
  writeU32(body, 0, window)
  writeU64(body, 4, consumed)
  return body
}

/** Reads the body of a CREDIT from a server. */
export function readCreditBody(body: Uint8Array): { readonly window: number; readonly consumed: U64 } {
  return { window: readU32(body, 0), consumed: readU64(body, 4) }
}
