/** A user's service in marbles: what a spec on the testing kit looks like. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  catchError,
  filter,
  firstValueFrom,
  map,
  NEVER,
  of,
  retry,
  switchMap,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs'
import { implement, RpcError, service, unary } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Thermometer = service('Thermometer', {
  read: unary<{ afterMs: number }, number>(),
  flaky: unary<void, string, 'not yet'>(),
  stuck: unary(),
})

function thermometer(options: LinkedPairOptions = {}) {
  let tries = 0
  let running = 0
  const implementation = implement(Thermometer, {
    read: ({ afterMs }) => timer(afterMs).pipe(map(() => 20 + afterMs)),
    flaky: (_, { fail }) => (++tries < 3 ? throwError(() => fail('not yet')) : 'now'),
    stuck: (_, { signal }) => {
      running++
      signal.addEventListener('abort', () => running--)
      return NEVER
    },
  })
  return { ...linkedPair({ services: [implementation], ...options }), running: () => running }
}

describe('a linked pair', () => {
  it('answers a call when its handler does, to the frame', () => {
    const { client, expectNoLeaks } = thermometer()
    const { read } = client.use(Thermometer)
    marbles(({ expectObservable }) => {
      expectObservable(read({ afterMs: 5 })).toBe('5ms (a|)', { a: 25 })
      expectObservable(read({ afterMs: 0 })).toBe('(a|)', { a: 20 })
    })()
    expectNoLeaks()
  })

  it('retries within one frame, and polls over many', () => {
    const { client, expectNoLeaks } = thermometer()
    const { read, flaky } = client.use(Thermometer)
    marbles(({ expectObservable }) => {
      expectObservable(flaky().pipe(retry(2))).toBe('(a|)', { a: 'now' })
      const polled = timer(0, 10).pipe(
        switchMap(afterMs => read({ afterMs })),
        take(3),
      )
      expectObservable(polled).toBe('a 10ms b 10ms (c|)', { a: 20, b: 21, c: 22 })
    })()
    expectNoLeaks()
  })

  it('ends a call that is never answered in [T, T + 1 tick), on both ends', () => {
    const { client, expectNoLeaks, running } = thermometer()
    marbles(({ expectObservable }) => {
      const stuck$ = client.use(Thermometer).stuck(undefined, { timeoutMs: 20_000 })
      expectObservable(stuck$.pipe(catchError(error => of(error.code)))).toBe('20s (a|)', { a: 'rpc_timeout' })
    })()
    assert.equal(running(), 0)
    expectNoLeaks()
  })

  it('keeps the slot of a call of version 1 that was unsubscribed until its deadline, and then lets virtual time end', () => {
    const { client, expectNoLeaks } = thermometer({ client: { version: 1 } })
    marbles(({ expectObservable, cold }) => {
      expectObservable(
        client
          .use(Thermometer)
          .stuck()
          .pipe(takeUntil(timer(3))),
      ).toBe('---|')
      const inFlight$ = cold('-----a 19s b 2s (c|)').pipe(map(() => client.stats().inFlight))
      expectObservable(inFlight$).toBe('-----a 19s b 2s (c|)', { a: 1, b: 1, c: 0 })
    })()
    expectNoLeaks()
  })

  it('gives the slot of a call of version 2 back when its handler has let go: a round trip after it was unsubscribed', () => {
    marbles(({ expectObservable, cold, flush }) => {
      const way = { latencyMs: 10 }
      const { client, expectNoLeaks } = thermometer({ up: way, down: way })
      expectObservable(
        client
          .use(Thermometer)
          .stuck()
          .pipe(takeUntil(timer(50))),
      ).toBe('50ms |')
      const slots$ = cold('49ms a-----b 13ms c-(d|)').pipe(
        map(() => `${client.holdings.slots} of which ${client.holdings.leaving} left`),
      )
      expectObservable(slots$).toBe('49ms a-----b 13ms c-(d|)', {
        a: '1 of which 0 left',
        b: '1 of which 1 left',
        c: '1 of which 1 left',
        d: '0 of which 0 left',
      })
      flush()
      expectNoLeaks()
    })()
  })

  it('names what leaks', () => {
    marbles(({ flush }) => {
      const { client, wire, expectNoLeaks } = thermometer({ client: { thresholds: 1 } })
      const { stuck } = client.use(Thermometer)
      stuck(undefined, { timeoutMs: 10 }).subscribe({ error: () => {} })
      stuck(undefined, { timeoutMs: 10 }).subscribe({ error: () => {} })
      let left = ''
      timer(5).subscribe({
        next: () => {
          try {
            expectNoLeaks()
          } catch (error) {
            left = (error as Error).message
          }
        },
        error: assert.fail,
      })
      flush()
      const lines = [
        '1 calls wait in the client, with 1 bytes',
        '1 calls or pings of the client are not answered, 0 of them given up',
        '1 calls have a slot on the wire (2 Thermometer.stuck)',
        '1 calls run on the server',
        '1 bytes are held by handlers',
      ]
      assert.equal(left, `left over: ${lines.join('; ')}`)
      assert.match(String(wire), /^ {7}0 -> REQUEST 2 Thermometer.stuck timeout=10$/m)
      expectNoLeaks()
    })()
  })

  it('closes at once, in real time too: calls fail, and nothing is left', async () => {
    const { client, close, expectNoLeaks } = thermometer()
    const { stuck } = client.use(Thermometer)
    const failed = assert.rejects(firstValueFrom(stuck()), error => RpcError.is(error, 'rpc_unreachable'))
    close()
    await failed
    expectNoLeaks()
    await assert.rejects(firstValueFrom(stuck()), error => RpcError.is(error, 'rpc_unreachable'))
  })

  it('closes by itself after maxMs, so that a diagram that would never end fails instead', () => {
    marbles(({ expectObservable }) => {
      const { client } = thermometer({ maxMs: 60_000 })
      const stuck$ = client.use(Thermometer).stuck(undefined, { timeoutMs: 3_600_000 })
      const codes$ = stuck$.pipe(
        retry(1),
        catchError(({ code }) => of(code)),
      )
      expectObservable(codes$).toBe('60000.5ms (c|)', { c: 'rpc_unreachable' })
    })()
  })

  it('answers in real time too, also after the link was closed for want of calls', async () => {
    const { client, server, expectNoLeaks } = thermometer()
    const { read } = client.use(Thermometer)
    assert.equal(await firstValueFrom(read({ afterMs: 1 })), 21)
    await firstValueFrom(server.connections$.pipe(filter(connections => connections === 0)))
    assert.equal(await firstValueFrom(read({ afterMs: 2 })), 22)
    await server.close()
    await assert.rejects(firstValueFrom(read({ afterMs: 1 })), error => RpcError.is(error, 'rpc_unreachable'))
    expectNoLeaks()
  })
})
