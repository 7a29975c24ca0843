/**
 * Who may write while a link is behind, and in which order: producers pause above the high-water mark, and take turns below.
 */
import { asapScheduler, type Observable, type Subscription } from 'rxjs'
import type { Pumpable, Turns } from '../flow/turns.ts'
import { whenBelow } from './drained.ts'
import type { Link } from './link.ts'
import type { LinkWriter } from './writer.ts'

/** The producers of one link. */
export class Outflow implements Turns {
  readonly #writer: LinkWriter
  readonly #link: Link
  readonly #highWaterMarkBytes: number
  readonly #waiting = new Set<Pumpable>()
  readonly #turns = new Set<Pumpable>()
  #draining: Subscription | undefined
  #turning: Subscription | undefined

  constructor(writer: LinkWriter, link: Link, highWaterMarkBytes: number) {
    this.#writer = writer
    this.#link = link
    this.#highWaterMarkBytes = highWaterMarkBytes
  }

  /** Is the link far enough ahead for a further item? */
  get open(): boolean {
    return this.#writer.unsentBytes <= this.#highWaterMarkBytes
  }

  /** Emits once when it is. */
  below(): Observable<unknown> {
    return whenBelow(this.#writer, this.#link, this.#highWaterMarkBytes)
  }

  /** Goes on with `producer` once the link is below its mark; never from within this call. */
  wait(producer: Pumpable): void {
    this.#waiting.add(producer)
    this.#watch()
  }

  #watch(): void {
    if (this.#draining !== undefined && !this.#draining.closed) return
    let within = true
    const draining = this.below().subscribe({
      next: () => {
        this.#draining = undefined // whoever waits from now on waits for the next time
        if (within) this.#takeTurns()
        else this.#resume()
      },
      // The link's end reaches every call by its own way.
      error: () => this.#waiting.clear(),
    })
    within = false
    if (!draining.closed) this.#draining = draining
  }

  /** Goes on with `producer` after the others had their turn. */
  yield(producer: Pumpable): void {
    this.#turns.add(producer)
    if (this.#turning !== undefined && !this.#turning.closed) return
    this.#turning = (this.#link.turn ?? asapScheduler).schedule(() => {
      this.#turning = undefined
      const turns = [...this.#turns]
      // The link may be far enough ahead before it has drained: then whoever waits for that does not wait for the others, too.
      if (this.open) this.#resume()
      // One of those before may have ended it.
      for (const turn of turns) if (this.#turns.delete(turn)) turn.pump()
    })
  }

  /** The producer has ended. */
  forget(producer: Pumpable): void {
    this.#waiting.delete(producer)
    this.#turns.delete(producer)
  }

  /** Forgets all. */
  destroy(): void {
    this.#draining?.unsubscribe()
    this.#turning?.unsubscribe()
    this.#waiting.clear()
    this.#turns.clear()
  }

  /** A flush was enough. */
  #takeTurns(): void {
    for (const producer of this.#waiting) this.yield(producer)
    this.#waiting.clear()
  }

  /** Goes on with those that wait until the link is behind again: who is left then comes first the next time. */
  #resume(): void {
    for (const producer of [...this.#waiting]) {
      if (!this.open) {
        this.#watch()
        return
      }
      if (this.#waiting.delete(producer)) producer.pump()
    }
  }
}
