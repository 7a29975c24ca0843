/**
 * What a client shows of the pool behind it, and what it needs of that: the pool of one address, or of several.
 */
import type { Observable } from 'rxjs'
import type { Caller } from './call.ts'
import type { ClientHoldings, PoolStats } from './stats.ts'
import type { ClientEvent, ClientStatus } from './status.ts'

/** How a client stands with its servers. */
export interface Standing {
  /** The address as it was given; of several the first of now. */
  readonly address: string
  /** How it stands: now, and at each change; completes when it is closed. */
  readonly status$: Observable<ClientStatus>
  /** How it stands now. */
  readonly status: ClientStatus
  /** What happens to its connections; completes when it is closed. */
  readonly events$: Observable<ClientEvent>
  /** What calls hold: all 0 where nothing is going on. */
  readonly holdings: ClientHoldings
  /** What it counts, in all and by address. */
  stats(): PoolStats
  /** A round trip: completes when the pong came. Dials where there is no connection. Default timeout: `taskTimeoutMs`. */
  ping(timeoutMs?: number): Observable<never>
  /**
   * Has so many connections ready at each address, before the first call wants them: default 1, `maxConnections` at most.
   * Completes then; errors with `rpc_unreachable` where they are not to be had.
   */
  prewarm(connections?: number): Observable<never>
}

/** Calls to one address, or to several. */
export interface Pool extends Caller, Standing {
  /** Takes no further calls, waits for answers, `waitMs` at most (default `closeWaitMs`), and closes the connections. */
  close(waitMs?: number): Promise<void>
}
