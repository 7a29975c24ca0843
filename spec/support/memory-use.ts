/**
 * How much memory a piece of work keeps or takes: array buffers and heap, after a collection.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of array buffers now, garbage included. */
export function bufferBytes(): number {
  const { arrayBuffers, external } = process.memoryUsage()
  return Math.max(arrayBuffers, external)
}

/** The same after a collection, and one more: buffers are swept behind the first one's back, and counted when that is done. */
export function liveBufferBytes(): number {
  collect()
  collect()
  return bufferBytes()
}

/** Bytes of heap and array buffers that are in use, after a collection. */
export function liveBytes(): number {
  return liveBufferBytes() + process.memoryUsage().heapUsed
}
