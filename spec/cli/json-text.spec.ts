/** JSON on the command line: exact integers, bytes, and nothing a terminal would obey. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatJson, parseJson } from '../../lib/cli/json-text.ts'

describe('JSON text', () => {
  it('keeps integers of any size, at any depth, and in no string', () => {
    assert.equal(parseJson('18446744073709551615'), 18446744073709551615n)
    assert.deepEqual(
      parseJson('{"a": [9007199254740993, -9007199254740993], "9007199254740993": "9007199254740993"}'),
      {
        a: [9007199254740993n, -9007199254740993n],
        '9007199254740993': '9007199254740993',
      },
    )
    assert.equal(parseJson(String.raw`"\"9007199254740993"`), '"9007199254740993')
    assert.equal(formatJson({ inode: 18446744073709551615n }), '{"inode":18446744073709551615}')
  })

  it('leaves small integers, fractions and exponents as they are', () => {
    assert.deepEqual(parseJson('[1, -2, 9007199254740991, 1.5, 1e21, 0.1]'), [1, -2, 9007199254740991, 1.5, 1e21, 0.1])
  })

  it('reads all but large integers as JSON does', () => {
    const large = (_: string, part: unknown): unknown =>
      typeof part === 'bigint' || (Number.isInteger(part) && !Number.isSafeInteger(part)) ? 'large' : part
    fc.assert(
      fc.property(fc.json(), text =>
        assert.equal(JSON.stringify(parseJson(text), large), JSON.stringify(JSON.parse(text), large)),
      ),
    )
  })

  it('reads back every integer that it writes', () => {
    fc.assert(
      fc.property(fc.bigInt(), number => {
        assert.equal(formatJson([number]), `[${number}]`)
        assert.equal(BigInt(parseJson(formatJson(number)) as number | bigint), number)
      }),
    )
  })

  it('complains about what was typed', () => {
    assert.throws(() => parseJson('[9007199254740993,'), SyntaxError)
    assert.throws(() => parseJson(''), SyntaxError)
    assert.throws(() => parseJson('0123'), SyntaxError)
  })

  it('writes bytes as base64 under $bytes, and reads them back', () => {
    const bytes = Uint8Array.of(0, 255, 7)
    assert.equal(formatJson({ content: bytes }), '{"content":{"$bytes":"AP8H"}}')
    assert.deepEqual(parseJson('{"content":{"$bytes":"AP8H"}}'), { content: bytes })
    assert.deepEqual(parseJson('{"$bytes":"AP8H","more":1}'), { $bytes: 'AP8H', more: 1 })
  })

  it('writes no value as null, and what JSON has no number for as text', () => {
    assert.equal(formatJson(undefined), 'null')
    assert.equal(formatJson([Number.NaN, -Infinity]), '["NaN","-Infinity"]')
    assert.equal(formatJson(new Date(0)), '"1970-01-01T00:00:00.000Z"')
  })

  it('writes no control characters', () => {
    assert.equal(formatJson('\u001b[2J\u009b2J\u007f'), String.raw`"\u001b[2J\u009b2J\u007f"`)
  })
})
