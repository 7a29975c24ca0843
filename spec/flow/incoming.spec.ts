/**
 * The receiving end: items counted in, granted anew as they are done with, and let go of at the end.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Grant } from '../../lib/flow/credit.ts'
import { IncomingItems } from '../../lib/flow/incoming.ts'

/** The items of one call, what it granted, and the bytes it holds. */
function incoming(window: number, granted = window): { items: IncomingItems; grants: Grant[]; held: () => number } {
  const grants: Grant[] = []
  let held = 0
  const items = new IncomingItems(window, granted, {
    grant: grant => grants.push(grant),
    hold: bytes => {
      held += bytes
    },
  })
  return { items, grants, held: () => held }
}

describe('items that come in', () => {
  it('are granted by halves of the window as they are done with', () => {
    const { items, grants } = incoming(4)
    for (let i = 0; i < 4; i++) assert.equal(items.receive(100), true)
    for (let i = 0; i < 4; i++) items.done()
    assert.deepEqual(grants, [
      { window: 4, consumed: 2 },
      { window: 4, consumed: 4 },
    ])
  })

  it('are refused without credit, and then hold nothing', () => {
    const { items, held } = incoming(1)
    assert.equal(items.receive(10), true)
    assert.equal(items.receive(10), false)
    assert.equal(held(), 10)
  })

  it('are let begin by the first grant where nothing was granted', () => {
    const { items, grants } = incoming(3, 0)
    items.open()
    assert.deepEqual(grants, [{ window: 3, consumed: 0 }])
    assert.equal(items.receive(1), true)
  })

  it('give back the bytes and the cost of the oldest one, whichever the consumer was done with', () => {
    const { items, grants, held } = incoming(4)
    items.receive(40_000)
    items.receive(5)
    items.done()
    assert.equal(held(), 5)
    assert.deepEqual(grants, [{ window: 4, consumed: 3 }])
  })

  it('hold none of their bytes after the end, and grant no more', () => {
    const { items, grants, held } = incoming(2)
    items.receive(7)
    items.receive(8)
    items.end()
    assert.equal(held(), 0)
    items.done()
    items.done()
    items.end()
    assert.equal(held(), 0)
    assert.deepEqual(grants, [])
  })

  it('hold nothing where they come after the end, with credit or without', () => {
    const { items, held } = incoming(1)
    items.end()
    assert.deepEqual([items.receive(5), items.receive(5)], [true, true])
    assert.equal(held(), 0)
  })

  it('keep their sizes and their order, thousands of them', () => {
    const { items, held } = incoming(2 ** 30)
    let left = 0
    for (let bytes = 1; bytes <= 5000; bytes++) {
      items.receive(bytes)
      left += bytes
    }
    for (let bytes = 1; bytes <= 5000; bytes++) {
      items.done()
      left -= bytes
      assert.equal(held(), left)
    }
  })

  it('are not granted for reports beyond those that came', () => {
    const { items, grants, held } = incoming(1)
    items.done()
    items.receive(1)
    items.done()
    items.done()
    assert.deepEqual(grants, [{ window: 1, consumed: 1 }])
    assert.equal(held(), 0)
  })

  it('may come from within a grant', () => {
    const grants: Grant[] = []
    let held = 0
    const items: IncomingItems = new IncomingItems(1, 1, {
      grant: grant => {
        grants.push(grant)
        if (grants.length < 4) {
          assert.equal(items.receive(10), true)
          items.done()
        }
      },
      hold: bytes => {
        held += bytes
      },
    })
    items.receive(10)
    items.done()
    assert.deepEqual(
      grants.map(grant => grant.consumed),
      [1, 2, 3, 4],
    )
    assert.equal(held, 0)
  })

  it('count the bytes that are held exactly, over thousands of items of any size', () => {
    const act = fc.oneof(fc.nat(50_000), fc.constant('done' as const))
    fc.assert(
      fc.property(fc.array(act, { maxLength: 100 }), fc.integer({ min: 1, max: 40 }), (acts, repeats) => {
        const { items, held } = incoming(2 ** 30)
        const sizes: number[] = []
        for (let i = 0; i < repeats; i++) {
          for (const each of acts) {
            if (each === 'done') {
              items.done()
              sizes.shift()
            } else if (items.receive(each)) sizes.push(each)
          }
          assert.equal(
            held(),
            sizes.reduce((sum, bytes) => sum + bytes, 0),
          )
        }
      }),
      { numRuns: 50 },
    )
  })
})
