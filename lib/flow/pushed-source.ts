/**
 * An Observable as a source: it pushes, and what comes without credit goes through the queue of its policy.
 */
import { asyncScheduler, Observable, type Subscription } from 'rxjs'
import type { ItemSink, ItemSource } from './item-source.ts'
import { type Overflow, type OverflowQueue, overflowQueue } from './overflow.ts'

/** Subscribes at once, and lets go of the Observable as soon as it has ended, also where its end waits behind its items. */
export class PushedSource implements ItemSource {
  readonly #sink: ItemSink
  readonly #queue: OverflowQueue
  readonly #sampleMs: number
  #subscription: Subscription | undefined
  #sampling: Subscription | undefined
  /** How the source ended: told when nothing waits in front of it. */
  #end: (() => void) | undefined
  #over = false

  constructor(source: Observable<unknown>, sink: ItemSink, policy: Overflow, window: number) {
    this.#sink = sink
    this.#queue = overflowQueue(policy, window)
    this.#sampleMs = typeof policy === 'object' && 'sample' in policy ? policy.sample : 0
    const known$ = new Observable<unknown>(subscriber => {
      // Known before the first item, so that a flood from within its subscribe can be stopped.
      this.#subscription = subscriber
      try {
        return source.subscribe(subscriber)
      } catch (error) {
        // Its teardown, where it is over already.
        if (subscriber.closed) sink.complain(error)
        else subscriber.error(error)
        return undefined
      }
    })
    sink.began?.(this)
    known$.subscribe({
      next: item => this.#next(item),
      error: (error: unknown) => this.#ended(() => sink.error(error)),
      complete: () => this.#ended(() => sink.complete()),
    })
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  pump(): void {
    while (this.#sampling === undefined && !this.#over && this.#queue.size > 0 && this.#sink.ready()) {
      this.#send(this.#queue.shift())
    }
    this.#finish()
  }

  stop(): void {
    this.#over = true
    this.#sampling?.unsubscribe()
    this.#unsubscribe()
  }

  #next(item: unknown): void {
    if (this.#over) return
    if (this.#queue.size === 0 && this.#sampling === undefined && this.#sink.wanted()) this.#send(item)
    else if (!this.#queue.push(item)) {
      this.stop()
      this.#sink.overflow(`${this.#queue.size} items wait already, and the source goes on`)
    }
  }

  #send(item: unknown): void {
    this.#sink.item(item)
    if (this.#sampleMs === 0 || this.#over) return
    this.#sampling = asyncScheduler.schedule(() => {
      this.#sampling = undefined
      this.pump()
    }, this.#sampleMs)
  }

  #ended(end: () => void): void {
    if (this.#over) return
    this.#end = end
    // By hand, as a teardown that throws would hit whoever ended the source.
    this.#unsubscribe()
    this.#finish()
  }

  #finish(): void {
    if (this.#end === undefined || this.#over || this.#queue.size > 0) return
    this.stop()
    this.#end()
  }

  #unsubscribe(): void {
    try {
      this.#subscription?.unsubscribe()
    } catch (error) {
      this.#sink.complain(error)
    }
  }
}
