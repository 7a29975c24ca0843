/**
 * Pools and the places they dial, in virtual time: a place serves, refuses, or swallows whoever comes, as its spec says, and keeps
 * when it was dialled and what it ran.
 */
import assert from 'node:assert/strict'
import { asyncScheduler, map, Observable, Subject, type Subscription, timer } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import {
  type Bound,
  CallRefused,
  type ClientConfig,
  ConnPool,
  type Dialer,
  type FailoverOptions,
  FailoverPool,
  factsOf,
  type Link,
  type Listener,
  memoryPair,
  type Pool,
  RpcError,
  RpcServer,
  type RpcServerOptions,
  type ServerCall,
} from '../../lib/index.ts'
import { type Logged, loggerTo } from './logged.ts'

/** What a place does with those who dial it. */
export type Manner =
  | 'serves'
  | 'refuses'
  /** No dial ever ends. */
  | 'swallows'
  /** It accepts, and never says a word. */
  | 'is mute'
  /** It accepts, comes to terms, and is gone. */
  | 'flaps'

/** How long a flapping connection lives. */
const FLAP_MS = 1

/** Dials of one place in one story; more of them are a hot loop. */
const MOST_DIALS = 5_000

/** Longer than any story; a clock that runs on at that time runs for ever. */
const MOST_MS = 3_600_000

/** A call that was run. */
export interface Ran {
  readonly action: string | number
  readonly input: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly blob: Uint8Array
  readonly at: number
  /** What is left of its time. */
  readonly msLeft: number
}

/** A server, or what looks like one. */
export class Place {
  readonly address: string
  readonly dialer: Dialer
  manner: Manner = 'serves'
  /** How long a dial takes. */
  dialMs = 0
  /** When it was dialled. */
  readonly dials: number[] = []
  /** Dials that are under way. */
  dialling = 0
  readonly ran: Ran[] = []
  /** Handlers of the action `hold` that run, oldest first. */
  readonly held: Subject<unknown>[] = []
  /** Does something else with a call; `undefined`: it does not. */
  act: ((call: ServerCall) => unknown) | undefined
  readonly #options: RpcServerOptions
  readonly #far = new Set<Link>()
  #accepted = new Subject<Link>()
  #server: RpcServer<Listener> | undefined

  constructor(address: string, options: RpcServerOptions) {
    this.address = address
    this.#options = options
    this.dialer = { address, dial: () => this.#dialled() }
  }

  /** Its server; a new one once that was closed. */
  get server(): RpcServer<Listener> {
    if (this.#server === undefined) {
      const accepted = new Subject<Link>()
      this.#accepted = accepted
      const bound: Bound = { address: this.address, links$: accepted }
      this.#server = new RpcServer<Listener>({ dispatch: call => this.#dispatch(call), ...this.#options })
      this.#server.listen({ listen: () => new Observable(s => s.next(bound)) }).catch(assert.fail)
    }
    return this.#server
  }

  /** Connections that are open, seen from here. */
  get connections(): number {
    return this.#server?.stats().connections ?? 0
  }

  /** All connections are lost, of whatever it is from now on. */
  lose(manner: Manner = this.manner): void {
    this.manner = manner
    const far = [...this.#far]
    this.#far.clear()
    for (const link of far) link.destroy()
  }

  /** Reads no more from those who are connected now: what they send stays at their end. */
  stall(): void {
    for (const link of this.#far) link.pause()
  }

  /** Takes its leave in order; a later dial finds a new server. */
  drain(): void {
    const leaving = this.#server
    this.#server = undefined // before anybody hears of it, and dials
    leaving?.close({ waitMs: 10_000 }).catch(assert.fail)
  }

  #dialled(): Observable<Link> {
    this.dials.push(asyncScheduler.now())
    // Virtual time would never come to its end.
    if (this.dials.length > MOST_DIALS) throw new Error(`${this.address} is dialled in a hot loop`)
    return new Observable<Link>(subscriber => {
      this.dialling++
      subscriber.add(() => this.dialling--)
      if (this.manner === 'swallows') return
      const open = (): void => {
        if (this.manner === 'refuses') {
          subscriber.error(new RpcError('rpc_unreachable', `${this.address} refuses`, { executed: 'no' }))
          return
        }
        const [near, far] = memoryPair()
        this.#far.add(far)
        if (this.manner === 'is mute') far.chunks$.subscribe({ error: () => {} })
        else {
          void this.server
          this.#accepted.next(far)
        }
        subscriber.next(near)
        subscriber.complete()
        if (this.manner === 'flaps') asyncScheduler.schedule(() => far.destroy(), FLAP_MS)
      }
      if (this.dialMs > 0) subscriber.add(asyncScheduler.schedule(open, this.dialMs))
      else open()
    })
  }

  #dispatch(call: ServerCall): unknown {
    const { action, headers, blob, deadline } = call
    const input = action === 'bytes' ? undefined : call.input
    const at = asyncScheduler.now()
    this.ran.push({ action, input, headers, blob, at, msLeft: deadline - at })
    const other = this.act?.(call)
    if (other !== undefined) return other
    switch (action) {
      case 'hold': {
        return new Observable<unknown>(subscriber => {
          const answer = new Subject<unknown>()
          this.held.push(answer)
          subscriber.add(() => this.held.splice(this.held.indexOf(answer), 1))
          return answer.subscribe(subscriber)
        })
      }
      case 'wait':
        return timer(Number(input)).pipe(map(() => input))
      case 'busy':
        throw new CallRefused('rpc_busy', 'busy')
      default:
        return input
    }
  }
}

/** What a story can use. */
export interface PoolWorld {
  at(ms: number, act: () => void): void
  now(): number
  place(name: string, options?: RpcServerOptions): Place
  pool(place: Place, config?: Partial<ClientConfig> & { token?: () => string }, random?: () => number): ConnPool
  failover(places: readonly Place[], config?: Partial<ClientConfig>, options?: FailoverOptions): FailoverPool
  /** What became of a call, and when. */
  record(call$: Observable<unknown>): Recorded
  /** All is closed then, so that no clock runs on. Every story needs it. */
  end(ms: number): void
  readonly log: Logged[]
}

/** What became of a call: `12 next 1`, `12 complete`, `12 rpc_timeout maybe`. */
export class Recorded {
  readonly seen: string[] = []
  readonly subscription: Subscription
  error: RpcError | undefined

  constructor(call$: Observable<unknown>) {
    const now = (): number => asyncScheduler.now()
    this.subscription = call$.subscribe({
      next: value => this.seen.push(`${now()} next ${JSON.stringify(answerOf(value))}`),
      error: error => {
        this.error = RpcError.from(error)
        this.seen.push(`${now()} ${this.error.code} ${this.error.executed}`)
      },
      complete: () => this.seen.push(`${now()} complete`),
    })
  }
}

function answerOf(reply: unknown): unknown {
  return typeof reply === 'object' && reply !== null && 'value' in reply ? reply.value : reply
}

/** A spec in virtual time: `story` says what happens when, the function it returns judges when all is over. */
export function pooled(story: (world: PoolWorld) => () => unknown): () => Promise<void> {
  return async () => {
    let judge = (): unknown => undefined
    const scheduler = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected))
    scheduler.run(() => {
      scheduler.maxFrames = MOST_MS
      const places = new Map<string, Place>()
      const pools: Pool[] = []
      const log: Logged[] = []
      const made = <P extends Pool>(pool: P): P => {
        pools.push(pool)
        return pool
      }
      const place = (name: string, options: RpcServerOptions = {}): Place => {
        const address = `memory:${name}`
        const here = places.get(address) ?? new Place(address, options)
        places.set(address, here)
        return here
      }
      const dialer = (address: string): Dialer => {
        if (!address.startsWith('memory:')) throw new TypeError(`cannot dial ${address}`)
        return place(address.slice('memory:'.length)).dialer
      }
      const facts = (config: Partial<ClientConfig>) =>
        factsOf({ ...config, logger: loggerTo(entry => log.push(entry)) })
      judge = story({
        at: (ms, act) => asyncScheduler.schedule(act, ms),
        now: () => asyncScheduler.now(),
        log,
        place,
        pool: (at, config = {}, random = () => 0.5) => made(new ConnPool(at.dialer, facts(config), { random })),
        failover: (all, config = {}, options = {}) =>
          made(
            new FailoverPool(
              all.map(({ address }) => address),
              dialer,
              facts(config),
              { random: () => 0.5, ...options },
            ),
          ),
        record: call$ => new Recorded(call$),
        end: ms => {
          asyncScheduler.schedule(() => {
            for (const pool of pools) pool.close(0).catch(assert.fail)
            for (const each of places.values()) {
              each.server.close({ waitMs: 0 }).catch(assert.fail)
              each.lose('refuses')
            }
          }, ms)
        },
      })
    })
    assert.ok(
      scheduler.actions.every(({ closed }) => closed),
      `a clock still runs after ${MOST_MS} ms`,
    )
    // What hangs on a promise, as the very end of a `close`.
    await new Promise(resolve => setImmediate(resolve))
    await judge()
  }
}
