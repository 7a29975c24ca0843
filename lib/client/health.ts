/**
 * What is known of one address: whether it is down, why, and when it is tried again. It goes bad by failures and comes back by the
 * first connection that is agreed on. (In the Rust crates 0.9 a pool that went bad stays so.)
 */
import { asyncScheduler, type Subscription, timer } from 'rxjs'
import type { RpcError } from '../error.ts'
import { Backoff } from '../flow/backoff.ts'
import type { ClientConfig } from './config.ts'

/** A connection that its server gave up in order before this age, and before any answer, was no more use than one that failed. */
export const SHORT_LIVED_MS = 1_000

/** An address that others vouch for is tried so often at most before its pause is over; the Rust pools try that often anyway. */
const VOUCHED_MS = 1_000

/** What went wrong, until it is mended. */
export interface Trouble {
  readonly cause: RpcError
  /** Failures in a row. */
  readonly attempt: number
  /** How long it was until the next try. */
  readonly retryInMs: number
}

/** The health of one address. */
export class Health {
  readonly #backoff: Backoff
  readonly #retry: () => void
  readonly #inBackground: boolean
  #trouble: Trouble | undefined
  #down = false
  /** The pause of the back-off is over then. */
  #retryAt = 0
  #waiting: Subscription | undefined
  #vouchedAt = Number.NEGATIVE_INFINITY

  /** `retry` is called when the address is to be tried again. */
  constructor(config: ClientConfig, retry: () => void, random: () => number) {
    const { backoffFirstMs: firstMs, backoffMaxMs: maxMs, backoffResetMs: resetAfterMs, redial } = config
    this.#backoff = new Backoff({ firstMs, maxMs, resetAfterMs }, random)
    this.#inBackground = redial === 'background'
    this.#retry = retry
  }

  /** It will be tried again by itself. */
  get due(): boolean {
    return this.#waiting !== undefined
  }

  /** What went wrong last, until it is mended. */
  get trouble(): Trouble | undefined {
    return this.#trouble
  }

  /** The address is known to be down. */
  get down(): boolean {
    return this.#down && (this.#inBackground || asyncScheduler.now() < this.#retryAt)
  }

  /** A connection is agreed on. */
  mended(): void {
    this.stop()
    this.#down = false
    this.#trouble = undefined
    this.#backoff.healthy()
  }

  /**
   * The last connection is gone, agreed on at `agreedAt`, or never. `true`: the address is down; else whoever wants another
   * connection dials at once.
   */
  lost(cause: RpcError, agreedAt: number | undefined, hasAnswered: boolean): boolean {
    const age = agreedAt === undefined ? 0 : asyncScheduler.now() - agreedAt
    if (cause.code === 'rpc_draining' && (hasAnswered || age >= SHORT_LIVED_MS)) return false
    this.#backoff.failed()
    // It was up until now, or somebody was there to say that it goes: whoever wants it now need not wait.
    const surprise = (agreedAt !== undefined || cause.code === 'rpc_draining') && this.#backoff.attempt === 0
    const retryInMs = this.#backoff.next()
    this.#trouble = { cause, attempt: this.#backoff.attempt, retryInMs }
    this.#down = !surprise
    if (this.#inBackground) this.#waiting = timer(retryInMs).subscribe({ next: () => this.#retry() })
    else this.#retryAt = asyncScheduler.now() + retryInMs
    return this.#down
  }

  /** Somebody who should know says that the address is up: the next call that wants it tries it, in its pause, too. */
  vouched(): void {
    const now = asyncScheduler.now()
    if (now - this.#vouchedAt < VOUCHED_MS) return
    this.#vouchedAt = now
    this.#down = false
  }

  /** A try is under way, or none is wanted any more. */
  stop(): void {
    this.#waiting?.unsubscribe()
    this.#waiting = undefined
    if (this.#trouble !== undefined) this.#trouble = { ...this.#trouble, retryInMs: 0 }
  }
}
