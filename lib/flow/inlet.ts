/**
 * A Subject for one observer: what is put in goes straight to it, without the loop and the closure that a Subject spends on each
 * value.
 */
import { Observable, type Subscriber } from 'rxjs'

/** Values that are put in at one end come out of `values$`. What is put in while nobody is subscribed is lost. */
export class Inlet<T> {
  /** One subscriber at a time; a second one gets an error. Never completes. */
  readonly values$: Observable<T>
  #subscriber: Subscriber<T> | undefined

  constructor() {
    this.values$ = new Observable<T>(subscriber => {
      if (this.#subscriber !== undefined) {
        subscriber.error(new Error('an inlet has one subscriber at a time, and it has one'))
        return undefined
      }
      this.#subscriber = subscriber
      return () => {
        this.#subscriber = undefined
      }
    })
  }

  next(value: T): void {
    this.#subscriber?.next(value)
  }
}
