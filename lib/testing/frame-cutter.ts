/**
 * The bytes of one direction, cut at the borders of their frames.
 */
import { ChunkBuffer } from '../protocol/chunk-buffer.ts'
import { type Framer, requestFramer, responseFramer } from '../protocol/frames.ts'
import { type FrameLimits, type RequestFrame, type ResponseFrame, RPC_VERSION_2 } from '../protocol/heads.ts'

/** A frame and its bytes; bytes that are no frame have none, nor has what follows them. */
export interface Cut<F> {
  readonly bytes: Uint8Array
  readonly frame: F | undefined
}

const ALL: FrameLimits = { maxActionBytes: 0x7fff_ffff, maxMessageBytes: 0xffff_ffff, maxBlobBytes: 0x7fff_ffff }

/** Takes bytes as they are sent, gives whole frames; the beginning of a frame waits for its rest. */
export class FrameCutter<F extends RequestFrame | ResponseFrame> {
  readonly #framer: Framer<F>
  readonly #bytes = new ChunkBuffer()
  #cutBytes = 0
  /** Why no borders are seen any more. */
  #lost: unknown

  constructor(framer: Framer<F>) {
    this.#framer = framer
    framer.agreed = RPC_VERSION_2
  }

  push(chunk: Uint8Array): Cut<F>[] {
    const cuts: Cut<F>[] = []
    this.#bytes.push(chunk)
    if (this.#lost === undefined) {
      this.#framer.push(chunk)
      try {
        for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
          const end = this.#framer.receivedBytes - this.#framer.heldBytes
          cuts.push({ frame, bytes: this.#bytes.take(end - this.#cutBytes) })
          this.#cutBytes = end
        }
      } catch (error) {
        this.#lost = error // it is the receiver's to complain about
      }
    }
    if (this.#lost !== undefined && this.#bytes.length > 0) {
      cuts.push({ frame: undefined, bytes: this.#bytes.take(this.#bytes.length) })
    }
    return cuts
  }
}

/** For what a client sends. */
export function upCutter(): FrameCutter<RequestFrame> {
  return new FrameCutter(requestFramer(ALL))
}

/** For what a server sends. */
export function downCutter(): FrameCutter<ResponseFrame> {
  return new FrameCutter(responseFramer(ALL))
}
