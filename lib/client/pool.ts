/**
 * Calls to one address, over as many connections as they want: dialled when calls come, more while the windows are full, fewer
 * after idle, again with a back-off after a loss. Rust: `client/pool.rs`.
 */
import {
  BehaviorSubject,
  defer,
  Observable,
  Subject,
  type Subscriber,
  type Subscription,
  throwError,
  type Unsubscribable,
} from 'rxjs'
import { RpcError } from '../error.ts'
import type { Dialer } from '../transport/link.ts'
import { Backlog } from './backlog.ts'
import { actionName, type CallRequest } from './call.ts'
import { Calling } from './calling.ts'
import { type ClientFacts, logBroken } from './config.ts'
import { Connections } from './connections.ts'
import type { Pool } from './pool-duties.ts'
import { Retries } from './retry.ts'
import { CLIENT_CLOSED, type Farewell } from './settlement.ts'
import { isStreaming } from './start-task.ts'
import type { AddressStats, ClientHoldings, PoolStats } from './stats.ts'
import { type ClientEvent, type ClientStatus, same } from './status.ts'
import type { ClientStream } from './stream.ts'
import type { TasksEvents } from './stream-events.ts'
import { sumHoldings } from './sums.ts'
import type { ClientTask } from './task.ts'

/** What a pool can be told besides its facts. */
export interface ConnPoolOptions {
  /** What decides about failed calls: the pool of several addresses. Default: the pool itself, for its own address. */
  readonly calls?: TasksEvents | undefined
  /** Numbers of [0, 1), for the back-off. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** Calls to one address. Rust: `ConnPool`. */
export class ConnPool extends Calling implements Pool {
  readonly address: string
  readonly #facts: ClientFacts
  readonly #backlog: Backlog
  readonly #retries: Retries
  readonly #connections: Connections
  /** The deadlines of all calls. */
  readonly #deadlines: Subscription
  readonly #events = new Subject<ClientEvent>()
  readonly #status = new BehaviorSubject<ClientStatus>({ state: 'idle' })
  /** Emits when something about the connections has changed. */
  readonly #changed = new Subject<void>()
  #closing = false
  /** Calls that were sent again, to this address. */
  #retried = 0

  /** How the address stands: now, and at each change; completes when the pool is closed. */
  readonly status$: Observable<ClientStatus> = this.#status.asObservable()
  /** What happens; completes when the pool is closed. */
  readonly events$: Observable<ClientEvent> = this.#events.asObservable()

  constructor(dialer: Dialer, facts: ClientFacts, options: ConnPoolOptions = {}) {
    super(facts.config)
    const { address } = dialer
    this.address = address
    this.#facts = facts
    this.#backlog = new Backlog(facts)
    this.#retries = new Retries(facts.config)
    this.#deadlines = this.#backlog.watch(error => logBroken(facts, address, error))
    const own: TasksEvents = {
      again: (task, error) =>
        !isNoUseAt(error) && this.#retries.allows(task, error) && this.resume(task, error, this.#retries),
      answered: () => this.#retries.success(),
    }
    const events = {
      calls: options.calls ?? own,
      changed: () => this.#publish(),
      connected: () => this.#events.next({ type: 'connected', address }),
      disconnected: (error: RpcError) => this.#events.next({ type: 'disconnected', address, error }),
      unreachable: () => this.#tellTrouble(),
    }
    this.#connections = new Connections(dialer, facts, this.#backlog, events, options.random ?? Math.random)
  }

  get status(): ClientStatus {
    return this.#status.value
  }

  /** The address is known to be down: calls fail at once. */
  get down(): boolean {
    return this.#connections.health.down
  }

  /** A server sends calls to this address: it is tried even while it is known to be down, once a second at most. */
  vouched(): void {
    if (this.down) this.#connections.health.vouched()
  }

  /** What it counts, as that of several addresses would. */
  stats(): PoolStats {
    const address = this.addressStats()
    return { ...address, addresses: [address] }
  }

  /** What it counts. */
  addressStats(): AddressStats {
    const sum = this.#connections.stats()
    return {
      ...sum,
      address: this.address,
      state: this.status.state,
      waiting: sum.waiting + this.#backlog.size,
      retries: this.#retried,
    }
  }

  /** What calls hold, on all connections that are not over. */
  get holdings(): ClientHoldings {
    const sum = sumHoldings(this.#connections.streams.map(({ holdings }) => holdings))
    return { ...sum, waitingBytes: this.#backlog.waiting.bytes }
  }

  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined {
    const stream = this.pick(isStreaming(request))
    if (stream !== undefined) return stream.start(request, caller)
    caller.error(this.refusal(request.action))
    return undefined
  }

  /** Where a call goes now; `undefined`: nowhere, see {@link refusal}. */
  pick(streams: boolean): ClientStream | undefined {
    return this.#connections.pick(streams)
  }

  /** Why a call cannot be sent here now. */
  refusal(action?: string | number): RpcError {
    const { address } = this
    const { trouble } = this.#connections.health
    const name = action === undefined ? '' : `${actionName(action)}: `
    if (this.#closing || trouble === undefined) {
      const message = `${name}the client of ${address} is closed`
      return new RpcError('rpc_unreachable', message, { executed: 'no', action, address })
    }
    const { cause, attempt, retryInMs } = trouble
    const turnedAway = RpcError.is(cause, 'rpc_unauthenticated', 'rpc_forbidden')
    const next = retryInMs === 0 ? 'it is being tried again' : `the next try follows within ${Math.ceil(retryInMs)} ms`
    return new RpcError(
      turnedAway ? cause.code : 'rpc_unreachable',
      `${name}${address} is down after ${attempt} failed attempts, ${next}: ${cause.message}`,
      { executed: 'no', action, address, cause },
    )
  }

  /** Sends a call that failed with `error` here, at the cost of `retries`; `false`: it cannot be. */
  resume(task: ClientTask, error: RpcError, retries: Retries): boolean {
    const stream = this.#connections.pick(task.streams)
    if (stream === undefined) return false
    retries.spend(task, error)
    this.#retried++
    task.takeBack(error)
    this.#events.next({ type: 'retry', address: this.address, action: task.request.action, error })
    if (!task.over) stream.resume(task) // whoever heard of it may have given it up
    return true
  }

  /** A round trip: completes when the pong came. Dials where there is no connection. */
  ping(timeoutMs?: number): Observable<never> {
    return defer(() => this.#connections.pick(false)?.ping(timeoutMs) ?? throwError(() => this.refusal()))
  }

  /** Has so many connections ready, `maxConnections` at most, and completes then; errors where they are not to be had. */
  prewarm(connections = 1): Observable<never> {
    return new Observable<never>(subscriber => {
      const all = this.#connections
      const wanted = Math.min(connections, this.#facts.config.maxConnections)
      const look = (): void => {
        if (all.ready >= wanted) subscriber.complete()
        else if (this.#closing || all.usable < wanted) subscriber.error(this.#missing(wanted))
      }
      if (!this.#closing) {
        for (let more = wanted - all.usable; more > 0 && !this.down; more--) all.dial()
      }
      look()
      if (!subscriber.closed) {
        subscriber.add(this.#changed.subscribe({ next: look, error: error => subscriber.error(error) }))
      }
    })
  }

  /**
   * Takes no further calls, waits for the answers of those it has, at most `waitMs` (default `closeWaitMs`), then closes its
   * connections. Streams and duplexes, which have no answer to wait for, and calls that are left are told `why`: `rpc_canceled`.
   */
  async close(waitMs?: number, why: Farewell = CLIENT_CLOSED): Promise<void> {
    if (this.status.state === 'closed') return
    this.#closing = true
    this.#publish()
    await this.#connections.close(waitMs, why)
    // Where the last connection was lost meanwhile.
    this.#backlog.fail(why.code, why.message, undefined)
    this.#deadlines.unsubscribe()
    this.#status.next({ state: 'closed' })
    this.#status.complete()
    this.#changed.complete()
    this.#events.complete()
  }

  /** Why there are fewer connections than wanted. */
  #missing(wanted: number): RpcError {
    const { address } = this
    const { usable, health } = this.#connections
    if (this.#closing || health.trouble !== undefined) return this.refusal()
    const message = `no more than ${usable} of ${wanted} connections to ${address} are to be had`
    return new RpcError('rpc_unreachable', message, { executed: 'no', address })
  }

  #tellTrouble(): void {
    const { trouble } = this.#connections.health
    if (trouble === undefined) return
    const { cause: error, attempt, retryInMs } = trouble
    this.#events.next({ type: 'unreachable', address: this.address, error, attempt, retryInMs })
  }

  #publish(): void {
    const { ready, usable, health } = this.#connections
    const status: ClientStatus = this.#closing
      ? { state: 'draining' }
      : ready > 0
        ? { state: 'ready' }
        : health.down && health.trouble !== undefined
          ? { state: 'unhealthy', ...health.trouble }
          : { state: usable > 0 || health.due ? 'connecting' : 'idle' }
    if (!same(this.#status.value, status)) this.#status.next(status)
    this.#changed.next()
  }
}

/**
 * Is the address that failed a call so no help for it now? A server that is busy is not helped by the same call once more, and one
 * that could not be reached has just been tried.
 */
export function isNoUseAt(error: RpcError): boolean {
  return error.code === 'rpc_busy' || error.code === 'rpc_unreachable'
}
