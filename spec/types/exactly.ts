/**
 * A type spec's assertion: that an expression has exactly a type, not one that merely fits.
 */

/** Are the two types the same? `any` equals only `any`; `readonly` and `?` count. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `exactly<string>()(value)` compiles where `value` is a `string` and nothing narrower or wider. */
export declare function exactly<Expected>(): <const Actual>(
  actual: Actual,
  ...refused: Same<Expected, Actual> extends true ? [] : [is: Actual, not: Expected]
) => void
