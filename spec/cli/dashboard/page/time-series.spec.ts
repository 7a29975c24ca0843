/** Numbers over time in a fixed amount of memory. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TimeSeries } from '../../../../lib/cli/dashboard/page/time-series.ts'

describe('a time series', () => {
  it('gives its points oldest first, in seconds', () => {
    const series = new TimeSeries(2, 4)
    series.push(1_000, 1, 10)
    series.push(2_000, 2, 20)
    assert.deepEqual(series.since(60, 2_000), [
      [1, 2],
      [1, 2],
      [10, 20],
    ])
  })

  it('keeps the newest, and never more than its room', () => {
    const series = new TimeSeries(1, 3_600)
    for (let second = 1; second <= 10 * 3_600; second++) series.push(second * 1_000, second)
    assert.equal(series.length, 3_600)
    const [times, values] = series.since(3_600, 36_000_000)
    assert.deepEqual(
      [times.length, times[0], times.at(-1), values?.[0], values?.at(-1)],
      [3_600, 32_401, 36_000, 32_401, 36_000],
    )
  })

  it('gives one point before the stretch that is asked for, so that the line comes in from the edge', () => {
    const series = new TimeSeries(1, 100)
    for (let second = 1; second <= 50; second++) series.push(second * 1_000, second)
    assert.deepEqual(series.since(2, 50_000)[0], [47, 48, 49, 50])
    assert.deepEqual(series.since(0, 90_000)[0], [50])
  })

  it('shows a gap, and a value that is not known, as null', () => {
    const series = new TimeSeries(2, 9)
    series.gap(500)
    series.push(1_000, 1)
    series.gap(2_000)
    series.push(3_000, 3, 30)
    assert.deepEqual(series.since(60, 3_000), [
      [1, 2, 3],
      [1, null, 3],
      [null, null, 30],
    ])
  })

  it('stays in order where the clock is set back', () => {
    const series = new TimeSeries(1, 9)
    series.push(5_000, 1)
    series.push(4_000, 2)
    series.push(6_000, 3)
    assert.deepEqual(series.since(60, 6_000), [
      [5, 6],
      [2, 3],
    ])
  })

  it('is empty at first', () => {
    assert.deepEqual(new TimeSeries(1, 3).since(60, 1_000), [[], []])
  })
})
