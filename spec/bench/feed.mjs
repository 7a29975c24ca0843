/**
 * The shared source of the fan-out, the same on every server. It goes as fast as its subscribers take its items and no faster,
 * because not every system here can hold a source back: they tell how far they are.
 */
import { item } from './requests.mjs'

/** Items that the source may be ahead of its subscribers: well within every system's buffers. */
const AHEAD = 256

export class Feed {
  #emit
  #burst = 0
  #next = 0
  #taken = 0
  #turn

  /** `emit(item)` hands an item to all subscribers. */
  constructor(emit) {
    this.#emit = emit
  }

  /** Emits `burst` items a turn of the event loop from now on. */
  start(burst) {
    this.#burst = burst
    this.#next = this.#taken = 0
    this.#schedule()
  }

  /** The subscribers have taken so many items each. */
  taken(count) {
    this.#taken = count
    if (this.#burst > 0) this.#schedule()
  }

  stop() {
    this.#burst = 0
    clearImmediate(this.#turn)
    this.#turn = undefined
  }

  #schedule() {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      if (this.#next + this.#burst > this.#taken + AHEAD) return
      for (let i = 0; i < this.#burst; i++) this.#emit(item(this.#next++))
      this.#schedule()
    })
  }
}
