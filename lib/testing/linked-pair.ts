/**
 * `linkedPair`: a client and a server in one process, over a link whose weather a spec makes.
 */
import { asyncScheduler, Observable, of, Subject, takeWhile, timer } from 'rxjs'
import { type Client, type ConnectOptions, clientOf } from '../connect.ts'
import { RpcError } from '../error.ts'
import { RpcServer, type RpcServerOptions } from '../rpc-server.ts'
import type { Bound, Dialer, Link, Listener } from '../transport/link.ts'
import { Conditions, type DirectionOptions } from './faults.ts'
import { leaks } from './leaks.ts'
import { PairLink } from './pair-link.ts'
import { PairWire, type Wire } from './wire.ts'

/** What {@link linkedPair} can be told: all that a server can, what its client is to be, and what the link is like. */
export interface LinkedPairOptions extends RpcServerOptions {
  /** Default: that of `connect`. */
  readonly client?: ConnectOptions
  /** From the client to the server. Default: at once, and nothing is wrong. */
  readonly up?: DirectionOptions
  /** From the server to the client. */
  readonly down?: DirectionOptions
  /**
   * A link that no call has used for so long is closed, so that virtual time comes to its end, and a process too. Looked at once a
   * second. Default 1,000.
   */
  readonly lingerMs?: number
  /** When the pair closes by itself: a spec that would never end fails instead. Default 3,600,000, an hour. */
  readonly maxMs?: number
}

/** A client and a server that are linked. */
export interface LinkedPair {
  readonly client: Client
  readonly server: RpcServer<Listener>
  /** The frames between them. */
  readonly wire: Wire
  /**
   * Ends it at once, without a promise: the link is lost, calls fail, no further ones are taken, no fault comes any more. For the end
   * of a diagram that leaves something running on purpose; `client.close()` and `server.close()` work in virtual time too.
   */
  close(): void
  /**
   * Throws an `Error` that names and counts what is left: calls that wait or hold a slot, at either end, bytes they hold, frames that
   * have not arrived, connections of the server whose client is gone; after {@link LinkedPair.close} also an open link. Call it at
   * the end of a spec, after `run` or behind `flush()`.
   */
  expectNoLeaks(): void
}

/**
 * How often a link is looked at, to be closed where no call uses it. Not at the ticks of the link, but half a millisecond later: a
 * TestScheduler of RxJS 7 can lose count of timers that are cleared in the very frame they are due in.
 */
const LOOK_MS = 1_000

/** Tells the milliseconds since it was made; of a pair that was made outside of `run`, since the time went back to 0. */
function stopwatch(): () => number {
  let madeAt = asyncScheduler.now()
  return () => {
    madeAt = Math.min(madeAt, asyncScheduler.now())
    return asyncScheduler.now() - madeAt
  }
}

/**
 * Links a client with a server of `services` over memory: every layer of the library runs, to the bytes and back. Nothing on
 * the way is a promise, so inside `TestScheduler.run` all of its time is virtual, and a call takes exactly as long as its handler
 * and the link do. A handler that returns a Promise, and `authenticate` that does, leave virtual time.
 */
export function linkedPair(options: LinkedPairOptions = {}): LinkedPair {
  const { lingerMs = LOOK_MS, maxMs = 3_600_000 } = options
  const address = 'memory:linked-pair'
  const now = stopwatch()
  const links = new Set<PairLink>()
  let closed = false

  const wire = new PairWire(() => [...links].flatMap(link => link.calls))
  const failed = (error: unknown): void => {
    close()
    throw error
  }
  const up = new Conditions(options.up ?? {}, failed)
  const down = new Conditions(options.down ?? {}, failed)

  const server = new RpcServer<Listener>(options)
  const accepted = new Subject<Link>()
  const bound: Bound = { address, links$: accepted }
  const listener: Listener = { listen: () => new Observable<Bound>(subscriber => subscriber.next(bound)) }
  // It listens before this returns; its promise only tells so.
  server.listen(listener).catch((error: unknown) => accepted.error(error))

  const dialer: Dialer = {
    address,
    dial: () =>
      new Observable<Link>(subscriber => {
        if (closed || !accepted.observed) {
          const which = closed ? 'the pair' : 'the server'
          subscriber.error(new RpcError('rpc_unreachable', `${which} is closed`, { address, executed: 'no' }))
          return
        }
        const link = new PairLink(address, { up, down, wire, now })
        links.add(link)
        accepted.next(link.far)
        of<Link>(link.near).subscribe(subscriber)
        watch(link, failedWatch => subscriber.error(failedWatch))
      }),
  }
  // One link at a time; and a client that dials by itself as long as it lives would keep virtual time going.
  const client = clientOf(dialer, { maxConnections: 1, redial: 'on-call', backoffFirstMs: 0, ...options.client })

  /** Closes a link that no call uses, forgets one that is over at both ends, and ends a pair that lives for too long. */
  function watch(link: PairLink, unwatched: (error: unknown) => void): void {
    let idleMs = 0
    const look = (): void => {
      // Pings take no slot.
      const isUsed = client.stats().waiting + client.holdings.slots > 0
      idleMs = isUsed ? 0 : idleMs + LOOK_MS
      if (idleMs >= lingerMs) link.near.close()
      if (now() >= maxMs) close()
      if (link.over) links.delete(link)
    }
    timer(LOOK_MS + 0.5, LOOK_MS)
      .pipe(takeWhile(() => links.has(link)))
      .subscribe({ next: look, error: unwatched })
  }

  function close(): void {
    closed = true
    up.stop()
    down.stop()
    for (const link of links) link.lose()
    links.clear()
    // Nothing is left to wait for: both do all they have to do before they return.
    client.close({ waitMs: 0 }).catch(failed)
    server.close({ waitMs: 0 }).catch(failed)
  }

  return {
    client,
    server,
    wire,
    close,
    expectNoLeaks() {
      const left = leaks(client, server, [...links], closed)
      if (left.length > 0) throw new Error(`left over: ${left.join('; ')}`)
    },
  }
}
