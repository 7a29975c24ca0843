/**
 * A link that can be stalled: for a while nothing passes, either way, and nobody is told. What a dead network looks like.
 */
import { filter, merge, type Observable, Subject, tap } from 'rxjs'
import type { Link } from '../../transport/link.ts'
import { ForwardedLink } from '../forwarded-link.ts'

/** The link `inner`, with a switch. */
export class StalledLink extends ForwardedLink {
  override readonly drained$: Observable<void>
  readonly #drained = new Subject<void>()
  /** What was to be sent while it was stalled; the writer pauses its producers by {@link unsentBytes}. */
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #stalled = false
  /** Its owner has paused it. */
  #paused = false
  #over = false

  constructor(inner: Link) {
    super(inner)
    const inner$ = inner.drained$.pipe(tap({ complete: () => this.#drained.complete() }))
    this.drained$ = merge(inner$, this.#drained).pipe(filter(() => this.unsentBytes === 0))
  }

  override get unsentBytes(): number {
    return this.inner.unsentBytes + this.#unsentBytes
  }

  /** From now on nothing passes. */
  stall(): void {
    if (this.#over) return
    this.#stalled = true
    this.inner.pause()
  }

  /** All passes again, what has waited first. */
  flow(): void {
    if (!this.#stalled) return
    this.#stalled = false
    const unsent = this.#unsent
    this.#forget()
    for (const bytes of unsent) this.inner.send(bytes)
    if (!this.#paused) this.inner.resume()
    this.#drained.next()
  }

  override pause(): void {
    this.#paused = true
    this.inner.pause()
  }

  override resume(): void {
    this.#paused = false
    if (!this.#stalled) this.inner.resume()
  }

  override send(bytes: Uint8Array, corked?: boolean): void {
    if (!this.#stalled) this.inner.send(bytes, corked)
    else if (!this.#over) {
      this.#unsent.push(bytes)
      this.#unsentBytes += bytes.length
    }
  }

  override close(code?: number, text?: string): void {
    this.#over = true
    this.flow()
    this.inner.close(code, text)
  }

  override destroy(): void {
    this.#over = true
    this.#forget()
    this.inner.destroy()
  }

  #forget(): void {
    this.#unsent = []
    this.#unsentBytes = 0
  }
}
