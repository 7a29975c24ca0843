/**
 * The last moments of a socket that was asked to finish: time for what was sent to leave and for the far end to read it, and
 * no more than that. See PROTOCOL.md, "When a connection ends".
 */
import type { Socket } from 'node:net'

/** How long a socket stays for the far end's half after its own is over, and how long it may move no byte before. */
export const LINGER_MS: number = 2_000
/** How many bytes of the far end are read and dropped in that time. */
export const LINGER_BYTES: number = 1024 * 1024
/** The slowest far end that still gets everything: 64 KiB in a second. */
const SLOWEST_BYTES_PER_MS = 64

/**
 * Bounds the end of `socket`, which is being finished: it is destroyed after {@link LINGER_MS} in which no byte moved, or when
 * the far end reads slower than 64 KiB a second. The caller calls what this returns once everything left; from then on it has
 * {@link LINGER_MS} and {@link LINGER_BYTES} in all. An early reset would eat what the far end has not read yet.
 */
export function linger(socket: Socket): () => void {
  const drop = (): void => {
    socket.destroy()
  }
  let timer = setTimeout(drop, LINGER_MS + socket.writableLength / SLOWEST_BYTES_PER_MS)
  socket.setTimeout(LINGER_MS, drop)
  socket.once('close', () => clearTimeout(timer))
  return () => {
    clearTimeout(timer)
    if (socket.destroyed) return
    timer = setTimeout(drop, LINGER_MS)
    const before = socket.bytesRead
    socket.on('data', () => {
      if (socket.bytesRead - before > LINGER_BYTES) drop()
    })
  }
}
