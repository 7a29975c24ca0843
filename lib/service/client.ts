/**
 * The typed proxy: a contract's methods as functions that return calls.
 */
import type { Observable } from 'rxjs'
import type { Caller, CallRequest } from '../client/call.ts'
import { RpcError } from '../error.ts'
import { Call } from './call.ts'
import type { BlobKind, Contract, MethodData, Unary } from './contract.ts'
import type { Duplex, Stream, Upload } from './streaming.ts'

/** Options of one call. */
export interface CallOptions {
  /** In milliseconds from the subscription on. Default `taskTimeoutMs`, 20 s. */
  readonly timeoutMs?: number
  /** When the call is of no use any more, as milliseconds since 1970: pass on the `deadline` of the call that you serve. */
  readonly deadline?: number
  /** Aborting it fails the call with `rpc_canceled`. */
  readonly signal?: AbortSignal
  /** Text to text, for the handler. Needs a server that speaks version 2 of the protocol, else `rpc_unsupported`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Options of one call whose handler gives items. `timeoutMs` runs to the end of the stream; default: none. */
export interface StreamCallOptions extends CallOptions {
  /** Credit to start with, in units: one item, or 16 KiB of a large one. Default: the contract's, else the client's `window`. */
  readonly window?: number
}

/** Items to send: an Observable, or what can be pulled, such as an array or an async generator. */
export type ItemsOf<T> = Observable<T> | AsyncIterable<T> | Iterable<T>

/** Options of a call whose contract wants bytes behind its argument. */
export interface BlobCallOptions extends CallOptions {
  /** Kept without a copy until it has left, so leave it as it is. */
  readonly blob: Uint8Array
}

/** An answer with bytes behind it. */
export interface WithBlob<T> {
  readonly value: T
  readonly blob: Uint8Array
}

type Answer<Out, B> = B extends 'response' | 'both' ? WithBlob<Out> : Out

type Method<In, Out, E, B extends BlobKind | undefined> = B extends 'request' | 'both'
  ? (input: In, options: BlobCallOptions) => Call<Answer<Out, B>, E>
  : [In] extends [void]
    ? (input?: In, options?: CallOptions) => Call<Answer<Out, B>, E>
    : (input: In, options?: CallOptions) => Call<Answer<Out, B>, E>

type StreamMethod<In, Item, E> = [In] extends [void]
  ? (input?: In, options?: StreamCallOptions) => Call<Item, E>
  : (input: In, options?: StreamCallOptions) => Call<Item, E>

/** What `client.use(contract)` gives: one function a method. */
export type ServiceClient<M> = {
  readonly [K in keyof M]: M[K] extends Unary<infer In, infer Out, infer E, infer B, any, any>
    ? Method<In, Out, E, B>
    : M[K] extends Stream<infer In, infer Item, infer E, any, any>
      ? StreamMethod<In, Item, E>
      : M[K] extends Upload<infer In, infer Item, infer Out, infer E, any, any, any>
        ? (input: In, items: ItemsOf<Item>, options?: CallOptions) => Call<Out, E>
        : M[K] extends Duplex<infer In, infer Up, infer Down, infer E, any, any, any>
          ? (input: In, items: ItemsOf<Up>, options?: StreamCallOptions) => Call<Down, E>
          : never
}

/** Options for all calls of a proxy. */
export interface UseOptions {
  /** Text to text, for every handler; those of a call come on top. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A proxy of `contract` whose calls go through `caller`; `window` is the credit of streams whose contract names none. */
export function serviceClient<M>(
  contract: Contract<M>,
  caller: Caller,
  window: number,
  defaults: UseOptions = {},
): ServiceClient<M> {
  const data = contract.methods as Readonly<Record<string, MethodData>>
  const methods = Object.entries(data).map(([key, method]) => {
    const call = callOf(method, caller, method.window ?? window, defaults.headers)
    const hasItems = method.kind === 'upload' || method.kind === 'duplex'
    const short = (input: unknown, options?: AllOptions): Call<unknown> => call(input, undefined, options)
    return [key, hasItems ? call : short] as const
  })
  return Object.fromEntries<unknown>(methods) as ServiceClient<M>
}

type AllOptions = Partial<BlobCallOptions & StreamCallOptions>

function callOf(
  method: MethodData,
  caller: Caller,
  window: number,
  defaultHeaders: Readonly<Record<string, string>> | undefined,
): (input: unknown, items: unknown, options?: AllOptions) => Call<unknown> {
  const { action, errors, idempotent, kind } = method
  const givesItems = kind === 'stream' || kind === 'duplex'
  const read = method.blob === 'response' || method.blob === 'both' ? withBlob : valueOnly
  return (input, items, options) => {
    const own = options?.headers
    const request: CallRequest<unknown> = {
      action,
      input,
      idempotent,
      errors,
      read,
      blob: options?.blob,
      timeoutMs: options?.timeoutMs,
      deadline: options?.deadline,
      signal: options?.signal,
      headers:
        own === undefined || defaultHeaders === undefined ? (own ?? defaultHeaders) : { ...defaultHeaders, ...own },
      window: givesItems ? (options?.window ?? window) : undefined,
      items,
      pace: undefined,
    }
    caller.check(request)
    return new Call<unknown>((subscriber, pace) =>
      caller.start(pace === undefined ? request : { ...request, pace }, subscriber),
    )
  }
}

function withBlob(value: unknown, blob: Uint8Array): WithBlob<unknown> {
  return { value, blob }
}

function valueOnly(value: unknown, blob: Uint8Array): unknown {
  if (blob.length > 0) throw new RpcError('rpc_decode', `${blob.length} bytes of blob that the contract does not name`)
  return value
}
