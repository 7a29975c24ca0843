/** Nothing on the path is a promise: whole lives of a client and a server pass inside one `TestScheduler.run`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asyncScheduler, catchError, ignoreElements, interval, map, NEVER, of, reduce, take, tap, timer } from 'rxjs'
import { duplex, implement, service, stream, unary, upload } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Clock = service('Clock', {
  after: unary<number, string>(),
  every: stream<number, number>(),
  sum: upload<void, number, number>(),
  double: duplex<void, number, number>(),
  never: unary(),
})

const handlers = implement(Clock, {
  after: ms => timer(ms).pipe(map(() => 'done')),
  every: ms => interval(ms),
  sum: (_, { items$ }) => items$.pipe(reduce((sum, item) => sum + item, 0)),
  double: (_, { items$ }) => items$.pipe(map(item => 2 * item)),
  never: () => NEVER,
})

function pairOf(options: LinkedPairOptions = {}) {
  const pair = linkedPair({ services: [handlers], ...options })
  return { ...pair, clock: pair.client.use(Clock) }
}

describe('in virtual time', () => {
  it(
    'offer, HELLO, calls of every shape and their ends take no time but that of handlers and link',
    marbles(({ expectObservable, flush }) => {
      const { clock, wire, expectNoLeaks } = pairOf({ up: { latencyMs: 1 }, down: { latencyMs: 2 } })
      expectObservable(clock.after(5)).toBe('11ms (d|)', { d: 'done' }) // 3 to agree, 1 up, 5 of the handler, 2 down
      expectObservable(clock.every(2).pipe(take(2))).toBe('8ms 0-(1|)', { 0: 0, 1: 1 })
      expectObservable(clock.sum(undefined, [1, 2, 3])).toBe('9ms (6|)', { 6: 6 })
      expectObservable(clock.double(undefined, [1, 2])).toBe('9ms (24|)', { 2: 2, 4: 4 })
      expectObservable(wire.up.kinds$.pipe(take(2))).toBe('O--(H|)')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'a deadline tells the server what is left of it, waiting included, from the first millisecond on',
    marbles(({ expectObservable }) => {
      const { clock, wire } = pairOf({ down: { latencyMs: 8 } })
      expectObservable(clock.after(0, { timeoutMs: 100 }).pipe(ignoreElements())).toBe('16ms |')
      expectObservable(wire.up.texts$.pipe(take(3))).toBe('a 7ms (bc|)', {
        a: 'offer 1 of version 2',
        b: 'HELLO',
        c: 'REQUEST 2 Clock.after timeout=92',
      })
    }),
  )

  it(
    'client.close waits for answers, then closes its link, without leaving the time of the diagram',
    marbles(({ flush }) => {
      const { client, clock, server, expectNoLeaks } = pairOf({ lingerMs: Number.POSITIVE_INFINITY })
      let answeredAt = -1
      clock.after(30).subscribe({ next: () => (answeredAt = asyncScheduler.now()), error: assert.fail })
      const seen: number[] = []
      timer(10, 25)
        .pipe(
          take(2),
          tap(() => seen.push(server.stats().connections)),
        )
        .subscribe({ error: assert.fail })
      timer(5).subscribe({ next: () => void client.close(), error: assert.fail })
      flush()
      assert.equal(answeredAt, 30)
      assert.deepEqual(seen, [1, 0])
      expectNoLeaks()
    }),
  )

  it(
    'client.close gives up after waitMs what is not answered by then',
    marbles(({ expectObservable, flush }) => {
      const { client, clock, expectNoLeaks } = pairOf({ lingerMs: Number.POSITIVE_INFINITY })
      expectObservable(clock.never().pipe(catchError(({ code, executed }) => of(code + executed)))).toBe('70ms (c|)', {
        c: 'rpc_canceledmaybe',
      })
      timer(20).subscribe({ next: () => void client.close({ waitMs: 50 }), error: assert.fail })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'server.close ends within waitMs, whatever its calls do',
    marbles(({ expectObservable, flush }) => {
      const { server, clock, wire, expectNoLeaks } = pairOf({ lingerMs: Number.POSITIVE_INFINITY })
      expectObservable(clock.never().pipe(catchError(({ code }) => of(code)))).toBe('70ms (c|)', { c: 'rpc_io_err' })
      expectObservable(wire.down.texts$).toBe('(oh) 16ms g 49ms b', {
        o: 'pong 1 of version 2',
        h: 'HELLO',
        g: 'GOAWAY 2',
        b: 'notice rpc_draining',
      })
      timer(20).subscribe({ next: () => void server.close({ waitMs: 50 }), error: assert.fail })
      flush()
      expectNoLeaks()
    }),
  )
})
