import assert from 'node:assert/strict'
import { it } from 'node:test'
import { interval } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { implement, service, stream } from '../../lib/index.ts'
import { linkedPair } from '../../lib/testing/index.ts'

const Prices = service('Prices', { watch: stream<string, number>({ window: 1, overflow: 'latest' }) })
const prices = implement(Prices, { watch: () => interval(3) })

it('shows the newest price, a round trip apart, and stops when the page is left', () => {
  new TestScheduler(assert.deepEqual).run(({ expectObservable, flush }) => {
    const way = { latencyMs: 5 }
    const { client, wire, expectNoLeaks } = linkedPair({ services: [prices], up: way, down: way })
    const price$ = client.use(Prices).watch('ACME')
    expectObservable(price$, '^ 49ms !').toBe('23ms a 9ms b 9ms c', { a: 0, b: 3, c: 6 })
    expectObservable(wire.up.kinds$).toBe('O 9ms (HR) 9ms C 9ms C 9ms C 6ms X')
    flush()
    expectNoLeaks()
  })
})
