/** What a producer and its consumer say, put together. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Flow, type FlowPoint } from '../../../../lib/cli/dashboard/page/flow-figures.ts'

function point(at: number, made: number, received: number, consumed: number, dropped = 0): FlowPoint {
  return { at, made, dropped, isWaiting: false, consumption: { received, consumed } }
}

describe('a flow', () => {
  it('has a rate at each end, and what waits between them', () => {
    const flow = new Flow()
    assert.deepEqual(flow.take(point(0, 0, 0, 0)), {
      madePerSecond: 0,
      consumedPerSecond: 0,
      waiting: 0,
      dropped: 0,
      isWaiting: false,
    })
    const { madePerSecond, consumedPerSecond, waiting } = flow.take(point(500, 100, 90, 50))
    assert.deepEqual([madePerSecond, consumedPerSecond, waiting], [200, 100, 40])
  })

  it('counts what was lost since it began, not before', () => {
    const flow = new Flow()
    assert.equal(flow.take(point(0, 10, 0, 0, 5)).dropped, 0)
    assert.equal(flow.take(point(1, 10, 0, 0, 9)).dropped, 4)
    flow.restart()
    assert.equal(flow.take(point(2, 10, 0, 0, 9)).dropped, 0)
  })

  it('goes on where the counts start anew, as on a new connection', () => {
    const flow = new Flow()
    flow.take(point(0, 1_000, 900, 900, 7))
    const fresh = flow.take(point(1_000, 10, 5, 5, 0))
    assert.deepEqual([fresh.madePerSecond, fresh.consumedPerSecond, fresh.dropped], [0, 0, 0])
    assert.equal(flow.take(point(2_000, 20, 15, 15, 0)).madePerSecond, 10)
  })
})
