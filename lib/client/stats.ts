/**
 * What a client counts.
 */

/** What a stream counts. */
export interface StreamStats {
  /** Calls that wait for a slot, or for the connection. */
  readonly waiting: number
  /** Calls and pings that were sent and have not been answered, those given up by their callers included. */
  readonly inFlight: number
  /** Answers that came after their call was over. */
  readonly lateAnswers: number
}
