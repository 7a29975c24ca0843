/**
 * One connection of a client: its seq, its window, its deadlines. Incoming frames are demultiplexed by seq to the tasks;
 * outgoing tasks go through the sliding window to the writer. Rust: `client/stream.rs`.
 */
import {
  concat,
  EMPTY,
  firstValueFrom,
  ignoreElements,
  merge,
  Observable,
  of,
  Subject,
  type Subscriber,
  Subscription,
  take,
  tap,
  timer,
  type Unsubscribable,
} from 'rxjs'
import { type RpcCode, RpcError } from '../error.ts'
import type { U64 } from '../protocol/bytes.ts'
import { EMPTY_BYTES, PING_ACTION } from '../protocol/heads.ts'
import type { Dialer, Link } from '../transport/link.ts'
import type { Caller, CallRequest, Reply } from './call.ts'
import { type ClientFacts, callTimeout } from './config.ts'
import { ClientConnection } from './connection.ts'
import { dial } from './dial.ts'
import type { StreamStats } from './stats.ts'
import { StreamTask } from './stream-task.ts'
import { ClientTask } from './task.ts'
import { type ClientHoldings, Tasks } from './tasks.ts'
import { checkRequest } from './write.ts'

/** One connection, dialled at once; calls may be made from the start. When it is over it stays so. */
export class ClientStream implements Caller {
  readonly address: string
  readonly #facts: ClientFacts
  readonly #tasks: Tasks
  readonly #opened = new Subject<void>()
  readonly #ended = new Subject<void>()
  /** Dialling, sending, deadlines: all that runs as long as the stream does. */
  readonly #running = new Subscription()
  #sending = new Subscription()
  #connection: ClientConnection | undefined
  #state: 'connecting' | 'open' | 'closing' | 'ended' = 'connecting'
  #pinging: Subscription | undefined
  /** Why it is over, as the end of a message. */
  #endReason = ''

  /** Dials at once. Rust: `ClientStream::connect`. */
  static connect(dialer: Dialer, facts: ClientFacts): ClientStream {
    const stream = new ClientStream(dialer.address, facts)
    stream.#start(dialer)
    return stream
  }

  private constructor(address: string, facts: ClientFacts) {
    this.address = address
    this.#facts = facts
    this.#tasks = new Tasks(facts, address)
  }

  /** It takes calls: it is neither closing nor over, and has seqs left. */
  get usable(): boolean {
    const seq = this.#connection?.seq ?? 0
    return (this.#state === 'connecting' || this.#state === 'open') && seq < Number.MAX_SAFE_INTEGER
  }

  get stats(): StreamStats {
    return { waiting: this.#tasks.waiting, inFlight: this.#tasks.routes.size, lateAnswers: this.#tasks.idleFrames }
  }

  /** What its calls hold. */
  get holdings(): ClientHoldings {
    return this.#tasks.holdings
  }

  /** Completes when the connection is over. Never errors: the calls tell why. */
  get ended$(): Observable<void> {
    return this.#state === 'ended' ? EMPTY : this.#ended.asObservable()
  }

  /**
   * A call: each subscription sends once, emits one answer and completes, or errors with an `RpcError`. Unsubscribing drops
   * the answer; the slot stays taken until it comes or the deadline passes. Throws a `TypeError` for an action or a timeout
   * that is none.
   */
  call<T = Reply>(request: CallRequest<T>): Observable<T> {
    this.check(request)
    return new Observable<T>(caller => this.start(request, caller))
  }

  check(request: CallRequest<unknown>): void {
    checkRequest(request, this.#facts.config)
  }

  /** A call that is subscribed to; returns how to unsubscribe, where it is not over yet. */
  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined {
    const { timeoutMs: wanted, window, deadline } = request
    const timeoutMs = callTimeout(wanted, this.#facts.config, window, deadline)
    const Task = request.window === undefined && request.items === undefined ? ClientTask : StreamTask
    const task = new Task(this.#tasks, request, timeoutMs, caller as Subscriber<unknown>)
    if (this.usable) this.#tasks.enter(task)
    else task.refuse('rpc_unreachable', this.#closedMessage)
    if (task.over) return undefined
    const { signal } = request
    if (signal === undefined) return task
    const abort = (): void => task.abort(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    return new Subscription(() => {
      signal.removeEventListener('abort', abort)
      task.unsubscribe()
    })
  }

  /** A round trip: completes when the pong came. Waits for the connection; takes a seq, and no slot of the window. */
  ping(timeoutMs?: number): Observable<never> {
    const ms = callTimeout(timeoutMs, this.#facts.config)
    return concat(
      this.#opened,
      new Observable<unknown>(caller => {
        const task = new ClientTask(this.#tasks, { action: PING_ACTION }, ms, caller)
        const connection = this.#connection
        if (this.#state === 'ended' || connection === undefined) {
          task.refuse('rpc_unreachable', this.#closedMessage)
          return undefined
        }
        task.encoded = EMPTY_BYTES
        this.#tasks.ping(connection, task)
        return task
      }),
    ).pipe(ignoreElements())
  }

  /**
   * Takes no further calls, waits for the answers of those it has, at most `waitMs` (default `closeWaitMs`), then closes
   * the link. Streams and duplexes, which have no answer to wait for, and calls that are left fail with `rpc_canceled`.
   */
  async close(waitMs: number = this.#facts.config.closeWaitMs): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'closing'
    this.#tasks.endStreams()
    const over$ = merge(this.#idle$, this.#ended, timer(waitMs)).pipe(
      take(1),
      // Here, not behind the promise: so it is in time where time is virtual.
      tap({ next: () => this.#end('rpc_canceled', 'this end closed the connection') }),
    )
    await firstValueFrom(over$, { defaultValue: undefined })
  }

  get #closedMessage(): string {
    return `the connection to ${this.address} is closed${this.#endReason}`
  }

  #start(dialer: Dialer): void {
    const { connectTimeoutMs } = this.#facts.config
    this.#running.add(this.#tasks.watch(error => this.#fail(error)))
    this.#running.add(
      dial(dialer, connectTimeoutMs).subscribe({
        next: link => this.#open(link),
        error: error => this.#end('rpc_unreachable', RpcError.from(error).message, error),
      }),
    )
  }

  #open(link: Link): void {
    if (this.#state === 'connecting') this.#state = 'open'
    const connection = new ClientConnection(link, this.#facts, {
      agreed: () => {
        this.#opened.complete()
        this.#sending = this.#tasks.send(connection, error => this.#fail(error))
        this.#running.add(this.#sending)
      },
      leaving: notice => this.#leave(notice),
      goAway: highestSeq => this.#drain(highestSeq),
      ending: () => {
        // Before the calls hear of it: one that tries again from within its error finds the stream over.
        this.#state = 'ended'
        this.#running.unsubscribe()
      },
      ended: reason => this.#end('rpc_io_err', reason.message, reason),
      dropped: () => this.#tasks.dropped(),
      pingDue: () => this.#heartbeat(),
    })
    this.#connection = connection
    this.#tasks.connected(connection)
    connection.start(this.#tasks.routes)
  }

  /** The server closes soon: what waits is not sent any more, what was sent may still be answered. */
  #leave(notice: RpcError): void {
    this.#takeNoMore()
    // Those that turn a client away ran nothing.
    const turnedAway = RpcError.is(notice, 'rpc_unauthenticated', 'rpc_forbidden')
    this.#tasks.endUnsent(turnedAway ? notice.code : 'rpc_io_err', notice.message, notice)
    this.#endWhenIdle('rpc_io_err', notice.message, notice)
  }

  /** The server takes its leave in order: what it took goes on, then the connection ends. */
  #drain(highestSeq: U64): void {
    this.#takeNoMore()
    this.#tasks.goAway(highestSeq)
    this.#endWhenIdle('rpc_draining', `${this.address} is draining`, undefined)
  }

  #takeNoMore(): void {
    if (this.#state === 'open') this.#state = 'closing'
    this.#sending.unsubscribe()
  }

  #endWhenIdle(code: RpcCode, message: string, cause: unknown): void {
    this.#running.add(
      this.#idle$.pipe(take(1)).subscribe({
        next: () => this.#end(code, message, cause),
        error: error => this.#fail(error),
      }),
    )
  }

  get #idle$(): Observable<void> {
    return this.#tasks.isIdle ? of(undefined) : this.#tasks.idle$
  }

  #heartbeat(): void {
    if (this.#pinging !== undefined && !this.#pinging.closed) return
    this.#pinging = this.ping().subscribe({
      error: error => this.#facts.log({ level: 'warn', message: 'a ping failed', address: this.address, error }),
    })
  }

  #fail(error: unknown): void {
    this.#end('rpc_internal_err', RpcError.from(error).message, error)
  }

  /** Over, for good: what is still queued never ran, what is still out may have. */
  #end(code: RpcCode, message: string, cause?: unknown): void {
    this.#state = 'ended'
    this.#endReason ||= `: ${message}`
    this.#running.unsubscribe()
    this.#tasks.end(code, message, cause)
    this.#pinging?.unsubscribe()
    this.#opened.error(new RpcError(code, message, { executed: 'no', address: this.address, cause }))
    this.#ended.next()
    this.#ended.complete()
  }
}
