/**
 * The deadlines of one connection: a coarse tick for most calls, a finer one, which runs only while there are any, for
 * short ones.
 */
import { merge, type Observable } from 'rxjs'
import { deadline } from '../flow/deadline.ts'
import { Inlet } from '../flow/inlet.ts'
import type { ClientTask } from './task.ts'

/** Calls with a timeout of fewer ticks than this are looked at on the finer tick. */
const FINE_BELOW_TICKS = 5
/** Fine ticks in a tick: 50 ms in the default second. */
const FINE_TICKS = 20

/** Both ticks of a connection. */
export class Deadlines {
  readonly #coarse = new Inlet<ClientTask>()
  readonly #fine = new Inlet<ClientTask>()
  readonly #fineBelowMs: number

  /** The tasks whose time is over, in batches. Ticks as long as it is subscribed to and somebody waits. */
  readonly expired$: Observable<readonly ClientTask[]>

  constructor(tickMs: number) {
    this.#fineBelowMs = tickMs * FINE_BELOW_TICKS
    this.expired$ = merge(
      this.#coarse.values$.pipe(deadline<ClientTask>({ tickMs })),
      this.#fine.values$.pipe(deadline<ClientTask>({ tickMs: tickMs / FINE_TICKS })),
    )
  }

  /** The task's time runs from now on. */
  join(task: ClientTask): void {
    const ticking = task.timeoutMs < this.#fineBelowMs ? this.#fine : this.#coarse
    ticking.next(task)
  }
}
