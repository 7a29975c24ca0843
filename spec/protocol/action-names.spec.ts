/**
 * Action names to bytes and back.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeActionName, encodeActionName } from '../../lib/protocol/action-names.ts'
import { fromHex, toHex } from '../support/hex.ts'

/** Names of one length whose bytes have one hash: "Aa" and "BB" collide under the multiplier 31, so each pair of either does. */
function colliding(pairs: number): string[] {
  let names = ['']
  for (let i = 0; i < pairs; i++) names = names.flatMap(name => [`${name}Aa`, `${name}BB`])
  return names
}

describe('action names', () => {
  it('writes a name as UTF-8, the first time and the next', () => {
    assert.equal(toHex(encodeActionName('Häuser.✓')), '48c3a4757365722ee29c93')
    assert.equal(toHex(encodeActionName('Häuser.✓')), toHex(new TextEncoder().encode('Häuser.✓')))
  })

  it('reads back any name, again and again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), name => {
        const bytes = new TextEncoder().encode(name)
        for (let i = 0; i < 2; i++) {
          assert.deepEqual(encodeActionName(name), bytes)
          assert.equal(decodeActionName(bytes), name)
        }
      }),
    )
  })

  it('keeps a byte order mark, as names are compared byte by byte', () => {
    assert.equal(decodeActionName(fromHex('ef bb bf 41')), '\ufeffA')
  })

  for (const [what, hex] of [
    ['a lone continuation byte', '41 80'],
    ['a cut-off character', '41 e2 9c'],
    ['an overlong form', 'c0 ae'],
    ['a surrogate', 'ed a0 80'],
    ['a byte that UTF-8 never has', 'ff'],
  ] as const) {
    it(`A12: knows ${what} for what is not UTF-8, each time`, () => {
      for (let i = 0; i < 2; i++) assert.equal(decodeActionName(fromHex(hex)), undefined)
    })
  }

  it('A12: never mistakes one name for another with the same hash', () => {
    const names = colliding(6)
    for (let i = 0; i < 2; i++) {
      for (const name of names) assert.equal(decodeActionName(new TextEncoder().encode(name)), name)
    }
  })

  it('stays right when a peer sends more names than are remembered', () => {
    for (let i = 0; i < 5000; i++)
      assert.equal(decodeActionName(encodeActionName(`Service.method${i}`)), `Service.method${i}`)
    assert.equal(decodeActionName(encodeActionName('Service.method0')), 'Service.method0')
  })

  it('keeps nothing of the bytes it was given', () => {
    const bytes = Buffer.from('Kept.Aa')
    assert.equal(decodeActionName(bytes), 'Kept.Aa')
    bytes.write('Kept.BB')
    assert.equal(decodeActionName(bytes), 'Kept.BB')
  })
})
