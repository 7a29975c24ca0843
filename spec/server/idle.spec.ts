/** A server and a client that says nothing any more. */
import { it } from 'node:test'
import { catchError, filter, map, NEVER, Observable, of, timer } from 'rxjs'
import { implement, service, stream, unary } from '../../lib/index.ts'
import { linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Quiet = service('Quiet', { never: unary(), watch: stream<void, number>() })

for (const version of [1, 2] as const) {
  it(
    `of version ${version}: gives the connection up after idleTimeoutMs without a byte, and tears its handlers down`,
    marbles(({ expectObservable, flush }) => {
      const tornDown: number[] = []
      const quiet = implement(Quiet, {
        never: () => new Observable(() => () => void tornDown.push(1)),
        watch: () => NEVER,
      })
      const faults = '5s h'
      const { client, server, wire, expectNoLeaks } = linkedPair({
        services: [quiet],
        client: { version },
        up: { faults },
        down: { faults },
        maxCallMs: 1_000_000,
      })
      const { never } = client.use(Quiet)
      expectObservable(never(undefined, { timeoutMs: 500_000 }).pipe(catchError(({ code }) => of(code)))).toBe(
        version === 1 ? '55s (c|)' : '56s (c|)',
        { c: 'rpc_io_err' },
      )
      // The client gave the link up, and the server was not told.
      const seen$ = timer(0, 120_500).pipe(
        map(() => [server.stats().connections, server.stats().calls, tornDown.length]),
      )
      expectObservable(seen$, '^ 241s !').toBe('a 120499ms b 120499ms c', { a: [1, 1, 0], b: [1, 1, 0], c: [0, 0, 1] })
      expectObservable(wire.down.kinds$.pipe(filter(kind => kind === 'b'))).toBe('121s b')
      flush()
      expectNoLeaks()
    }),
  )
}
