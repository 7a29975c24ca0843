/**
 * A call as the client's layers hand it to each other, and the errors an answer may carry.
 */
import type { Observable, Subscriber, Unsubscribable } from 'rxjs'
import type { Codec } from '../codec/codec.ts'
import { type Executed, isRpcCode, isV1Code, type RpcCode, RpcError, type RpcErrorInfo, UserError } from '../error.ts'
import type { Overflow } from '../flow/overflow.ts'
import type { Pace } from '../flow/paced.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import { FLAG_ERRNO, type ResponseFrame, RPC_VERSION_1 } from '../protocol/heads.ts'

/** A successful answer. */
export interface Reply {
  /** `undefined` for an empty message, which is how a `void` answer travels; `null` for nil. */
  readonly value: unknown
  /** Empty where the answer has none. */
  readonly blob: Uint8Array
}

/** One call to be sent; `T` is what its caller gets. */
export interface CallRequest<T = Reply> {
  /** A number from 1 to 2^31 - 1, or a name such as `Host.load`. */
  readonly action: number | string
  /** The one argument. `undefined` is unit. */
  readonly input?: unknown
  /** Raw bytes behind the message; kept without a copy until they have left, so leave them as they are. Default: none. */
  readonly blob?: Uint8Array | undefined
  /** In milliseconds from the subscription on, dialling and waiting included. Default `taskTimeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** When the call is of no use any more, as milliseconds since 1970: the deadline of a call that this one serves. */
  readonly deadline?: number | undefined
  /** Aborting it fails the call with `rpc_canceled`. */
  readonly signal?: AbortSignal | undefined
  /** It may run twice: so it is sent again when its connection is lost. Unary calls only. Default `false`. */
  readonly idempotent?: boolean | undefined
  /** How to read the handler's errors. Default `text`. */
  readonly errors?: ErrorsKind | undefined
  /** Text to text, for the handler; at most 4 KiB and 64 keys. Fails with `rpc_unsupported` on a connection of version 1. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Items come down: the credit to start with, in units. Default: none come, this is a unary call or an upload. */
  readonly window?: number | undefined
  /** Items go up, from this source: an Observable or an (async) iterable. Default: none go. */
  readonly items?: unknown
  /** What becomes of items that the source pushes without credit. Default `buffer`. */
  readonly overflow?: Overflow | undefined
  /** Filled in with how to report an item as consumed; without it an item counts as consumed when `next` has returned. */
  readonly pace?: Pace | undefined
  /** Makes what the caller gets of the answer; what it throws fails the call with `rpc_decode`. Default: a {@link Reply}. */
  readonly read?: ((value: unknown, blob: Uint8Array) => T) | undefined
}

/** Whatever calls can be made through. */
export interface Caller {
  /** A cold Observable: each subscription sends the call once; it emits once and completes, or errors with an `RpcError`. */
  call<T = Reply>(request: CallRequest<T>): Observable<T>
  /** Throws a `TypeError` for a request that is none: its action, its timeout. */
  check(request: CallRequest<unknown>): void
  /** The same without an Observable around it: sends now, and returns how to unsubscribe where it is not over. */
  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined
}

/** Sees each call of a client; `next` sends it, or hands it to the interceptor behind, and emits what the caller gets. */
export type ClientInterceptor = (
  request: CallRequest<unknown>,
  next: (request: CallRequest<unknown>) => Observable<unknown>,
) => Observable<unknown>

/** The codes that say for sure that no handler ran. */
const NEVER_RAN: ReadonlySet<string> = new Set<RpcCode>([
  'rpc_busy',
  'rpc_draining',
  'rpc_unauthenticated',
  'rpc_forbidden',
  'rpc_unsupported',
  'rpc_method_notfound',
  'rpc_service_notfound',
])

const lossyText = new TextDecoder('utf-8', { ignoreBOM: true })

/** The error that a response with an error flag stands for. PROTOCOL.md, "Errors". */
export function readError(
  frame: ResponseFrame,
  request: CallRequest<unknown>,
  codec: Codec,
  address: string,
): RpcError {
  const info = (executed: Executed): RpcErrorInfo => ({ executed, action: request.action, address })
  const name = actionName(request.action)
  if (frame.flag === FLAG_ERRNO)
    return new UserError(frame.errno, `${name} failed with errno ${frame.errno}`, info('yes'))
  const text = lossyText.decode(frame.blob)
  // In version 2 a detail may stand behind the code.
  const isV1 = frame.ver === RPC_VERSION_1
  const code = isV1 ? text : text.split(': ', 1)[0]!
  if (isV1 ? isV1Code(code) : isRpcCode(code)) {
    return new RpcError(code as RpcCode, `${name} was answered with ${text}`, info(NEVER_RAN.has(code) ? 'no' : 'yes'))
  }
  if (request.errors !== 'coded') return new UserError(text, `${name} failed: ${text}`, info('yes'))
  try {
    return new UserError(codec.decode(frame.blob), `${name} failed with a coded error`, info('yes'))
  } catch (cause) {
    const message = `the error of ${name} cannot be decoded: ${RpcError.from(cause).message}`
    return new RpcError('rpc_decode', message, { ...info('yes'), cause })
  }
}

/** An action as it stands in messages: `Host.load`, `action 3`. */
export function actionName(action: string | number): string {
  return typeof action === 'number' ? `action ${action}` : action
}
