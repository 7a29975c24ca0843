/**
 * The handlers of a contract: what they get, and what they give.
 */
import type { Observable } from 'rxjs'
import type { UserError } from '../error.ts'
import type { Paced } from '../flow/paced.ts'
import type { ServerCall } from '../server/dispatch.ts'
import type { WithBlob } from './client.ts'
import type { BlobKind, Contract, MethodData, Unary } from './contract.ts'
import type { Duplex, Stream, Upload } from './streaming.ts'

/** What a handler gets besides its argument. */
export interface HandlerCall<E> extends Pick<ServerCall, 'signal' | 'deadline' | 'peer' | 'headers'> {
  /** Makes the error to throw where the handler fails the call: `throw fail('divide by zero')`. */
  readonly fail: (value: E) => UserError<E>
}

/** The same where the contract has bytes behind the argument. */
export interface BlobHandlerCall<E> extends HandlerCall<E> {
  /** Belongs to the handler. */
  readonly blob: Uint8Array
}

/** What the handler of a stream gets besides. */
export interface StreamHandlerCall<E> extends HandlerCall<E> {
  /**
   * Does the caller take an item now? Replays the latest. `false`: the credit is used up, or the connection is behind. For sources
   * that push and can pause; what can be pulled (an iterable) needs none of it.
   */
  readonly demand$: Observable<boolean>
  /** Items that the contract's `overflow` lost so far. */
  readonly dropped: number
}

/** What the handler of an upload gets besides. */
export interface UploadHandlerCall<Item, E> extends HandlerCall<E> {
  /**
   * The caller's items, for one subscriber. An item counts as consumed when `next` has returned; `pacedMap` and `for await` brake. Fail
   * with why they are lost, or why the call is over; a handler may pass that on, and nobody takes it for a failure of its own.
   */
  readonly items$: Paced<Item>
}

/** How a handler gives items: an Observable pushes, an (async) iterable such as a generator is pulled by the caller's credit. */
export type HandlerItems<T> =
  | Observable<T>
  | AsyncIterable<T>
  | Iterable<T>
  | PromiseLike<Observable<T> | AsyncIterable<T> | Iterable<T>>

/** How a handler answers: with a value, a Promise of one, or an Observable whose first value counts. */
export type HandlerAnswer<T> = T | PromiseLike<T> | Observable<T>

/** The handler of one method. */
export type Handler<M> =
  M extends Unary<any, any, infer E, infer B, infer In, infer Out>
    ? (
        input: In,
        call: B extends 'request' | 'both' ? BlobHandlerCall<E> : HandlerCall<E>,
      ) => HandlerAnswer<AnswerOf<Out, B>>
    : M extends Stream<any, any, infer E, infer In, infer Item>
      ? (input: In, call: StreamHandlerCall<E>) => HandlerItems<Item>
      : M extends Upload<any, any, any, infer E, infer In, infer Item, infer Out>
        ? (input: In, call: UploadHandlerCall<Item, E>) => HandlerAnswer<Out>
        : M extends Duplex<any, any, any, infer E, infer In, infer Up, infer Down>
          ? (input: In, call: UploadHandlerCall<Up, E> & StreamHandlerCall<E>) => HandlerItems<Down>
          : never

type AnswerOf<Out, B extends BlobKind | undefined> = B extends 'response' | 'both' ? WithBlob<Out> : Out

/** The handlers of a contract; an object, or an instance of a class. */
export type Handlers<M> = { readonly [K in keyof M]: Handler<M[K]> }

/** A contract with its handlers, for `new RpcServer({ services: [...] })`. */
export interface Implementation {
  readonly contract: Contract<Readonly<Record<string, MethodData>>>
  readonly handlers: Readonly<Record<string, unknown>>
}

/** Joins a contract with its handlers. Throws a `TypeError` that names a handler that is missing or no function. */
export function implement<M extends Readonly<Record<string, MethodData>>>(
  contract: Contract<M>,
  handlers: Handlers<M>,
): Implementation {
  const given = handlers as Readonly<Record<string, unknown>>
  const inherited = Object.prototype as unknown as Readonly<Record<string, unknown>>
  for (const key of Object.keys(contract.methods)) {
    if (typeof given[key] !== 'function' || given[key] === inherited[key])
      throw new TypeError(`${contract.name} has no handler for ${key}`)
  }
  return { contract, handlers: given }
}
