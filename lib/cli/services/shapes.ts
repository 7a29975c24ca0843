/**
 * Schemas for what the demo services take: the integer types of Rust, text, tuples and structs. Each refuses what the Rust
 * server refuses with `rpc_decode`, but for one thing: a whole number that was written as a float is an integer here, as
 * JavaScript cannot tell them apart.
 */
import { asU64, type U64 } from '../../protocol/bytes.ts'
import type { TypeOf } from '../../service/contract.ts'

/** A schema that changes nothing, as a check that says what it expected. */
export type Shape<T> = TypeOf<T> & {
  readonly expected: string
  readonly is: (value: unknown) => value is T
}

function shape<T>(expected: string, is: (value: unknown) => boolean): Shape<T> {
  const validate: TypeOf<T>['~standard']['validate'] = value =>
    is(value) ? { value: value as T } : { issues: [{ message: `expected ${expected}` }] }
  return { expected, is: is as Shape<T>['is'], '~standard': { version: 1, vendor: 'razor-rx', validate } }
}

function integer(name: string, least: number, most: number): Shape<number> {
  return shape(name, value => Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
}

/** A whole number within bounds. */
export function wholeFrom(least: number, most: number): Shape<number> {
  return integer(`whole number from ${least} to ${most}`, least, most)
}

export const i32: Shape<number> = integer('i32', -(2 ** 31), 2 ** 31 - 1)
export const u32: Shape<number> = integer('u32', 0, 2 ** 32 - 1)
export const u64: Shape<U64> = shape(
  'u64',
  value => (typeof value === 'number' || typeof value === 'bigint') && asU64(value) !== undefined,
)
export const text: Shape<string> = shape('text', value => typeof value === 'string')
/** Raw bytes. */
export const bytes: Shape<Uint8Array> = shape('bytes', value => value instanceof Uint8Array)
/** Unit. Rust: `()`. */
export const nil: Shape<void> = shape('nil', value => value === null || value === undefined)

/** A field that may be missing, or nil. Rust: `Option`. */
export function optional<T>(field: Shape<T>): Shape<T | undefined> {
  return shape(`${field.expected} or nothing`, value => value === undefined || value === null || field.is(value))
}

/** An array of exactly these. Rust: a tuple. */
export function tuple<A, B>(first: Shape<A>, second: Shape<B>): Shape<[A, B]> {
  return shape(
    `[${first.expected}, ${second.expected}]`,
    value => Array.isArray(value) && value.length === 2 && first.is(value[0]) && second.is(value[1]),
  )
}

/** An object with at least these fields. Rust: a struct. */
export function struct<T extends object>(fields: { readonly [K in keyof T]-?: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries(fields) as [string, Shape<unknown>][]
  return shape(
    `{${entries.map(([name, field]) => `${name}: ${field.expected}`).join(', ')}}`,
    value =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      entries.every(([name, field]) =>
        field.is(Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined),
      ),
  )
}
