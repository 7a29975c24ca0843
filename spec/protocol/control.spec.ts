/**
 * Control maps: what they hold is what a stranger wrote.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asLimit, asMap, asTexts } from '../../lib/protocol/control.ts'

describe('a control map', () => {
  it('is a map', () => {
    const map = { v: 2 }
    assert.equal(asMap(map), map)
    assert.deepEqual(asMap({}), {})
  })

  for (const [what, value] of [
    ['nothing', undefined],
    ['nil', null],
    ['a number', 2],
    ['text', 'v'],
    ['a list', [['v', 2]]],
    ['bytes', new Uint8Array([0x80])],
    ['a function', () => ({ v: 2 })],
  ] as const) {
    it(`is not ${what}`, () => {
      assert.equal(asMap(value), undefined)
      assert.equal(asTexts(value), undefined)
    })
  }
})

describe('a limit in a control map', () => {
  for (const value of [1, 4096, Number.MAX_SAFE_INTEGER]) {
    it(`is ${value}`, () => assert.equal(asLimit(value), value))
  }

  for (const value of [undefined, null]) {
    it(`is absent where it is ${value}`, () => assert.equal(asLimit(value), undefined))
  }

  for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2n ** 60n, '7', true, [], {}]) {
    it(`is wrong, and no number, where it is ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`, () =>
      assert.ok(Number.isNaN(asLimit(value))))
  }
})

describe('a map of texts', () => {
  it('has nothing but text', () => {
    const texts = { trace: 'a1', tenant: '' }
    assert.equal(asTexts(texts), texts)
    assert.deepEqual(asTexts({}), {})
  })

  for (const value of [1, null, undefined, ['a'], new Uint8Array(1), { a: 'b' }]) {
    it(`is refused with ${String(value)} in it`, () => assert.equal(asTexts({ fine: 'a', wrong: value }), undefined))
  }
})
