/**
 * When to draw: now and then while somebody looks, never while nobody can, at once when somebody looks again.
 */
import {
  asyncScheduler,
  distinctUntilChanged,
  EMPTY,
  fromEvent,
  map,
  type Observable,
  type SchedulerLike,
  startWith,
  switchMap,
  timer,
} from 'rxjs'

/** Ticks every so many milliseconds while `visible$` is true, the first of each stretch at once. */
export function ticksWhile(
  visible$: Observable<boolean>,
  everyMs: number,
  scheduler: SchedulerLike = asyncScheduler,
): Observable<unknown> {
  return visible$.pipe(
    distinctUntilChanged(),
    switchMap(visible => (visible ? timer(0, everyMs, scheduler) : EMPTY)),
  )
}

/** Can the page be seen? Now, and at each change. */
export function visibility(page: Document): Observable<boolean> {
  return fromEvent(page, 'visibilitychange').pipe(
    startWith(undefined),
    map(() => page.visibilityState === 'visible'),
    distinctUntilChanged(),
  )
}
