/**
 * An iterable as a source: it is asked for an item when the sink is ready for it, and not before.
 */
import type { ItemSink, ItemSource } from './item-source.ts'

/** An iterable of either kind. */
export type AnyIterable = Partial<AsyncIterable<unknown> & Iterable<unknown>>

/** What a Node readable has besides its iterator, which alone neither hears of errors nor lets go before it was asked. */
interface Destroyable {
  on(event: 'error', listener: (error: unknown) => void): unknown
  destroy(): unknown
}

function isDestroyable(source: object): source is Destroyable {
  return (
    'destroy' in source && typeof source.destroy === 'function' && 'on' in source && typeof source.on === 'function'
  )
}

/** Asks for nothing before the first {@link pump}. Throws what the iterable throws when it is asked for its iterator. */
export class PulledSource implements ItemSource {
  readonly dropped = 0
  readonly #sink: ItemSink
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>
  readonly #readable: Destroyable | undefined
  /** An item was asked for, or is being taken: whoever pumps now need not. */
  #busy = false
  /** The iterator's own code runs, and cannot be told to return. */
  #inside = false
  /** The iterator has ended by itself. */
  #exhausted = false
  #over = false

  constructor(source: AnyIterable, sink: ItemSink) {
    this.#sink = sink
    const async = source[Symbol.asyncIterator]
    this.#iterator = async === undefined ? source[Symbol.iterator]!() : async.call(source)
    if (isDestroyable(source)) {
      this.#readable = source
      source.on('error', error => (this.#over && !this.#exhausted ? sink.complain(error) : this.#fail(error)))
    }
  }

  pump(): void {
    if (this.#busy) return
    this.#busy = true
    while (!this.#over && this.#sink.ready()) {
      const result = this.#ask()
      if (result === undefined) return // there later, or never
      this.#take(result)
    }
    this.#busy = false
  }

  stop(): void {
    if (this.#over) return
    this.#over = true
    if (!this.#inside) this.#leave()
  }

  /** The next item, where it is there at once. */
  #ask(): IteratorResult<unknown> | undefined {
    this.#inside = true
    try {
      const result = this.#iterator.next()
      if (!('then' in result)) return result
      result.then(
        later => this.#came(later),
        error => this.#fail(error),
      )
      if (this.#over) this.#leave()
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#inside = false
    }
    return undefined
  }

  #came(result: IteratorResult<unknown>): void {
    if (this.#over) return // it was told to return when it was stopped
    if (typeof result !== 'object' || result === null) {
      this.#fail(new TypeError(`the iterator gave ${result}, no result`))
      return
    }
    this.#take(result)
    this.#busy = false
    this.pump()
  }

  #take(result: IteratorResult<unknown>): void {
    if (result.done === true) this.#exhausted = true
    if (this.#over) {
      this.#leave() // it was stopped from within
    } else if (result.done === true) {
      this.#over = true
      this.#sink.complete()
    } else {
      this.#sink.item(result.value)
    }
  }

  /** What fails after it was stopped was still waiting then: an aborted wait is no news. */
  #fail(error: unknown): void {
    this.#exhausted = true
    if (this.#over) return
    this.#over = true
    this.#readable?.destroy()
    this.#sink.error(error)
  }

  #leave(): void {
    this.#readable?.destroy()
    if (this.#exhausted) return
    try {
      const returned = this.#iterator.return?.()
      if (returned !== undefined && 'then' in returned) {
        returned.then(undefined, error => this.#sink.complain(error))
      }
    } catch (error) {
      this.#sink.complain(error)
    }
  }
}
