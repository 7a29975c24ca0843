/**
 * The one writer of a link. What is written in one turn leaves together, in few large pieces: frames are laid out behind
 * each other in a slab, messages are encoded straight behind their head, large parts are handed over without a copy.
 */
import { asapScheduler, type SchedulerLike, type Subscription } from 'rxjs'
import type { Codec } from '../codec/codec.ts'
import { RpcError } from '../error.ts'
import type { Link } from './link.ts'
import { isSmall, passSlab, SMALL_TURN_BYTES, takeSlab } from './slabs.ts'

/** Room that is made for a message before its length is known. */
const MESSAGE_ROOM = 1024
/** Parts from this size on are not copied into the slab. */
const BY_REFERENCE = 4 * 1024
/**
 * A batch that reached this size leaves without waiting for the turn's end: so the far end begins while this one still writes.
 * Smaller ones of items cost more than the items in them.
 */
const BATCH_BYTES = 6 * 1024
/**
 * The same for a batch of so many calls, or answers to calls, which are more work than their bytes tell. With 128 small calls in
 * flight, 32 were worth 8 to 29 % more calls a second than 6 KiB, over TCP and WebSocket; 16 were not better, 48 and 64 not as good.
 * With 1,000 in flight it made no difference.
 */
const BATCH_CALLS = 32

/** What a writer holds between turns. */
const NO_SLAB = new Uint8Array(0)

/** Options of a {@link LinkWriter}. */
export interface WriterOptions {
  /** Where the flush at the end of a turn is scheduled. Default: the link's `turn`. */
  readonly scheduler?: SchedulerLike
  /** A batch that reached this size leaves without waiting for the turn's end. Default 6 KiB. */
  readonly batchBytes?: number
}

/** Writes frames to one link: `begin`, `message`, the head by the caller, `end`; or all of it not at all. */
export class LinkWriter {
  readonly #link: Link
  readonly #scheduler: SchedulerLike
  readonly #batchBytes: number
  /** Where the head of a frame is written after {@link message}, from `begin()`'s result on. */
  slab: Uint8Array = NO_SLAB
  /** Of the slab: [start, used) waits to be sent, behind it is room. */
  #start = 0
  #used = 0
  /** Pieces that wait in front of that. */
  #pieces: Uint8Array[] = []
  /** Those before this one were handed over. */
  #next = 0
  #queuedBytes = 0
  /** Calls and answers among what waits. */
  #queuedCalls = 0
  #writtenBytes = 0
  /** The link may have unsent bytes: it was given some since it last had none. Asking it costs more than remembering. */
  #linkBehind = false
  #frameAt = -1
  /** Length of the message in the slab, and the message itself where it did not fit there. */
  #messageBytes = 0
  #message: Uint8Array | undefined
  #flushing: Subscription | undefined
  /** Bytes of the last batch. */
  #lastBatchBytes = 0
  #destroyed = false

  constructor(link: Link, options: WriterOptions = {}) {
    this.#link = link
    this.#batchBytes = options.batchBytes ?? BATCH_BYTES
    this.#scheduler = options.scheduler ?? link.turn ?? asapScheduler
  }

  /** Bytes that have not left this process, here and in the link. */
  get unsentBytes(): number {
    return this.#queuedBytes + this.#linkUnsentBytes
  }

  /** All bytes of all frames that were ever ended. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /** Begins a frame with `headBytes` (head and what stands before the message) and returns where in {@link slab}. */
  begin(headBytes: number): number {
    if (this.#frameAt >= 0) {
      throw new RpcError('rpc_encode', 'a frame was written from within the encoding of another', { executed: 'no' })
    }
    this.#room(headBytes + MESSAGE_ROOM)
    this.#frameAt = this.#used
    this.#used += headBytes
    this.#messageBytes = 0
    return this.#frameAt
  }

  /**
   * Encodes the message of the frame and returns its length. Where it throws, nothing of the frame is written:
   * `rpc_encode` from the codec, `rpc_too_large` over `maxBytes`.
   */
  message(codec: Codec, value: unknown, maxBytes: number): number {
    try {
      const written = codec.encodeInto(value, this.slab, this.#used)
      const bytes = typeof written === 'number' ? written : written.length
      if (bytes > maxBytes) {
        throw new RpcError('rpc_too_large', `message of ${bytes} bytes is over maxMessageBytes ${maxBytes}`)
      }
      if (typeof written === 'number') this.#messageBytes = written
      else this.#message = written
      return bytes
    } catch (error) {
      this.#used = this.#frameAt
      this.#frameAt = -1
      if (this.#queuedBytes === 0) this.#pass()
      throw error
    }
  }

  /** Takes a message that is encoded already, and belongs to the writer from now on. */
  encoded(message: Uint8Array): void {
    if (message.length > 0) this.#message = message
  }

  /**
   * Ends the frame that was begun, of a call or an answer where `isCall`. `blob` follows the message; a large one is kept without a
   * copy until it has left. May hand over what waits, and so be called again from within the link's `send`.
   */
  end(blob: Uint8Array, isCall = false): void {
    const queuedBefore = this.#queuedBytes
    const frameAt = this.#frameAt
    this.#frameAt = -1
    if (this.#destroyed) {
      this.#used = this.#start
      return
    }
    this.#used += this.#messageBytes
    this.#queuedBytes += this.#used - frameAt
    if (this.#message !== undefined) this.#append(this.#message)
    if (blob.length > 0) this.#append(blob)
    this.#message = undefined
    this.#writtenBytes += this.#queuedBytes - queuedBefore
    if (isCall) this.#queuedCalls++
    if (this.#queuedBytes >= this.#batchBytes || this.#queuedCalls >= BATCH_CALLS) this.#flush()
    else this.#flushing ??= this.#scheduler.schedule(this.#flushAtTurn)
  }

  /** Hands over all whole frames that wait, now. */
  flush(): void {
    this.#flushing?.unsubscribe()
    this.#flushing = undefined
    this.#flush()
  }

  /** Run by the scheduler, so there is nothing left to unsubscribe from. */
  readonly #flushAtTurn = (): void => {
    this.#flushing = undefined
    this.#flush()
  }

  /** What is scheduled stays so: it is for what is written from now on, too. */
  #flush(): void {
    if (this.#queuedBytes === 0) return
    this.#lastBatchBytes = this.#queuedBytes
    this.#queuedCalls = 0
    this.#cut()
    if (this.#frameAt < 0) this.#pass()
    // A far end in this process may answer within `send`, and its answer may write, flush or destroy here: a flush from
    // within goes on behind the piece that is being sent, as whoever flushed may close the link next.
    while (this.#next < this.#pieces.length) {
      const piece = this.#pieces[this.#next++]!
      this.#queuedBytes -= piece.length
      this.#linkBehind = true
      this.#link.send(piece, this.#next < this.#pieces.length)
    }
    this.#pieces = []
    this.#next = 0
  }

  /** Forgets what waits, and takes nothing and schedules nothing any more. */
  destroy(): void {
    this.#flushing?.unsubscribe()
    this.#flushing = undefined
    this.#destroyed = true
    this.#pieces = []
    this.#queuedBytes = 0
    this.#start = this.#used
  }

  get #linkUnsentBytes(): number {
    if (!this.#linkBehind) return 0
    const unsent = this.#link.unsentBytes
    this.#linkBehind = unsent > 0
    return unsent
  }

  #append(bytes: Uint8Array): void {
    this.#queuedBytes += bytes.length
    if (bytes.length >= BY_REFERENCE) {
      this.#cut()
      this.#pieces.push(bytes)
      return
    }
    this.#room(bytes.length)
    this.slab.set(bytes, this.#used)
    this.#used += bytes.length
  }

  /**
   * Ends the piece of the slab that is being filled, at its last whole frame. A link that is behind gets a copy: it must not
   * pin the whole slab.
   */
  #cut(): void {
    const end = this.#frameAt < 0 ? this.#used : this.#frameAt
    if (end === this.#start) return
    const piece = this.slab.subarray(this.#start, end)
    this.#pieces.push(this.#linkUnsentBytes > 0 ? piece.slice() : piece)
    this.#start = end
  }

  /** Passes the slab on; all of it that is in use has been cut. */
  #pass(): void {
    passSlab({ bytes: this.slab, used: this.#used })
    this.slab = NO_SLAB
    this.#start = this.#used = 0
  }

  #room(bytes: number): void {
    if (this.slab.length - this.#used >= bytes) return
    // What waits in a small slab moves on into a large one, to leave in one piece with what follows.
    const moved = isSmall(this.slab) ? this.slab.subarray(this.#start, this.#used) : NO_SLAB
    if (moved.length === 0) this.#cut()
    const { bytes: slab, used } = takeSlab(
      moved.length + bytes,
      this.slab.length === 0 && this.#lastBatchBytes < SMALL_TURN_BYTES,
    )
    this.slab = slab
    this.#start = used
    slab.set(moved, used)
    this.#used = used + moved.length
  }
}
