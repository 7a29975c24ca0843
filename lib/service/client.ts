/**
 * The typed proxy: a contract's methods as functions that return calls.
 */
import type { Caller, CallRequest } from '../client/call.ts'
import { RpcError } from '../error.ts'
import { Call } from './call.ts'
import type { BlobKind, Contract, MethodData, Unary } from './contract.ts'

/** Options of one call. */
export interface CallOptions {
  /** In milliseconds from the subscription on. Default `taskTimeoutMs`, 20 s. */
  readonly timeoutMs?: number
  /** Aborting it fails the call with `rpc_canceled`. */
  readonly signal?: AbortSignal
}

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

/** What `client.use(contract)` gives: one function a method. */
export type ServiceClient<M> = {
  readonly [K in keyof M]: M[K] extends Unary<infer In, infer Out, infer E, infer B, any, any>
    ? Method<In, Out, E, B>
    : never
}

/** A proxy of `contract` whose calls go through `caller`. */
export function serviceClient<M>(contract: Contract<M>, caller: Caller): ServiceClient<M> {
  const data = contract.methods as Readonly<Record<string, MethodData>>
  const methods = Object.entries(data).map(([key, method]) => [key, callOf(method, caller)] as const)
  return Object.fromEntries<unknown>(methods) as ServiceClient<M>
}

function callOf(
  method: MethodData,
  caller: Caller,
): (input: unknown, options?: Partial<BlobCallOptions>) => Call<unknown> {
  const { action, errors } = method
  const read = method.blob === 'response' || method.blob === 'both' ? withBlob : valueOnly
  return (input, options) => {
    const request: CallRequest<unknown> = {
      action,
      input,
      errors,
      read,
      blob: options?.blob,
      timeoutMs: options?.timeoutMs,
      signal: options?.signal,
    }
    caller.check(request)
    return new Call<unknown>(subscriber => caller.start(request, subscriber))
  }
}

function withBlob(value: unknown, blob: Uint8Array): WithBlob<unknown> {
  return { value, blob }
}

function valueOnly(value: unknown, blob: Uint8Array): unknown {
  if (blob.length > 0) throw new RpcError('rpc_decode', `${blob.length} bytes of blob that the contract does not name`)
  return value
}
