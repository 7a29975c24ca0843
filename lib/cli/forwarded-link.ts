/**
 * A link that hands everything on to another; what looks over its shoulder, or interferes, overrides the rest.
 */
import type { Observable, SchedulerLike } from 'rxjs'
import type { Link } from '../transport/link.ts'

/** `inner` itself, in all its duties. */
export class ForwardedLink implements Link {
  readonly address: string
  readonly transport: string
  readonly chunks$: Observable<Uint8Array>
  readonly drained$: Observable<void>
  declare readonly turn?: SchedulerLike
  protected readonly inner: Link

  constructor(inner: Link) {
    this.inner = inner
    this.address = inner.address
    this.transport = inner.transport
    this.chunks$ = inner.chunks$
    this.drained$ = inner.drained$
    // Absent means something else than undefined.
    if (inner.turn !== undefined) this.turn = inner.turn
  }

  get unsentBytes(): number {
    return this.inner.unsentBytes
  }

  send(bytes: Uint8Array, corked = false): void {
    this.inner.send(bytes, corked)
  }

  pause(): void {
    this.inner.pause()
  }

  resume(): void {
    this.inner.resume()
  }

  close(code?: number, text?: string): void {
    this.inner.close(code, text)
  }

  destroy(): void {
    this.inner.destroy()
  }
}
