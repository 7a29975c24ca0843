/**
 * The receiving half of a link, shared by the transports: chunks go to the one subscriber, and there is one end.
 */
import { Observable, type Subscriber } from 'rxjs'
import type { RpcError } from '../error.ts'

/**
 * Keeps the promises that `Link.chunks$` makes: one subscriber, one end (told to a late subscriber too), and `abandon` for a
 * subscriber that leaves before the end.
 */
export class Intake {
  readonly chunks$: Observable<Uint8Array>
  #subscriber: Subscriber<Uint8Array> | undefined
  #taken = false
  #ended = false
  #error: RpcError | undefined

  /** `begin` runs when the subscriber is there, `abandon` when it left before the end. Each at most once. */
  constructor(begin: () => void, abandon: () => void) {
    this.chunks$ = new Observable<Uint8Array>(subscriber => {
      if (this.#taken) {
        subscriber.error(new Error('chunks$ of a link has one subscriber, and it had it already'))
        return
      }
      this.#taken = true
      this.#subscriber = subscriber
      if (this.#ended) {
        this.#settle()
        return
      }
      subscriber.add(() => {
        this.#subscriber = undefined
        if (this.#ended) return
        this.#ended = true
        abandon()
      })
      begin()
    })
  }

  /** Did `chunks$` have its subscriber? */
  get taken(): boolean {
    return this.#taken
  }

  /** Did it complete, fail or get abandoned? What still comes is dropped. */
  get ended(): boolean {
    return this.#ended
  }

  next(chunk: Uint8Array): void {
    this.#subscriber?.next(chunk)
  }

  /** Completes `chunks$`, unless it is over. */
  complete(): void {
    if (this.#ended) return
    this.#ended = true
    this.#settle()
  }

  /** Fails `chunks$`, unless it is over. */
  error(error: RpcError): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#settle()
  }

  #settle(): void {
    const subscriber = this.#subscriber
    if (this.#error === undefined) subscriber?.complete()
    else subscriber?.error(this.#error)
  }
}
