/**
 * A link that can be stalled: for a while nothing passes, either way, and nobody is told. What a dead network looks like.
 */
import { filter, merge, type Observable, Subject, tap } from 'rxjs'
import type { Link } from '../../transport/link.ts'

/** The link `inner`, with a switch. */
export class StalledLink implements Link {
  readonly address: string
  readonly transport: string
  readonly chunks$: Observable<Uint8Array>
  readonly drained$: Observable<void>
  readonly turn?: NonNullable<Link['turn']>
  readonly #inner: Link
  readonly #drained = new Subject<void>()
  /** What was to be sent while it was stalled; the writer pauses its producers by {@link unsentBytes}. */
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #stalled = false
  /** Its owner has paused it. */
  #paused = false
  #over = false

  constructor(inner: Link) {
    this.#inner = inner
    this.address = inner.address
    this.transport = inner.transport
    this.chunks$ = inner.chunks$
    const inner$ = inner.drained$.pipe(tap({ complete: () => this.#drained.complete() }))
    this.drained$ = merge(inner$, this.#drained).pipe(filter(() => this.unsentBytes === 0))
    if (inner.turn !== undefined) this.turn = inner.turn
  }

  get unsentBytes(): number {
    return this.#inner.unsentBytes + this.#unsentBytes
  }

  /** From now on nothing passes. */
  stall(): void {
    if (this.#over) return
    this.#stalled = true
    this.#inner.pause()
  }

  /** All passes again, what has waited first. */
  flow(): void {
    if (!this.#stalled) return
    this.#stalled = false
    const unsent = this.#unsent
    this.#forget()
    for (const bytes of unsent) this.#inner.send(bytes)
    if (!this.#paused) this.#inner.resume()
    this.#drained.next()
  }

  pause(): void {
    this.#paused = true
    this.#inner.pause()
  }

  resume(): void {
    this.#paused = false
    if (!this.#stalled) this.#inner.resume()
  }

  send(bytes: Uint8Array, corked?: boolean): void {
    if (!this.#stalled) this.#inner.send(bytes, corked)
    else if (!this.#over) {
      this.#unsent.push(bytes)
      this.#unsentBytes += bytes.length
    }
  }

  close(code?: number, text?: string): void {
    this.#over = true
    this.flow()
    this.#inner.close(code, text)
  }

  destroy(): void {
    this.#over = true
    this.#forget()
    this.#inner.destroy()
  }

  #forget(): void {
    this.#unsent = []
    this.#unsentBytes = 0
  }
}
