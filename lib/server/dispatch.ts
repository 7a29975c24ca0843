/**
 * From a call to whoever answers it: a closure, a table, or the two with interceptors around. Rust: `server/dispatch.rs`.
 */
import { defer, firstValueFrom, from, isObservable, mergeMap, type Observable, of } from 'rxjs'
import { type RpcCode, RpcError, UserError } from '../error.ts'
import type { Overflow } from '../flow/overflow.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import type { CallShape } from '../protocol/shape.ts'

/** Who called. */
export interface Peer {
  /** The far end as a URL, such as `tcp://127.0.0.1:50312`. */
  readonly address: string
  /** `tcp`, `unix`, `ws` or `memory`. */
  readonly transport: string
  /** What the client calls itself: a label, never an identity. */
  readonly clientId: U64
  /** What the server's `authenticate` made of the client's token; `undefined` where there is none. */
  readonly principal: unknown
}

/** One call that came in. */
export interface ServerCall {
  readonly action: number | string
  /** The message as it came. */
  readonly msg: Uint8Array
  /** The bytes behind it; empty where there are none. */
  readonly blob: Uint8Array
  /** The argument, decoded when it is first asked for; throws a {@link CallRefused} `rpc_decode`. Unit is `null`, no message `undefined`. */
  readonly input: unknown
  readonly peer: Peer
  /** Text to text, from the caller; empty on a connection of version 1. */
  readonly headers: Readonly<Record<string, string>>
  /** Which halves of the call have items. */
  readonly shape: CallShape
  /** The items of an upload or duplex, once. Throws a `TypeError` for another shape. */
  readonly items$: Observable<unknown>
  /** Does the caller of a stream or duplex take an item now? Replays. Throws a `TypeError` for another shape. */
  readonly demand$: Observable<boolean>
  /** Items of the answer that the policy lost so far. */
  readonly dropped: number
  /** Aborts when the answer is no longer wanted: the connection is gone, or the call has run for too long. */
  readonly signal: AbortSignal
  /** When the call will have run for too long, as milliseconds since 1970. */
  readonly deadline: number
  /** Makes the error to throw: a number is an errno, a string a text, anything else is encoded. */
  readonly fail: (value: unknown) => UserError
  /** How the handler's errors travel. Default: a number as errno, a string as text, anything else coded. */
  errors: ErrorsKind | undefined
  /** What becomes of items that a handler pushes without credit. Default `buffer`. */
  overflow?: Overflow | undefined
  /** Credit that the items of an upload or duplex start with, in units. Default: the server's `window`. */
  window?: number | undefined
  /** What each item of `items$` goes through first; may give a Promise. Default: nothing. */
  checkItem?: ((item: unknown) => unknown) | undefined
}

/**
 * Answers calls: with a value, a Promise of one, or an Observable whose first value counts (none: unit). What it throws or
 * errors with: a `UserError` reaches the caller, a {@link CallRefused} tells its code, all else is `rpc_internal_err` and
 * logged. Rust: the `Dispatch` trait.
 */
export type Dispatch = (call: ServerCall) => unknown

/**
 * Sees each call of a server; `next` runs it, or hands it to the interceptor behind. It emits the answer; for a stream or duplex
 * the source of the items, once.
 */
export type ServerInterceptor = (
  call: ServerCall,
  next: (call: ServerCall) => Observable<unknown>,
) => Observable<unknown>

/** A call that the library, or a dispatch, turns down: its code reaches the caller. */
export class CallRefused extends RpcError {
  constructor(code: RpcCode, message: string, cause?: unknown) {
    super(code, message, { executed: 'no', cause })
    this.name = 'CallRefused'
  }
}

/** What `fail` of every call is: the error that makes `value` the caller's. */
export function fail(value: unknown): UserError {
  return new UserError(value, typeof value === 'string' ? value : 'the handler failed the call')
}

/** An answer with bytes behind its value, for a dispatch without contracts. */
export class ReplyWithBlob {
  readonly value: unknown
  readonly blob: Uint8Array

  constructor(value: unknown, blob: Uint8Array) {
    this.value = value
    this.blob = blob
  }
}

/**
 * A dispatch that looks the action up: `dispatchTable(new Map([[1, open], ['Host.load', load]]))`. An action that is not
 * there is `rpc_method_notfound`.
 */
export function dispatchTable(handlers: ReadonlyMap<number | string, Dispatch>): Dispatch {
  return call => {
    const handler = handlers.get(call.action)
    if (handler === undefined) throw new CallRefused('rpc_method_notfound', `no handler for ${String(call.action)}`)
    return handler(call)
  }
}

/** `dispatch` with interceptors around it, the first one outermost. */
export function intercepted(dispatch: Dispatch, interceptors: readonly ServerInterceptor[]): Dispatch {
  if (interceptors.length === 0) return dispatch
  // For a stream or duplex it is the source of the items that passes, not the items: they keep their credit.
  const run = (call: ServerCall): Observable<unknown> =>
    defer(() => {
      const answer = dispatch(call)
      if (call.shape !== 'stream' && call.shape !== 'duplex') return emitted(answer)
      return isPromiseLike(answer) ? from(answer) : of(answer)
    })
  const outermost = interceptors.reduceRight<(call: ServerCall) => Observable<unknown>>(
    (next, interceptor) => call => interceptor(call, next),
    run,
  )
  return call =>
    call.shape === 'stream' || call.shape === 'duplex' ? firstValueFrom(outermost(call)) : outermost(call)
}

/** What a handler answered, as an Observable: of a value, of what a Promise settles to, or of what its Observable emits. */
function emitted(answer: unknown): Observable<unknown> {
  if (isObservable(answer)) return answer
  return isPromiseLike(answer) ? from(answer).pipe(mergeMap(emitted)) : of(answer)
}

/** Is `value` a Promise, or as good as one? */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
