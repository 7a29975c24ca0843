/**
 * Which direction bytes without a capture around them went: whose heads make frames of them. Heads of clients have 32 bytes,
 * of servers 20, so the wrong reading soon falls between two frames.
 */
import { type Framer, requestFramer, responseFramer } from '../../protocol/frames.ts'
import { type RequestFrame, type ResponseFrame, RPC_VERSION_2 } from '../../protocol/heads.ts'
import type { Direction } from '../capture/format.ts'

/** So many bytes are looked at, at most. */
export const LOOK_BYTES: number = 64 * 1024

interface Reading {
  /** How well it explains the bytes, from 0. */
  readonly rank: number
  /** Bytes of whole frames, before the first thing that is none. */
  readonly wholeBytes: number
}

/** The direction that the beginning of a dump shows; `undefined` where both would do as well. */
export function directionOf(bytes: Uint8Array): Direction | undefined {
  const up = reading(requestFramer(), bytes)
  const down = reading(responseFramer(), bytes)
  if (up.rank !== down.rank) return up.rank > down.rank ? 'up' : 'down'
  if (up.wholeBytes !== down.wholeBytes) return up.wholeBytes > down.wholeBytes ? 'up' : 'down'
  return undefined
}

function reading<F extends RequestFrame | ResponseFrame>(framer: Framer<F>, bytes: Uint8Array): Reading {
  framer.agreed = RPC_VERSION_2
  framer.push(bytes)
  let broken = false
  try {
    while (framer.next() !== undefined);
  } catch {
    broken = true // that is the finding
  }
  const { frames } = framer
  // A head that fits by chance is followed by something that does not; two frames in a row are no chance.
  const rank = broken ? (frames >= 2 ? 2 : 0) : frames > 0 ? 3 : 1
  return { rank, wholeBytes: bytes.length - framer.heldBytes }
}
