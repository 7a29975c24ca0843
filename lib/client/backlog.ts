/**
 * The calls of one address that wait for a connection, or for a slot on one: whichever connection has a slot first takes the oldest.
 */
import { filter, type Observable, Subject, type Subscription, startWith, take } from 'rxjs'
import type { RpcCode } from '../error.ts'
import type { ClientFacts } from './config.ts'
import { Deadlines } from './deadlines.ts'
import type { Farewell } from './settlement.ts'
import type { ClientTask } from './task.ts'
import { Waiting } from './waiting.ts'

/** What waits, in two queues, and the deadlines of all calls, waiting or not. */
export class Backlog {
  /** Unary calls, oldest first. */
  readonly calls: Set<ClientTask> = new Set()
  /** Streams, uploads and duplexes, oldest first. */
  readonly streams: Set<ClientTask> = new Set()
  readonly waiting: Waiting
  readonly deadlines: Deadlines
  /** Emits when nothing is out any more on one of the connections. */
  readonly idle: Subject<void> = new Subject<void>()

  constructor(facts: ClientFacts) {
    this.waiting = new Waiting(facts)
    this.deadlines = new Deadlines(facts.config.tickMs)
  }

  get size(): number {
    return this.calls.size + this.streams.size
  }

  /** Emits once, as soon as it is `idle`; that is looked at now, and whenever nothing is out any more on one of the connections. */
  once(idle: () => boolean): Observable<unknown> {
    return this.idle.pipe(startWith(undefined), filter(idle), take(1))
  }

  /** Runs the deadlines, for as long as the result is not unsubscribed. */
  watch(failed: (error: unknown) => void): Subscription {
    return this.deadlines.expired$.subscribe({
      next: batch => {
        for (const task of batch) task.expire()
      },
      error: failed,
    })
  }

  /** Gives up the streams that have no last answer to wait for. */
  endStreams(why: Farewell): void {
    for (const task of [...this.streams]) if (isEndless(task)) task.closed(why)
  }

  /** Fails all that wait: none of them was sent. */
  fail(code: RpcCode, message: string, cause: unknown): void {
    for (const task of [...this.calls, ...this.streams]) task.fail(code, message, cause)
  }
}

/** Do items come down, as long as there are any? */
export function isEndless({ request }: ClientTask): boolean {
  return (request.window ?? 0) > 0
}
