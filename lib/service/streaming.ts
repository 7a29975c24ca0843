/**
 * The methods of a contract that have items: streams, uploads and duplexes.
 */
import type { Overflow } from '../flow/overflow.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import type { CallShape } from '../protocol/shape.ts'
import {
  checking,
  type DescribedError,
  type ErrorsOption,
  type In,
  type MethodData,
  type NoSchemas,
  type OptionalUnless,
  type Out,
  type Shape,
  type TypeOf,
} from './contract.ts'

/** Items from the handler. `Item` is the caller's type, `HandlerItem` what the handler gives. */
export interface Stream<Input, Item, E, HandlerIn = Input, HandlerItem = Item> extends MethodData {
  readonly kind: 'stream'
  /** Carries the types; never there at run time. */
  readonly '~types'?: (input: Input, handlerItem: HandlerItem) => { item: Item; error: E; handlerIn: HandlerIn }
}

/** Items from the caller, and one answer. */
export interface Upload<Input, Item, Output, E, HandlerIn = Input, HandlerItem = Item, HandlerOut = Output>
  extends MethodData {
  readonly kind: 'upload'
  /** Carries the types; never there at run time. */
  readonly '~types'?: (
    input: Input,
    item: Item,
    handlerOut: HandlerOut,
  ) => { out: Output; error: E; handlerIn: HandlerIn; handlerItem: HandlerItem }
}

/** Items both ways. */
export interface Duplex<Input, Up, Down, E, HandlerIn = Input, HandlerUp = Up, HandlerDown = Down> extends MethodData {
  readonly kind: 'duplex'
  /** Carries the types; never there at run time. */
  readonly '~types'?: (
    input: Input,
    up: Up,
    handlerDown: HandlerDown,
  ) => { down: Down; error: E; handlerIn: HandlerIn; handlerUp: HandlerUp }
}

/** The options of every method with items. */
export interface ItemsOptions {
  /** A number from 1 to 2^31 - 1 instead of the name `Service.method`. Default: the name. */
  readonly action?: number
  /** Credit to start with, in units: one item, or 16 KiB of a large one. Default: that of the client, for uploads of the server. */
  readonly window?: number
}

/** The options of a method whose handler gives items. */
export interface StreamOptions<Item> extends ItemsOptions {
  /** What becomes of items that the handler pushes without credit. Default `buffer`: one window is kept, then the call fails. */
  readonly overflow?: Overflow<Extract<keyof Item, string>>
}

/** A stream described by schemas. */
export interface StreamDescription<I extends Shape, O extends Shape, K extends ErrorsKind, S extends Shape | undefined>
  extends StreamOptions<Out<O>> {
  readonly input?: I
  /** One item of the answer. */
  readonly output?: O
  /** Default `text`. */
  readonly errors?: K
  readonly error?: S
}

/** An upload described by schemas. */
export interface UploadDescription<
  I extends Shape,
  U extends Shape,
  O extends Shape,
  K extends ErrorsKind,
  S extends Shape | undefined,
> extends ItemsOptions {
  readonly input?: I
  /** One item of the caller. */
  readonly items?: U
  readonly output?: O
  /** Default `text`. */
  readonly errors?: K
  readonly error?: S
}

/** A duplex described by schemas. */
export interface DuplexDescription<
  I extends Shape,
  U extends Shape,
  O extends Shape,
  K extends ErrorsKind,
  S extends Shape | undefined,
> extends StreamDescription<I, O, K, S> {
  /** One item of the caller. */
  readonly items?: U
}

type Void = TypeOf<void>

/** Items from the handler: `stream<In, Item, E = string>(options)`, or described by schemas. */
export function stream<Input = void, Item = void, E = string>(
  ...options: OptionalUnless<E, StreamOptions<Item> & NoSchemas & ErrorsOption<E>>
): Stream<Input, Item, E>
export function stream<
  I extends Shape = Void,
  O extends Shape = Void,
  const K extends ErrorsKind = 'text',
  S extends Shape | undefined = undefined,
>(description: StreamDescription<I, O, K, S>): Stream<In<I>, Out<O>, DescribedError<K, S>, Out<I>, In<O>>
export function stream(options: Partial<MethodData> = {}): MethodData {
  return method('stream', options)
}

/** Items from the caller, and one answer: `upload<In, Item, Out, E = string>(options)`, or described by schemas. */
export function upload<Input = void, Item = void, Output = void, E = string>(
  ...options: OptionalUnless<E, ItemsOptions & NoSchemas & ErrorsOption<E>>
): Upload<Input, Item, Output, E>
export function upload<
  I extends Shape = Void,
  U extends Shape = Void,
  O extends Shape = Void,
  const K extends ErrorsKind = 'text',
  S extends Shape | undefined = undefined,
>(
  description: UploadDescription<I, U, O, K, S>,
): Upload<In<I>, In<U>, Out<O>, DescribedError<K, S>, Out<I>, Out<U>, In<O>>
export function upload(options: Partial<MethodData> = {}): MethodData {
  return method('upload', options)
}

/** Items both ways: `duplex<In, Up, Down, E = string>(options)`, or described by schemas. */
export function duplex<Input = void, Up = void, Down = void, E = string>(
  ...options: OptionalUnless<E, StreamOptions<Down> & NoSchemas & ErrorsOption<E>>
): Duplex<Input, Up, Down, E>
export function duplex<
  I extends Shape = Void,
  U extends Shape = Void,
  O extends Shape = Void,
  const K extends ErrorsKind = 'text',
  S extends Shape | undefined = undefined,
>(
  description: DuplexDescription<I, U, O, K, S>,
): Duplex<In<I>, In<U>, Out<O>, DescribedError<K, S>, Out<I>, Out<U>, In<O>>
export function duplex(options: Partial<MethodData> = {}): MethodData {
  return method('duplex', options)
}

function method(kind: CallShape, options: Partial<MethodData>): MethodData {
  const { window, overflow } = options
  if (window !== undefined && !(Number.isInteger(window) && window > 0)) {
    throw new TypeError(`window must be an integer above 0, not ${window}`)
  }
  if (overflow !== undefined && !isOverflow(overflow)) {
    throw new TypeError(`overflow is none of the policies: ${JSON.stringify(overflow)}`)
  }
  return {
    kind,
    action: options.action ?? '',
    errors: options.errors ?? 'text',
    blob: undefined,
    idempotent: false,
    input: checking(options.input),
    output: checking(options.output),
    items: checking(options.items),
    window,
    overflow,
  }
}

const POLICIES: ReadonlySet<unknown> = new Set(['buffer', 'latest', 'dropNewest', 'error'])

function isOverflow(overflow: Overflow): boolean {
  if (typeof overflow !== 'object') return POLICIES.has(overflow)
  if ('dropOldest' in overflow) return Number.isInteger(overflow.dropOldest) && overflow.dropOldest > 0
  if ('sample' in overflow) return Number.isFinite(overflow.sample) && overflow.sample > 0
  return typeof overflow.conflate === 'string'
}
