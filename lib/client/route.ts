/**
 * Which of several addresses a call goes to.
 */
import type { ConnPool } from './pool.ts'

/** `round-robin`: to the healthy ones in turn. `leader`: all to one, until it fails. */
export type RouteKind = 'round-robin' | 'leader'

/** The order of the addresses, as of now. */
export class Route {
  readonly #kind: RouteKind
  /** All, and those that are not known to be down. */
  #pools: readonly ConnPool[] = []
  #healthy: readonly ConnPool[] = []
  /** Of the healthy ones, whose turn it is. */
  #turn = 0
  #leader: ConnPool | undefined

  constructor(kind: RouteKind) {
    this.#kind = kind
  }

  /** These are the addresses now, or the health of one has changed. */
  update(pools: readonly ConnPool[]): void {
    this.#pools = pools
    const next = this.#healthy[this.#turn]
    this.#healthy = pools.filter(pool => !pool.down)
    // Whose turn it was keeps it, where it can.
    this.#turn = next === undefined ? 0 : Math.max(0, this.#healthy.indexOf(next))
    if (this.#leader === undefined || !pools.includes(this.#leader)) this.#leader = pools[0]
    if (this.#leader?.down === true) this.failed(this.#leader.address)
  }

  /** The addresses to try for a new call, the best first; takes a turn. */
  *next(): Generator<ConnPool, void, undefined> {
    // Where addresses are tried again by calls, time alone brings them back.
    if (this.#healthy.length < this.#pools.length) this.update(this.#pools)
    const healthy = this.#healthy
    if (this.#kind === 'leader') {
      yield* after(healthy, this.#leader)
      return
    }
    for (let tries = healthy.length; tries > 0; tries--) {
      const pool = healthy[this.#turn % healthy.length]!
      this.#turn = (this.#turn + 1) % healthy.length
      yield pool
    }
  }

  /** The healthy ones but this one, in the order to try them after it. */
  others(address: string | undefined): ConnPool[] {
    const own = this.#pools.find(pool => pool.address === address)
    return after(this.#pools, own).filter(pool => pool !== own && !pool.down)
  }

  /** A call failed there: the next healthy address leads, where this one did. */
  failed(address: string | undefined): void {
    if (this.#leader?.address === address) this.#leader = this.others(address)[0] ?? this.#leader
  }

  /** Calls go there first from now on. */
  lead(pool: ConnPool): void {
    this.#leader = pool
  }
}

/** In the order of a ring, from `first` on. */
function after(pools: readonly ConnPool[], first: ConnPool | undefined): ConnPool[] {
  const at = first === undefined ? 0 : Math.max(0, pools.indexOf(first))
  return [...pools.slice(at), ...pools.slice(0, at)]
}
