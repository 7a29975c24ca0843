/** Rates by the tick. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PerSecond } from '../../lib/flow/per-second.ts'

describe('a rate per second', () => {
  for (const [tickMs, ticks, most] of [
    [1000, 1, 3],
    [100, 10, 3],
    [50, 20, 3],
    [2000, 1, 6],
  ] as const) {
    it(`lets ${most} pass in ${ticks} ticks of ${tickMs} ms, and then begins anew`, () => {
      const rate = new PerSecond(3, tickMs)
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < most; i++) assert.equal(rate.add(), false)
        assert.deepEqual([rate.add(), rate.count], [true, most + 1])
        for (let i = 1; i < ticks; i++) rate.tick()
        assert.equal(rate.count, most + 1)
        rate.tick()
        assert.equal(rate.count, 0)
      }
    })
  }
})

describe('what is allowed besides', () => {
  it('is not counted, in its second and the next, and is forgotten then', () => {
    const rate = new PerSecond(2, 1000)
    rate.allow(3)
    for (let i = 0; i < 2; i++) assert.equal(rate.add(), false)
    rate.tick()
    for (let i = 0; i < 3; i++) assert.equal(rate.add(), false)
    assert.equal(rate.add(), true)
    rate.tick()
    rate.allow(5)
    rate.tick()
    rate.tick()
    for (let i = 0; i < 2; i++) assert.equal(rate.add(), false)
    assert.equal(rate.add(), true)
  })
})
