/**
 * The pings of one connection: those that users ask for, and the heartbeat of a quiet one.
 */
import { asyncScheduler, concat, ignoreElements, Observable, type Subscription, tap } from 'rxjs'
import { PING_ACTION } from '../protocol/heads.ts'
import { type ClientFacts, callTimeout } from './config.ts'
import { ClientTask } from './task.ts'
import type { TaskOwner } from './task-owner.ts'

/** Pings of one connection. */
export class Pings {
  readonly #facts: ClientFacts
  readonly #owner: TaskOwner
  readonly #opened$: Observable<void>
  readonly #send: (task: ClientTask) => void
  #heartbeat: Subscription | undefined
  #roundTripMs: number | undefined

  /** `opened$` completes when there is a connection; `send` sends a ping over it, or refuses it. */
  constructor(facts: ClientFacts, owner: TaskOwner, opened$: Observable<void>, send: (task: ClientTask) => void) {
    this.#facts = facts
    this.#owner = owner
    this.#opened$ = opened$
    this.#send = send
  }

  /** The latest round trip, in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  /** A round trip: completes when the pong came. Waits for the connection; takes a seq, and no slot of the window. */
  ping(timeoutMs?: number): Observable<never> {
    const ms = callTimeout(timeoutMs, this.#facts.config)
    const sent = new Observable<unknown>(caller => {
      const from = asyncScheduler.now()
      const measured = tap<unknown>({
        complete: () => {
          this.#roundTripMs = asyncScheduler.now() - from
        },
      })
      return new Observable<unknown>(pong => {
        const task = new ClientTask(this.#owner, { action: PING_ACTION }, ms, pong)
        this.#send(task)
        return task
      })
        .pipe(measured)
        .subscribe(caller)
    })
    return concat(this.#opened$, sent).pipe(ignoreElements())
  }

  /** Pings, unless the last heartbeat is still under way. */
  beat(): void {
    if (this.#heartbeat !== undefined && !this.#heartbeat.closed) return
    const { address } = this.#owner
    this.#heartbeat = this.ping().subscribe({
      error: error => this.#facts.log({ level: 'warn', message: 'a ping failed', address, error }),
    })
  }

  /** Ends the heartbeat. */
  stop(): void {
    this.#heartbeat?.unsubscribe()
  }
}
