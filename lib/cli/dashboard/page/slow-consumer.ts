/**
 * A consumer with a speed limit, which it passes on: what it has not consumed its sender does not replace.
 */
import { asyncScheduler, interval, Observable, type SchedulerLike } from 'rxjs'
import type { Paced } from '../../../flow/paced.ts'

/** What it has done since it began. */
export interface Consumption {
  /** Items that came. */
  readonly received: number
  /** Those of them that it is done with. */
  readonly consumed: number
}

/** How often it takes what it may. Timers of pages in the background run once a second: then it takes less. */
const TURN_MS = 50
/** How often it tells, where nothing came either. */
const TELL_MS = 250

/**
 * Consumes `perSecond$` items a second, `Infinity` for all at once, and tells every 250 ms how far it is. Never holds more than its
 * sender has credit for. Stands first on a call, or on one that subscribes again.
 */
export function slowly<T>(
  perSecond$: Observable<number>,
  scheduler: SchedulerLike = asyncScheduler,
): (source: Paced<T>) => Observable<Consumption> {
  return source =>
    source.paced(
      (items$, done) =>
        new Observable<Consumption>(subscriber => {
          let received = 0
          let consumed = 0
          let limit = Number.POSITIVE_INFINITY
          /** Thousandths of an item that may be taken next turn. */
          let owed = 0
          const take = (most: number): void => {
            const taken = Math.min(most, received - consumed)
            for (let n = 0; n < taken; n++) {
              consumed++
              done()
            }
          }
          const failed = (error: unknown): void => subscriber.error(error)
          subscriber.add(
            perSecond$.subscribe({
              next: perSecond => {
                limit = perSecond
                owed = 0
                if (limit === Number.POSITIVE_INFINITY) take(received - consumed)
              },
              error: failed,
            }),
          )
          subscriber.add(
            interval(TURN_MS, scheduler).subscribe({
              next: () => {
                if (limit === Number.POSITIVE_INFINITY) return
                owed += limit * TURN_MS
                const whole = Math.floor(owed / 1000)
                owed -= whole * 1000
                take(whole)
              },
              error: failed,
            }),
          )
          subscriber.add(
            interval(TELL_MS, scheduler).subscribe({
              next: () => subscriber.next({ received, consumed }),
              error: failed,
            }),
          )
          subscriber.add(
            items$.subscribe({
              next: () => {
                received++
                if (limit === Number.POSITIVE_INFINITY) take(1)
              },
              error: failed,
              complete: () => subscriber.complete(),
            }),
          )
        }),
    )
}
