/**
 * The reader of a connection: frames in, held back as long as there is a reason to.
 */
import { type Observable, Subscription, take, tap } from 'rxjs'
import { frames } from '../flow/frames.ts'
import { Gate } from '../flow/gate.ts'
import type { Framer } from '../protocol/frames.ts'
import type { RequestFrame } from '../protocol/heads.ts'
import type { Link } from '../transport/link.ts'

/** Reads one link. While it is held, the link is paused and no frame comes, not even one that has arrived. */
export class Reading {
  /** Completes when the far end has finished and every whole frame was taken. One subscriber. */
  readonly frames$: Observable<RequestFrame>
  readonly #gate = new Gate()
  readonly #running = new Subscription()
  readonly #failed: (error: unknown) => void

  constructor(link: Link, framer: Framer<RequestFrame>, failed: (error: unknown) => void) {
    this.#failed = failed
    this.frames$ = link.chunks$.pipe(frames(framer, this.#gate))
    this.#running.add(
      this.#gate.changes$.subscribe({ next: open => (open ? link.resume() : link.pause()), error: failed }),
    )
  }

  /** Nothing holds it. */
  get open(): boolean {
    return this.#gate.open
  }

  /** Holds it for `reason`, until that is released. */
  hold(reason: string): void {
    this.#gate.hold(reason)
  }

  release(reason: string): void {
    this.#gate.release(reason)
  }

  /** Holds it for `reason` until `over$` emits; `then` runs before it goes on. Does nothing where it is held for that already. */
  holdUntil(reason: string, over$: Observable<unknown>, then: () => void = () => {}): void {
    if (!this.#gate.hold(reason)) return
    const over = over$.pipe(take(1), tap(then))
    this.#running.add(over.subscribe({ next: () => this.#gate.release(reason), error: this.#failed }))
  }

  destroy(): void {
    this.#running.unsubscribe()
  }
}
