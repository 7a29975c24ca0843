/** Methods with items: what their descriptions refuse. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { duplex, type Overflow, stream, upload } from '../../lib/index.ts'

describe('a method with items', () => {
  const refused: readonly unknown[] = [
    'newest',
    { dropOldest: 0 },
    { dropOldest: 1.5 },
    { sample: 0 },
    { sample: Number.NaN },
    { conflate: 1 },
  ]
  for (const overflow of refused) {
    it(`refuses the policy ${JSON.stringify(overflow)}, and names it`, () => {
      const message = { name: 'TypeError', message: `overflow is none of the policies: ${JSON.stringify(overflow)}` }
      assert.throws(() => stream({ overflow: overflow as Overflow<never> }), message)
      assert.throws(() => duplex({ overflow: overflow as Overflow<never> }), message)
    })
  }

  it('takes every policy there is', () => {
    const policies: Overflow<'id'>[] = ['buffer', 'latest', 'dropNewest', 'error', { dropOldest: 1 }, { sample: 0.5 }]
    for (const overflow of [...policies, { conflate: 'id' } as const]) {
      assert.deepEqual(stream<void, { id: number }>({ overflow }).overflow, overflow)
    }
  })

  it('refuses a window that is no integer above 0', () => {
    for (const window of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => upload({ window }), {
        name: 'TypeError',
        message: `window must be an integer above 0, not ${window}`,
      })
    }
  })
})
