/**
 * The argument of a call, out of its frame.
 */
import type { Codec } from '../codec/codec.ts'
import { RpcError } from '../error.ts'
import type { RequestFrame } from '../protocol/heads.ts'
import { CallRefused } from './dispatch.ts'

/** Decodes it; throws a `CallRefused`, with `rpc_decode`, for what is none. */
export function readInput(frame: RequestFrame, action: number | string, codec: Codec): unknown {
  if (frame.msgBytes === 0) {
    if (typeof action === 'number') return undefined
    throw new CallRefused('rpc_decode', `${action} was called with an empty message; unit is c0`)
  }
  try {
    return frame.read(codec)
  } catch (cause) {
    throw new CallRefused('rpc_decode', `the argument of ${action}: ${RpcError.from(cause).message}`, cause)
  }
}
