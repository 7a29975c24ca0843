/**
 * The page's client: two servers of one port, of which one leads.
 */
import { asyncScheduler, catchError, EMPTY, exhaustMap, filter, type Observable, type SchedulerLike, timer } from 'rxjs'
import { connect, type FailoverClient } from '../../../connect.ts'

/** A client of the servers of `host`. What it finds out about a dead connection it finds out within seconds: somebody is watching. */
export function dashboardClient(host: string): FailoverClient {
  return connect([`ws://${host}/rpc/1`, `ws://${host}/rpc/2`], {
    route: 'leader',
    maxConnections: 1,
    connectTimeoutMs: 3_000,
    pingIntervalMs: 1_500,
    deadAfterMs: 4_000,
    tickMs: 500,
    backoffFirstMs: 1_000,
    backoffMaxMs: 6_000,
    taskTimeoutMs: 10_000,
  })
}

const LOOK_MS = 1_000

/**
 * Has a connection to each server, so that there is somebody to fail over to: one that was closed in good order is not dialled again
 * before a call wants it, and here no call may ever.
 */
export function standsBy(
  client: Pick<FailoverClient, 'prewarm' | 'stats'>,
  scheduler: SchedulerLike = asyncScheduler,
): Observable<never> {
  return timer(0, LOOK_MS, scheduler).pipe(
    filter(() => client.stats().addresses.some(({ state }) => state === 'idle')),
    // What cannot be had now is tried again by the client itself.
    exhaustMap(() => client.prewarm(1).pipe(catchError(() => EMPTY))),
  )
}
