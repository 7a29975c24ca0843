/**
 * The JSON codec: as strict as the default one, in another form.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { json } from '../../lib/codec/json.ts'
import { RpcError } from '../../lib/error.ts'
import { jsonValues } from './arbitrary.ts'

const codec = json()

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function text(value: unknown): string {
  return new TextDecoder().decode(codec.encode(value))
}

function refuses(input: string | Uint8Array, message: RegExp): void {
  const encoded = typeof input === 'string' ? bytes(input) : input
  assert.throws(
    () => codec.decode(encoded),
    (error: unknown) => {
      assert.ok(RpcError.is(error, 'rpc_decode'), String(error))
      assert.match(error.message, message)
      return true
    },
  )
}

function refusesValue(value: unknown, message: RegExp): void {
  assert.throws(
    () => codec.encode(value),
    (error: unknown) => RpcError.is(error, 'rpc_encode') && message.test(error.message),
  )
}

describe('the json codec', () => {
  it('gives back every value as it was', () => {
    fc.assert(
      fc.property(jsonValues, value => {
        assert.deepStrictEqual(codec.decode(codec.encode(value)), value)
      }),
      { numRuns: 300 },
    )
  })

  it('writes undefined as null, Maps as objects, Sets as arrays, and a bigint as a number where that is exact', () => {
    assert.equal(text(undefined), 'null')
    assert.equal(text({ a: undefined, b: [undefined] }), '{"a":null,"b":[null]}')
    assert.equal(
      text(
        new Map<unknown, unknown>([
          ['a', new Set([1, 2n])],
          [3, -0],
        ]),
      ),
      '{"3":0,"a":[1,2]}',
    )
  })

  it('refuses to write what would read back as something else', () => {
    refusesValue({ n: 2n ** 53n }, /^value\.n is a bigint beyond the safe integers/)
    refusesValue([Number.NaN], /^value\[0\] is NaN/)
    refusesValue(-Infinity, /^value is -Infinity/)
    refusesValue({ b: new Uint8Array(3) }, /^value\.b is bytes/)
    refusesValue({ at: new Date(0) }, /^value\.at is a Date/)
    refusesValue({ at: () => 1 }, /^value\.at is a function/)
    refusesValue(JSON.parse('{"__proto__":1}'), /is a key that no decoder takes/)
    refusesValue('\ud800', /lone surrogate/)
  })

  it('refuses to read integers that a number would round', () => {
    assert.equal(codec.decode(bytes('9007199254740991')), 2 ** 53 - 1)
    assert.deepEqual(codec.decode(bytes('[-9007199254740991,1e300,0.12345678901234568,"9007199254740993"]')), [
      -(2 ** 53) + 1,
      1e300,
      0.12345678901234568,
      '9007199254740993',
    ])
    refuses('9007199254740992', /integer 9007199254740992 at byte 0 is not exact/)
    refuses('{"a":-18446744073709551615}', /integer -18446744073709551615 at byte 5/)
    refuses('[1e999]', /beyond a float64/)
  })

  it('refuses what is over a limit before it parses', () => {
    refuses('['.repeat(1_000_000), /byte 64 is 65 deep, over maxDepth 64/)
    refuses('{"a":'.repeat(65), /65 deep/)
    refuses(`[${'{},'.repeat(100_000)}{}]`, /more values than maxElements 100000/)
    refuses(`{${Array.from({ length: 10_001 }, (_, i) => `"${i}":0`).join()}}`, /has more keys than maxKeys 10000/)
    assert.throws(() => json({ maxElements: 2 }).decode(bytes('[1,2]')), /maxElements 2/)
    assert.throws(() => json({ maxElements: 2 }).encode([1, 2]), /maxElements 2/)
    assert.deepEqual(codec.decode(bytes('[["[{,:","\\\\\\"["],{"]":"}"}]')), [['[{,:', '\\"['], { ']': '}' }])
  })

  it('refuses refused keys, keys that stand twice, lone surrogates, and text that is not UTF-8', () => {
    for (const key of ['__proto__', 'constructor', 'prototype', '\\u005f_proto__'])
      refuses(`[{"${key}":1}]`, /key .* is refused/)
    refuses('{"a":1,"a":2}', /a key stands twice/)
    refuses('{"a":{"b":1,"\\u0062":1}}', /a key stands twice/)
    assert.deepEqual(codec.decode(bytes('{"a":{"a":1},"b":{"a":2}}')), { a: { a: 1 }, b: { a: 2 } })
    refuses('"\\ud800"', /lone surrogate/)
    refuses('{"\\udc00":1}', /lone surrogate/)
    refuses(Uint8Array.of(0x22, 0xc3, 0x28, 0x22), /not a JSON text in UTF-8/)
    refuses('\ufeff1', /not a JSON text/)
    for (const broken of ['', ' ', '1 2', '[1', '{"a"}', '"a', '"\\', ']', 'nul', '{a:1}', '[1,]', '\u0000'])
      refuses(broken, /JSON refused/)
  })

  it('either reads damaged text or throws rpc_decode', () => {
    const damaged = fc.tuple(jsonValues, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }))
    fc.assert(
      fc.property(damaged, ([value, flips]) => {
        const message = codec.encode(value)
        for (const [at, byte] of flips) message[at % message.length] = byte
        try {
          codec.encode(codec.decode(message))
        } catch (error) {
          assert.ok(RpcError.is(error, 'rpc_decode'), String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('encodes in place where the bytes fit, and hands them over where they do not', () => {
    fc.assert(
      fc.property(jsonValues, fc.nat(20), fc.nat(40), (value, offset, room) => {
        const expected = codec.encode(value)
        const target = new Uint8Array(offset + room)
        const result = codec.encodeInto(value, target, offset)
        if (expected.length > room) assert.deepEqual(result, expected)
        else {
          assert.equal(result, expected.length)
          assert.deepEqual(target.subarray(offset, offset + expected.length), expected)
        }
      }),
    )
  })
})
