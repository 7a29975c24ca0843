/**
 * Chunks to frames, as an operator. Where a gate is given, frames are held back while it is closed, in the middle of a
 * chunk too.
 */
import { Observable, type OperatorFunction, takeUntil, tap } from 'rxjs'
import type { Gate } from './gate.ts'

/** What it needs of a `Framer`. */
interface FramesOf<F> {
  push(chunk: Uint8Array): void
  next(): F | undefined
}

/**
 * Emits every whole frame of the source's chunks. Completes with the source, after the last whole frame, so not while the
 * gate is closed; what is left of an incomplete frame is dropped. Errors with what the framer throws, after the frames
 * before it, and with the source, at once: frames that a closed gate holds back are dropped then.
 */
export function frames<F>(framer: FramesOf<F>, gate?: Gate): OperatorFunction<Uint8Array, F> {
  return source =>
    new Observable<F>(subscriber => {
      let draining = false
      let sourceEnded = false

      const drain = (): void => {
        if (draining) return // a frame's consumer opened the gate or sent a chunk: the loop below goes on by itself
        draining = true
        try {
          while (!subscriber.closed && (gate === undefined || gate.open)) {
            const frame = framer.next()
            if (frame === undefined) {
              if (sourceEnded) subscriber.complete()
              break
            }
            subscriber.next(frame)
          }
        } catch (error) {
          subscriber.error(error)
        } finally {
          draining = false
        }
      }

      if (gate !== undefined) {
        subscriber.add(gate.changes$.subscribe({ next: drain, error: e => subscriber.error(e) }))
      }
      // Reaches a source that emits from within its subscribe, too, where there is no Subscription yet.
      const unsubscribed$ = new Observable<void>(left => subscriber.add(() => left.next()))
      source
        .pipe(
          takeUntil(unsubscribed$),
          tap(chunk => framer.push(chunk)),
        )
        .subscribe({
          next: drain,
          error: e => subscriber.error(e),
          complete: () => {
            sourceEnded = true
            drain()
          },
        })
    })
}
