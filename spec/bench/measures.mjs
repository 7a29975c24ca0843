/**
 * What is measured, and which numbers of it are shown. A measure is one load that a client worker runs for a while; a column
 * is one number taken from its result. Another measure is a line in each table and a `kind` that clients offer.
 */
import { BLOB_BYTES } from './requests.mjs'

/**
 * `kind`: what a client worker must offer. `window`: calls in flight; for `fan-out` the items that the shared source emits in one
 * turn of the event loop. `latency`: every call is timed (only with a window of 1).
 */
export const MEASURES = [
  { name: 'unary-128', kind: 'unary', window: 128 },
  { name: 'unary-1000', kind: 'unary', window: 1000 },
  { name: 'serial', kind: 'unary', window: 1, latency: true },
  { name: 'blob', kind: 'blob', window: 16 },
  { name: 'stream', kind: 'stream' },
  { name: 'fan-out', kind: 'fan-out', window: 1 },
  { name: 'fan-out-32', kind: 'fan-out', window: 32 },
]

/** `value` takes what {@link file://./round.mjs} stores for one measure of one system. CPU is that of the whole process. */
export const COLUMNS = [
  { name: 'unary/s W128', measure: 'unary-128', digits: 0, value: r => r.count / r.seconds },
  { name: 'unary/s W1000', measure: 'unary-1000', digits: 0, value: r => r.count / r.seconds },
  { name: 'serial p50 us', measure: 'serial', digits: 1, value: r => r.p50Us },
  { name: 'serial p99 us', measure: 'serial', digits: 1, value: r => r.p99Us },
  { name: 'blob MB/s', measure: 'blob', digits: 0, value: r => (r.count * BLOB_BYTES) / r.seconds / 1e6 },
  { name: 'stream items/s', measure: 'stream', digits: 0, value: r => r.count / r.seconds },
  { name: 'fan-out items/s', measure: 'fan-out', digits: 0, value: r => r.count / r.seconds },
  { name: 'fan-out-32 items/s', measure: 'fan-out-32', digits: 0, value: r => r.count / r.seconds },
  { name: 'client us/call', measure: 'unary-128', digits: 2, value: r => r.clientCpuUs / r.count },
  { name: 'server us/call', measure: 'unary-128', digits: 2, value: r => r.serverCpuUs / r.count },
]
