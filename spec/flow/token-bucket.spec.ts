/**
 * What retries cost, and what gives them back.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TokenBucket } from '../../lib/flow/token-bucket.ts'

/** The end of a link, say. */
const cause = (): Error => new Error('the link was lost')

/** How many retries of calls that were lost one by one a bucket still lets through. */
function left(bucket: TokenBucket): number {
  let taken = 0
  while (taken < 1_000 && bucket.take(cause())) taken++
  return taken
}

describe('the budget of retries', () => {
  it('is ten tokens, one for each retry', () => {
    assert.equal(left(new TokenBucket()), 10)
  })

  it('gets a whole token back after ten successes, and not after nine', () => {
    const bucket = new TokenBucket(3)
    assert.equal(left(bucket), 3)
    for (let i = 0; i < 9; i++) bucket.success()
    assert.equal(bucket.take(cause()), false)
    bucket.success()
    assert.equal(bucket.take(cause()), true)
    assert.equal(bucket.take(cause()), false)
  })

  it('never grows above its capacity', () => {
    const bucket = new TokenBucket(2)
    for (let i = 0; i < 1_000; i++) bucket.success()
    assert.equal(bucket.tokens, 2)
    assert.equal(left(bucket), 2)
  })

  it('costs nothing to ask of when it is used up', () => {
    const bucket = new TokenBucket(1)
    bucket.take(cause())
    for (let i = 0; i < 100; i++) bucket.take(cause())
    for (let i = 0; i < 10; i++) bucket.success()
    assert.equal(bucket.take(cause()), true)
  })

  it('lets no retry through with no tokens, and each with endless ones', () => {
    assert.equal(left(new TokenBucket(0)), 0)
    assert.equal(left(new TokenBucket(Number.POSITIVE_INFINITY)), 1_000)
  })

  it('is refused where it is not a number of tokens', () => {
    assert.throws(() => new TokenBucket(-1), { name: 'RangeError', message: /-1/ })
    assert.throws(() => new TokenBucket(Number.NaN), { name: 'RangeError', message: /NaN/ })
  })

  it('lets through at most its capacity and one retry in ten successes, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), fc.array(fc.boolean()), (tokens, events) => {
        const bucket = new TokenBucket(tokens)
        let retries = 0
        let successes = 0
        for (const succeeds of events) {
          if (succeeds) {
            bucket.success()
            successes++
          } else if (bucket.take(cause())) {
            retries++
          }
          assert.ok(bucket.tokens >= 0 && bucket.tokens <= tokens)
          assert.ok(retries <= tokens + successes / 10)
        }
      }),
    )
  })
})

describe('calls that one cause has lost', () => {
  it('cost one token together', () => {
    const bucket = new TokenBucket(2)
    const lost = cause()
    for (let i = 0; i < 128; i++) assert.equal(bucket.take(lost), true)
    assert.equal(bucket.tokens, 1)
    assert.equal(bucket.take(cause()), true)
    assert.equal(bucket.take(lost), true, 'paid for is paid for, also when nothing is left')
    assert.equal(bucket.take(cause()), false)
  })

  it('are refused together where there is no token for their cause', () => {
    const bucket = new TokenBucket(0)
    const lost = cause()
    assert.deepEqual([bucket.take(lost), bucket.take(lost)], [false, false])
  })

  it('are told by the very object: equal texts and no cause at all are many causes', () => {
    const bucket = new TokenBucket(4)
    for (const each of ['gone', 'gone', undefined, undefined]) assert.equal(bucket.take(each), true)
    assert.equal(bucket.take(undefined), false)
    assert.equal(bucket.take(null), false)
  })
})
