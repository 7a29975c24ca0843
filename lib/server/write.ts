/**
 * How answers get onto the link, and which error reaches the caller. PROTOCOL.md, "Errors".
 */
import type { Codec } from '../codec/codec.ts'
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
  writeResponseHead,
} from '../protocol/heads.ts'
import type { LinkWriter } from '../transport/writer.ts'
import type { ServerConfig } from './config.ts'
import { CallRefused, ReplyWithBlob } from './dispatch.ts'

const encoder = new TextEncoder()

/**
 * Writes a successful answer; `undefined` is an empty message, which every peer reads as unit. Throws `rpc_encode`, or
 * `rpc_too_large` over a limit, and then wrote nothing.
 */
export function writeAnswer(writer: LinkWriter, codec: Codec, config: ServerConfig, seq: U64, answer: unknown): void {
  const withBlob = answer instanceof ReplyWithBlob
  const value = withBlob ? answer.value : answer
  const blob = withBlob ? answer.blob : EMPTY_BYTES
  if (blob.length > config.maxBlobBytes) {
    throw new RpcError('rpc_too_large', `blob of ${blob.length} bytes is over maxBlobBytes ${config.maxBlobBytes}`)
  }
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  const msgBytes = value === undefined ? 0 : writer.message(codec, value, config.maxMessageBytes)
  writeResponseHead(writer.slab, at, FLAG_OK, seq, msgBytes, blob.length)
  writer.end(blob)
}

/** Writes an error answer: an errno in the head, anything else as its body. */
export function writeErrno(writer: LinkWriter, seq: U64, errno: number): void {
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  writeResponseHead(writer.slab, at, FLAG_ERRNO, seq, errno, 0)
  writer.end(EMPTY_BYTES)
}

/** Writes an error answer with a body: the text of a code, a handler's text, or its coded error. Seq 0 is a notice. */
export function writeErrorBody(writer: LinkWriter, seq: U64, body: Uint8Array): void {
  const at = writer.begin(RPC_RESP_HEADER_LEN)
  writeResponseHead(writer.slab, at, FLAG_ERROR, seq, 0, body.length)
  writer.end(body)
}

/** What the caller is told of an error, and what the log should say where that is less than all. */
export interface ErrorAnswer {
  readonly errno?: number
  readonly body?: Uint8Array
  /** Set where the caller learns only a code: the whole story. */
  readonly logged?: RpcError
}

/** Chooses what the caller is told: a `UserError` whole, the code of a `CallRefused`, and of all else no more than that it happened. */
export function errorAnswer(
  error: unknown,
  kind: ErrorsKind | undefined,
  codec: Codec,
  config: ServerConfig,
): ErrorAnswer {
  try {
    return told(error, kind, codec, config)
  } catch (cause) {
    return internal(new RpcError('rpc_internal_err', 'the handler failed with an error that cannot be read', { cause }))
  }
}

function told(error: unknown, kind: ErrorsKind | undefined, codec: Codec, config: ServerConfig): ErrorAnswer {
  // One with an action came from a server that this handler called: that is this handler's secret.
  if (error instanceof UserError && error.action === undefined) {
    return userErrorAnswer(error.value, kind ?? kindOf(error.value), codec, config)
  }
  if (error instanceof CallRefused) {
    const code = v1Code(error.code)
    // What the caller did is the caller's to know; what happened here is the log's.
    return code === 'rpc_encode' || code === 'rpc_internal_err' || code === 'rpc_timeout'
      ? { body: encoder.encode(code), logged: error }
      : { body: encoder.encode(code) }
  }
  return internal(RpcError.from(error))
}

function kindOf(value: unknown): ErrorsKind {
  if (typeof value === 'number') return 'errno'
  return typeof value === 'string' ? 'text' : 'coded'
}

function userErrorAnswer(value: unknown, kind: ErrorsKind, codec: Codec, config: ServerConfig): ErrorAnswer {
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
  return isV1Code(code) ? code : 'rpc_internal_err'
}

/** UTF-8 of `text`, cut at a code point to at most `maxBytes`. */
export function cutText(text: string, maxBytes: number): Uint8Array {
  const whole = text.length <= maxBytes ? encoder.encode(text) : encoder.encode(text.slice(0, maxBytes))
  if (whole.length <= maxBytes) return whole
  let end = maxBytes
  while (end > 0 && (whole[end]! & 0xc0) === 0x80) end--
  return whole.subarray(0, end)
}
