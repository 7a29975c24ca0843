/**
 * Calls to several addresses that take over from each other. Rust: `client/failover.rs`.
 */
import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  merge,
  type Observable,
  Subject,
  type Subscriber,
  throwError,
  type Unsubscribable,
} from 'rxjs'
import { RpcError, UserError } from '../error.ts'
import type { Dialer } from '../transport/link.ts'
import { Addresses } from './addresses.ts'
import { actionName, type CallRequest } from './call.ts'
import { Calling } from './calling.ts'
import type { ClientFacts } from './config.ts'
import { isNoUseAt } from './pool.ts'
import type { Pool } from './pool-duties.ts'
import { isMendable, Retries } from './retry.ts'
import { Route, type RouteKind } from './route.ts'
import { isStreaming } from './start-task.ts'
import type { ClientHoldings, PoolStats } from './stats.ts'
import type { ClientEvent, ClientStatus } from './status.ts'
import { best, same } from './status.ts'
import { sumHoldings, sumStats } from './sums.ts'
import type { ClientTask } from './task.ts'

/** What several addresses need besides the facts. */
export interface FailoverOptions {
  /**
   * `round-robin`: calls go to the healthy addresses in turn, each gets as many as the others. `leader`: all go to one, until it
   * fails or redirects them. Default `round-robin`. Rust: `stateless`.
   */
  readonly route?: RouteKind | undefined
  /**
   * Does this error of a handler ask for another server? An address: the call is sent there, and in the order `leader` those that
   * follow too; `next`: to the next address; `undefined`: it is an error like any other. Default: none does. Rust:
   * `should_failover` of the error codec.
   */
  readonly shouldFailover?: ((error: UserError) => string | undefined) | undefined
  /** Numbers of [0, 1), for the back-off. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** Calls to several addresses. Rust: `FailoverPool`. */
export class FailoverPool extends Calling implements Pool {
  readonly #facts: ClientFacts
  readonly #options: FailoverOptions
  readonly #retries: Retries
  readonly #route: Route
  readonly #addresses: Addresses
  #state: 'open' | 'draining' | 'closed' = 'open'
  readonly #events = new Subject<ClientEvent>()
  readonly #status = new BehaviorSubject<ClientStatus>({ state: 'idle' })
  readonly status$: Observable<ClientStatus> = this.#status.asObservable()
  readonly events$: Observable<ClientEvent> = this.#events.asObservable()

  /** Throws what `dialer` throws for an address that is none, and a `TypeError` where there are none at all. */
  constructor(
    addresses: readonly string[],
    dialer: (address: string) => Dialer,
    facts: ClientFacts,
    options: FailoverOptions = {},
  ) {
    super(facts.config)
    this.#facts = facts
    this.#options = options
    this.#retries = new Retries(facts.config)
    this.#route = new Route(options.route ?? 'round-robin')
    const calls = {
      again: (task: ClientTask, error: RpcError) => this.#again(task, error),
      answered: () => this.#retries.success(),
    }
    const pool = { calls, random: options.random }
    this.#addresses = new Addresses({ dialer, facts, pool, events: this.#events, changed: () => this.#changed() })
    this.#addresses.update(addresses)
  }

  get address(): string {
    return this.#addresses.pools[0]!.address
  }

  /** Those that calls go to, the learned ones last. */
  get addresses(): string[] {
    return this.#addresses.pools.map(({ address }) => address)
  }

  get status(): ClientStatus {
    return this.#status.value
  }

  get holdings(): ClientHoldings {
    return sumHoldings(this.#addresses.all.map(({ holdings }) => holdings))
  }

  /** What it counts, in all and by address. */
  stats(): PoolStats {
    const addresses = this.#addresses.all.map(pool => pool.addressStats())
    return { ...sumStats([...addresses, this.#addresses.gone]), addresses }
  }

  /**
   * Calls go to these addresses from now on: those that were there keep their connections, the others are closed when
   * their calls are answered; streams there end with `rpc_draining`, those that were not sent yet are sent elsewhere. Learned
   * ones are forgotten. Throws as the constructor does, and then changes nothing. Rust: `update_addrs`.
   */
  updateAddresses(addresses: readonly string[]): void {
    if (this.#state === 'open') this.#addresses.update(addresses)
  }

  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined {
    const streams = isStreaming(request)
    for (const pool of this.#route.next()) {
      const stream = pool.pick(streams)
      if (stream !== undefined) return stream.start(request, caller)
    }
    caller.error(this.#refusal(request.action))
    return undefined
  }

  ping(timeoutMs?: number): Observable<never> {
    return defer(() => {
      for (const pool of this.#route.next()) return pool.ping(timeoutMs)
      return throwError(() => this.#refusal())
    })
  }

  prewarm(connections?: number): Observable<never> {
    return defer(() => {
      const failures: unknown[] = []
      const failed = (error: unknown): Observable<never> => {
        failures.push(error)
        return EMPTY
      }
      const all = this.#addresses.pools.map(pool => pool.prewarm(connections).pipe(catchError(failed)))
      return concat(
        merge(...all),
        defer(() => (failures.length === 0 ? EMPTY : throwError(() => failures[0]))),
      )
    })
  }

  async close(waitMs?: number): Promise<void> {
    if (this.#state === 'open') this.#state = 'draining'
    this.#changed()
    await Promise.all(this.#addresses.all.map(pool => pool.close(waitMs)))
    this.#state = 'closed'
    this.#changed()
    this.#addresses.destroy()
    this.#status.complete()
    this.#events.complete()
  }

  /** A call failed at one address: where to now? */
  #again(task: ClientTask, error: RpcError): boolean {
    if (this.#state !== 'open') return false
    if (error instanceof UserError) return this.#redirected(task, error)
    const { address } = error
    if (isMendable(error)) this.#route.failed(address)
    if (!this.#retries.allows(task, error)) return false
    // Its own address comes last.
    const pools = this.#route.others(address)
    const own = this.#addresses.at(address)
    if (own !== undefined && !isNoUseAt(error)) pools.push(own)
    return pools.some(pool => pool.resume(task, error, this.#retries))
  }

  #redirected(task: ClientTask, error: UserError): boolean {
    const { shouldFailover } = this.#options
    if (shouldFailover === undefined) return false
    try {
      const target = shouldFailover(error)
      if (target === undefined) return false
      const pool = target === 'next' ? this.#route.others(error.address)[0] : this.#addresses.learn(target)
      if (target !== 'next') pool?.vouched()
      if (pool === undefined || pool.down || !this.#retries.allowsRedirect(task)) return false
      if (target === 'next') this.#route.failed(error.address)
      else this.#route.lead(pool)
      return pool.resume(task, error, this.#retries)
    } catch (cause) {
      const reason = RpcError.from(cause)
      this.#facts.log({ level: 'warn', message: `cannot follow a redirect: ${reason.message}`, error: reason })
      return false
    }
  }

  #changed(): void {
    const { pools } = this.#addresses
    this.#route.update(pools)
    const status: ClientStatus = this.#state === 'open' ? best(pools.map(pool => pool.status)) : { state: this.#state }
    if (!same(this.#status.value, status)) this.#status.next(status)
  }

  #refusal(action?: string | number): RpcError {
    const { pools } = this.#addresses
    if (this.#state !== 'open' || pools.length === 1) return pools[0]!.refusal(action)
    const causes = pools.map(pool => pool.refusal())
    const name = action === undefined ? '' : `${actionName(action)}: `
    const message = `${name}all ${causes.length} addresses are down: ${causes.map(cause => cause.message).join('; ')}`
    return new RpcError('rpc_unreachable', message, { executed: 'no', action, cause: causes[0] })
  }
}
