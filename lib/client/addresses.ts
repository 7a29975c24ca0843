/**
 * The addresses of a client, each with its pool: those that were given, those that were learned from redirects, and those that
 * are on their way out.
 */
import { type Subject, Subscription } from 'rxjs'
import type { Dialer } from '../transport/link.ts'
import { type ClientFacts, logBroken } from './config.ts'
import { ConnPool, type ConnPoolOptions } from './pool.ts'
import { ADDRESS_REMOVED } from './settlement.ts'
import type { ClientStats } from './stats.ts'
import type { ClientEvent } from './status.ts'
import { NOTHING, sumStats } from './sums.ts'

/** Addresses that servers may add by redirecting calls to them, besides those that were given. */
const MAX_LEARNED = 64

/** What an address book needs of its owner. */
export interface AddressesOptions {
  readonly dialer: (address: string) => Dialer
  readonly facts: ClientFacts
  readonly pool: ConnPoolOptions
  readonly events: Subject<ClientEvent>
  /** The addresses, or how one of them stands, have changed. */
  readonly changed: () => void
}

/** An address book. */
export class Addresses {
  readonly #options: AddressesOptions
  /** Those that calls go to, in the order they were given, the learned ones last. */
  readonly #pools = new Map<string, ConnPool>()
  /** Those that were removed, and still have calls. */
  readonly #leaving = new Set<ConnPool>()
  readonly #watching = new Map<ConnPool, Subscription>()
  #given = 0
  #gone: ClientStats = NOTHING

  constructor(options: AddressesOptions) {
    this.#options = options
  }

  /** Those that calls go to. */
  get pools(): ConnPool[] {
    return [...this.#pools.values()]
  }

  /** Those that were removed, too, as long as they have calls. */
  get all(): ConnPool[] {
    return [...this.#pools.values(), ...this.#leaving]
  }

  /** What those that are gone have counted. */
  get gone(): ClientStats {
    return this.#gone
  }

  at(address: string | undefined): ConnPool | undefined {
    return address === undefined ? undefined : this.#pools.get(address)
  }

  /** Only these, from now on. Throws for an address that is none, or none at all, and then changes nothing. */
  update(addresses: readonly string[]): void {
    const wanted = [...new Set(addresses)]
    if (wanted.length === 0) throw new TypeError('a client needs at least one address')
    const dialers = wanted.filter(address => !this.#pools.has(address)).map(address => this.#options.dialer(address))
    const kept = new Map(this.#pools)
    for (const dialer of dialers) kept.set(dialer.address, this.#add(dialer))
    this.#pools.clear()
    for (const address of wanted) {
      this.#pools.set(address, kept.get(address)!)
      kept.delete(address)
    }
    this.#given = wanted.length
    this.#options.changed()
    for (const pool of kept.values()) this.#remove(pool)
  }

  /** The pool of an address that a server named. Throws for one that is none, or one too many. */
  learn(address: string): ConnPool {
    const known = this.#pools.get(address)
    if (known !== undefined) return known
    if (this.#pools.size >= this.#given + MAX_LEARNED)
      throw new RangeError(`${MAX_LEARNED} addresses were learned from redirects already; ${address} is one more`)
    const pool = this.#add(this.#options.dialer(address))
    this.#pools.set(address, pool)
    this.#options.changed()
    return pool
  }

  /** Lets go of what it watches; the pools are closed by then. */
  destroy(): void {
    for (const watching of this.#watching.values()) watching.unsubscribe()
    this.#watching.clear()
  }

  #add(dialer: Dialer): ConnPool {
    const { facts, events, changed } = this.#options
    const pool = new ConnPool(dialer, facts, this.#options.pool)
    const failed = (error: unknown): void => logBroken(facts, pool.address, error)
    const watching = new Subscription()
    this.#watching.set(pool, watching)
    events.next({ type: 'added', address: pool.address })
    watching.add(pool.events$.subscribe({ next: event => events.next(event), error: failed }))
    watching.add(pool.status$.subscribe({ next: () => changed(), error: failed }))
    return pool
  }

  #remove(pool: ConnPool): void {
    this.#leaving.add(pool)
    const { facts, events } = this.#options
    events.next({ type: 'removed', address: pool.address })
    const forget = (): void => {
      this.#leaving.delete(pool)
      this.#gone = sumStats([this.#gone, pool.addressStats()])
      this.#watching.get(pool)?.unsubscribe()
      this.#watching.delete(pool)
    }
    pool.close(undefined, ADDRESS_REMOVED).then(forget, error => logBroken(facts, pool.address, error))
  }
}
