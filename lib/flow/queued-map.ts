/**
 * `mergeMap` with a limit whose queue is worked off in a loop. RxJS's own goes some calls deeper for each item that waits and ends at
 * once, so that a window of them behind one that takes its time exhausts the stack.
 */
import {
  from,
  mergeMap,
  Observable,
  type ObservableInput,
  type ObservedValueOf,
  type OperatorFunction,
  Subject,
  tap,
} from 'rxjs'

/**
 * Runs `project` for each item, `concurrency` at a time; the others wait, in order. Emits, fails and ends as `mergeMap` does. `ended`
 * runs when an inner Observable has completed, before the next one starts.
 */
export function queuedMap<T, O extends ObservableInput<any>>(
  project: (item: T, index: number) => O,
  concurrency: number,
  ended: () => void = () => {},
): OperatorFunction<T, ObservedValueOf<O>> {
  return source =>
    new Observable<ObservedValueOf<O>>(subscriber => {
      const waiting: T[] = []
      /** Those whose turn it is. */
      const begun = new Subject<T>()
      let active = 0
      let beginning = false
      let sourceEnded = false

      const goOn = (): void => {
        if (beginning) return // the loop below goes on by itself
        beginning = true
        while (waiting.length > 0 && active < concurrency && !subscriber.closed) {
          active++
          begun.next(waiting.shift()!)
        }
        beginning = false
        if (sourceEnded && waiting.length === 0) begun.complete()
      }

      const complete = (): void => {
        active--
        ended()
        goOn()
      }
      subscriber.add(
        begun.pipe(mergeMap((item, index) => from(project(item, index)).pipe(tap({ complete })))).subscribe(subscriber),
      )
      subscriber.add(
        source.subscribe({
          next: item => {
            waiting.push(item)
            goOn()
          },
          error: (error: unknown) => begun.error(error),
          complete: () => {
            sourceEnded = true
            goOn()
          },
        }),
      )
    })
}
