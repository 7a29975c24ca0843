/**
 * Bytes across chunk borders, copied only when they must be: a part that lies within one chunk comes out as a view of it,
 * a part that crosses a border is put together once. Rust: `buffer.rs`.
 */
import { type Body, EMPTY_BYTES } from './body.ts'

/** Chunks up to this size are gathered in blocks of our own while a frame is incomplete, so that a trickle costs no object a byte. */
const SMALL_CHUNK = 1024
/** Sizes of those blocks: in between, each is as large as what is held, so that no more than that stands empty. */
const FIRST_BLOCK = 256
const LARGEST_BLOCK = 64 * 1024

/** A queue of bytes: chunks in at one end, parts of any length out at the other. */
export class ChunkBuffer {
  /** The chunk that is being read, and how far. */
  #head: Uint8Array = EMPTY_BYTES
  #at = 0
  /** What came after it, from `#next` on; empty where there is nothing. */
  readonly #rest: Uint8Array[] = []
  #next = 0
  /** The last of `#rest` (or the head) where it is a block of ours: the whole block, and how much of it is filled. */
  #block: Uint8Array | undefined
  #filled = 0
  #length = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  /** Adds a chunk, which never changes afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    // A Buffer's views are Buffers, dearer to make and not what users are promised.
    const bytes =
      chunk.constructor === Uint8Array ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#length === 0) {
      this.#head = bytes
      this.#at = 0
    } else if (bytes.length <= SMALL_CHUNK) {
      this.#gather(bytes)
    } else {
      this.#append(bytes)
      this.#block = undefined
    }
    this.#length += bytes.length
  }

  /** Where the next byte stands in what {@link joined} gave last. */
  get at(): number {
    return this.#at
  }

  /** A byte array in which the next `bytes` bytes stand in one piece, from {@link at} on; they stay queued. Needs that many held. */
  joined(bytes: number): Uint8Array {
    if (this.#head.length - this.#at < bytes) {
      const length = this.#length
      const joined = this.take(bytes)
      // The joined part becomes the head; what was behind it goes back in front of the rest, no longer as a block to fill.
      if (this.#rest.length === 0) this.#block = undefined
      if (this.#at < this.#head.length) {
        const behind = this.#head.subarray(this.#at)
        if (this.#next > 0) this.#rest[--this.#next] = behind
        else this.#rest.unshift(behind)
      }
      this.#head = joined
      this.#at = 0
      this.#length = length
    }
    return this.#head
  }

  /** Drops the next `bytes` bytes. Needs that many held. */
  skip(bytes: number): void {
    this.#length -= bytes
    let left = bytes
    while (left > 0) {
      const step = Math.min(left, this.#head.length - this.#at)
      this.#at += step
      left -= step
      if (this.#at === this.#head.length) this.#advance()
    }
  }

  /** Takes the next `bytes` bytes out as the message of `body`, where they are if they stand in one piece. */
  takeInto(body: Body, bytes: number): void {
    const end = this.#at + bytes
    if (end <= this.#head.length) {
      body.place(this.#head, this.#at, end)
      this.skip(bytes)
    } else body.place(this.take(bytes))
  }

  /** Takes the next `bytes` bytes out; a view where they lie within one chunk. Needs that many held. */
  take(bytes: number): Uint8Array {
    this.#length -= bytes
    const end = this.#at + bytes
    if (end <= this.#head.length) {
      const part = this.#head.subarray(this.#at, end)
      this.#at = end
      if (end === this.#head.length) this.#advance()
      return part
    }
    const joined = new Uint8Array(bytes)
    let filled = 0
    while (filled < bytes) {
      const part = this.#head.subarray(this.#at, Math.min(this.#head.length, this.#at + bytes - filled))
      joined.set(part, filled)
      filled += part.length
      this.#at += part.length
      if (this.#at === this.#head.length) this.#advance()
    }
    return joined
  }

  /** Lets go of a large chunk or block of which only a small tail is still held, by copying the tail. */
  compact(): void {
    if (this.#rest.length > 0 || this.#length === 0 || this.#length > SMALL_CHUNK) return
    if (this.#head.buffer.byteLength <= Math.max(FIRST_BLOCK, this.#length * 4)) return
    const tail = this.#head.subarray(this.#at)
    this.#block = new Uint8Array(Math.max(FIRST_BLOCK, tail.length * 2))
    this.#block.set(tail)
    this.#filled = tail.length
    this.#head = this.#block.subarray(0, tail.length)
    this.#at = 0
  }

  #advance(): void {
    this.#at = 0
    if (this.#next < this.#rest.length) {
      this.#head = this.#rest[this.#next]!
      this.#rest[this.#next++] = EMPTY_BYTES
      if (this.#next < this.#rest.length) return
    } else {
      this.#head = EMPTY_BYTES
      this.#block = undefined
    }
    this.#rest.length = this.#next = 0
  }

  #append(bytes: Uint8Array): void {
    // Not one by one, as each would move all that are left.
    if (this.#next > this.#rest.length / 2) {
      this.#rest.splice(0, this.#next)
      this.#next = 0
    }
    this.#rest.push(bytes)
  }

  #gather(bytes: Uint8Array): void {
    const block = this.#block
    if (block !== undefined && this.#filled < block.length) {
      const part = bytes.subarray(0, block.length - this.#filled)
      block.set(part, this.#filled)
      this.#filled += part.length
      const grown = block.subarray(0, this.#filled)
      if (this.#rest.length === 0) this.#head = grown
      else this.#rest[this.#rest.length - 1] = grown
      if (part.length === bytes.length) return
      bytes = bytes.subarray(part.length)
    }
    this.#block = new Uint8Array(Math.max(bytes.length, Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, this.#length))))
    this.#block.set(bytes)
    this.#filled = bytes.length
    this.#append(this.#block.subarray(0, bytes.length))
  }
}
