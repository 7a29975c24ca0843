/**
 * Why a connection is closed: the table of PROTOCOL.md, "Closing". The text goes in band as a notice (a response frame with
 * seq 0), the code repeats it where the transport is a WebSocket.
 */
import { type RpcCode, RpcError, type RpcErrorInfo } from '../error.ts'
import type { U64 } from './bytes.ts'

/** The close codes and the text that stands for each in band. */
export const CLOSE: Readonly<Record<CloseCode, RpcCode>> = {
  4400: 'rpc_protocol',
  4401: 'rpc_unauthenticated',
  4403: 'rpc_forbidden',
  4406: 'rpc_invalid_ver',
  4408: 'rpc_timeout',
  4409: 'rpc_protocol',
  4413: 'rpc_too_large',
  4420: 'rpc_flow',
  4429: 'rpc_busy',
  4490: 'rpc_busy',
  4491: 'rpc_draining',
  4492: 'rpc_resume_lost',
  4500: 'rpc_internal_err',
}

/** A close code of {@link CLOSE}. */
export type CloseCode = 4400 | 4401 | 4403 | 4406 | 4408 | 4409 | 4413 | 4420 | 4429 | 4490 | 4491 | 4492 | 4500

/** What breaks a connection: its message says what was found, with the numbers; `closeCode` is what the far end is told. */
export class ProtocolError extends RpcError {
  readonly closeCode: CloseCode
  /** The seq of the frame that is answered before the close. Absent: none is. */
  readonly seq: U64 | undefined

  constructor(closeCode: CloseCode, message: string, info: RpcErrorInfo & { readonly seq?: U64 } = {}) {
    super(CLOSE[closeCode], message, info)
    this.name = 'ProtocolError'
    this.closeCode = closeCode
    this.seq = info.seq
  }
}
