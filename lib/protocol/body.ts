/**
 * What follows a head, as it came: a message is kept where it stands in its chunk, since most are decoded there and never need
 * a view of their own.
 */

/** No bytes. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

/** Reads one value: a codec. */
export interface MessageReader {
  decode(bytes: Uint8Array): unknown
  decodeAt?(bytes: Uint8Array, start: number, end: number): unknown
}

/** The body of a frame. */
export class Body {
  /** It was not kept: there was no room for it. */
  skipped = false
  blob: Uint8Array = EMPTY_BYTES
  /** The message is here, from start to end. */
  #bytes: Uint8Array = EMPTY_BYTES
  #start = 0
  #end = 0

  /** The message; a view that is made when it is asked for. */
  get msg(): Uint8Array {
    if (this.#end - this.#start < this.#bytes.length) this.place(this.#bytes.subarray(this.#start, this.#end))
    return this.#bytes
  }

  get msgBytes(): number {
    return this.#end - this.#start
  }

  /** The message is what stands in `bytes` from `start` to `end`. */
  place(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  /** The message as a value; throws what `reader` throws. */
  read(reader: MessageReader): unknown {
    if (reader.decodeAt === undefined) return reader.decode(this.msg)
    return reader.decodeAt(this.#bytes, this.#start, this.#end)
  }
}
