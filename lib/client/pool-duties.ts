/**
 * What a client needs of what stands behind it: the pool of one address, or of several.
 */
import type { Observable } from 'rxjs'
import type { Caller } from './call.ts'
import type { ClientHoldings, PoolStats } from './stats.ts'
import type { ClientEvent, ClientStatus } from './status.ts'

/** Calls to one address, or to several. */
export interface Pool extends Caller {
  /** The address, or the first one, as the user wrote it. */
  readonly address: string
  /** How it stands: now, and at each change; completes when it is closed. */
  readonly status$: Observable<ClientStatus>
  readonly status: ClientStatus
  /** What happens; completes when it is closed. */
  readonly events$: Observable<ClientEvent>
  /** What calls hold: all 0 where nothing is going on. */
  readonly holdings: ClientHoldings
  /** What it counts, in all and by address. */
  stats(): PoolStats
  /** A round trip: completes when the pong came. Dials where there is no connection. */
  ping(timeoutMs?: number): Observable<never>
  /** Has so many connections ready, at each address, and completes then; errors then where one of them has fewer. */
  prewarm(connections?: number): Observable<never>
  /** Takes no further calls, waits for answers, `waitMs` at most (default `closeWaitMs`), and closes the connections. */
  close(waitMs?: number): Promise<void>
}
