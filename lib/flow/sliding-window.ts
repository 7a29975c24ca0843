/**
 * The sliding window: so many tasks at a time, the others wait in a queue that they may leave. Rust: `throttler.rs`.
 */
import {
  defer,
  EMPTY,
  from,
  ignoreElements,
  merge,
  mergeMap,
  Observable,
  type ObservableInput,
  type OperatorFunction,
  Subject,
  tap,
} from 'rxjs'

/** Options of {@link slidingWindow}. */
export interface SlidingWindowOptions<T> {
  /** Slots: tasks that may be out at a time. */
  readonly size: number
  /**
   * Tasks that wait, oldest first. Whoever holds it may delete a task, which then is never sent. Those that are in it at the
   * start are sent before the source's. Default: a queue of its own.
   */
  readonly queue?: Set<T>
}

/**
 * Sends the source's tasks, at most `size` at a time: `mergeMap(send, size)`, with a queue that a task can leave. A task
 * has its slot until the Observable that `send` returned for it ends. Emits what those emit; errors with the first of
 * them that does, and with what `send` throws; what waits then stays in the queue.
 *
 * A task that comes while another is being sent is sent after it, never inside. One that waits already is not queued twice.
 */
export function slidingWindow<T, R>(
  send: (task: T) => ObservableInput<R>,
  options: SlidingWindowOptions<T>,
): OperatorFunction<T, R> {
  return source =>
    defer(() => {
      const queue = options.queue ?? new Set<T>()
      const permissions = new Subject<void>()
      // mergeMap holds a permission back, since every slot is taken. One stands for the whole queue: so tasks that leave
      // leave nothing behind, and tasks that end while they are sent are sent in a loop, not one inside the other.
      let held = false
      let filling = false
      let sourceEnded = false

      const fill = (): void => {
        if (filling) return
        filling = true
        while (!held && queue.size > 0) {
          held = true
          permissions.next()
        }
        filling = false
        if (sourceEnded && !held) permissions.complete()
      }

      const oldest$ = new Observable<R>(slot => {
        held = false
        for (const task of queue) {
          queue.delete(task)
          from(send(task)).subscribe(slot)
          fill()
          return
        }
        fill()
        slot.complete() // all that waited have left
      })

      const join = (task: T): void => {
        queue.add(task)
        fill()
      }
      const end = (): void => {
        sourceEnded = true
        fill()
      }
      return merge(
        permissions.pipe(mergeMap(() => oldest$, options.size)),
        source.pipe(tap({ next: join, complete: end }), ignoreElements()),
        defer(() => {
          fill()
          return EMPTY
        }),
      )
    })
}
