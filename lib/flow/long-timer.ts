/**
 * A timer that may be told to wait for ever: those of the platform fire at once where the time is longer than they can keep.
 */
import { type Observable, timer } from 'rxjs'

/** The longest time that a timer can keep, in milliseconds: 24 days. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1

/** `ms`, but at most {@link LONGEST_TIMER_MS}: `Infinity`, too, is that long. */
export function timerMs(ms: number): number {
  return Math.min(ms, LONGEST_TIMER_MS)
}

/** Emits after {@link timerMs} of `ms`. */
export function longTimer(ms: number): Observable<unknown> {
  return timer(timerMs(ms))
}
