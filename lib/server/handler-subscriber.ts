/**
 * How a handler's Observable is subscribed to: its first value answers the call.
 */
import { Subscriber } from 'rxjs'

/** What becomes of the call. */
export interface HandlerEvents {
  answerWith(value: unknown): void
  failWith(error: unknown): void
  /** A teardown threw: that hurts nobody else. */
  complain(error: unknown): void
}

/** Subscribes to a handler's Observable. Unsubscribing it never throws. */
export class HandlerSubscriber extends Subscriber<unknown> {
  readonly #events: HandlerEvents

  constructor(events: HandlerEvents) {
    super({
      next: value => events.answerWith(value),
      error: (error: unknown) => events.failWith(error),
      complete: () => events.answerWith(undefined),
    })
    this.#events = events
  }

  override unsubscribe(): void {
    try {
      super.unsubscribe()
    } catch (error) {
      this.#events.complain(error)
    }
  }
}
