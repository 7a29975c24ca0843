/**
 * Frames to the requests they belong to: one look-up a frame. A route is the request's Subject, or whatever observes
 * for it.
 */
import { filter, type MonoTypeOperatorFunction, type Observer, tap } from 'rxjs'

/** Where the observers stand: a `Map`, or what does as much of it. */
export interface Routes<K, R> {
  get(key: K): R | undefined
  delete(key: K): boolean
  clear(): void
  values(): Iterable<R>
}

/**
 * Hands each frame to the observer that stands in `routes` under its key, and emits the frames nobody stands for. The
 * routes live with the caller, who adds and removes them at any time.
 *
 * When the source errors or completes, or `keyOf` throws, so does every route that is left, and then the result.
 * Unsubscribing leaves the routes alone. A route whose `next` throws gets that as its error and is removed; the others go
 * on. One that throws at its end hinders no other from ending; the result then errors with what it threw.
 */
export function demux<F, K>(keyOf: (frame: F) => K, routes: Routes<K, Observer<F>>): MonoTypeOperatorFunction<F> {
  const isUnclaimed = (frame: F): boolean => {
    const key = keyOf(frame)
    const route = routes.get(key)
    if (route === undefined) return true
    try {
      route.next(frame)
    } catch (error) {
      // It may have left by itself before it threw, and another one taken its place.
      if (routes.get(key) === route) routes.delete(key)
      route.error(error)
    }
    return false
  }

  const endAll = (end: (route: Observer<F>) => void): void => {
    // A route that ends may add others; those belong to whoever added them after the end.
    const left = [...routes.values()]
    routes.clear()
    const thrown: unknown[] = []
    for (const route of left) {
      try {
        end(route)
      } catch (error) {
        thrown.push(error)
      }
    }
    if (thrown.length > 0) throw thrown[0]
  }

  return source =>
    source.pipe(
      filter(isUnclaimed),
      tap({
        error: error => endAll(route => route.error(error)),
        complete: () => endAll(route => route.complete()),
      }),
    )
}
