/** How a client and a server agree on a version: offer, answer, HELLO; and what becomes of calls that wait for it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catchError, concatMap, map, of, take, timer } from 'rxjs'
import { CallRefused, implement, RpcError, service, stream, unary } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Lab = service('Lab', {
  echo: unary<string, string>(),
  count: stream<number, number>(),
  who: unary<void, unknown>(),
})

const lab = implement(Lab, {
  echo: text => text,
  count: function* (n) {
    for (let i = 0; i < n; i++) yield i
  },
  who: (_, { peer, headers }) => [peer.principal ?? null, headers],
})

function labOf(options: LinkedPairOptions = {}) {
  const pair = linkedPair({ services: [lab], ...options })
  return { ...pair, lab: pair.client.use(Lab) }
}

const outcome = catchError(error => of(`${RpcError.from(error).code} ${RpcError.from(error).executed}`))
const slow = { up: { latencyMs: 10 }, down: { latencyMs: 10 } }

describe('the offer', () => {
  it(
    'is the only frame until it is answered; then HELLO leads all calls that waited, in order',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf(slow)
      expectObservable(lab.echo('a')).toBe('40ms (a|)')
      expectObservable(timer(15).pipe(concatMap(() => lab.echo('b')))).toBe('40ms (b|)')
      expectObservable(wire.up.kinds$).toBe('O 19ms (HRR)')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'that is not answered within connectTimeoutMs fails what waits, which never ran, and the next call tries anew',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ down: { faults: 'h 10s o' } })
      expectObservable(lab.echo('a').pipe(outcome)).toBe('10s (c|)', { c: 'rpc_unreachable no' })
      expectObservable(timer(11_000).pipe(concatMap(() => lab.echo('b')))).toBe('11s (b|)')
      expectObservable(wire.up.kinds$).toBe('O 10999ms (OHR)')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'answered by a server of version 1 makes a link of version 1: calls go, streams and headers fail unsent',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ version: 1, ...slow })
      expectObservable(lab.echo('a')).toBe('40ms (a|)')
      expectObservable(lab.count(3).pipe(outcome)).toBe('20ms (c|)', { c: 'rpc_unsupported no' })
      const headers = { a: 'b' }
      expectObservable(lab.echo('b', { headers }).pipe(outcome)).toBe('20ms (c|)', { c: 'rpc_unsupported no' })
      expectObservable(timer(50).pipe(concatMap(() => lab.count(3).pipe(outcome)))).toBe('50ms (c|)', {
        c: 'rpc_unsupported no',
      })
      expectObservable(wire.texts$).toBe('a 9ms b 9ms c 9ms d', {
        a: 'offer 1 of version 2',
        b: 'pong 1',
        c: 'v1 REQUEST 2 Lab.echo',
        d: 'v1 DONE 2',
      })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'is not made by a client of version 1: its first frame is its first call',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ client: { version: 1 }, ...slow })
      expectObservable(lab.echo('a')).toBe('20ms (a|)')
      expectObservable(lab.count(3).pipe(outcome)).toBe('(c|)', { c: 'rpc_unsupported no' })
      expectObservable(wire.texts$).toBe('a 9ms b', { a: 'v1 REQUEST 1 Lab.echo', b: 'v1 DONE 1' })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'is made anew on each link: after a loss the version may be another',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ up: { faults: '-----x' } })
      expectObservable(
        timer(0, 10).pipe(
          take(2),
          concatMap(i => lab.echo(String(i))),
        ),
      ).toBe('0---------(1|)')
      expectObservable(wire.up.kinds$).toBe('(OHR)-----(OHR)')
      flush()
      expectNoLeaks()
    }),
  )
})

describe('HELLO', () => {
  it(
    'carries the token and meta, and what the server makes of them is the principal of every call',
    marbles(({ expectObservable, flush }) => {
      const { lab, expectNoLeaks } = labOf({
        client: { token: () => 'secret', meta: { tab: '7' } },
        authenticate: ({ token, meta }) => `${token} of tab ${meta['tab']}`,
      })
      expectObservable(lab.who(undefined, { headers: { a: 'b' } })).toBe('(w|)', { w: ['secret of tab 7', { a: 'b' }] })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'that is turned away ends the link before any call behind it was read: none ran (3)',
    marbles(({ expectObservable, flush }) => {
      let ran = 0
      const { client, wire, expectNoLeaks } = labOf({
        ...slow,
        authenticate: () => {
          throw new CallRefused('rpc_forbidden', 'not you')
        },
        interceptors: [
          (call, next) => {
            ran++
            return next(call)
          },
        ],
      })
      for (let i = 0; i < 50; i++) {
        const { echo } = client.use(Lab)
        expectObservable(echo(String(i)).pipe(outcome)).toBe('40ms (c|)', { c: 'rpc_forbidden no' })
      }
      expectObservable(wire.down.texts$).toBe('10ms p 19ms n', { p: 'pong 1 of version 2', n: 'notice rpc_forbidden' })
      flush()
      assert.equal(ran, 0)
      expectNoLeaks()
    }),
  )

  it(
    'that does not come in time, where the server wants to know, ends the link',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({ authenticate: () => 'anybody', up: { faults: '-h', latencyMs: 1 } })
      expectObservable(lab.echo('a').pipe(outcome, map(String))).toBe('3s (c|)', { c: 'rpc_unauthenticated no' })
      expectObservable(wire.down.kinds$).toBe('-o 2998ms b')
      flush()
      expectNoLeaks()
    }),
  )
})
