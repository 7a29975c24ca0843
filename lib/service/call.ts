/**
 * A typed call: an ordinary cold Observable that remembers what its handler can fail with.
 */
import {
  catchError,
  type Observable,
  type ObservableInput,
  type ObservedValueOf,
  throwError,
  type UnaryFunction,
} from 'rxjs'
import { RpcError, type UserError } from '../error.ts'
import { Paced } from '../flow/paced.ts'
import type { MethodData, Unary } from './contract.ts'
import type { Duplex, Stream, Upload } from './streaming.ts'

/**
 * What a method of a proxy returns. Each subscription sends the call; unsubscribing gives it up. `E` is the type of
 * {@link UserError.value} where the handler fails it.
 */
export class Call<T, E = string> extends Paced<T> {
  /** Carries the type of the handler's errors; always `undefined` at run time. Not optional: no other Observable is a call. */
  declare readonly '~error': E | undefined
}

/**
 * Catches the errors a handler chose to fail with, typed by the contract; all others pass. Stands first in a call's `pipe`,
 * where the type is known; elsewhere use `catchError` with {@link isUserError}.
 */
export function catchUserError<T, E, O extends ObservableInput<any>>(
  selector: (value: E, error: UserError<E>) => O,
): UnaryFunction<Call<T, E>, Observable<T | ObservedValueOf<O>>> {
  return call =>
    call.pipe(
      catchError((error: unknown) =>
        isUserErrorOf<E>(error) ? selector(error.value, error) : throwError(() => error),
      ),
    )
}

/** The type of the errors that a method's handler fails with. */
export type ErrorOf<M> =
  M extends Unary<any, any, infer E, any, any, any>
    ? E
    : M extends Stream<any, any, infer E, any, any>
      ? E
      : M extends Upload<any, any, any, infer E, any, any, any>
        ? E
        : M extends Duplex<any, any, any, infer E, any, any, any>
          ? E
          : never

/** Did the handler of this very method fail with this error? Narrows its `value` to the contract's type. */
export function isUserError<M extends MethodData>(method: M, error: unknown): error is UserError<ErrorOf<M>> {
  return isUserErrorOf(error) && error.action === method.action
}

function isUserErrorOf<E>(error: unknown): error is UserError<E> {
  return RpcError.is(error, 'user')
}
