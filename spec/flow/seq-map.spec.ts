/**
 * The map by seq: whatever is put in and taken out, it answers as a Map does.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SeqMap } from '../../lib/flow/seq-map.ts'
import type { U64 } from '../../lib/protocol/bytes.ts'

describe('a SeqMap', () => {
  it('answers as a Map does, whatever the seqs and whatever their order', () => {
    // Near each other, a multiple of its places apart, above 32 bits, above what a number holds.
    const seq = fc.oneof(
      fc.nat(40),
      fc.nat(8).map(n => 1 + n * 2048),
      fc.nat(8).map(n => 2 ** 40 + n * 16),
      fc.nat(3).map(n => 2n ** 63n + BigInt(n)),
    )
    const step = fc.record({ act: fc.constantFrom('set', 'set', 'get', 'delete', 'clear once in a while'), seq })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), steps => {
        const map = new SeqMap<number>()
        const model = new Map<U64, number>()
        for (const [index, { act, seq: key }] of steps.entries()) {
          if (act === 'set') {
            map.set(key, index)
            model.set(key, index)
          } else if (act === 'delete') assert.equal(map.delete(key), model.delete(key))
          else if (act === 'get') assert.equal(map.get(key), model.get(key))
          else if (index % 16 === 0) {
            map.clear()
            model.clear()
          }
          assert.equal(map.size, model.size)
          assert.equal(map.has(key), model.has(key))
        }
        const inOrder = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
        assert.deepEqual(
          map.values(),
          inOrder.map(([, value]) => value),
        )
        for (const [key, value] of inOrder) assert.equal(map.get(key), value)
      }),
    )
  })

  it('keeps a call that takes long while thousands come and go', () => {
    const map = new SeqMap<string>()
    map.set(1, 'long')
    for (let seq = 2; seq < 10_000; seq++) {
      map.set(seq, 'short')
      assert.equal(map.delete(seq), true)
    }
    assert.equal(map.get(1), 'long')
    assert.deepEqual(map.values(), ['long'])
    assert.equal(map.delete(1), true)
    assert.equal(map.size, 0)
  })

  it('holds more than it has places for', () => {
    const map = new SeqMap<number>()
    for (let seq = 1; seq <= 5_000; seq++) map.set(seq, seq)
    assert.equal(map.size, 5_000)
    for (let seq = 1; seq <= 5_000; seq++) assert.equal(map.get(seq), seq)
    assert.deepEqual(
      map.values(),
      [...Array(5_000).keys()].map(seq => seq + 1),
    )
  })
})
