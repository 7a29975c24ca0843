/**
 * Fan-out: an item that a shared source hands to many calls is encoded once. Only the newest item is remembered, and only
 * until the end of the turn.
 */

import { asapScheduler, type Subscription } from 'rxjs'
import type { Codec } from '../codec/codec.ts'

/** One for a server. */
export class ItemCache {
  readonly #codec: Codec
  #item: unknown
  #bytes: Uint8Array | undefined
  /** More than one call sent the item. */
  #shared = false
  /** Counts the items that were remembered; a call that has sent this one meets a new item when it meets it again. */
  #generation = 0
  #forgetting: Subscription | undefined

  constructor(codec: Codec) {
    this.#codec = codec
  }

  /**
   * The item's encoding where another call has just sent the same object, else `undefined`; throws what the codec throws. `seen` is
   * what this returned as `generation` for the last item of this call: a source that sends one object again, changed, is not fooled.
   */
  encoding(item: unknown, seen: number): { readonly bytes: Uint8Array | undefined; readonly generation: number } {
    if (typeof item !== 'object' || item === null || item instanceof Uint8Array) {
      return { bytes: undefined, generation: seen }
    }
    if (item === this.#item && seen !== this.#generation) {
      this.#shared = true
      this.#bytes ??= this.#codec.encode(item)
      return { bytes: this.#bytes, generation: this.#generation }
    }
    this.#item = item
    this.#forgetting ??= asapScheduler.schedule(() => this.#forget())
    // Where the last item was shared this one will be too: then already its first call takes part.
    this.#bytes = this.#shared ? this.#codec.encode(item) : undefined
    this.#shared = false
    this.#generation++
    return { bytes: this.#bytes, generation: this.#generation }
  }

  #forget(): void {
    this.#forgetting = undefined
    this.#item = undefined
    this.#bytes = undefined
  }
}
