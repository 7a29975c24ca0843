/**
 * The two heads of version 1: write, read, check. PROTOCOL.md, "Request head" and "Response head". Rust: `proto.rs`.
 */
import { Body, EMPTY_BYTES } from './body.ts'
import { readU16, readU32, readU64, type U64, writeU16, writeU32, writeU64 } from './bytes.ts'
import { ProtocolError } from './close.ts'

export { EMPTY_BYTES }

/** The first two bytes of every frame, `25 4d`. Rust: `RPC_MAGIC`. */
export const RPC_MAGIC = 19749
/** The version this end speaks. Rust: `RPC_VERSION_1`. */
export const RPC_VERSION_1 = 1
/** The version that adds streams, credit and cancel; spoken only where both ends agreed on it. */
export const RPC_VERSION_2 = 2
/** Bytes of a request head. Rust: `RPC_REQ_HEADER_LEN`. */
export const RPC_REQ_HEADER_LEN = 32
/** Bytes of a response head. Rust: `RPC_RESP_HEADER_LEN`. */
export const RPC_RESP_HEADER_LEN = 20
/** The action of a ping. Rust: `PING_ACTION`. */
export const PING_ACTION = 0
/** Largest numeric action. */
export const MAX_ACTION_NUMBER = 0x7fff_ffff
/** Set in the action field of a request where the low 31 bits are the length of an action string. Rust: `RPC_STR_ACTION_FLAG`. */
export const STRING_ACTION = 0x8000_0000

/** Response flags. Rust: `RESP_FLAG_*`. */
export const FLAG_OK = 0
export const FLAG_ERRNO = 1
export const FLAG_ERROR = 2

/** Largest errno that travels; larger ones make the Rust client allocate that many bytes. */
export const MAX_ERRNO = 0xf_ffff

/** A request as it stands on the wire. */
export class RequestFrame extends Body {
  readonly ver: number
  readonly format: number
  /** A number, a name, or `undefined` where the name was not UTF-8. */
  action: number | string | undefined
  readonly seq: U64
  /** What the client calls itself; in version 2 only the offer says it, and this is 0. */
  readonly clientId: U64
  /** Version 2: the credit a REQUEST or CREDIT gives, else 0. */
  readonly window: number
  /** Version 2, REQUEST: items of the client follow. */
  readonly open: boolean
  /** Version 2, REQUEST: how long the caller still waits, in milliseconds; 0: for ever. */
  readonly msLeft: number
  /** Version 2, CREDIT: units consumed since the start of the call. */
  readonly consumed: U64

  constructor(
    ver: number,
    format: number,
    action: number | string,
    seq: U64,
    clientId: U64,
    window = 0,
    open = false,
    msLeft = 0,
    consumed: U64 = 0,
  ) {
    super()
    this.ver = ver
    this.format = format
    this.action = action
    this.seq = seq
    this.clientId = clientId
    this.window = window
    this.open = open
    this.msLeft = msLeft
    this.consumed = consumed
  }
}

/** A response as it stands on the wire. */
export class ResponseFrame extends Body {
  readonly ver: number
  readonly flag: number
  readonly seq: U64
  /** The number of an errno response, else 0. */
  readonly errno: number

  constructor(ver: number, flag: number, seq: U64, errno: number) {
    super()
    this.ver = ver
    this.flag = flag
    this.seq = seq
    this.errno = errno
  }
}

/** What follows a head, in this order. */
export interface BodyLengths {
  action: number
  msg: number
  blob: number
}

/** Limits that are checked at the head, before anything is held for the body. */
export interface FrameLimits {
  /** Bytes of an action name. Default 256. */
  readonly maxActionBytes: number
  /** Bytes of a message, and of an error body. Default 1 MiB. */
  readonly maxMessageBytes: number
  /** Bytes of a blob, at most 2^31 - 1. Default 16 MiB. */
  readonly maxBlobBytes: number
}

export const FRAME_LIMITS: FrameLimits = {
  maxActionBytes: 256,
  maxMessageBytes: 1024 * 1024,
  maxBlobBytes: 16 * 1024 * 1024,
}

/** Throws unless the frame starts with the magic; `bytes` holds at least two bytes at `at`. */
export function checkMagic(bytes: Uint8Array, at: number): void {
  const magic = readU16(bytes, at)
  if (magic !== RPC_MAGIC) {
    throw new ProtocolError(4400, `frame starts with ${hex(magic)}, not with the magic ${hex(RPC_MAGIC)}`)
  }
}

/** Reads and checks a request head; fills `lengths`. A name, which follows the head, is empty as yet. */
export function readRequestHead(
  bytes: Uint8Array,
  at: number,
  lengths: BodyLengths,
  limits: FrameLimits,
): RequestFrame {
  checkMagic(bytes, at)
  const ver = bytes[at + 2]!
  const action = readU32(bytes, at + 4)
  const seq = readU64(bytes, at + 8)
  if (ver !== RPC_VERSION_1) throw wrongVersion('request', ver, seq)
  const named = action >= STRING_ACTION
  lengths.action = named ? action - STRING_ACTION : 0
  lengths.msg = readU32(bytes, at + 24)
  lengths.blob = readU32(bytes, at + 28)
  checkLength('action', lengths.action, 'maxActionBytes', limits.maxActionBytes, seq, 'request')
  checkLength('message', lengths.msg, 'maxMessageBytes', limits.maxMessageBytes, seq, 'request')
  checkBlobSign(lengths.blob, seq, 'request')
  checkLength('blob', lengths.blob, 'maxBlobBytes', limits.maxBlobBytes, seq, 'request')
  return new RequestFrame(ver, bytes[at + 3]!, named ? '' : action, seq, readU64(bytes, at + 16))
}

/** Reads and checks a response head of version `expected`, with a flag that both versions have; fills `lengths`. */
export function readResponseHead(
  bytes: Uint8Array,
  at: number,
  lengths: BodyLengths,
  limits: FrameLimits,
  expected: number = RPC_VERSION_1,
): ResponseFrame {
  checkMagic(bytes, at)
  const ver = bytes[at + 2]!
  const flag = bytes[at + 3]!
  const msg = readU32(bytes, at + 4)
  const seq = readU64(bytes, at + 8)
  if (ver !== expected) throw wrongVersion('response', ver, seq)
  lengths.action = 0
  lengths.msg = flag === FLAG_ERRNO ? 0 : msg
  lengths.blob = readU32(bytes, at + 16)
  checkBlobSign(lengths.blob, seq, 'response')
  if (flag === FLAG_OK) {
    checkLength('message', lengths.msg, 'maxMessageBytes', limits.maxMessageBytes, seq, 'response')
    checkLength('blob', lengths.blob, 'maxBlobBytes', limits.maxBlobBytes, seq, 'response')
  } else if (flag === FLAG_ERRNO) {
    if (lengths.blob !== 0) throw new ProtocolError(4400, `errno response ${seq} has a blob of ${lengths.blob} bytes`)
  } else if (flag === FLAG_ERROR) {
    if (lengths.msg !== 0) throw new ProtocolError(4400, `error response ${seq} has a message of ${lengths.msg} bytes`)
    checkLength('error body', lengths.blob, 'maxMessageBytes', limits.maxMessageBytes, seq, 'response')
  } else {
    throw new ProtocolError(4400, `response ${seq} has the unknown flag ${flag}`)
  }
  return new ResponseFrame(ver, flag, seq, flag === FLAG_ERRNO ? msg : 0)
}

/** Writes a request head. `actionBytes` is the length of the action string that follows, or -1 where `action` counts. */
export function writeRequestHead(
  bytes: Uint8Array,
  at: number,
  seq: U64,
  clientId: U64,
  action: number,
  actionBytes: number,
  msgBytes: number,
  blobBytes: number,
): void {
  writeU16(bytes, at, RPC_MAGIC)
  bytes[at + 2] = RPC_VERSION_1
  bytes[at + 3] = 0
  writeU32(bytes, at + 4, actionBytes < 0 ? action : actionBytes + STRING_ACTION)
  writeU64(bytes, at + 8, seq)
  writeU64(bytes, at + 16, clientId)
  writeU32(bytes, at + 24, msgBytes)
  writeU32(bytes, at + 28, blobBytes)
}

/** Writes a response head. Version 2 has the same. `msgField` is the errno where `flag` is {@link FLAG_ERRNO}, else the length of the message. */
export function writeResponseHead(
  bytes: Uint8Array,
  at: number,
  flag: number,
  seq: U64,
  msgField: number,
  blobBytes: number,
  ver: number = RPC_VERSION_1,
): void {
  writeU16(bytes, at, RPC_MAGIC)
  bytes[at + 2] = ver
  bytes[at + 3] = flag
  writeU32(bytes, at + 4, msgField)
  writeU64(bytes, at + 8, seq)
  writeU32(bytes, at + 16, blobBytes)
}

export function checkLength(part: string, bytes: number, option: string, limit: number, seq: U64, frame: string): void {
  if (bytes > limit) {
    throw new ProtocolError(4413, `${part} of ${frame} ${seq} is ${bytes} bytes, over ${option} ${limit}`)
  }
}

export function checkBlobSign(blob: number, seq: U64, frame: string): void {
  if (blob > 0x7fff_ffff) throw new ProtocolError(4400, `${frame} ${seq} has a blob length of ${blob | 0}, below 0`)
}

/** Version 2 is known, and too early where it was not agreed on; any other is not. */
function wrongVersion(frame: string, ver: number, seq: U64): ProtocolError {
  return ver === RPC_VERSION_2
    ? new ProtocolError(4400, `${frame} ${seq} has version 2, which was not agreed on`)
    : new ProtocolError(
        4406,
        `${frame} ${seq} has version ${ver}, this end speaks 1 and 2`,
        frame === 'request' ? { seq } : {},
      )
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`
}
