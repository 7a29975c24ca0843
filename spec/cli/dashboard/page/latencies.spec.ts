/** Percentiles of the latest calls. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Latencies } from '../../../../lib/cli/dashboard/page/latencies.ts'

describe('latencies', () => {
  it('say nothing of no calls', () => {
    assert.equal(new Latencies(10).percentiles(), undefined)
  })

  it('are the durations that so many calls do not exceed', () => {
    const latencies = new Latencies(1_000)
    for (let n = 100; n > 0; n--) latencies.add(n)
    assert.deepEqual(latencies.percentiles(), { p50: 50, p90: 90, p99: 99, most: 100 })
  })

  it('forget the oldest', () => {
    const latencies = new Latencies(4)
    for (const duration of [900, 800, 1, 2, 3, 4]) latencies.add(duration)
    assert.deepEqual(latencies.percentiles(), { p50: 2, p90: 4, p99: 4, most: 4 })
  })

  it('rise from the median to the most, whatever came', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), durations => {
        const latencies = new Latencies(8)
        for (const duration of durations) latencies.add(duration)
        const { p50, p90, p99, most } = latencies.percentiles()!
        assert.ok(p50 <= p90 && p90 <= p99 && p99 <= most)
        assert.ok(durations.slice(-8).includes(p50))
        assert.equal(most, Math.max(...durations.slice(-8)))
      }),
    )
  })
})
