/**
 * `for await` over a call: an item counts as consumed when the loop asks for the next.
 */
import type { Observable, Subscription } from 'rxjs'

/** What can be consumed at a pace: see `Paced`. */
interface Source<T> {
  paced<R>(project: (items$: Observable<T>, done: () => void) => Observable<R>): Observable<R>
}

/** Starts the call with the first `next`. What comes before it is asked for waits here, at most a window of it. */
export class PacedIterator<T> implements AsyncIterableIterator<T> {
  readonly #waiting: T[] = []
  readonly #asked: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = []
  #done: () => void = () => {}
  #subscription: Subscription | undefined
  readonly #source: Source<T>
  #ended = false
  #error: { readonly error: unknown } | undefined
  /** The item handed out last has not been reported as consumed. */
  #owing = false

  constructor(source: Source<T>) {
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T>> {
    if (!this.#ended) this.#subscription ??= this.#subscribe()
    if (this.#owing) {
      this.#owing = false
      this.#done()
    }
    if (this.#waiting.length > 0) {
      this.#owing = true
      return Promise.resolve({ done: false, value: this.#waiting.shift()! })
    }
    if (this.#error !== undefined) {
      const { error } = this.#error
      this.#error = undefined
      return Promise.reject(error)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<T>> {
    this.#end()
    this.#waiting.length = 0
    this.#error = undefined
    this.#subscription?.unsubscribe()
    return Promise.resolve({ done: true, value: undefined })
  }

  #subscribe(): Subscription {
    const items$ = this.#source.paced((items, done) => {
      this.#done = done
      return items
    })
    return items$.subscribe({
      next: item => {
        const asked = this.#asked.shift()
        if (asked === undefined) {
          this.#waiting.push(item)
          return
        }
        asked.resolve({ done: false, value: item })
        // Whoever asks ahead is done with what it asked for before.
        if (this.#asked.length > 0) this.#done()
        else this.#owing = true
      },
      error: (error: unknown) => {
        const asked = this.#asked.shift()
        if (asked === undefined) this.#error = { error }
        else asked.reject(error)
        this.#end()
      },
      complete: () => this.#end(),
    })
  }

  #end(): void {
    this.#ended = true
    for (const { resolve } of this.#asked.splice(0)) resolve({ done: true, value: undefined })
  }
}
