/**
 * How a client stands with its server, and what happens to it, as values to watch.
 */
import type { RpcError } from '../error.ts'

/** See {@link ClientStatus}. */
export type ClientState = ClientStatus['state']

/**
 * How a client, or one address of it, stands. Of several addresses the best one speaks for all: one that is ready, else one that is
 * being dialled, else the one that is tried again first.
 */
export type ClientStatus =
  /** There is no connection, and nobody wanted one; or the last one was closed in good order. */
  | { readonly state: 'idle' }
  /** A connection is being dialled, or will be at once for a call and soon by itself, after a first loss; calls wait for it. */
  | { readonly state: 'connecting' }
  /** Calls are sent. */
  | { readonly state: 'ready' }
  /**
   * The address is known to be down: calls fail at once with `rpc_unreachable`. It is tried again by itself: `attempt` counts the
   * failures in a row, `retryInMs` is how long it was until the next try when this was said, 0 while that is under way.
   */
  | { readonly state: 'unhealthy'; readonly cause: RpcError; readonly attempt: number; readonly retryInMs: number }
  /** `close` waits for answers. */
  | { readonly state: 'draining' }
  /** For good. */
  | { readonly state: 'closed' }

/** What happened at one address of a client. */
export type ClientEvent = { readonly address: string } & (
  | { readonly type: 'connected' }
  /** A connection ended; `rpc_draining` where the server took its leave. */
  | { readonly type: 'disconnected'; readonly error: RpcError }
  /** There was no connection to be had; the next try comes in so many milliseconds. */
  | { readonly type: 'unreachable'; readonly error: RpcError; readonly attempt: number; readonly retryInMs: number }
  /** A call is sent again, to this address, because of this error. */
  | { readonly type: 'retry'; readonly action: string | number; readonly error: RpcError }
  /** The address was added: by `updateAddresses`, or by a server that redirected a call to it. */
  | { readonly type: 'added' }
  | { readonly type: 'removed' }
)

/** What stands for all of them. */
export function best(all: readonly ClientStatus[]): ClientStatus {
  const [first] = all.filter(status => status.state === 'unhealthy').sort((a, b) => a.retryInMs - b.retryInMs)
  const has = (state: ClientState): boolean => all.some(status => status.state === state)
  if (has('ready')) return { state: 'ready' }
  if (has('connecting')) return { state: 'connecting' }
  if (has('idle') || first === undefined) return { state: 'idle' }
  return first
}

/** Do they say the same? */
export function same(a: ClientStatus, b: ClientStatus): boolean {
  if (a.state !== 'unhealthy' || b.state !== 'unhealthy') return a.state === b.state
  return a.attempt === b.attempt && a.retryInMs === b.retryInMs
}
