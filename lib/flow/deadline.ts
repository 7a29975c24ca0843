/**
 * Batched timeouts: one interval for all that wait, and one batch for all that are due in the same tick. Nothing ticks
 * while nothing waits. Rust: `timer.rs`.
 */
import { asyncScheduler, interval, Observable, type OperatorFunction, type SchedulerLike, Subscription } from 'rxjs'

/** Entries that are handed over at once; more of them wait for a turn of the event loop each. */
const SLICE = 1024

/** Something with a timeout. Belongs to at most one {@link deadline} at a time. */
export abstract class Expiring {
  /** From the moment it joins, in milliseconds: above 0, and finite. */
  abstract readonly timeoutMs: number
  /** When its time is over, by the clock of the scheduler; 0 before it has joined. */
  expiresAt = 0
  /** Those that are due in the same tick, in a ring. */
  #batch: Batch | undefined
  #previous: Expiring = this
  #following: Expiring = this

  /** Leaves its deadline, which will not emit it. Does nothing where it has not joined one, or was emitted. */
  leaveDeadline(): void {
    if (this.#batch === undefined) return
    this.#batch.waiting.count--
    this.#batch = undefined
    this.#previous.#following = this.#following
    this.#following.#previous = this.#previous
    this.#previous = this.#following = this
  }

  /** Puts `entry` at the end of `batch`. */
  static join(entry: Expiring, batch: Batch): void {
    entry.leaveDeadline()
    entry.#batch = batch
    batch.waiting.count++
    const last = batch.#previous
    entry.#previous = last
    entry.#following = batch
    last.#following = batch.#previous = entry
  }

  /** The first entry of `batch`; the batch itself where it is empty. */
  static first(batch: Batch): Expiring {
    return batch.#following
  }
}

/** All that is due in one tick: the border of the ring. */
class Batch extends Expiring {
  readonly timeoutMs = 0
  readonly waiting: { count: number }

  constructor(waiting: { count: number }) {
    super()
    this.waiting = waiting
  }
}

/** Options of {@link deadline}. */
export interface DeadlineOptions {
  /** How often it looks, in milliseconds. */
  readonly tickMs: number
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike
}

/**
 * Emits the source's entries when their time is over, those of one tick together: an entry that joined at t is emitted in
 * [t + timeoutMs, t + timeoutMs + tickMs). More than 1,024 at once come in slices, a turn of the event loop apart; until its
 * slice is emitted an entry can still leave. One that joins again starts anew. Completes when the source has completed and
 * nothing waits; errors with the source.
 *
 * Time is counted in ticks from the last one, so a clock that is set while it runs moves no deadline that has been given,
 * and by at most a tick one that is given in that very tick.
 */
export function deadline<T extends Expiring>(options: DeadlineOptions): OperatorFunction<T, readonly T[]> {
  const { tickMs, scheduler = asyncScheduler } = options
  return source =>
    new Observable<readonly T[]>(subscriber => {
      const waiting = { count: 0 }
      const batches = new Map<number, Batch>()
      let tick = 0
      let tickedAt = 0
      let ticking: Subscription | undefined
      let sourceEnded = false

      const rest = (): void => {
        if (waiting.count > 0) return
        ticking?.unsubscribe()
        ticking = undefined
        batches.clear()
        if (sourceEnded) subscriber.complete()
      }

      const emit = (batch: Batch): void => {
        const slice: T[] = []
        for (
          let entry = Expiring.first(batch);
          entry !== batch && slice.length < SLICE;
          entry = Expiring.first(batch)
        ) {
          entry.leaveDeadline()
          slice.push(entry as T)
        }
        if (slice.length > 0) subscriber.next(slice)
        if (Expiring.first(batch) === batch) {
          rest()
          return
        }
        const nextSlice = scheduler.schedule(function () {
          emit(batch)
          this.unsubscribe() // `ticking` would keep it otherwise
        })
        ticking?.add(nextSlice)
      }

      const onTick = (): void => {
        tick++
        tickedAt = scheduler.now()
        const batch = batches.get(tick)
        batches.delete(tick)
        if (batch !== undefined) emit(batch)
        else rest()
      }

      const join = (entry: T): void => {
        if (ticking === undefined) {
          tickedAt = scheduler.now()
          ticking = new Subscription()
          subscriber.add(ticking)
          ticking.add(interval(tickMs, scheduler).subscribe({ next: onTick, error: e => subscriber.error(e) }))
        }
        const now = scheduler.now()
        const elapsed = now - tickedAt
        // Where the clock was set, late rather than early.
        const sinceTick = elapsed >= 0 && elapsed < tickMs ? elapsed : tickMs
        const due = tick + Math.max(1, Math.ceil((sinceTick + entry.timeoutMs) / tickMs))
        let batch = batches.get(due)
        if (batch === undefined) {
          batch = new Batch(waiting)
          batches.set(due, batch)
        }
        entry.expiresAt = now + entry.timeoutMs
        Expiring.join(entry, batch)
      }

      subscriber.add(
        source.subscribe({
          next: join,
          error: e => subscriber.error(e),
          complete: () => {
            sourceEnded = true
            rest()
          },
        }),
      )
    })
}
