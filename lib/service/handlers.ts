/**
 * Handlers of a contract, and the dispatch that finds them. Rust: what the `service` macro generates.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defaultIfEmpty, isObservable, map, mergeMap, type Observable, of, take } from 'rxjs'
import type { UserError } from '../error.ts'
import { CallRefused, type Dispatch, isPromiseLike, ReplyWithBlob, type ServerCall } from '../server/dispatch.ts'
import type { WithBlob } from './client.ts'
import type { BlobKind, Contract, MethodData, Unary } from './contract.ts'

/** What a handler gets besides its argument. */
export interface HandlerCall<E> extends Pick<ServerCall, 'signal' | 'deadline' | 'peer'> {
  /** Makes the error to throw where the handler fails the call: `throw fail('divide by zero')`. */
  readonly fail: (value: E) => UserError<E>
}

/** The same where the contract has bytes behind the argument. */
export interface BlobHandlerCall<E> extends HandlerCall<E> {
  /** Belongs to the handler. */
  readonly blob: Uint8Array
}

/** How a handler answers: with a value, a Promise of one, or an Observable whose first value counts. */
export type HandlerAnswer<T> = T | PromiseLike<T> | Observable<T>

/** The handler of one method. */
export type Handler<M> =
  M extends Unary<any, any, infer E, infer B, infer In, infer Out>
    ? (
        input: In,
        call: B extends 'request' | 'both' ? BlobHandlerCall<E> : HandlerCall<E>,
      ) => HandlerAnswer<AnswerOf<Out, B>>
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

/**
 * A dispatch of services: by the whole action, so a number belongs to one service only. Actions that none of them has go to
 * `others`. Throws a `TypeError` for two methods with one action.
 */
export function dispatchServices(implementations: readonly Implementation[], others?: Dispatch): Dispatch {
  const methods = new Map<number | string, Dispatch>()
  const names = new Set<string>()
  for (const { contract, handlers } of implementations) {
    names.add(contract.name)
    for (const [key, method] of Object.entries(contract.methods)) {
      if (methods.has(method.action)) throw new TypeError(`two methods have the action ${method.action}`)
      methods.set(method.action, dispatchMethod(method, handlers, key))
    }
  }
  return call => {
    const run = methods.get(call.action)
    if (run !== undefined) return run(call)
    if (others !== undefined) return others(call)
    throw notFound(call.action, names)
  }
}

function notFound(action: number | string, services: ReadonlySet<string>): CallRefused {
  const dot = typeof action === 'string' ? action.indexOf('.') : -1
  if (dot < 0) return new CallRefused('rpc_method_notfound', `no method ${JSON.stringify(action)}`)
  const service = String(action).slice(0, dot)
  return services.has(service)
    ? new CallRefused('rpc_method_notfound', `${service} has no method ${String(action).slice(dot + 1)}`)
    : new CallRefused('rpc_service_notfound', `no service ${service}`)
}

function dispatchMethod(method: MethodData, handlers: Readonly<Record<string, unknown>>, key: string): Dispatch {
  const handler = handlers[key] as (input: unknown, call: ServerCall) => unknown
  const { input: inputSchema, output: outputSchema } = method
  const takesBlob = method.blob === 'request' || method.blob === 'both'
  const givesBlob = method.blob === 'response' || method.blob === 'both'

  const finish = (answer: unknown): unknown => {
    if (!givesBlob) return outputSchema === undefined ? answer : checked(outputSchema, answer, 'rpc_encode', method)
    const { value, blob } = (answer ?? {}) as Partial<WithBlob<unknown>>
    if (!ArrayBuffer.isView(blob)) throw new CallRefused('rpc_encode', `the answer of ${method.action} has no blob`)
    if (outputSchema === undefined) return new ReplyWithBlob(value, blob)
    const output = checked(outputSchema, value, 'rpc_encode', method)
    return then(output, checkedValue => new ReplyWithBlob(checkedValue, blob))
  }
  const plain = !givesBlob && outputSchema === undefined

  return call => {
    call.errors = method.errors
    if (!takesBlob && call.blob.length > 0) {
      throw new CallRefused('rpc_decode', `${call.blob.length} bytes of blob that ${method.action} does not take`)
    }
    const run = (input: unknown): unknown => {
      const answer = handler.call(handlers, input, call)
      return plain ? answer : then(answer, finish)
    }
    return inputSchema === undefined
      ? run(call.input)
      : then(checked(inputSchema, call.input, 'rpc_decode', method), run)
  }
}

/** What the schema makes of `value`, or a Promise of it; throws, or rejects, with `code` where it refuses. */
function checked(
  schema: StandardSchemaV1,
  value: unknown,
  code: 'rpc_decode' | 'rpc_encode',
  method: MethodData,
): unknown {
  const read = (result: StandardSchemaV1.Result<unknown>): unknown => {
    if (result.issues === undefined) return result.value
    const issues = result.issues.map(issue => `${pathOf(issue)}${issue.message}`).join('; ')
    const what = code === 'rpc_decode' ? 'argument' : 'answer'
    throw new CallRefused(code, `the ${what} of ${method.action} is refused: ${issues}`)
  }
  const result = schema['~standard'].validate(value)
  return isPromiseLike(result) ? result.then(read as (result: unknown) => unknown) : read(result)
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  const keys = (issue.path ?? []).map(part => String(typeof part === 'object' ? part.key : part))
  return keys.length === 0 ? '' : `${keys.join('.')}: `
}

/** Applies `next` to a value, to what a Promise settles to, or to what an Observable emits first (nothing: `undefined`). */
function then(answer: unknown, next: (value: unknown) => unknown): unknown {
  if (isObservable(answer)) {
    return answer.pipe(
      take(1),
      defaultIfEmpty<unknown, undefined>(undefined),
      map(next),
      mergeMap(value => (isPromiseLike(value) ? value : of(value))),
    )
  }
  return isPromiseLike(answer) ? answer.then(value => then(value, next)) : next(answer)
}
