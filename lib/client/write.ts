/**
 * How a request gets onto the link: head, action name, message and blob, in one frame.
 */
import type { Codec } from '../codec/codec.ts'
import { bytesOf } from '../codec/items.ts'
import { RpcError } from '../error.ts'
import { encodeActionName } from '../protocol/action-names.ts'
import type { U64 } from '../protocol/bytes.ts'
import { asTexts } from '../protocol/control.ts'
import {
  EMPTY_BYTES,
  MAX_ACTION_NUMBER,
  PING_ACTION,
  RPC_REQ_HEADER_LEN,
  RPC_VERSION_2,
  STRING_ACTION,
  writeRequestHead,
} from '../protocol/heads.ts'
import { MAX_CONTROL_BYTES, UP_NEXT, UP_REQUEST, writeConsumed, writeShape, writeUpHead } from '../protocol/heads-v2.ts'
import type { LinkWriter } from '../transport/writer.ts'
import type { CallRequest } from './call.ts'
import { type ClientConfig, type ClientFacts, callTimeout } from './config.ts'

/** The lower of this end's limits and the server's. */
export interface BodyLimits {
  readonly maxMessageBytes: number
  readonly maxBlobBytes: number
}

/** What a request says besides itself, in version 2. */
export interface RequestShape {
  /** Units of credit for items that come down; 0: none come. */
  readonly window: number
  readonly msLeft: number
}

/**
 * Writes one request frame, of version 2 where a shape is given. `encoded` stands for the request's message where that was
 * encoded before. Throws what the codec throws, and `rpc_too_large`; then nothing was written.
 */
export function writeRequest(
  writer: LinkWriter,
  facts: ClientFacts,
  seq: number,
  request: CallRequest<unknown>,
  encoded: Uint8Array | undefined,
  limits: BodyLimits,
  shape: RequestShape | undefined,
): void {
  const { action } = request
  const name = typeof action === 'string' ? encodeActionName(action) : undefined
  const blob = request.blob ?? EMPTY_BYTES
  checkBodies(encoded, blob, limits)
  const at = writer.begin(RPC_REQ_HEADER_LEN + (name?.length ?? 0))
  let msgBytes: number
  if (encoded === undefined) {
    msgBytes = writer.message(facts.codec, request.input, limits.maxMessageBytes)
  } else {
    msgBytes = encoded.length
    writer.encoded(encoded)
  }
  const number = typeof action === 'number' ? action : 0
  if (shape === undefined) {
    writeRequestHead(writer.slab, at, seq, facts.clientId, number, name?.length ?? -1, msgBytes, blob.length)
  } else {
    const field = name === undefined ? number : name.length + STRING_ACTION
    writeUpHead(writer.slab, at, UP_REQUEST, field, seq, msgBytes, blob.length)
    writeShape(writer.slab, at, shape.window, request.items !== undefined, shape.msLeft)
  }
  if (name !== undefined) writeName(writer.slab, at + RPC_REQ_HEADER_LEN, name)
  writer.end(blob, true)
}

/** Byte by byte: names are short, and a copy by `set` costs as much as the rest of the head. */
function writeName(slab: Uint8Array, at: number, name: Uint8Array): void {
  for (let i = 0; i < name.length; i++) slab[at + i] = name[i]!
}

/** Writes a frame of version 2 without a body of the user's: CREDIT, CANCEL, COMPLETE, ERROR, HELLO, HEADERS. */
export function writeUp(
  writer: LinkWriter,
  kind: number,
  field: number,
  seq: number,
  consumed: U64,
  msg: Uint8Array,
  blob: Uint8Array,
): void {
  const at = writer.begin(RPC_REQ_HEADER_LEN)
  writer.encoded(msg)
  writeUpHead(writer.slab, at, kind, field, seq, msg.length, blob.length)
  writeConsumed(writer.slab, at, consumed)
  writer.end(blob)
}

/** Writes the first frame of a connection: a ping that offers version 2. */
export function writeOffer(writer: LinkWriter, seq: number, clientId: U64): void {
  const at = writer.begin(RPC_REQ_HEADER_LEN)
  writeRequestHead(writer.slab, at, seq, clientId, PING_ACTION, -1, 0, 0)
  writer.slab[at + 3] = RPC_VERSION_2
  writer.end(EMPTY_BYTES)
}

/** Writes an item of a call; returns how many bytes it has. Throws `rpc_encode` and `rpc_too_large`, and then wrote nothing. */
export function writeItem(
  writer: LinkWriter,
  codec: Codec,
  seq: number,
  item: unknown,
  limits: { readonly maxMessageBytes: number; readonly maxBlobBytes: number },
): number {
  const parts = bytesOf(item)
  if (parts !== undefined && parts.blob.length > limits.maxBlobBytes) {
    throw new RpcError(
      'rpc_too_large',
      `item of ${parts.blob.length} bytes is over maxBlobBytes ${limits.maxBlobBytes}`,
    )
  }
  const at = writer.begin(RPC_REQ_HEADER_LEN)
  const blob = parts?.blob ?? EMPTY_BYTES
  let msgBytes: number
  if (parts === undefined) msgBytes = writer.message(codec, item, limits.maxMessageBytes)
  else {
    msgBytes = parts.msg.length
    writer.encoded(parts.msg)
  }
  writeUpHead(writer.slab, at, UP_NEXT, 0, seq, msgBytes, blob.length)
  writer.end(blob)
  return msgBytes + blob.length
}

/** The message of a request that has to wait for its turn. Throws as {@link writeRequest} does. */
export function encodeRequest(codec: Codec, request: CallRequest<unknown>, limits: BodyLimits): Uint8Array {
  const bytes = codec.encode(request.input)
  checkBodies(bytes, EMPTY_BYTES, limits)
  return bytes
}

/** Throws `rpc_too_large`: what waited was encoded before the server's limits were known. */
export function checkBodies(msg: Uint8Array | undefined, blob: Uint8Array, limits: BodyLimits): void {
  const { maxMessageBytes, maxBlobBytes } = limits
  if (msg !== undefined && msg.length > maxMessageBytes) {
    throw new RpcError('rpc_too_large', `message of ${msg.length} bytes is over maxMessageBytes ${maxMessageBytes}`)
  }
  if (blob.length > maxBlobBytes) {
    throw new RpcError('rpc_too_large', `blob of ${blob.length} bytes is over maxBlobBytes ${maxBlobBytes}`)
  }
}

/** Throws a `TypeError` for an action, a timeout, a deadline, a window or headers that are none. */
export function checkRequest(request: CallRequest<unknown>, config: ClientConfig): void {
  const { action, timeoutMs, window, deadline, headers } = request
  if (window !== undefined && !(Number.isInteger(window) && window > 0)) {
    throw new TypeError(`window must be an integer above 0, not ${window}`)
  }
  callTimeout(timeoutMs, config, window, deadline)
  if (headers !== undefined && asTexts(headers) === undefined) throw new TypeError('headers are text to text')
  if (typeof action === 'string') return
  if (!Number.isInteger(action) || action < 1 || action > MAX_ACTION_NUMBER) {
    throw new TypeError(`a numeric action is an integer from 1 to ${MAX_ACTION_NUMBER}, not ${action}`)
  }
}

/** Says which part of the request is over a limit, before anything is encoded. */
export function checkSizes(
  request: CallRequest<unknown>,
  limits: { readonly maxBlobBytes: number },
  config: ClientConfig,
): string | undefined {
  const { action, blob, headers } = request
  const nameBytes = typeof action === 'string' ? encodeActionName(action).length : 0
  if (nameBytes > config.maxActionBytes) {
    return `action name of ${nameBytes} bytes is over maxActionBytes ${config.maxActionBytes}`
  }
  if (blob !== undefined && blob.length > limits.maxBlobBytes) {
    return `blob of ${blob.length} bytes is over maxBlobBytes ${limits.maxBlobBytes}`
  }
  if (headers === undefined) return undefined
  const entries = Object.entries(headers)
  if (entries.length > MAX_HEADERS) return `${entries.length} headers are over the limit of ${MAX_HEADERS}`
  const bytes = entries.reduce((sum, [key, text]) => sum + encoder.encode(key + text).length + HEADER_OVERHEAD, 0)
  return bytes > MAX_CONTROL_BYTES ? `headers of ${bytes} bytes are over the limit of ${MAX_CONTROL_BYTES}` : undefined
}

/** Headers of one call. */
const MAX_HEADERS = 64
/** The most that MessagePack spends on the two lengths of a header. */
const HEADER_OVERHEAD = 6
const encoder = new TextEncoder()
