/**
 * Text that has to fit into a number of bytes.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { cutText } from '../../lib/protocol/text.ts'

const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

describe('text that is cut', () => {
  for (const [text, most, left] of [
    ['', 0, ''],
    ['', 4, ''],
    ['abc', 3, 'abc'],
    ['abcd', 3, 'abc'],
    ['abc', 0, ''],
    ['aé', 3, 'aé'],
    ['aé', 2, 'a'],
    ['€€', 5, '€'],
    ['€', 2, ''],
    ['a😀', 5, 'a😀'],
    ['a😀', 4, 'a'],
    ['a😀', 2, 'a'],
    ['😀😀', 7, '😀'],
  ] as const) {
    it(`leaves ${JSON.stringify(left)} of ${JSON.stringify(text)} in ${most} bytes`, () => {
      assert.equal(decode(cutText(text, most)), left)
    })
  }

  it('is the longest start of it that fits and is whole', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.nat(60), (text, most) => {
        const cut = cutText(text, most)
        const left = decode(cut)
        assert.ok(cut.length <= most)
        assert.ok(text.startsWith(left))
        const [next] = text.slice(left.length)
        if (next !== undefined) assert.ok(cut.length + new TextEncoder().encode(next).length > most)
      }),
    )
  })

  it('is UTF-8 where the text is not: half a character becomes U+FFFD', () => {
    assert.equal(decode(cutText('\ud83d', 3)), '\ufffd')
    assert.equal(decode(cutText('\ud83d', 2)), '')
  })

  it('costs no more than what is left of it', () => {
    assert.equal(cutText('x'.repeat(64 * 1024 * 1024), 1024).length, 1024)
  })
})
