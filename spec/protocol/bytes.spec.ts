/**
 * Numbers of a head, each at the borders where a number in JavaScript changes its nature.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { asU64, readU16, readU32, readU64, U64_MAX, writeU16, writeU32, writeU64 } from '../../lib/protocol/bytes.ts'
import { fromHex, toHex } from '../support/hex.ts'

/** Value, its one form, and its bytes between two that must stay as they are. */
const BORDERS: readonly (readonly [name: string, value: bigint, form: 'number' | 'bigint', hex: string])[] = [
  ['0', 0n, 'number', '00 00 00 00 00 00 00 00'],
  ['1', 1n, 'number', '01 00 00 00 00 00 00 00'],
  ['2^31 - 1', 2n ** 31n - 1n, 'number', 'ff ff ff 7f 00 00 00 00'],
  ['2^31', 2n ** 31n, 'number', '00 00 00 80 00 00 00 00'],
  ['2^32 - 1', 2n ** 32n - 1n, 'number', 'ff ff ff ff 00 00 00 00'],
  ['2^32', 2n ** 32n, 'number', '00 00 00 00 01 00 00 00'],
  ['2^32 + 1', 2n ** 32n + 1n, 'number', '01 00 00 00 01 00 00 00'],
  ['2^53 - 1', 2n ** 53n - 1n, 'number', 'ff ff ff ff ff ff 1f 00'],
  ['2^53', 2n ** 53n, 'bigint', '00 00 00 00 00 00 20 00'],
  ['2^53 + 1', 2n ** 53n + 1n, 'bigint', '01 00 00 00 00 00 20 00'],
  ['2^63 - 1', 2n ** 63n - 1n, 'bigint', 'ff ff ff ff ff ff ff 7f'],
  ['2^63', 2n ** 63n, 'bigint', '00 00 00 00 00 00 00 80'],
  ['2^64 - 1', 2n ** 64n - 1n, 'bigint', 'ff ff ff ff ff ff ff ff'],
]

describe('numbers of 64 bits', () => {
  for (const [name, value, form, hex] of BORDERS) {
    const one = form === 'number' ? Number(value) : value

    it(`reads ${name} exactly, as a ${form}`, () => {
      assert.equal(readU64(fromHex(`aa ${hex} bb`), 1), one)
    })

    it(`writes ${name} as ${hex}, from either form`, () => {
      for (const written of form === 'number' ? [Number(value), value] : [value]) {
        const bytes = fromHex('aa 55 55 55 55 55 55 55 55 bb')
        writeU64(bytes, 1, written)
        assert.equal(toHex(bytes), `aa${hex.replaceAll(' ', '')}bb`)
      }
    })

    it(`gives ${name} one form, a ${form}`, () => {
      assert.equal(asU64(value), one)
      if (form === 'number') assert.equal(asU64(Number(value)), one)
    })
  }

  it('keeps any value through writing and reading, in the form that asU64 gives it', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: U64_MAX }), fc.nat(8), (value, at) => {
        const bytes = new Uint8Array(16)
        writeU64(bytes, at, value)
        assert.equal(new DataView(bytes.buffer).getBigUint64(at, true), value)
        const read = readU64(bytes, at)
        assert.equal(BigInt(read), value)
        assert.equal(read, asU64(value))
      }),
    )
  })

  for (const value of [-1, -1n, 0.5, 2 ** 53, 2 ** 64, 2n ** 64n, Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`has no form for the ${typeof value} ${value}`, () => assert.equal(asU64(value), undefined))
  }
})

describe('numbers of 16 and 32 bits', () => {
  it('reads them unsigned, little endian', () => {
    assert.equal(readU16(fromHex('00 25 4d 00'), 1), 19749)
    assert.equal(readU16(fromHex('ff ff'), 0), 65535)
    assert.equal(readU32(fromHex('00 01 02 03 04'), 1), 0x04030201)
    assert.equal(readU32(fromHex('ff ff ff ff'), 0), 4294967295)
    assert.equal(readU32(fromHex('00 00 00 80'), 0), 2147483648)
  })

  it('writes them little endian, and nothing beside them', () => {
    const bytes = fromHex('aa 00 00 bb 00 00 00 00 cc')
    writeU16(bytes, 1, 19749)
    writeU32(bytes, 4, 4294967295)
    assert.equal(toHex(bytes), 'aa254dbbffffffffcc')
    writeU32(bytes, 4, 0x04030201)
    assert.equal(toHex(bytes), 'aa254dbb01020304cc')
  })
})
