/**
 * Why reading stands still: a gate that several owners may hold closed, each for a reason of its own.
 */
import { defer, distinctUntilChanged, map, type Observable, Subject, skip, startWith } from 'rxjs'

/** Open until somebody holds it; open again when the last reason is gone. */
export class Gate {
  readonly #reasons = new Set<string>()
  /** A reason came or went. */
  readonly #changes = new Subject<void>()

  /**
   * Emits `true` when the gate opens and `false` when it closes. An observer may hold or release it from within: the others
   * then hear what became of it, and never of the two in the wrong order.
   */
  readonly changes$: Observable<boolean> = defer(() =>
    this.#changes.pipe(
      startWith(undefined),
      map(() => this.open),
      distinctUntilChanged(),
      skip(1),
    ),
  )

  /** Nobody holds it. */
  get open(): boolean {
    return this.#reasons.size === 0
  }

  /** Holds the gate closed for `reason`; returns `false`, and does nothing, where that reason holds it already. */
  hold(reason: string): boolean {
    if (this.#reasons.has(reason)) return false
    this.#reasons.add(reason)
    this.#changes.next()
    return true
  }

  /** Takes `reason` away; where it was the last one the gate opens. */
  release(reason: string): void {
    if (this.#reasons.delete(reason)) this.#changes.next()
  }
}
