/**
 * The tasks of one connection on their way: into the queue, through the window onto the link, out by an answer, a deadline or
 * the end.
 */
import { type Observable, Subject, Subscription } from 'rxjs'
import type { RpcCode } from '../error.ts'
import { slidingWindow } from '../flow/sliding-window.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { ClientFacts } from './config.ts'
import type { ClientConnection } from './connection.ts'
import { Deadlines } from './deadlines.ts'
import type { ClientTask, TaskOwner } from './task.ts'
import { Waiting } from './waiting.ts'
import { checkSizes } from './write.ts'

/** All tasks of a stream that are not over. */
export class Tasks {
  /** Those that were sent, by seq. */
  readonly routes: Map<U64, ClientTask> = new Map()
  /** What each task is given at birth. */
  readonly owner: TaskOwner
  readonly #facts: ClientFacts
  readonly #waiting: Waiting
  readonly #deadlines: Deadlines
  /** Those that have their slot, and wait until the output is shorter. */
  readonly #held = new Set<ClientTask>()
  readonly #entered = new Subject<ClientTask>()
  readonly #slotFreed = new Subject<void>()
  readonly #idle = new Subject<void>()
  #connection: ClientConnection | undefined
  #slotsTaken = 0

  /** Emits when the last task is over. */
  readonly idle$: Observable<void> = this.#idle.asObservable()

  constructor(facts: ClientFacts, address: string) {
    this.#facts = facts
    this.#waiting = new Waiting(facts)
    this.#deadlines = new Deadlines(facts.config.tickMs)
    this.owner = {
      codec: facts.codec,
      address,
      hasLeft: position => this.#connection?.hasLeft(position) ?? false,
      released: task => this.#released(task),
    }
  }

  /** Tasks that were not sent yet. */
  get waiting(): number {
    return this.#waiting.queue.size + this.#held.size
  }

  get idle(): boolean {
    return this.waiting === 0 && this.routes.size === 0
  }

  /** Runs the deadlines, for as long as the result is not unsubscribed. */
  watch(failed: (error: unknown) => void): Subscription {
    return this.#deadlines.expired$.subscribe({
      next: batch => {
        for (const task of batch) task.expire()
      },
      error: failed,
    })
  }

  /** Sends what waits, and what comes, over `connection`, for as long as the result is not unsubscribed. */
  send(connection: ClientConnection, failed: (error: unknown) => void): Subscription {
    this.#connection = connection
    const sending = new Subscription()
    const window = slidingWindow<ClientTask>({
      size: this.#facts.config.thresholds,
      released$: this.#slotFreed,
      queue: this.#waiting.queue,
    })
    sending.add(
      this.#entered.pipe(window).subscribe({ next: task => this.#send(connection, task, sending), error: failed }),
    )
    return sending
  }

  /** A call comes in: refused, or queued until its turn, which may be at once. */
  enter(task: ClientTask): void {
    const { request } = task
    const { config } = this.#facts
    if (request.signal?.aborted === true) return task.abort(request.signal.reason)
    if (task.timeoutMs <= 0) return task.expire()
    const tooLarge = checkSizes(request, config)
    if (tooLarge !== undefined) return task.refuse('rpc_too_large', tooLarge)
    const connection = this.#connection
    if (connection === undefined || this.#slotsTaken >= config.thresholds || !connection.isReady) {
      this.#waiting.admit(task)
      if (task.over) return
    }
    this.#deadlines.join(task)
    if (connection === undefined) this.#waiting.queue.add(task)
    else this.#entered.next(task)
  }

  /** Sends a task that takes no slot. */
  ping(connection: ClientConnection, task: ClientTask): void {
    this.#deadlines.join(task)
    this.#write(connection, task)
  }

  /** Settles all that are left: what was not sent never ran, what was sent may have. `close` ends the link in between. */
  end(code: RpcCode, message: string, cause: unknown): void {
    const left = [...this.routes.values(), ...this.#held, ...this.#waiting.queue]
    this.routes.clear()
    this.#connection?.close()
    for (const task of left) task.fail(code, message, cause)
  }

  /** Settles those that were not sent: they never ran. */
  endUnsent(code: RpcCode, message: string, cause: unknown): void {
    for (const task of [...this.#held, ...this.#waiting.queue]) task.fail(code, message, cause)
  }

  /** Its slot is taken; it is written as soon as the output is short enough. */
  #send(connection: ClientConnection, task: ClientTask, sending: Subscription): void {
    if (task.over) {
      this.#slotFreed.next() // it left within the turn it came in
      return
    }
    this.#slotsTaken++
    task.holdsSlot = true
    if (connection.isReady) {
      this.#write(connection, task)
      return
    }
    this.#held.add(task)
    sending.add(
      connection.ready().subscribe({
        next: () => {
          if (this.#held.delete(task)) this.#write(connection, task)
        },
        error: error => task.error(error),
      }),
    )
  }

  #write(connection: ClientConnection, task: ClientTask): void {
    this.#waiting.leave(task)
    const alone = this.routes.size === 0
    const seq = connection.nextSeq()
    // The route stands before the frame leaves: a link in memory may answer from within.
    this.routes.set(seq, task)
    task.seq = seq
    try {
      connection.write(task, alone)
    } catch (error) {
      task.refuseWith(error)
    }
  }

  #released(task: ClientTask): void {
    this.#waiting.leave(task)
    this.routes.delete(task.seq)
    if (task.holdsSlot) {
      task.holdsSlot = false
      this.#held.delete(task)
      this.#slotsTaken--
      this.#slotFreed.next()
    }
    if (this.idle) this.#idle.next()
  }
}
