/**
 * Values for properties: what a codec takes, and gives back as it was.
 */
import fc from 'fast-check'

const keys = fc
  .string({ unit: 'binary', maxLength: 40 })
  .filter(key => !['__proto__', 'constructor', 'prototype'].includes(key))

const numbers = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(-0, 0, 2 ** 32, 2 ** 32 - 1, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 53),
)

/** JSON's values, with every number; those of JSON itself where `exact` is false. */
function values(leaves: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.letrec(tie => ({
    value: fc.oneof({ maxDepth: 5, depthSize: 'small' }, leaves, tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 20 }),
    object: fc.dictionary(keys, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  }))['value'] as fc.Arbitrary<unknown>
}

const scalars = fc.oneof(fc.constant(null), fc.boolean(), fc.string({ unit: 'binary', maxLength: 300 }))

/** What MessagePack takes: `bigint` only where a number would not do, since it reads back as one there. */
export const msgpackValues: fc.Arbitrary<unknown> = values(
  fc.oneof(
    scalars,
    numbers,
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.uint8Array({ maxLength: 400 }),
    fc.date({ noInvalidDate: true }),
  ),
)

/** What JSON takes and gives back. */
export const jsonValues: fc.Arbitrary<unknown> = values(
  fc.oneof(
    scalars,
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter(value => !Object.is(value, -0) && !unsafe(value)),
  ),
)

function unsafe(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21
}
