/**
 * A server: listeners in front, a dispatch behind, and a connection for each link in between. Rust: `server/server.rs`.
 */
import { BehaviorSubject, filter, firstValueFrom, interval, type Observable, race, Subscription, take, tap } from 'rxjs'
import { longTimer, timerMs } from '../flow/long-timer.ts'
import type { Link, Listener, Refused } from '../transport/link.ts'
import { tooMany } from './admission.ts'
import { RunningTotal } from './calls.ts'
import type { ServerFacts } from './config.ts'
import { ServerConnection } from './connection.ts'
import type { Dispatch } from './dispatch.ts'
import { ItemCache } from './item-cache.ts'
import type { Shared } from './shared.ts'
import { spread } from './spread.ts'

/** A place the server listens at. */
export interface Listening {
  /** The address to dial, with the real port where port 0 was asked for. */
  readonly address: string
  /** Stops accepting there. Connections live on. */
  close(): void
}

/** What a server counts. */
export interface ServerStats {
  readonly connections: number
  /** Calls that run: begun and not answered. */
  readonly calls: number
  /** Those of them that have items: streams, uploads and duplexes. */
  readonly streams: number
  /** Items that streams have lost by the policy of their contract, since the server began. */
  readonly dropped: number
  /** Bytes that requests and items of running calls hold. */
  readonly heldBytes: number
}

/** Serves one dispatch on any number of listeners. Rust: `RpcServer`. */
export class DispatchServer {
  readonly #facts: ServerFacts
  readonly #total: RunningTotal
  readonly #shared: Shared
  readonly #connections = new Set<ServerConnection>()
  readonly #count = new BehaviorSubject(0)
  readonly #listening = new Set<Subscription>()
  #ticking: Subscription | undefined
  /** Tells the connections that it closes. */
  #telling = new Subscription()
  #closed = false

  /** How many connections there are: now, and at each change. */
  readonly connections$: Observable<number> = this.#count.asObservable()

  /** How many calls run: now, and at each change. One that is answered from within its handler never counts. */
  readonly calls$: Observable<number>

  constructor(facts: ServerFacts, dispatch: Dispatch) {
    this.#facts = facts
    this.#total = new RunningTotal(facts.config.maxCalls)
    this.calls$ = this.#total.calls$
    this.#shared = { facts, dispatch, total: this.#total, items: new ItemCache(facts.codec) }
  }

  /** Binds, and settles when links are accepted there; rejects where binding fails. */
  listen(listener: Listener): Promise<Listening> {
    if (this.#closed) return Promise.reject(new Error('the server is closed'))
    return new Promise((resolve, reject) => {
      const listening = new Subscription()
      this.#listening.add(listening)
      const stop = (): void => {
        this.#listening.delete(listening)
        listening.unsubscribe()
      }
      const failed = (error: Error): void => {
        this.#facts.log({ level: 'error', message: error.message })
        reject(error)
        stop()
      }
      // Does nothing where it listens.
      const tooLate = (): void => reject(new Error('the server, or its listener, was closed before it could listen'))
      listening.add(
        listener.listen().subscribe({
          next: bound => {
            listening.add(bound.links$.subscribe({ next: link => this.#serve(link), error: failed }))
            const refused = (who: Refused): void => this.#facts.log({ level: 'warn', ...who })
            listening.add(bound.refused$?.subscribe({ next: refused, error: failed }))
            resolve({ address: bound.address, close: stop })
          },
          error: failed,
          complete: tooLate,
        }),
      )
      listening.add(tooLate)
    })
  }

  stats(): ServerStats {
    let { dropped } = this.#total
    let streams = 0
    let heldBytes = 0
    for (const connection of this.#connections) {
      streams += connection.streams
      dropped += connection.dropped
      heldBytes += connection.heldBytes
    }
    return { connections: this.#connections.size, calls: this.#total.calls, streams, dropped, heldBytes }
  }

  /**
   * Stops accepting, takes no further calls, waits until the running ones are over, `waitMs` at most (default
   * `serverCloseWaitMs`), and closes every connection. Streams are ended after `graceMs`. Up to 100 connections are told at once, the
   * others 100 every 100 ms, or more where half of `graceMs` would not do: so that their clients do not all dial elsewhere
   * in one instant. May be called again, to be done sooner. Rust: `close`.
   */
  async close(options: { readonly graceMs?: number; readonly waitMs?: number } = {}): Promise<void> {
    const { serverCloseWaitMs, graceMs: defaultGraceMs } = this.#facts.config
    const { waitMs = serverCloseWaitMs, graceMs = Math.min(defaultGraceMs, waitMs) } = options
    this.#closed = true
    for (const listening of this.#listening) listening.unsubscribe()
    this.#listening.clear()
    this.#tell(timerMs(graceMs), waitMs)
    const empty = this.#count.pipe(filter(connections => connections === 0))
    const over$ = race(empty, longTimer(waitMs)).pipe(
      take(1),
      // Here, not behind the promise: so it is in time where time is virtual.
      tap({ next: () => this.#closeAll() }),
    )
    await firstValueFrom(over$)
  }

  /** Tells every connection. What runs there has until `graceMs` from now, less where they are many: as long for each of them. */
  #tell(graceMs: number, waitMs: number): void {
    const { bursts$, overMs } = spread([...this.#connections], Math.min(graceMs, waitMs) / 2)
    this.#telling.unsubscribe()
    this.#telling = bursts$.subscribe({
      next: burst => {
        for (const connection of burst) if (this.#connections.has(connection)) connection.drain(graceMs - overMs)
      },
      error: (error: Error) => this.#facts.log({ level: 'error', message: error.message }),
    })
  }

  #closeAll(): void {
    this.#telling.unsubscribe()
    for (const connection of [...this.#connections]) {
      // One that was not told yet learns which of its calls were taken.
      connection.drain(0)
      connection.close(4491)
    }
  }

  #serve(link: Link): void {
    const connection = new ServerConnection(link, this.#shared)
    const reason = tooMany(connection.network, this.#connections, this.#facts.config)
    this.#connections.add(connection)
    this.#ticking ??= this.#tick()
    connection.ended$.subscribe({ complete: () => this.#forget(connection), error: () => this.#forget(connection) })
    this.#count.next(this.#connections.size)
    connection.start()
    if (reason !== undefined) {
      this.#facts.log({ level: 'warn', message: reason, address: link.address })
      connection.close(4429)
    }
  }

  /** One interval for all connections, while there are any. */
  #tick(): Subscription {
    return interval(this.#facts.config.tickMs).subscribe({
      next: () => {
        for (const connection of [...this.#connections]) connection.tick()
      },
      error: (error: Error) => this.#facts.log({ level: 'error', message: error.message }),
    })
  }

  #forget(connection: ServerConnection): void {
    if (!this.#connections.delete(connection)) return
    if (this.#connections.size === 0) {
      this.#ticking?.unsubscribe()
      this.#ticking = undefined
    }
    this.#count.next(this.#connections.size)
  }
}
