/**
 * Calls of every shape through every kind of fault: each ends, once, in time; none that must not runs twice; what an error says of
 * whether it ran is true; items keep their order and have no gap that is not told of. `RAZOR_FAULT_MS` says for how long calls are
 * made in each place (default 1,000), `RAZOR_SEED` which faults; soak.ts runs the same for hours.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { CELLS, wrongs } from '../support/chaos/cells.ts'
import { type Outcome, table } from '../support/chaos/table.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { liveBytes } from '../support/memory-use.ts'

const DURATION_MS = Number(process.env['RAZOR_FAULT_MS'] ?? 1_000)
const SEED = Number(process.env['RAZOR_SEED'] ?? 1)
/** What the first cells compile and cache counts as the level. */
const WARM_UP_CELLS = 10
const MOST_GROWTH_BYTES = 24 * 1024 * 1024

describe('calls', () => {
  const outcomes: Outcome[] = []
  let level = 0
  for (const [at, cell] of CELLS.entries()) {
    it(`end once, run once and say the truth through ${cell.name}`, { timeout: 60_000 + DURATION_MS }, async () => {
      const own = await cell.run(SEED, DURATION_MS)
      outcomes.push(...own)
      assert.deepEqual(wrongs(cell, own), [])
      await expectNoLeaks()
      if (at === WARM_UP_CELLS - 1) level = liveBytes()
    })
  }

  it('leave memory where it was', () => {
    const growth = liveBytes() - level
    assert.ok(level > 0 && growth < MOST_GROWTH_BYTES, `${growth} bytes more than after the first cells`)
  })

  after(() => console.log(table(outcomes)))
})
