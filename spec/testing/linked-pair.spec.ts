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
import { linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Thermometer = service('Thermometer', {
  read: unary<{ afterMs: number }, number>(),
  flaky: unary<void, string, 'not yet'>(),
  stuck: unary(),
})

function thermometer() {
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
  return { ...linkedPair({ services: [implementation] }), running: () => running }
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

  it('keeps the slot of a call that was unsubscribed until its deadline, and then lets virtual time end', () => {
    const { client, expectNoLeaks } = thermometer()
    marbles(({ expectObservable, cold }) => {
      expectObservable(
        client
          .use(Thermometer)
          .stuck()
          .pipe(takeUntil(timer(3))),
      ).toBe('---|')
      const inFlight$ = cold('-----a 19s b 2s (c|)').pipe(map(() => client.stats.inFlight))
      expectObservable(inFlight$).toBe('-----a 19s b 2s (c|)', { a: 1, b: 1, c: 0 })
    })()
    expectNoLeaks()
  })

  it('names what leaks', async () => {
    const { client, server, expectNoLeaks } = thermometer()
    const given = client.use(Thermometer).stuck(undefined, { timeoutMs: 10 }).subscribe({ error: assert.fail })
    assert.throws(expectNoLeaks, /^Error: 0 calls wait and 1 hold a slot in the client, 1 run on the server$/)
    given.unsubscribe()
    await client.close({ waitMs: 0 })
    await server.close({ waitMs: 0 })
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
