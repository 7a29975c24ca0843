/**
 * The sliding window: so many tasks are out at a time, the others wait in a queue that they may leave. Rust: `throttler.rs`.
 *
 * It keeps to the contract of `mergeMap(send, size)`, with two differences that its use asks for: a task can leave the queue, and
 * a slot comes back by a word of whoever owns the task instead of by the end of an inner Observable, which costs about 1 µs
 * less a call (`mergeMap` keeps each inner subscription in a list that it searches at each end).
 */
import { type MonoTypeOperatorFunction, Observable, takeUntil } from 'rxjs'

/** Options of {@link slidingWindow}. */
export interface SlidingWindowOptions<T> {
  /** Slots: tasks that may be out at a time. */
  readonly size: number
  /** Each emission gives one slot back; so there is one for each task, at most. */
  readonly released$: Observable<unknown>
  /**
   * Tasks that wait, oldest first. Whoever holds it may delete a task, which then is never sent. Those that are in it at the
   * start are sent before the source's. Default: a queue of its own.
   */
  readonly queue?: Set<T>
}

/**
 * Emits the source's tasks in order, as long as slots are free; each emission takes one. Completes when the source has
 * completed and nothing waits; errors with the source and with `released$`. What waits at the end stays in the queue.
 *
 * A task that comes while another is being emitted is emitted after it, never inside. One that waits already is not queued twice.
 */
export function slidingWindow<T>(options: SlidingWindowOptions<T>): MonoTypeOperatorFunction<T> {
  const { size, released$ } = options
  return source =>
    new Observable<T>(subscriber => {
      const queue = options.queue ?? new Set<T>()
      // Kept from task to task: a new iterator steps over every place that a sent task left, which makes a long queue slow.
      let front = queue.values()
      // Slots that are taken.
      let taken = 0
      let emitting = false
      let sourceEnded = false

      const fill = (): void => {
        if (emitting) return // whoever emits fills up afterwards
        emitting = true
        while (taken < size && queue.size > 0 && !subscriber.closed) {
          let first = front.next()
          if (first.done) {
            front = queue.values()
            first = front.next()
          }
          const task = first.value as T
          queue.delete(task)
          taken++
          subscriber.next(task)
        }
        emitting = false
        if (sourceEnded && queue.size === 0) subscriber.complete()
      }
      const fillIfDue = (): void => {
        if (queue.size > 0 || sourceEnded) fill()
      }

      const join = (task: T): void => {
        if (emitting || queue.size > 0 || taken >= size) {
          queue.add(task)
        } else {
          emitting = true
          taken++
          subscriber.next(task)
          emitting = false
        }
        fillIfDue()
      }
      const release = (): void => {
        taken--
        fillIfDue()
      }
      const end = (): void => {
        sourceEnded = true
        fill()
      }

      const failed = (error: unknown): void => subscriber.error(error)
      subscriber.add(released$.subscribe({ next: release, error: failed }))
      // Reaches a source that emits from within its subscribe, too, where there is no Subscription yet.
      const unsubscribed$ = new Observable<void>(left => subscriber.add(() => left.next()))
      source.pipe(takeUntil(unsubscribed$)).subscribe({ next: join, error: failed, complete: end })
      // Only now: what answers at once may bring a new task, which has to be heard.
      fillIfDue()
    })
}
