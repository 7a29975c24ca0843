/**
 * What most specs ask of a client's figures.
 */
import type { ClientStats } from '../../lib/index.ts'

/** The calls that wait and that are out, and the answers that came too late. */
export function countsOf({ waiting, inFlight, lateAnswers }: ClientStats): {
  waiting: number
  inFlight: number
  lateAnswers: number
} {
  return { waiting, inFlight, lateAnswers }
}
