/** How many calls a server runs, as an Observable and as a number. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { map, NEVER, type Subscription, switchMap, timer } from 'rxjs'
import { implement, service, stream, unary } from '../../lib/index.ts'
import { RunningTotal } from '../../lib/server/calls.ts'
import { linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Job = service('Job', {
  now: unary<void, number>(),
  after: unary<number, number>(),
  feed: stream<void, number>(),
})
const job = implement(Job, {
  now: () => 1,
  after: ms => timer(ms),
  feed: () => NEVER,
})

it(
  'tells how many calls run: now, and at each change; those that are answered at once never count',
  marbles(({ expectObservable, flush }) => {
    const { client, server, expectNoLeaks } = linkedPair({ services: [job] })
    const proxy = client.use(Job)
    expectObservable(timer(10).pipe(map(() => server.stats()))).toBe('10ms (s|)', {
      s: { connections: 1, calls: 2, streams: 1, dropped: 0, heldBytes: 2 },
    })
    expectObservable(server.calls$, '^ 50ms !').toBe('a(bc) 15ms b 9ms a', { a: 0, b: 1, c: 2 })
    expectObservable(timer(1).pipe(switchMap(() => proxy.feed())), '^ 29ms !').toBe('')
    timer(1).subscribe({ next: () => proxy.after(19).subscribe({ error: assert.fail }), error: assert.fail })
    timer(5).subscribe({ next: () => proxy.now().subscribe({ error: assert.fail }), error: assert.fail })
    flush()
    expectNoLeaks()
  }),
)

it('tells each subscriber the number of now first, and one that leaves no more', () => {
  const total = new RunningTotal(10)
  total.add()
  const seen: string[] = []
  const follow = (name: string): Subscription =>
    total.calls$.subscribe({ next: calls => seen.push(`${name}${calls}`), error: assert.fail })
  const a = follow('a')
  total.add()
  const b = follow('b')
  a.unsubscribe()
  total.delete(0)
  b.unsubscribe()
  total.delete(0)
  assert.deepEqual([seen, total.calls], [['a1', 'a2', 'b2', 'b1'], 0])
})
