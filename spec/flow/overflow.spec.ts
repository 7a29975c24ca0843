/**
 * What becomes of items that are pushed without credit: each policy by example, and what all of them promise.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Overflow, overflowQueue } from '../../lib/flow/overflow.ts'

interface Tick {
  readonly key: string
  readonly n: number
}

/** Pushes all of `items`; what was refused, what is left in order, and how many were lost. */
function pushed<T>(
  policy: Overflow,
  window: number,
  items: readonly T[],
): { refused: T[]; kept: T[]; dropped: number } {
  const queue = overflowQueue(policy, window)
  const refused = items.filter(item => !queue.push(item))
  const kept: T[] = []
  while (queue.size > 0) kept.push(queue.shift() as T)
  return { refused, kept, dropped: queue.dropped }
}

const ticks = (...texts: readonly string[]): Tick[] => texts.map(text => ({ key: text[0]!, n: Number(text.slice(1)) }))

describe('a queue of items without credit', () => {
  for (const [what, policy, kept, refused, dropped] of [
    ['keeps one window and refuses the next, by the policy buffer', 'buffer', [1, 2, 3], [4, 5], 0],
    ['refuses the first, by the policy error', 'error', [], [1, 2, 3, 4, 5], 0],
    ['keeps the newest, by the policy latest', 'latest', [5], [], 4],
    ['keeps none, by the policy dropNewest', 'dropNewest', [], [], 5],
    ['keeps the newest two, by the policy { dropOldest: 2 }', { dropOldest: 2 }, [4, 5], [], 3],
    ['keeps the newest, by the policy { sample: 10 }', { sample: 10 }, [5], [], 4],
  ] as const) {
    it(what, () => assert.deepEqual(pushed(policy, 3, [1, 2, 3, 4, 5]), { kept, refused, dropped }))
  }

  it('keeps the newest of each key where the key stood first, by the policy { conflate }', () => {
    const outcome = pushed({ conflate: 'key' }, 3, ticks('a1', 'b1', 'a2', 'c1', 'b2', 'a3'))
    assert.deepEqual(outcome, { kept: ticks('a3', 'b2', 'c1'), refused: [], dropped: 3 })
  })

  it('loses the oldest key beyond one window of them, by the policy { conflate }', () => {
    const outcome = pushed({ conflate: 'key' }, 2, ticks('a1', 'b1', 'a2', 'c1', 'd1'))
    assert.deepEqual(outcome, { kept: ticks('c1', 'd1'), refused: [], dropped: 3 })
  })

  it('puts a key at the end again once its item was taken, by the policy { conflate }', () => {
    const queue = overflowQueue({ conflate: 'key' }, 3)
    for (const tick of ticks('a1', 'b1')) queue.push(tick)
    assert.deepEqual(queue.shift(), { key: 'a', n: 1 })
    queue.push({ key: 'a', n: 2 })
    assert.deepEqual([queue.shift(), queue.shift()], ticks('b1', 'a2'))
    assert.equal(queue.dropped, 0)
  })

  it('takes items without the key, and without any, for one key, by the policy { conflate }', () => {
    const items = [{ other: 1 }, null, undefined, 7, 'text']
    assert.deepEqual(pushed({ conflate: 'key' }, 3, items), { kept: ['text'], refused: [], dropped: 4 })
  })

  it('keeps undefined as the item it is', () => {
    for (const policy of ['buffer', 'latest', { conflate: 'key' }] as const) {
      assert.deepEqual(pushed(policy, 3, [undefined]).kept, [undefined])
    }
  })
})

describe('every policy', () => {
  const policy: fc.Arbitrary<Overflow> = fc.oneof(
    fc.constantFrom('buffer' as const, 'latest' as const, 'dropNewest' as const, 'error' as const),
    fc.record({ dropOldest: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ sample: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ conflate: fc.constant('key') }),
  )
  const act = fc.oneof(fc.constant('take' as const), fc.constantFrom('a', 'b', 'c', 'd', 'e'))
  const window = fc.integer({ min: 1, max: 4 })

  it('keeps, hands out, loses or refuses each item, and counts it once', () => {
    fc.assert(
      fc.property(policy, window, fc.array(act, { maxLength: 80 }), (chosen, most, acts) => {
        const queue = overflowQueue(chosen, most)
        const taken: Tick[] = []
        let [n, refused] = [0, 0]
        for (const each of acts) {
          if (each !== 'take') refused += queue.push({ key: each, n: n++ }) ? 0 : 1
          else if (queue.size > 0) taken.push(queue.shift() as Tick)
          assert.equal(taken.length + queue.dropped + queue.size + refused, n)
          assert.ok(
            queue.size <= Math.max(most, typeof chosen === 'object' && 'dropOldest' in chosen ? chosen.dropOldest : 1),
          )
        }
      }),
    )
  })

  it('keeps the order: that of the source, and with keys that within each key', () => {
    fc.assert(
      fc.property(policy, window, fc.array(act, { maxLength: 80 }), (chosen, most, acts) => {
        const queue = overflowQueue(chosen, most)
        const taken: Tick[] = []
        let n = 0
        for (const each of acts) {
          if (each !== 'take') queue.push({ key: each, n: n++ })
          else if (queue.size > 0) taken.push(queue.shift() as Tick)
        }
        while (queue.size > 0) taken.push(queue.shift() as Tick)
        const byKey = typeof chosen === 'object' && 'conflate' in chosen
        for (const key of byKey ? ['a', 'b', 'c', 'd', 'e'] : [undefined]) {
          const order = taken.filter(tick => key === undefined || tick.key === key).map(tick => tick.n)
          assert.deepEqual(
            order,
            [...order].sort((x, y) => x - y),
          )
        }
      }),
    )
  })

  it('ends with the newest item that it did not refuse, where it keeps any', () => {
    fc.assert(
      fc.property(
        policy,
        window,
        fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 30 }),
        (chosen, most, keys) => {
          fc.pre(chosen !== 'dropNewest')
          const queue = overflowQueue(chosen, most)
          let newest: Tick | undefined
          for (const [n, key] of keys.entries()) if (queue.push({ key, n })) newest = { key, n }
          const left: Tick[] = []
          while (queue.size > 0) left.push(queue.shift() as Tick)
          assert.equal(
            left.reduce((n, tick) => Math.max(n, tick.n), -1),
            newest?.n ?? -1,
          )
        },
      ),
    )
  })
})
