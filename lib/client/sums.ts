/**
 * Counts of several connections as one.
 */
import type { ClientHoldings, ClientStats } from './stats.ts'

/** What has not counted anything yet. */
export const NOTHING: ClientStats = {
  connections: 0,
  waiting: 0,
  inFlight: 0,
  credit: 0,
  unsentBytes: 0,
  roundTripMs: undefined,
  lateAnswers: 0,
  retries: 0,
}

/** The sum; of the round trips the least. */
export function sumStats(parts: readonly ClientStats[]): ClientStats {
  return parts.reduce(
    (sum, part) => ({
      connections: sum.connections + part.connections,
      waiting: sum.waiting + part.waiting,
      inFlight: sum.inFlight + part.inFlight,
      credit: sum.credit + part.credit,
      unsentBytes: sum.unsentBytes + part.unsentBytes,
      roundTripMs: least(sum.roundTripMs, part.roundTripMs),
      lateAnswers: sum.lateAnswers + part.lateAnswers,
      retries: sum.retries + part.retries,
    }),
    NOTHING,
  )
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

/** The sum. */
export function sumHoldings(parts: readonly ClientHoldings[]): ClientHoldings {
  return parts.reduce(
    (sum, part) => ({
      slots: sum.slots + part.slots,
      leaving: sum.leaving + part.leaving,
      waitingBytes: sum.waitingBytes + part.waitingBytes,
      itemBytes: sum.itemBytes + part.itemBytes,
    }),
    { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 },
  )
}
