/**
 * What a piece of synchronous code does to memory, counted instead of timed.
 */

/** What was counted. */
export interface Effort {
  /** Bytes of new byte arrays, views not among them. */
  allocatedBytes: number
  /** Bytes copied from one byte array to another. */
  copiedBytes: number
  /** Byte arrays made, views among them. */
  arrays: number
  /** Places of lists that were moved by `shift`, `unshift` and `splice`. */
  movedPlaces: number
}

/** Runs `work` with the built-ins watched; `effort` is up to date while it runs, too. */
export function watch(work: (effort: Effort) => void): Effort {
  const effort: Effort = { allocatedBytes: 0, copiedBytes: 0, arrays: 0, movedPlaces: 0 }
  const Plain = globalThis.Uint8Array
  const typed = Object.getPrototypeOf(Plain.prototype)
  const list = Array.prototype as any
  const kept = { set: typed.set, slice: typed.slice, shift: list.shift, unshift: list.unshift, splice: list.splice }
  const Counted = new Proxy(Plain, {
    construct(target, args) {
      const made = Reflect.construct(target, args) as Uint8Array
      effort.arrays++
      if (!(args[0] instanceof ArrayBuffer)) effort.allocatedBytes += made.length
      if (args[0] instanceof Plain) effort.copiedBytes += made.length
      return made
    },
  })
  typed.set = function (this: Uint8Array, source: ArrayLike<number>, at?: number): void {
    effort.copiedBytes += source.length
    kept.set.call(this, source, at)
  }
  typed.slice = function (this: Uint8Array, ...range: number[]): Uint8Array {
    const copy = kept.slice.apply(this, range)
    effort.copiedBytes += copy.length
    return copy
  }
  for (const name of ['shift', 'unshift', 'splice'] as const) {
    list[name] = function (this: unknown[], ...args: unknown[]): unknown {
      effort.movedPlaces += this.length
      return kept[name].apply(this, args)
    }
  }
  globalThis.Uint8Array = Counted
  ;(Plain.prototype as any).constructor = Counted
  try {
    work(effort)
  } finally {
    globalThis.Uint8Array = Plain
    ;(Plain.prototype as any).constructor = Plain
    Object.assign(typed, { set: kept.set, slice: kept.slice })
    Object.assign(list, { shift: kept.shift, unshift: kept.unshift, splice: kept.splice })
  }
  return effort
}
