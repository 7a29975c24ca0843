/**
 * How a request gets onto the link: head, action name, message and blob, in one frame.
 */
import type { Codec } from '../codec/codec.ts'
import { RpcError } from '../error.ts'
import { encodeActionName } from '../protocol/action-names.ts'
import { EMPTY_BYTES, MAX_ACTION_NUMBER, RPC_REQ_HEADER_LEN, writeRequestHead } from '../protocol/heads.ts'
import type { LinkWriter } from '../transport/writer.ts'
import type { CallRequest } from './call.ts'
import { type ClientConfig, type ClientFacts, callTimeout } from './config.ts'

/**
 * Writes one request frame. `encoded` stands for the request's message where that was encoded before. Throws what the
 * codec throws, and `rpc_too_large`; then nothing was written.
 */
export function writeRequest(
  writer: LinkWriter,
  facts: ClientFacts,
  seq: number,
  request: CallRequest<unknown>,
  encoded: Uint8Array | undefined,
): void {
  const { action } = request
  const name = typeof action === 'string' ? encodeActionName(action) : undefined
  const blob = request.blob ?? EMPTY_BYTES
  const at = writer.begin(RPC_REQ_HEADER_LEN + (name?.length ?? 0))
  let msgBytes: number
  if (encoded === undefined) {
    msgBytes = writer.message(facts.codec, request.input, facts.config.maxMessageBytes)
  } else {
    msgBytes = encoded.length
    writer.encoded(encoded)
  }
  const number = typeof action === 'number' ? action : 0
  writeRequestHead(writer.slab, at, seq, facts.clientId, number, name?.length ?? -1, msgBytes, blob.length)
  if (name !== undefined) writer.slab.set(name, at + RPC_REQ_HEADER_LEN)
  writer.end(blob)
}

/** The message of a request that has to wait for its turn. Throws as {@link writeRequest} does. */
export function encodeRequest(codec: Codec, request: CallRequest<unknown>, config: ClientConfig): Uint8Array {
  const bytes = codec.encode(request.input)
  if (bytes.length > config.maxMessageBytes) {
    throw new RpcError(
      'rpc_too_large',
      `message of ${bytes.length} bytes is over maxMessageBytes ${config.maxMessageBytes}`,
    )
  }
  return bytes
}

/** Throws a `TypeError` for an action or a timeout that is none. */
export function checkRequest(request: CallRequest<unknown>, config: ClientConfig): void {
  callTimeout(request.timeoutMs, config)
  const { action } = request
  if (typeof action === 'string') return
  if (!Number.isInteger(action) || action < 1 || action > MAX_ACTION_NUMBER) {
    throw new TypeError(`a numeric action is an integer from 1 to ${MAX_ACTION_NUMBER}, not ${action}`)
  }
}

/** Says which part of the request is over a limit, before anything is encoded. */
export function checkSizes(request: CallRequest<unknown>, config: ClientConfig): string | undefined {
  const { action, blob } = request
  const nameBytes = typeof action === 'string' ? encodeActionName(action).length : 0
  if (nameBytes > config.maxActionBytes) {
    return `action name of ${nameBytes} bytes is over maxActionBytes ${config.maxActionBytes}`
  }
  if (blob !== undefined && blob.length > config.maxBlobBytes) {
    return `blob of ${blob.length} bytes is over maxBlobBytes ${config.maxBlobBytes}`
  }
  return undefined
}
