/**
 * How answers get onto the link, and which error reaches the caller. PROTOCOL.md, "Errors".
 */
import type { Codec } from '../codec/codec.ts'
import { bytesOf } from '../codec/items.ts'
import { isV1Code, type RpcCode, RpcError, UserError } from '../error.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import {
  EMPTY_BYTES,
  FLAG_ERRNO,
  FLAG_ERROR,
  FLAG_OK,
  MAX_ERRNO,
  RPC_RESP_HEADER_LEN,
  RPC_VERSION_2,
  writeResponseHead,
} from '../protocol/heads.ts'
import { DOWN_NEXT } from '../protocol/heads-v2.ts'
import { cutText } from '../protocol/text.ts'
import type { LinkWriter } from '../transport/writer.ts'
import { CallRefused, ReplyWithBlob } from './dispatch.ts'

const encoder = new TextEncoder()

/** Which call a frame answers, and in which version. Seq 0 is the connection. */
export interface Addressee {
  readonly seq: U64
  readonly ver: number
}

/**
 * Writes a successful answer; `undefined` is an empty message, which every peer reads as unit. Throws `rpc_encode`, or
 * `rpc_too_large` over a limit, and then wrote nothing.
 */
export function writeAnswer(
  writer: LinkWriter,
  codec: Codec,
  limits: SendLimits,
  to: Addressee,
  answer: unknown,
): void {
  const withBlob = answer instanceof ReplyWithBlob
  const value = withBlob ? answer.value : answer
  const blob = withBlob ? answer.blob : EMPTY_BYTES
  checkBlob(blob, limits)
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  const msgBytes = value === undefined ? 0 : writer.message(codec, value, limits.maxMessageBytes)
  writeResponseHead(writer.slab, at, FLAG_OK, to.seq, msgBytes, blob.length, to.ver)
  writer.end(blob, true)
}

/** Writes an item; returns how many bytes it has. Throws as {@link writeAnswer} does. `encoded` is its message, where that is there. */
export function writeItem(
  writer: LinkWriter,
  codec: Codec,
  limits: SendLimits,
  seq: U64,
  item: unknown,
  encoded: Uint8Array | undefined,
): number {
  const parts = encoded === undefined ? bytesOf(item) : { msg: encoded, blob: EMPTY_BYTES }
  const blob = parts?.blob ?? EMPTY_BYTES
  checkBlob(blob, limits)
  if (parts !== undefined && parts.msg.length > limits.maxMessageBytes) {
    const { maxMessageBytes } = limits
    throw new RpcError(
      'rpc_too_large',
      `message of ${parts.msg.length} bytes is over maxMessageBytes ${maxMessageBytes}`,
    )
  }
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  let msgBytes: number
  if (parts === undefined) msgBytes = writer.message(codec, item, limits.maxMessageBytes)
  else {
    msgBytes = parts.msg.length
    writer.encoded(parts.msg)
  }
  writeResponseHead(writer.slab, at, DOWN_NEXT, seq, msgBytes, blob.length, RPC_VERSION_2)
  writer.end(blob)
  return msgBytes + blob.length
}

/** What the client accepts. */
export interface SendLimits {
  readonly maxMessageBytes: number
  readonly maxBlobBytes: number
}

function checkBlob(blob: Uint8Array, { maxBlobBytes }: SendLimits): void {
  if (blob.length > maxBlobBytes) {
    throw new RpcError('rpc_too_large', `blob of ${blob.length} bytes is over maxBlobBytes ${maxBlobBytes}`)
  }
}

/** Writes an error answer whose number stands in the head. */
export function writeErrno(writer: LinkWriter, to: Addressee, errno: number): void {
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  writeResponseHead(writer.slab, at, FLAG_ERRNO, to.seq, errno, 0, to.ver)
  writer.end(EMPTY_BYTES, true)
}

/** Writes an error answer with a body: the text of a code, a handler's text, or its coded error. For seq 0 it is a notice. */
export function writeErrorBody(writer: LinkWriter, to: Addressee, body: Uint8Array): void {
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  writeResponseHead(writer.slab, at, FLAG_ERROR, to.seq, 0, body.length, to.ver)
  writer.end(body, true)
}

/** Writes a frame of version 2 without anything of the user's: CREDIT, CANCEL, HELLO, GOAWAY. */
export function writeDown(writer: LinkWriter, kind: number, seq: U64, msg: Uint8Array): void {
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  writer.encoded(msg)
  writeResponseHead(writer.slab, at, kind, seq, msg.length, 0, RPC_VERSION_2)
  writer.end(EMPTY_BYTES)
}

/** How large an error may be: its text, and what a handler encoded. */
export interface ErrorLimits {
  readonly maxErrorTextBytes: number
  readonly maxMessageBytes: number
}

/** What the caller is told of an error, and what the log should say where that is less than all. */
export interface ErrorAnswer {
  readonly errno?: number
  readonly body?: Uint8Array
  /** Set where the caller learns only a code: the whole story. */
  readonly logged?: RpcError
}

/** Which codes the client can read, and whether a detail may stand behind them. */
export type Known = 'codes of version 1' | 'all codes' | 'codes and details'

/** Chooses what the caller is told: a `UserError` whole, the code of a `CallRefused`, and of all else no more than that it happened. */
export function errorAnswer(
  error: unknown,
  kind: ErrorsKind | undefined,
  codec: Codec,
  config: ErrorLimits,
  known: Known,
): ErrorAnswer {
  try {
    // One with an action came from a server that this handler called: that is this handler's secret.
    if (error instanceof UserError && error.action === undefined) {
      return userErrorAnswer(error.value, kind ?? kindOf(error.value), codec, config)
    }
    if (error instanceof CallRefused) {
      const code = known === 'codes of version 1' ? v1Code(error.code) : error.code
      // What the caller did is the caller's to know; what happened here is the log's.
      if (code === 'rpc_encode' || code === 'rpc_internal_err' || code === 'rpc_timeout') {
        return { body: encoder.encode(code), logged: error }
      }
      const text = known === 'codes and details' ? `${code}: ${error.message}` : code
      return { body: cutText(text, config.maxErrorTextBytes) }
    }
    return internal(RpcError.from(error))
  } catch (cause) {
    return internal(new RpcError('rpc_internal_err', 'the handler failed with an error that cannot be read', { cause }))
  }
}

function kindOf(value: unknown): ErrorsKind {
  if (typeof value === 'number') return 'errno'
  return typeof value === 'string' ? 'text' : 'coded'
}

function userErrorAnswer(value: unknown, kind: ErrorsKind, codec: Codec, config: ErrorLimits): ErrorAnswer {
  if (kind === 'errno') {
    if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_ERRNO) return { errno: Number(value) }
    return internal(new RpcError('rpc_internal_err', `errno ${String(value)} is no integer from 0 to ${MAX_ERRNO}`))
  }
  if (kind === 'text') {
    const text = String(value)
    if (!text.startsWith('rpc_')) return { body: cutText(text, config.maxErrorTextBytes) }
    return internal(new RpcError('rpc_internal_err', `the error text ${text} begins with the reserved rpc_`))
  }
  try {
    const body = codec.encode(value)
    if (body.length <= config.maxMessageBytes) return { body }
    const message = `coded error of ${body.length} bytes is over maxMessageBytes ${config.maxMessageBytes}`
    return { body: encoder.encode('rpc_encode'), logged: new RpcError('rpc_encode', message) }
  } catch (cause) {
    return { body: encoder.encode('rpc_encode'), logged: RpcError.from(cause) }
  }
}

function internal(logged: RpcError): ErrorAnswer {
  return { body: encoder.encode('rpc_internal_err'), logged }
}

/** The code a peer of version 1 understands. */
function v1Code(code: string): RpcCode {
  if (code === 'rpc_too_large') return 'rpc_encode'
  if (code === 'rpc_unsupported' || code === 'rpc_unauthenticated') return code // the new texts that it is told all the same
  return isV1Code(code) ? code : 'rpc_internal_err'
}
