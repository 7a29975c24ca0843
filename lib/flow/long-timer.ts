/**
 * A timer that may be told to wait for ever: those of the platform fire at once where the time is longer than they can keep.
 */
import { type Observable, timer } from 'rxjs'

/** The longest time that a timer can keep, in milliseconds: 24 days. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1

/** Emits after `ms` milliseconds, `Infinity` too, but no later than after {@link LONGEST_TIMER_MS}. */
export function longTimer(ms: number): Observable<unknown> {
  return timer(Math.min(ms, LONGEST_TIMER_MS))
}
