/**
 * What a pushing source does without credit: the policies of a contract, as queues that keep, lose and count.
 */

/**
 * `buffer` keeps one window of items and then fails with `rpc_overflow`; `error` fails at the first; `latest` keeps the newest,
 * `dropNewest` nothing; `dropOldest` keeps the newest n; `sample` sends the newest every so many milliseconds; `conflate` keeps the
 * newest for each value of a property.
 */
export type Overflow<Key extends PropertyKey = string> =
  | 'buffer'
  | 'latest'
  | 'dropNewest'
  | 'error'
  | { readonly dropOldest: number }
  | { readonly sample: number }
  | { readonly conflate: Key }

/** Items that wait for credit. */
export interface OverflowQueue {
  readonly size: number
  /** Items that were lost. */
  readonly dropped: number
  /** Takes an item, perhaps by losing one. `false`: there is no room, and the policy loses nothing. */
  push(item: unknown): boolean
  /** The item to send next; there is one. */
  shift(): unknown
}

/** The queue of a policy; `window` is how many items `buffer` and `conflate` keep. */
export function overflowQueue(policy: Overflow, window: number): OverflowQueue {
  if (policy === 'buffer') return new ListQueue(window, false)
  if (policy === 'error') return new ListQueue(0, false)
  if (policy === 'dropNewest') return new ListQueue(0, true)
  if (policy === 'latest') return new ListQueue(1, true)
  if ('dropOldest' in policy) return new ListQueue(policy.dropOldest, true)
  if ('sample' in policy) return new ListQueue(1, true)
  return new ConflateQueue(policy.conflate, window)
}

/** Keeps so many items. One more makes it lose the oldest, or is not taken. */
class ListQueue implements OverflowQueue {
  dropped = 0
  readonly #items: unknown[] = []
  readonly #most: number
  readonly #loses: boolean

  constructor(most: number, loses: boolean) {
    this.#most = most
    this.#loses = loses
  }

  get size(): number {
    return this.#items.length
  }

  push(item: unknown): boolean {
    const full = this.#items.length >= this.#most
    if (full && !this.#loses) return false
    this.#items.push(item)
    if (full) {
      this.#items.shift()
      this.dropped++
    }
    return true
  }

  shift(): unknown {
    return this.#items.shift()
  }
}

/** Keeps the newest of each key, in the order in which the keys came; loses the oldest key beyond `most`. */
class ConflateQueue implements OverflowQueue {
  dropped = 0
  readonly #items = new Map<unknown, unknown>()
  readonly #key: string
  readonly #most: number

  constructor(key: string, most: number) {
    this.#key = key
    this.#most = most
  }

  get size(): number {
    return this.#items.size
  }

  push(item: unknown): boolean {
    const key = (item as Record<string, unknown> | null | undefined)?.[this.#key]
    if (this.#items.has(key)) this.dropped++
    this.#items.set(key, item)
    if (this.#items.size > this.#most) {
      for (const oldest of this.#items.keys()) {
        this.#items.delete(oldest)
        break
      }
      this.dropped++
    }
    return true
  }

  shift(): unknown {
    for (const [key, item] of this.#items) {
      this.#items.delete(key)
      return item
    }
    return undefined
  }
}
