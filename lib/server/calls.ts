/**
 * The calls of one connection that are still running: how many, what they hold, and when they have run for too long.
 */
import { distinctUntilChanged, filter, map, merge, type Observable, Subject, startWith } from 'rxjs'
import { deadline } from '../flow/deadline.ts'
import { Inlet } from '../flow/inlet.ts'
import { SeqMap } from '../flow/seq-map.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { CallShape } from '../protocol/shape.ts'
import type { ServerConfig } from './config.ts'
import type { ServerTask } from './task.ts'
import type { OwnedTask } from './task-owner.ts'

/** Calls running on a whole server; shared by its connections. */
export class RunningTotal {
  readonly #max: number
  readonly #freed = new Subject<void>()
  readonly #changed = new Subject<void>()
  #calls = 0
  #dropped = 0

  /** Emits when a call ended while there were as many as allowed. */
  readonly freed$: Observable<void> = this.#freed.asObservable()

  /** How many run: now, and at each change. */
  readonly calls$: Observable<number> = this.#changed.pipe(
    startWith(undefined),
    map(() => this.#calls),
    distinctUntilChanged(),
  )

  constructor(maxCalls: number) {
    this.#max = maxCalls
  }

  get calls(): number {
    return this.#calls
  }

  get full(): boolean {
    return this.#calls >= this.#max
  }

  /** Items that streams which are over have lost. */
  get dropped(): number {
    return this.#dropped
  }

  add(): void {
    this.#calls++
    if (this.#changed.observed) this.#changed.next()
  }

  /** A call ended, which had lost so many items. */
  delete(dropped: number): void {
    this.#dropped += dropped
    const wasFull = this.full
    this.#calls--
    if (this.#changed.observed) this.#changed.next()
    if (wasFull) this.#freed.next()
  }
}

/** Running calls, by seq. A call that is answered within its dispatch never gets here. */
export class RunningCalls {
  readonly #config: ServerConfig
  readonly #total: RunningTotal
  readonly #tasks = new SeqMap<ServerTask>()
  readonly #joined = new Inlet<ServerTask>()
  readonly #ended = new Subject<void>()
  #heldBytes = 0
  #streams = 0

  /** Emits when a call ended here. */
  readonly ended$: Observable<void>

  /** Emits when a call ended, here or elsewhere on the server, and a further one may be started. */
  readonly free$: Observable<void>

  /** Emits when no call is left: at once where there is none. */
  readonly idle$: Observable<void>

  /** Calls that have run for `maxCallMs`, in batches. Ticks only while there are calls. */
  readonly expired$: Observable<readonly ServerTask[]>

  constructor(config: ServerConfig, total: RunningTotal) {
    this.#config = config
    this.#total = total
    this.ended$ = this.#ended.asObservable()
    this.free$ = merge(this.#ended, total.freed$).pipe(filter(() => !this.full))
    this.idle$ = this.#ended.pipe(
      startWith(undefined),
      filter(() => this.size === 0),
    )
    this.expired$ = this.#joined.values$.pipe(deadline<ServerTask>({ tickMs: config.tickMs }))
  }

  get size(): number {
    return this.#tasks.size
  }

  /** Those of them that have items. */
  get streams(): number {
    return this.#streams
  }

  /** Bytes that requests and items of running calls hold. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Why one more call of this shape is one too many, or `undefined`. */
  tooMany(shape: CallShape): string | undefined {
    const { maxCallsPerConnection, maxStreamsPerConnection, maxCalls } = this.#config
    if (this.#total.full) return `${this.#total.calls} calls run on the server, maxCalls is ${maxCalls}`
    const most = shape === 'unary' ? maxCallsPerConnection : maxStreamsPerConnection
    const now = shape === 'unary' ? this.#tasks.size - this.#streams : this.#streams
    if (now < most) return undefined
    const option = shape === 'unary' ? 'maxCallsPerConnection' : 'maxStreamsPerConnection'
    return `${now} such calls run on the connection, ${option} is ${most}`
  }

  get(seq: U64): ServerTask | undefined {
    return this.#tasks.get(seq)
  }

  /** Items that running streams have lost. */
  get dropped(): number {
    let dropped = 0
    for (const task of this.#tasks.values()) dropped += task.dropped
    return dropped
  }

  /** Handlers hold so many bytes of items more, or fewer. */
  hold(bytes: number): void {
    this.#heldBytes += bytes
  }

  /** Every call that runs now. */
  all(): ServerTask[] {
    return this.#tasks.values()
  }

  /** No further call should be started. */
  get full(): boolean {
    const { maxCallsPerConnection, maxHeldBytes } = this.#config
    return this.#tasks.size >= maxCallsPerConnection || this.#heldBytes >= maxHeldBytes || this.#total.full
  }

  has(seq: U64): boolean {
    return this.#tasks.has(seq)
  }

  add(task: ServerTask): void {
    task.startClock()
    this.#tasks.set(task.seq, task)
    this.#heldBytes += task.heldBytes
    if (task.shape !== 'unary') this.#streams++
    this.#total.add()
    if (task.timeoutMs !== Number.POSITIVE_INFINITY) this.#joined.next(task)
  }

  /** Does nothing for a task that is not here. */
  delete(task: OwnedTask): void {
    if (!this.#tasks.delete(task.seq)) return
    this.#heldBytes -= task.heldBytes
    if (task.shape !== 'unary') this.#streams--
    this.#total.delete(task.dropped)
    this.#ended.next()
  }

  /** Tears every handler down. */
  cancelAll(): void {
    for (const task of this.all()) task.cancel()
  }
}
