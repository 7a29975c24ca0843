/**
 * A contract: plain data that both sides share, and the types that go with it. Rust: what the `service` and
 * `endpoint_async` macros make of a trait.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Overflow } from '../flow/overflow.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import { MAX_ACTION_NUMBER } from '../protocol/heads.ts'
import type { CallShape } from '../protocol/shape.ts'

/** An errno: an integer from 0 to 1,048,575. */
export type Errno = number

/** Which parts of a call have raw bytes behind the message. */
export type BlobKind = 'request' | 'response' | 'both'

/** A method as data, without its types. */
export interface MethodData {
  readonly kind: CallShape
  /** What goes on the wire: a number, or `Service.method`. Filled in by {@link service} where no number stands. */
  readonly action: number | string
  /** How the handler's own errors travel. */
  readonly errors: ErrorsKind
  readonly blob: BlobKind | undefined
  /** Running it twice does no more than running it once, so a call may be sent again. */
  readonly idempotent: boolean
  /** Checks, and may transform, the argument; runs on the server. */
  readonly input: StandardSchemaV1 | undefined
  /** Checks, and may transform, what the handler gives, item by item where it gives items; runs on the server. */
  readonly output: StandardSchemaV1 | undefined
  /** Checks, and may transform, the items of the caller; runs on the server. */
  readonly items: StandardSchemaV1 | undefined
  /** Credit that a stream starts with. Default: the client's `window`. */
  readonly window: number | undefined
  /** What becomes of items that the handler pushes without credit. Default `buffer`. */
  readonly overflow: Overflow | undefined
}

/**
 * One question, one answer. `In` and `Out` are the caller's types, which are the wire's; `HandlerIn` and `HandlerOut` are
 * what the handler gets and gives, which differ where a schema transforms.
 */
export interface Unary<In, Out, E, B extends BlobKind | undefined = undefined, HandlerIn = In, HandlerOut = Out>
  extends MethodData {
  readonly kind: 'unary'
  readonly blob: B
  /** Carries the types; never there at run time. */
  readonly '~types'?: (input: In, handlerOut: HandlerOut) => { out: Out; error: E; handlerIn: HandlerIn }
}

/** A service: a name and its methods. */
export interface Contract<M> {
  readonly name: string
  readonly methods: M
}

/** The options every unary method has. */
export interface UnaryOptions {
  /** A number from 1 to 2^31 - 1 instead of the name `Service.method`. Default: the name. */
  readonly action?: number
  /** Default `false`. */
  readonly idempotent?: boolean
}

/** The option `errors` for an error type: text needs none, a number is an errno, all else is coded. */
export type ErrorsOption<E> = [E] extends [string]
  ? { readonly errors?: 'text' }
  : [E] extends [number]
    ? { readonly errors: 'errno' }
    : { readonly errors: 'coded' }

/** `options` may be left out where nothing in it must be said. */
export type OptionalUnless<E, Options> = [E] extends [string] ? [options?: Options] : [options: Options]

/** Type arguments and schemas are not mixed. */
export type NoSchemas = {
  readonly input?: never
  readonly output?: never
  readonly error?: never
  readonly items?: never
}

/** A schema, or {@link type}: whatever carries a type for the caller and one for the handler. */
export type Shape = StandardSchemaV1

/** The caller's type of a schema, and the handler's. */
export type In<S extends Shape> = StandardSchemaV1.InferInput<S>
export type Out<S extends Shape> = StandardSchemaV1.InferOutput<S>

export type DescribedError<K extends ErrorsKind, S extends Shape | undefined> = K extends 'errno'
  ? number
  : S extends Shape
    ? In<S>
    : string

/** A method described by schemas; what is left out of `input` and `output` is `void`. */
export interface UnaryDescription<
  I extends Shape,
  O extends Shape,
  K extends ErrorsKind,
  S extends Shape | undefined,
  B extends BlobKind | undefined,
> extends UnaryOptions {
  readonly input?: I
  readonly output?: O
  /** Default `text`. */
  readonly errors?: K
  /** The type of a coded error, or the texts of a text error. Carries a type and checks nothing. */
  readonly error?: S
  readonly blob?: B
}

/** A unary method with typed arguments: `unary<In, Out, E = string>(options)`, or described by schemas: `unary({ input, output })`. */
export function unary<In = void, Out = void, E = string>(
  options: UnaryOptions & NoSchemas & ErrorsOption<E> & { readonly blob: 'request' },
): Unary<In, Out, E, 'request'>
export function unary<In = void, Out = void, E = string>(
  options: UnaryOptions & NoSchemas & ErrorsOption<E> & { readonly blob: 'response' },
): Unary<In, Out, E, 'response'>
export function unary<In = void, Out = void, E = string>(
  options: UnaryOptions & NoSchemas & ErrorsOption<E> & { readonly blob: 'both' },
): Unary<In, Out, E, 'both'>
export function unary<In = void, Out = void, E = string>(
  ...options: OptionalUnless<E, UnaryOptions & NoSchemas & ErrorsOption<E> & { readonly blob?: undefined }>
): Unary<In, Out, E>
export function unary<
  I extends Shape = TypeOf<void>,
  O extends Shape = TypeOf<void>,
  const K extends ErrorsKind = 'text',
  S extends Shape | undefined = undefined,
  const B extends BlobKind | undefined = undefined,
>(description: UnaryDescription<I, O, K, S, B>): Unary<In<I>, Out<O>, DescribedError<K, S>, B, Out<I>, In<O>>
export function unary(options: Partial<MethodData> = {}): MethodData {
  return {
    kind: 'unary',
    action: options.action ?? '',
    errors: options.errors ?? 'text',
    blob: options.blob,
    idempotent: options.idempotent ?? false,
    input: checking(options.input),
    output: checking(options.output),
    items: undefined,
    window: undefined,
    overflow: undefined,
  }
}

/** What {@link type} gives: a schema that checks nothing. */
export type TypeOf<T> = StandardSchemaV1<T, T>

const UNCHECKED: TypeOf<any> = { '~standard': { version: 1, vendor: 'razor-rx', validate: value => ({ value }) } }

/** A type without a check, for a place where a schema may stand; it brings nothing into a browser bundle. */
export function type<T>(): TypeOf<T> {
  return UNCHECKED
}

/** The schema, where there is something to check. */
export function checking(schema: StandardSchemaV1 | undefined): StandardSchemaV1 | undefined {
  return schema === UNCHECKED ? undefined : schema
}

/** Any method, without the part that `unary` infers: a `blob` here would be taken for the one that was not written. */
export type AnyMethod = Omit<MethodData, 'blob'>

/**
 * A service of methods, on the wire as `name.method` where a method has no number. Throws a `TypeError` for a name that is empty or has a
 * dot, for a number that is no action, and for two methods with one action.
 */
export function service<const M extends Readonly<Record<string, AnyMethod>>>(name: string, methods: M): Contract<M> {
  if (name === '' || name.includes('.')) throw new TypeError(`a service's name has no dot and is not empty: '${name}'`)
  const actions = new Set<number | string>()
  const named = Object.entries(methods).map(([key, method]) => {
    const action = typeof method.action === 'number' ? checkedNumber(method.action, `${name}.${key}`) : `${name}.${key}`
    if (actions.has(action)) throw new TypeError(`two methods of ${name} have the action ${action}`)
    actions.add(action)
    return [key, { ...method, action }] as const
  })
  return { name, methods: Object.fromEntries<AnyMethod>(named) as M }
}

function checkedNumber(action: number, method: string): number {
  if (Number.isInteger(action) && action >= 1 && action <= MAX_ACTION_NUMBER) return action
  throw new TypeError(`the action of ${method} must be an integer from 1 to ${MAX_ACTION_NUMBER}, not ${action}`)
}
