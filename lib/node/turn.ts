/**
 * The end of a turn of Node's event loop, as a scheduler: what is scheduled runs once all input that is there has been
 * read, so that the answers to it leave in one write.
 */
import { asyncScheduler, type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs'

/** Runs work by `setImmediate`; knows no delays and no repetition. */
export const turnScheduler: SchedulerLike = {
  now: () => asyncScheduler.now(),
  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, _delay?: number, state?: T): Subscription {
    const immediate = setImmediate(work as (state?: T) => void, state)
    return new Subscription(() => clearImmediate(immediate))
  },
}
