/**
 * `razor-rx/testing`: a client and a server in one process, for the specs of services, also in virtual time.
 */
import { interval, Observable, of, Subject, takeWhile } from 'rxjs'
import { type Client, type ConnectOptions, clientOf } from '../connect.ts'
import { RpcError } from '../error.ts'
import { RpcServer, type RpcServerOptions } from '../rpc-server.ts'
import type { Bound, Dialer, Link, Listener } from '../transport/link.ts'
import { memoryPair } from '../transport/memory.ts'

/** What {@link linkedPair} can be told: all that a server can, and what its client is to be. */
export interface LinkedPairOptions extends RpcServerOptions {
  /** Default: that of `connect`. */
  readonly client?: ConnectOptions
}

/** A client and a server that are linked. */
export interface LinkedPair {
  readonly client: Client
  readonly server: RpcServer<Listener>
  /**
   * Throws an `Error` that names and counts what is left: calls that wait or hold a slot in the client, calls that run on the
   * server. Call it at the end of a spec. On version 1 a call that was unsubscribed holds its slot until its handler answers
   * or its deadline passes.
   */
  expectNoLeaks(): void
}

/** How often a link is looked at, to be closed where no call uses it. */
const LOOK_MS = 1_000

/**
 * Links a client with a server of `services` over memory: every layer of the library runs, to the bytes and back. Nothing on
 * the way is a promise, so in `TestScheduler.run` a call takes exactly as long as its handler does, provided the handler
 * answers with a value or an Observable.
 *
 * Within a second after the last call the link is closed, and the next call makes a new one; so virtual time comes to its
 * end, and a process too.
 */
export function linkedPair(options: LinkedPairOptions = {}): LinkedPair {
  const address = 'memory:linked-pair'
  const links = new Subject<Link>()
  const server = new RpcServer<Listener>(options)
  const bound: Bound = { address, links$: links }
  const listener: Listener = { listen: () => new Observable<Bound>(subscriber => subscriber.next(bound)) }
  const isIdle = (): boolean => client.stats.inFlight === 0 && client.stats.waiting === 0
  const dialer: Dialer = {
    address,
    dial: () =>
      new Observable<Link>(subscriber => {
        if (!links.observed) {
          subscriber.error(new RpcError('rpc_unreachable', 'the server is closed', { address, executed: 'no' }))
          return
        }
        const [near, far] = memoryPair()
        links.next(far)
        of(near).subscribe(subscriber)
        interval(LOOK_MS)
          .pipe(takeWhile(() => !isIdle()))
          .subscribe({ complete: () => near.close(), error: error => subscriber.error(error) })
      }),
  }
  const client = clientOf(dialer, options.client ?? {})
  // It listens before this returns; its promise only tells so.
  server.listen(listener).catch((error: unknown) => links.error(error))
  return {
    client,
    server,
    expectNoLeaks() {
      const { waiting, inFlight } = client.stats
      const { calls } = server.stats()
      if (waiting + inFlight + calls === 0) return
      throw new Error(`${waiting} calls wait and ${inFlight} hold a slot in the client, ${calls} run on the server`)
    },
  }
}
