/**
 * One end of a link in memory whose outgoing direction is a lane.
 */
import { asyncScheduler, type Observable, type SchedulerLike, Subject } from 'rxjs'
import { RpcError } from '../error.ts'
import { Intake } from '../transport/intake.ts'
import type { Link } from '../transport/link.ts'

/** What an end needs of the direction it sends in. */
export interface Outgoing {
  readonly unsentBytes: number
  readonly vanishing: boolean
  send(bytes: Uint8Array): void
  end(arrived: () => void): void
  destroy(): void
}

/** One end; `inner` takes over what has passed the lane. `onEnd` hears once that this end has let go: by a close, or at once. */
export class ShapedLink implements Link {
  readonly address: string
  readonly transport: string
  /**
   * Not `asapScheduler`: where immediates run between the timers of a frame, a TestScheduler of RxJS 7 loses count of those that are
   * cleared in it ("Expected a due immediate or interval").
   */
  readonly turn: SchedulerLike = asyncScheduler
  readonly chunks$: Observable<Uint8Array>
  readonly drained$: Observable<void>
  readonly #inner: Link
  readonly #outgoing: Outgoing
  readonly #intake: Intake
  readonly #drained = new Subject<void>()
  readonly #onEnd: (isClose: boolean) => void
  #ended = false

  constructor(address: string, inner: Link, outgoing: Outgoing, onEnd: (isClose: boolean) => void) {
    this.address = address
    this.transport = inner.transport
    this.drained$ = this.#drained.asObservable()
    this.#inner = inner
    this.#outgoing = outgoing
    this.#onEnd = onEnd
    this.#intake = new Intake(
      () => {
        inner.chunks$.subscribe({
          next: chunk => this.#intake.next(chunk),
          error: (error: RpcError) => this.#finish(() => this.#intake.error(error)),
          complete: () => this.#intake.complete(),
        })
      },
      () => this.destroy(),
    )
    this.chunks$ = this.#intake.chunks$
    const completed = (): void => this.#drained.complete()
    inner.drained$.subscribe({ next: () => this.drained(), error: completed, complete: completed })
  }

  /** It was closed, dropped or lost. */
  get ended(): boolean {
    return this.#ended
  }

  get unsentBytes(): number {
    return this.#outgoing.unsentBytes + this.#inner.unsentBytes
  }

  /** A part of the way is empty. */
  drained(): void {
    if (this.unsentBytes === 0) this.#drained.next()
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  send(bytes: Uint8Array): void {
    if (!this.#ended && bytes.length > 0) this.#outgoing.send(bytes)
  }

  close(code?: number, text?: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#intake.complete()
    this.#outgoing.end(() => {
      this.#outgoing.destroy()
      this.#inner.close(code, text)
    })
    this.#onEnd(true)
  }

  /** Lets the far end know that nobody reads here any more. */
  reset(): void {
    if (!this.#outgoing.vanishing) this.#inner.destroy()
  }

  destroy(): void {
    if (this.#ended) return // it is on its way out, in order
    this.#finish(() => this.#intake.complete())
  }

  /** The link is lost: this end hears of it. */
  lose(): void {
    const { address } = this
    const error = new RpcError('rpc_io_err', `${address}: connection lost: a fault of the spec`, { address })
    this.#finish(() => this.#intake.error(error))
  }

  #finish(tell: () => void): void {
    const wasEnded = this.#ended
    this.#ended = true
    // Where what is sent vanishes, so does the news of the end.
    const isTold = !this.#outgoing.vanishing
    this.#outgoing.destroy()
    this.#drained.complete()
    tell()
    if (isTold) this.#inner.destroy()
    if (!wasEnded) this.#onEnd(false)
  }
}
