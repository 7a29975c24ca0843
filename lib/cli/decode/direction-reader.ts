/**
 * The frames of one direction of one connection, with where each begins. Once something is no frame the border is lost, and
 * nothing behind it is read.
 */
import type { Framer } from '../../protocol/frames.ts'
import {
  FLAG_ERROR,
  type FrameLimits,
  type RequestFrame,
  type ResponseFrame,
  RPC_VERSION_2,
} from '../../protocol/heads.ts'
import { UP_ERROR } from '../../protocol/heads-v2.ts'

/** Of other peers' limits nothing is known; a name this long is none. */
export const WIDE_LIMITS: FrameLimits = {
  maxActionBytes: 64 * 1024,
  maxMessageBytes: 0xffff_ffff,
  maxBlobBytes: 0x7fff_ffff,
}

const LARGE_BYTES = 64 * 1024

/** Bytes that may be held for frames that are not complete, in all connections together. */
export interface Budget {
  freeBytes: number
}

/** A frame, and where its head begins. */
export interface Placed<F> {
  readonly frame: F
  readonly offset: number
  readonly bytes: number
  readonly messageBytes: number
  readonly blobBytes: number
}

/** What is wrong, and where. */
export interface Fault {
  readonly offset: number
  readonly problem: string
}

export class DirectionReader<F extends RequestFrame | ResponseFrame> {
  readonly #framer: Framer<F>
  readonly #budget: Budget
  #reserved = 0
  #offset = 0
  #lost = false

  constructor(framer: Framer<F>, budget: Budget) {
    this.#framer = framer
    this.#budget = budget
    // Whatever was agreed on: ver 2 is read where it stands.
    framer.agreed = RPC_VERSION_2
    framer.room = (frame, bytes) => this.#wanted(frame) && this.#reserve(bytes)
  }

  /** Something was no frame. */
  get lost(): boolean {
    return this.#lost
  }

  /** Takes bytes, and gives each frame to `seen`. Returns what is wrong, once. */
  push(bytes: Uint8Array, seen: (placed: Placed<F>) => void): Fault | undefined {
    if (this.#lost) return undefined
    const framer = this.#framer
    framer.push(bytes)
    for (;;) {
      let frame: F | undefined
      try {
        frame = framer.next()
      } catch (error) {
        this.#lost = true
        return { offset: this.#offset, problem: `${(error as Error).message}; a frame was expected to begin here` }
      }
      if (frame === undefined) return undefined
      this.#release()
      const end = framer.receivedBytes - framer.heldBytes
      const { msg, blob } = framer.lengths
      const placed = { frame, offset: this.#offset, bytes: end - this.#offset, messageBytes: msg, blobBytes: blob }
      this.#offset = end
      seen(placed)
    }
  }

  /** Nothing more comes. What is left of a frame, where there is something. */
  end(): Fault | undefined {
    this.#release()
    const have = this.#framer.receivedBytes - this.#offset
    if (this.#lost || have === 0) return undefined
    this.#lost = true
    const { frameBytes, heldBytes } = this.#framer
    const most = Math.max(frameBytes, heldBytes)
    const whole = have < most ? `${have} of its ${most} bytes` : `${have} bytes of it`
    return { offset: this.#offset, problem: `it ends within a frame: there are ${whole}` }
  }

  /** Of a large blob with nothing before it only the length is of interest. */
  #wanted(frame: F): boolean {
    const { action, msg, blob } = this.#framer.lengths
    const isError = 'flag' in frame ? frame.flag === FLAG_ERROR : frame.format === UP_ERROR
    return action + msg > 0 || blob < LARGE_BYTES || isError
  }

  #reserve(bytes: number): boolean {
    if (bytes > this.#budget.freeBytes) return false
    this.#budget.freeBytes -= bytes
    this.#reserved = bytes
    return true
  }

  #release(): void {
    this.#budget.freeBytes += this.#reserved
    this.#reserved = 0
  }
}
