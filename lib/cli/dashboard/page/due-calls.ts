/**
 * How many calls are due: as many a second as were asked for, on the clock, and none to make up for where a timer came late.
 */
import { asyncScheduler, filter, interval, map, type Observable, type SchedulerLike, scan, switchMap } from 'rxjs'

const TURN_MS = 50
/** A timer that came later than this has nothing to make up for. */
const MOST_LATE_MS = 200

/** Emits how many calls to make now. */
export function dueCalls(
  perSecond$: Observable<number>,
  scheduler: SchedulerLike = asyncScheduler,
): Observable<number> {
  return perSecond$.pipe(
    switchMap(perSecond => {
      const began = scheduler.now()
      return interval(TURN_MS, scheduler).pipe(
        scan(
          ({ at, owed }, _) => {
            const now = scheduler.now()
            const thousandths = owed + Math.min(now - at, MOST_LATE_MS) * perSecond
            return { at: now, due: Math.floor(thousandths / 1000), owed: thousandths % 1000 }
          },
          { at: began, due: 0, owed: 0 },
        ),
        map(({ due }) => due),
        filter(due => due > 0),
      )
    }),
  )
}
