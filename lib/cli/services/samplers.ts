/**
 * One sampler for all watchers of one rate.
 */
import { defer, exhaustMap, type Observable, type ObservableInput, ReplaySubject, share, tap, timer } from 'rxjs'

/**
 * Samples of `read` at any rate, in milliseconds: one at once, then one each period. All subscribers of one rate share one timer and get the
 * same objects, a late one the newest at once; looks of different rates that overlap are one look. A look that takes longer than a period
 * skips what it misses. Nothing is left when the last one has unsubscribed.
 */
export function samplers<T>(read: () => ObservableInput<T>): (everyMs: number) => Observable<T> {
  const running = new Map<number, Observable<T>>()
  const look$ = defer(read).pipe(share())
  const start = (everyMs: number): Observable<T> => {
    const samples$: Observable<T> = timer(0, everyMs).pipe(
      exhaustMap(() => look$),
      tap({ subscribe: () => running.set(everyMs, samples$), finalize: () => running.delete(everyMs) }),
      share({ connector: () => new ReplaySubject<T>(1) }),
    )
    return samples$
  }
  return everyMs => defer(() => running.get(everyMs) ?? start(everyMs))
}
