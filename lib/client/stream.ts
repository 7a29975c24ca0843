/**
 * One connection of a client: its seq, its window, its deadlines. Incoming frames are demultiplexed by seq to the tasks;
 * outgoing tasks go through the sliding window to the writer. Rust: `client/stream.rs`.
 */
import {
  asyncScheduler,
  firstValueFrom,
  merge,
  type Observable,
  Subject,
  type Subscriber,
  Subscription,
  take,
  tap,
  type Unsubscribable,
} from 'rxjs'
import { type RpcCode, RpcError } from '../error.ts'
import { longTimer } from '../flow/long-timer.ts'
import type { U64 } from '../protocol/bytes.ts'
import { EMPTY_BYTES } from '../protocol/heads.ts'
import type { Dialer, Link } from '../transport/link.ts'
import type { CallRequest } from './call.ts'
import { Calling } from './calling.ts'
import type { ClientFacts } from './config.ts'
import { ClientConnection } from './connection.ts'
import { dial } from './dial.ts'
import { statsOf } from './figures.ts'
import { Pings } from './pings.ts'
import { CLIENT_CLOSED, type Farewell } from './settlement.ts'
import { subscriptionOf, taskOf } from './start-task.ts'
import type { ClientHoldings, ClientStats } from './stats.ts'
import { type StreamEvents, standAlone } from './stream-events.ts'
import type { ClientTask } from './task.ts'
import { Tasks } from './tasks.ts'

/** One connection, dialled at once; calls may be made from the start. When it is over it stays so. */
export class ClientStream extends Calling {
  readonly address: string
  readonly #facts: ClientFacts
  readonly #pool: StreamEvents
  readonly #tasks: Tasks
  readonly #pings: Pings
  readonly #opened = new Subject<void>()
  readonly #ended = new Subject<void>()
  /** Dialling, sending, deadlines: all that runs as long as the stream does. */
  readonly #running = new Subscription()
  #sending = new Subscription()
  #connection: ClientConnection | undefined
  #state: 'connecting' | 'open' | 'closing' | 'ended' = 'connecting'
  /** Why it is over, as the end of a message. */
  #endReason = ''

  /** Dials at once. `pool`: what it belongs to; default: it stands for itself. Rust: `ClientStream::connect`. */
  static connect(dialer: Dialer, facts: ClientFacts, pool?: StreamEvents): ClientStream {
    const stream = new ClientStream(dialer.address, facts, pool ?? standAlone(facts))
    stream.#start(dialer)
    return stream
  }

  private constructor(address: string, facts: ClientFacts, pool: StreamEvents) {
    super(facts.config)
    this.address = address
    this.#facts = facts
    this.#pool = pool
    this.#tasks = new Tasks(facts, address, pool)
    this.#pings = new Pings(facts, this.#tasks, this.#opened, task => this.#sendPing(task))
  }

  /** It takes calls: it is neither closing nor over, and has seqs left. */
  get usable(): boolean {
    const seq = this.#connection?.seq ?? 0
    return (this.#state === 'connecting' || this.#state === 'open') && seq < Number.MAX_SAFE_INTEGER
  }

  /** A call, or a stream, would be sent at once. */
  hasRoom(streams: boolean): boolean {
    return this.#state === 'open' && this.#tasks.hasRoom(streams)
  }

  /** Calls that had a slot since the start. */
  get sent(): number {
    return this.#tasks.sent
  }

  /** Nothing is out, and nothing waits that it could send. */
  get idle(): boolean {
    return this.#pool.backlog.size === 0 && this.#tasks.isIdle
  }

  /** What it counts; a stream of a pool knows nothing of what waits there. */
  stats(): ClientStats {
    const { alone, backlog } = this.#pool
    const connection = this.#state === 'ended' ? undefined : this.#connection
    return statsOf(this.#tasks, connection, alone ? backlog.size : 0, this.#pings.roundTripMs)
  }

  /** What its calls hold; a stream of a pool leaves the bytes that wait to its pool. */
  get holdings(): ClientHoldings {
    const { alone, backlog } = this.#pool
    return { ...this.#tasks.holdings, ...(alone ? { waitingBytes: backlog.waiting.bytes } : {}) }
  }

  /** A call that is subscribed to; returns how to unsubscribe, where it is not over yet. */
  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined {
    const task = taskOf(request, caller, this.#facts, this.#tasks)
    if (this.usable) this.#tasks.enter(task)
    else task.refuse('rpc_unreachable', this.#closedMessage)
    return subscriptionOf(task)
  }

  /** A call that came back is sent anew. */
  resume(task: ClientTask): void {
    task.belongTo(this.#tasks)
    this.#tasks.enter(task)
  }

  /** A round trip: completes when the pong came. Waits for the connection; takes a seq, and no slot of the window. */
  ping(timeoutMs?: number): Observable<never> {
    return this.#pings.ping(timeoutMs)
  }

  /**
   * Takes no further calls, waits for the answers of those it has, at most `waitMs` (default `closeWaitMs`), then closes
   * the link. Streams and duplexes, which have no answer to wait for, and calls that are left are told `why`: `rpc_canceled`.
   */
  async close(waitMs: number = this.#facts.config.closeWaitMs, why: Farewell = CLIENT_CLOSED): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'closing'
    if (this.#pool.alone) this.#pool.backlog.endStreams(why)
    this.#tasks.endStreams(why)
    const idle$ = this.#pool.backlog.once(() => this.idle)
    const over$ = merge(idle$, this.#ended, longTimer(waitMs)).pipe(
      take(1),
      // Here, not behind the promise: so it is in time where time is virtual.
      tap({ next: () => this.#end(why.code, why.message) }),
    )
    await firstValueFrom(over$, { defaultValue: undefined })
  }

  get #closedMessage(): string {
    return `the connection to ${this.address} is closed${this.#endReason}`
  }

  #start(dialer: Dialer): void {
    const { connectTimeoutMs } = this.#facts.config
    const until = asyncScheduler.now() + connectTimeoutMs
    this.#running.add(
      dial(dialer, connectTimeoutMs).subscribe({
        next: link => this.#open(link, until),
        error: error => this.#end('rpc_unreachable', RpcError.from(error).message, error),
      }),
    )
  }

  /** The server is to answer the offer by `until`. */
  #open(link: Link, until: number): void {
    if (this.#state === 'connecting') this.#state = 'open'
    const connection = new ClientConnection(link, this.#facts, {
      agreed: () => {
        this.#opened.complete()
        this.#sending = this.#tasks.send(connection, error => this.#fail(error))
        this.#running.add(this.#sending)
        this.#pool.agreed()
      },
      leaving: notice => this.#leave(notice),
      goAway: highestSeq => this.#drain(highestSeq),
      // Before the calls hear of it: one that tries again from within its error finds the stream over.
      ending: reason => this.#lost(reason),
      ended: reason => this.#end('rpc_io_err', reason.message, reason),
      dropped: () => this.#tasks.dropped(),
      pingDue: () => this.#pings.beat(),
    })
    this.#connection = connection
    this.#tasks.connected(connection)
    connection.start(this.#tasks.routes, until - asyncScheduler.now())
  }

  /** The server closes soon: what waits is not sent any more, what was sent may still be answered. */
  #leave(notice: RpcError): void {
    this.#takeNoMore(notice)
    this.#endWhenIdle('rpc_io_err', notice.message, notice)
  }

  /** The server takes its leave in order: what it took goes on, then the connection ends. */
  #drain(highestSeq: U64): void {
    const message = `${this.address} is draining`
    this.#takeNoMore(new RpcError('rpc_draining', message, { address: this.address }))
    this.#tasks.goAway(highestSeq)
    this.#endWhenIdle('rpc_draining', message, undefined)
  }

  #takeNoMore(reason: RpcError): void {
    this.#sending.unsubscribe()
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#pool.leaving(reason)
  }

  #endWhenIdle(code: RpcCode, message: string, cause: unknown): void {
    this.#running.add(
      this.#pool.backlog
        .once(() => this.#tasks.isIdle)
        .subscribe({
          next: () => this.#end(code, message, cause),
          error: error => this.#fail(error),
        }),
    )
  }

  #sendPing(task: ClientTask): void {
    const connection = this.#connection
    if (this.#state === 'ended' || connection === undefined) {
      task.refuse('rpc_unreachable', this.#closedMessage)
      return
    }
    task.encoded = EMPTY_BYTES
    this.#tasks.ping(connection, task)
  }

  #fail(error: unknown): void {
    this.#end('rpc_internal_err', RpcError.from(error).message, error)
  }

  /** Over, for good: what is still queued never ran, what is still out may have. */
  #end(code: RpcCode, message: string, cause?: unknown): void {
    const reason = new RpcError(code, message, { executed: 'no', address: this.address, cause })
    this.#lost(reason)
    this.#tasks.end(code, message, cause)
    this.#pings.stop()
    this.#opened.error(reason)
    this.#ended.next()
    this.#ended.complete()
  }

  /** Nothing is sent here any more, and the pool is told. */
  #lost(reason: RpcError): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#endReason = `: ${reason.message}`
    this.#running.unsubscribe()
    this.#pool.lost(reason)
  }
}
