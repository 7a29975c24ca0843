/**
 * Whose turn it is to write items, where several calls of one link have some.
 */

/** Bytes that one call may write before it is the next one's turn. */
export const TURN_BYTES: number = 64 * 1024

/** Whoever waits to go on writing. */
export interface Pumpable {
  /** Goes on, as far as it can. */
  pump(): void
}

/** Who may write when, on one link. */
export interface Turns {
  /** The link is far enough ahead for a further item. */
  readonly open: boolean
  /** Goes on with `producer` once it is. */
  wait(producer: Pumpable): void
  /** Goes on with `producer` after the others had their turn. */
  yield(producer: Pumpable): void
  /** The producer has ended. */
  forget(producer: Pumpable): void
}
