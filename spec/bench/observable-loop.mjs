/**
 * The load for systems whose calls are Observables, as a user of RxJS writes it: work through `mergeMap` with a window.
 * A `range` of a million would pile up inside `mergeMap`, so the work comes from a Subject that every answer feeds.
 */
import { mergeMap, Subject } from 'rxjs'
import { Tally } from './requests.mjs'

/** `call(body)` gives a cold Observable of one answer. Otherwise as `callbackLoop`. */
export function observableLoop(call, { window, seconds, times }) {
  return new Promise((resolve, reject) => {
    const tally = new Tally()
    const work$ = new Subject()
    let over = false
    let sentAt = 0
    setTimeout(() => {
      over = true
    }, seconds * 1000)

    const answers$ = work$.pipe(
      mergeMap(body => {
        if (times) sentAt = performance.now()
        return call(body)
      }, window),
    )
    answers$.subscribe({
      next: answer => {
        if (times) times.push(performance.now() - sentAt)
        try {
          tally.take(answer)
        } catch (failure) {
          return reject(failure)
        }
        if (over) work$.complete()
        else work$.next(tally.next())
      },
      error: reject,
      complete: () => {
        try {
          resolve(tally.finish())
        } catch (failure) {
          reject(failure)
        }
      },
    })
    for (let i = 0; i < window; i++) work$.next(tally.next())
  })
}
