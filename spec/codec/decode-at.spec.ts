/**
 * Decoding in place: what stands around the value changes nothing, neither the value nor the error.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { msgpack } from '../../lib/codec/msgpack.ts'

const codec = msgpack({ maxDepth: 4, maxElements: 100 })

/** The value, or what the error says. */
function outcome(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (error) {
    return String(error)
  }
}

describe('decoding in place', () => {
  const around = fc.uint8Array({ maxLength: 40 })
  const same = (bytes: Uint8Array, before: Uint8Array, behind: Uint8Array): void => {
    const all = Uint8Array.of(...before, ...bytes, ...behind)
    const kept = Uint8Array.from(all)
    const placed = outcome(() => codec.decodeAt!(all, before.length, before.length + bytes.length))
    assert.deepEqual(
      placed,
      outcome(() => codec.decode(bytes)),
    )
    assert.deepEqual(all, kept)
  }

  it('gives the value that its bytes alone would give, wherever they stand', () => {
    const scalar = fc.oneof(
      fc.string({ maxLength: 80, unit: 'grapheme' }),
      fc.string({ maxLength: 80 }).map(text => `\ufeff${text}`),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.uint8Array({ maxLength: 5000 }),
      fc.date({ noInvalidDate: true }),
      fc.constant(null),
    )
    const value = fc.oneof(
      scalar,
      fc.array(scalar, { maxLength: 5 }),
      fc.dictionary(fc.string(), scalar, { maxKeys: 5 }),
    )
    const bytes = value.map(each => outcome(() => codec.encode(each))).filter(each => each instanceof Uint8Array)
    fc.assert(fc.property(bytes, around, around, same))
  })

  it('refuses what its bytes alone would be refused for, in the same words', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 30 }), around, around, same))
  })
})
