/**
 * Slabs without a writer, for the whole process: frames are laid out in them, and whoever has nothing to send holds none.
 */

/** A slab holds the frames of one turn; it goes on from writer to writer until it is full. */
const SLAB_BYTES = 64 * 1024
/** That of a writer whose turns are small: many such may write in one turn, each into a slab of its own. */
const SMALL_SLAB_BYTES = 4 * 1024

/** Turns below this size are small. */
export const SMALL_TURN_BYTES: number = SMALL_SLAB_BYTES / 2

/** A slab, and how far it is used. */
export interface Slab {
  readonly bytes: Uint8Array
  readonly used: number
}

/** Those of one size: at most 1 MiB of the large ones, 512 KiB of the small. */
interface Spares {
  readonly slabs: Slab[]
  readonly most: number
  /**
   * One with less room is not kept. A batch over two slabs is two pieces, which cost a socket more than one, so a large slab is to hold
   * a batch; a small one is to hold a frame.
   */
  readonly roomBytes: number
}

const large: Spares = { slabs: [], most: 16, roomBytes: 8 * 1024 }
const small: Spares = { slabs: [], most: 128, roomBytes: 1024 }

/** May what stands in it move on into a larger one? */
export function isSmall(bytes: Uint8Array): boolean {
  return bytes.length < SLAB_BYTES
}

/** A slab with room for `bytes`, of the small size where `forSmall` and where that is enough. */
export function takeSlab(bytes: number, forSmall: boolean): Slab {
  const spare = (forSmall ? small : large).slabs.pop()
  if (spare !== undefined && spare.bytes.length - spare.used >= bytes) return spare
  return { bytes: new Uint8Array(Math.max(forSmall ? SMALL_SLAB_BYTES : SLAB_BYTES, bytes)), used: 0 }
}

/** Passes a slab on to whichever writer needs one next; nobody else holds what of it is not used. */
export function passSlab(slab: Slab): void {
  const { slabs, most, roomBytes } = isSmall(slab.bytes) ? small : large
  if (slab.bytes.length - slab.used > roomBytes && slabs.length < most) slabs.push(slab)
}
