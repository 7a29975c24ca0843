/**
 * What a transport has to offer: a `Link` is one open connection, a `Dialer` opens them, a `Listener` accepts them. Each
 * member is written as a duty, so that a transport can be judged without reading the others.
 */
import type { Observable, SchedulerLike } from 'rxjs'

/**
 * One open connection: an ordered byte stream in each direction. How the bytes are sliced carries no meaning.
 *
 * A link ends once, in one of three ways, all seen on `chunks$`: it completes (the far end finished), it errors with an
 * `RpcError` `rpc_io_err` (lost), or it is unsubscribed (this end lets go, and the link is destroyed).
 */
export interface Link {
  /** The far end as a URL, for messages and logs: `tcp://127.0.0.1:4000`. */
  readonly address: string

  /** The kind of transport: `tcp`, `unix`, `ws`, `memory`. */
  readonly transport: string

  /**
   * The bytes as they come. One subscriber, subscribed in the turn the link was handed over. A chunk belongs to the
   * subscriber and never changes afterwards. Completes when the far end finished its direction: this end may still send.
   * Errors when the link is lost or breaks the transport's own rules (then the reason was already sent where it could be).
   * Nothing is emitted while paused, except what the transport had in hand already.
   */
  readonly chunks$: Observable<Uint8Array>

  /** Where work for the end of a turn is scheduled: after the input that is there was read. Absent: `asapScheduler`. */
  readonly turn?: SchedulerLike

  /** Stops and restarts reading; pausing is advice where the platform cannot pause (a browser's WebSocket). Idempotent. */
  pause(): void
  /** See {@link Link.pause}. */
  resume(): void

  /**
   * Takes bytes over, in order; they never change afterwards, and the link may keep them without a copy. `corked` says that
   * more follow in this turn, so the link may wait for them. After the end: ignored.
   */
  send(bytes: Uint8Array, corked?: boolean): void

  /** Bytes taken over and not yet handed to the operating system (or, in a browser, to the network). */
  readonly unsentBytes: number

  /** Emits after `unsentBytes` went down to 0. Never errors; completes with the link. */
  readonly drained$: Observable<void>

  /**
   * Finishes: what was taken over leaves, then this direction ends (FIN; a WebSocket close frame with `code` and `text`). What
   * still comes is read and dropped for up to 2 s or 1 MiB, then the link is destroyed. `chunks$` completes at once.
   * Idempotent.
   */
  close(code?: number, text?: string): void

  /** Drops the link at once, whatever is unsent. Idempotent. `chunks$` completes. */
  destroy(): void
}

/** Opens links to one address. */
export interface Dialer {
  /** The address as the user wrote it. */
  readonly address: string

  /**
   * Cold: each subscription dials once and emits one open link, then completes; errors with an `RpcError`
   * `rpc_unreachable`, executed `no`, whose message names the address and the system's reason. Unsubscribing before the link was emitted
   * stops the dialling and leaves nothing open; afterwards it does nothing. Has no time limit of its own.
   */
  dial(): Observable<Link>
}

/** Accepts links. */
export interface Listener {
  /**
   * Cold: subscribing binds, then emits one {@link Bound}; errors with an `Error` whose message names the address and the reason where
   * binding fails or, later, accepting does. Unsubscribing stops accepting and frees the address; accepted links live on.
   */
  listen(): Observable<Bound>
}

/** Somebody who was turned away before there was a link. */
export interface Refused {
  /** Who asked, as a URL. */
  readonly address: string
  /** Why. */
  readonly message: string
}

/** A listener that is bound and accepts. */
export interface Bound {
  /** The address to dial, with the real port where the user asked for port 0. */
  readonly address: string

  /** Each accepted link. One subscriber, subscribed in the turn `Bound` was emitted. A link that nobody takes is destroyed. */
  readonly links$: Observable<Link>

  /** Each one that was turned away, for the log. Completes with the listener, never errors. Absent where nobody ever is. */
  readonly refused$?: Observable<Refused> | undefined
}
