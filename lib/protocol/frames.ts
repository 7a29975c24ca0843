/**
 * The incremental framer: chunks in, frames out, however the bytes are sliced. Every limit is checked at the head, so
 * nothing is held for a body that is too large. Rust: the readers of `razor-stream`.
 */
import { decodeActionName } from './action-names.ts'
import type { Body } from './body.ts'
import { ChunkBuffer } from './chunk-buffer.ts'
import {
  type BodyLengths,
  checkMagic,
  FRAME_LIMITS,
  type FrameLimits,
  type RequestFrame,
  type ResponseFrame,
  RPC_REQ_HEADER_LEN,
  RPC_RESP_HEADER_LEN,
  RPC_VERSION_1,
  RPC_VERSION_2,
  readRequestHead,
  readResponseHead,
} from './heads.ts'
import { readDownHead, readUpHead } from './heads-v2.ts'

type ReadHead<F> = (bytes: Uint8Array, at: number, lengths: BodyLengths, limits: FrameLimits, agreed: number) => F

/** Takes chunks and gives whole frames. After it threw it is not used again: the border of the frames is lost. */
export class Framer<F extends Body & { action?: number | string | undefined }> {
  readonly #buffer = new ChunkBuffer()
  readonly #headBytes: number
  readonly #readHead: ReadHead<F>
  readonly #limits: FrameLimits
  /** The version that the two ends agreed on. */
  agreed: number = RPC_VERSION_1
  /** Asked once the head of a frame was read: is there room for its body? Where not, it is dropped as it comes. Default: always. */
  room: ((frame: F, bodyBytes: number) => boolean) | undefined
  readonly #lengths: BodyLengths = { action: 0, msg: 0, blob: 0 }
  /** The frame whose head was read and whose body is not complete. */
  #frame: F | undefined
  #bodyBytes = 0
  /** Bytes of a body without room that are still to come. */
  #skipping = 0
  #receivedBytes = 0
  #frames = 0

  constructor(headBytes: number, readHead: ReadHead<F>, limits: FrameLimits = FRAME_LIMITS) {
    this.#headBytes = headBytes
    this.#readHead = readHead
    this.#limits = limits
  }

  /** All bytes that ever came. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** All whole frames that ever came out. */
  get frames(): number {
    return this.#frames
  }

  /** Bytes held for the frame that is not complete yet; 0 at a frame border. */
  get heldBytes(): number {
    return this.#buffer.length + (this.#frame === undefined ? 0 : this.#headBytes)
  }

  /** Length of the frame that is not complete yet, as far as its head tells. */
  get frameBytes(): number {
    return this.#headBytes + (this.#frame === undefined ? 0 : this.#bodyBytes)
  }

  /** What follows the head that was read last, by its own account: of the frame that came out, until the next one's head is read. */
  get lengths(): Readonly<BodyLengths> {
    return this.#lengths
  }

  /** Adds a chunk, which never changes afterwards. */
  push(chunk: Uint8Array): void {
    this.#receivedBytes += chunk.length
    this.#buffer.push(chunk)
  }

  /** The next whole frame, or `undefined` where bytes are missing. Throws a `ProtocolError` for a head that cannot be. */
  next(): F | undefined {
    const buffer = this.#buffer
    const lengths = this.#lengths
    if (this.#frame === undefined) {
      if (buffer.length < this.#headBytes) {
        // Something that is no frame at all is found at its second byte.
        if (buffer.length >= 2) this.#checkStart()
        buffer.compact()
        return undefined
      }
      const bytes = buffer.joined(this.#headBytes)
      this.#frame = this.#readHead(bytes, buffer.at, lengths, this.#limits, this.agreed)
      buffer.skip(this.#headBytes)
      this.#bodyBytes = lengths.action + lengths.msg + lengths.blob
      if (this.room !== undefined && this.#bodyBytes > 0 && !this.room(this.#frame, this.#bodyBytes)) {
        this.#frame.skipped = true
        this.#skipping = this.#bodyBytes
      }
    }
    const frame = this.#frame
    if (frame.skipped) return this.#skip(frame)
    if (buffer.length < this.#bodyBytes) {
      buffer.compact()
      return undefined
    }
    this.#frame = undefined
    this.#frames++
    if (lengths.action > 0) {
      const bytes = buffer.joined(lengths.action)
      frame.action = decodeActionName(bytes, buffer.at, lengths.action)
      buffer.skip(lengths.action)
    }
    if (lengths.msg > 0) buffer.takeInto(frame, lengths.msg)
    if (lengths.blob > 0) frame.blob = buffer.take(lengths.blob)
    return frame
  }

  /** Drops what came of a body without room; gives the frame when all of it came. */
  #skip(frame: F): F | undefined {
    const bytes = Math.min(this.#skipping, this.#buffer.length)
    this.#buffer.skip(bytes)
    this.#skipping -= bytes
    if (this.#skipping > 0) return undefined
    this.#frame = undefined
    this.#frames++
    return frame
  }

  #checkStart(): void {
    checkMagic(this.#buffer.joined(2), this.#buffer.at)
  }
}

const readUp: ReadHead<RequestFrame> = (bytes, at, lengths, limits, agreed) =>
  agreed === RPC_VERSION_2 && bytes[at + 2] === RPC_VERSION_2
    ? readUpHead(bytes, at, lengths, limits)
    : readRequestHead(bytes, at, lengths, limits)

const readDown: ReadHead<ResponseFrame> = (bytes, at, lengths, limits, agreed) =>
  agreed === RPC_VERSION_2 && bytes[at + 2] === RPC_VERSION_2
    ? readDownHead(bytes, at, lengths, limits)
    : readResponseHead(bytes, at, lengths, limits)

/** What a server reads. */
export function requestFramer(limits: FrameLimits = FRAME_LIMITS): Framer<RequestFrame> {
  return new Framer(RPC_REQ_HEADER_LEN, readUp, limits)
}

/** What a client reads. */
export function responseFramer(limits: FrameLimits = FRAME_LIMITS): Framer<ResponseFrame> {
  return new Framer(RPC_RESP_HEADER_LEN, readDown, limits)
}
