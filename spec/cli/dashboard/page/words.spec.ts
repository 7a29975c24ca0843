/** Numbers in words, and how fast they grow. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rate } from '../../../../lib/cli/dashboard/page/rates.ts'
import { bytes, bytesPerSecond, count, milliseconds, percent } from '../../../../lib/cli/dashboard/page/words.ts'

describe('numbers in words', () => {
  it('have three digits and a unit', () => {
    assert.deepEqual([0, 999, 1_000, 1_536, 64 * 1024 ** 2, 1.25 * 1024 ** 3, -1].map(bytes), [
      '0 B',
      '999 B',
      '0.98 KiB',
      '1.50 KiB',
      '64.0 MiB',
      '1.25 GiB',
      '0 B',
    ])
    assert.equal(bytesPerSecond(2048), '2.00 KiB/s')
    assert.deepEqual([0.123, 9.996, 12.34, 345.6, 1_500].map(milliseconds), [
      '0.12 ms',
      '10.0 ms',
      '12.3 ms',
      '346 ms',
      '1.50 s',
    ])
    assert.equal(count(12_345.6), '12,346')
    assert.equal(percent(12.4), '12%')
  })
})

describe('a rate', () => {
  it('is what a count grew by in a second', () => {
    assert.equal(rate({ at: 1_000, count: 10 }, { at: 1_500, count: 60 }), 100)
  })

  it('is nothing where the count starts anew, or no time has passed', () => {
    assert.equal(rate({ at: 1_000, count: 10 }, { at: 2_000, count: 0 }), 0)
    assert.equal(rate({ at: 1_000, count: 10 }, { at: 1_000, count: 20 }), 0)
  })
})
