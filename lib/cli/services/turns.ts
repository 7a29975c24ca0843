/**
 * Work in turns: so much at once, and the rest waits. What waits is bounded by the calls a server lets in.
 */
import { defer, EMPTY, from, mergeMap, Observable, Subject } from 'rxjs'

/** Makes work wait for its turn, `size` at a time. An unsubscribed one that still waits never begins. */
export function inTurns(size: number): <T>(work: () => Promise<T>) => Observable<T> {
  const turns = new Subject<Observable<unknown>>()
  turns.pipe(mergeMap(turn => turn, size)).subscribe({
    error: (error: unknown) => {
      throw error // each turn hands its errors to its own caller, so there is none
    },
  })
  return <T>(work: () => Promise<T>) =>
    new Observable<T>(caller => {
      turns.next(
        defer(() => {
          if (caller.closed) return EMPTY
          // Until it has settled, also when nobody waits for it any more: it may hold memory and a file.
          return from(work().then(...settle(caller)))
        }),
      )
    })
}

function settle<T>(caller: {
  next(value: T): void
  complete(): void
  error(error: unknown): void
}): [(value: T) => void, (error: unknown) => void] {
  return [
    value => {
      caller.next(value)
      caller.complete()
    },
    error => caller.error(error),
  ]
}
