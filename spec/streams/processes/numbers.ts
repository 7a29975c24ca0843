/**
 * What the two processes of the memory run share: a contract, and a look at resident memory.
 */
import { service, stream, unary } from '../../../lib/node/index.ts'

export interface Item {
  readonly n: number
  readonly text: string
}

/** Resident memory in bytes: at the mark, and the most since then. */
export interface Memory {
  readonly idle: number
  readonly most: number
}

export const Numbers = service('Numbers', {
  items: stream<number, Item>(),
  /** From here on memory counts. */
  mark: unary(),
  memory: unary<void, Memory>(),
})

const SAMPLE_MS = 50

/** Looks at the resident memory of this process every 50 ms, and whenever it is told to. */
export class Resident {
  #idle = 0
  #most = 0

  constructor() {
    setInterval(() => this.look(), SAMPLE_MS).unref()
  }

  get memory(): Memory {
    return { idle: this.#idle, most: this.#most }
  }

  mark(): void {
    this.#idle = this.#most = process.memoryUsage.rss()
  }

  look(): void {
    this.#most = Math.max(this.#most, process.memoryUsage.rss())
  }
}
