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

/** The window itself, for an owner that puts tasks in and gives slots back by hand: some ten calls fewer than by the operator. */
export class SlidingWindow<T> {
  readonly #size: number
  readonly #queue: Set<T>
  readonly #emit: (task: T) => void
  readonly #open: () => boolean
  /** Kept from task to task: a new iterator steps over every place that a sent task left, which makes a long queue slow. */
  #front: IterableIterator<T>
  /** Slots that are taken. */
  #taken = 0
  #emitting = false
  #closed = false

  /**
   * What is in `queue` waits, oldest first, until {@link fill}; whoever holds it may delete a task. `emit` must not throw. `open`
   * is asked before each task; after a `false`, a {@link fill} goes on.
   */
  constructor(size: number, queue: Set<T>, emit: (task: T) => void, open: () => boolean = () => true) {
    this.#size = size
    this.#open = open
    this.#queue = queue
    this.#emit = emit
    this.#front = queue.values()
  }

  /** Is a task being emitted right now? */
  get emitting(): boolean {
    return this.#emitting
  }

  /** Emits the task, or lets it wait. After {@link close} it does nothing. */
  enter(task: T): void {
    if (this.#closed) return
    if (this.#emitting || this.#queue.size > 0 || this.#taken >= this.#size || !this.#open()) this.#queue.add(task)
    else {
      this.#emitting = true
      this.#taken++
      this.#emit(task)
      this.#emitting = false
    }
    if (this.#queue.size > 0) this.fill()
  }

  /** A slot comes back. */
  release(): void {
    this.#taken--
    if (this.#queue.size > 0) this.fill()
  }

  /** Emits what waits, as long as slots are free. */
  fill(): void {
    if (this.#emitting) return // whoever emits fills up afterwards
    this.#emitting = true
    while (this.#taken < this.#size && this.#queue.size > 0 && !this.#closed && this.#open()) {
      let first = this.#front.next()
      if (first.done) {
        this.#front = this.#queue.values()
        first = this.#front.next()
      }
      const task = first.value as T
      this.#queue.delete(task)
      this.#taken++
      this.#emit(task)
    }
    this.#emitting = false
  }

  /** Emits nothing any more. What waits stays in the queue. */
  close(): void {
    this.#closed = true
  }
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
      const window = new SlidingWindow<T>(size, queue, task => subscriber.next(task))
      subscriber.add(() => window.close())
      let sourceEnded = false

      const completeIfOver = (): void => {
        if (sourceEnded && queue.size === 0 && !window.emitting) subscriber.complete()
      }
      const join = (task: T): void => {
        window.enter(task)
        completeIfOver()
      }
      const release = (): void => {
        window.release()
        completeIfOver()
      }
      const end = (): void => {
        sourceEnded = true
        window.fill()
        completeIfOver()
      }

      const failed = (error: unknown): void => subscriber.error(error)
      subscriber.add(released$.subscribe({ next: release, error: failed }))
      // Reaches a source that emits from within its subscribe, too, where there is no Subscription yet.
      const unsubscribed$ = new Observable<void>(left => subscriber.add(() => left.next()))
      source.pipe(takeUntil(unsubscribed$)).subscribe({ next: join, error: failed, complete: end })
      // Only now: what answers at once may bring a new task, which has to be heard.
      window.fill()
      completeIfOver()
    })
}
