/** The tasks of one connection on their way: into the queue, through the window onto the link, and out. */
import type { Subscription } from 'rxjs'
import { type RpcCode, RpcError } from '../error.ts'
import { SeqMap } from '../flow/seq-map.ts'
import type { U64 } from '../protocol/bytes.ts'
import { RPC_VERSION_1 } from '../protocol/heads.ts'
import { UP_CANCEL } from '../protocol/heads-v2.ts'
import { type Backlog, isEndless } from './backlog.ts'
import type { ClientFacts } from './config.ts'
import type { ClientConnection } from './connection.ts'
import type { Farewell } from './settlement.ts'
import { Slots } from './slots.ts'
import type { ClientHoldings } from './stats.ts'
import type { TasksEvents } from './stream-events.ts'
import type { ClientTask } from './task.ts'
import type { TaskOwner } from './task-owner.ts'
import { needsV2, refuseV1 } from './unsupported.ts'
import { checkSizes } from './write.ts'

/** All tasks of a stream that are not over. */
export class Tasks implements TaskOwner {
  readonly codec: TaskOwner['codec']
  readonly address: string
  /** Those that were sent, by seq. */
  readonly routes: SeqMap<ClientTask> = new SeqMap()
  readonly #facts: ClientFacts
  readonly #events: TasksEvents
  readonly #backlog: Backlog
  readonly #calls: Slots
  readonly #streams: Slots
  /** Those that were sent, and whose callers have gone. */
  readonly #leaving = new Set<ClientTask>()
  #connection: ClientConnection | undefined
  /** The ends have agreed, so tasks may be sent. */
  #agreed = false
  #idleFrames = 0
  #sent = 0

  constructor(facts: ClientFacts, address: string, pool: TasksEvents & { readonly backlog: Backlog }) {
    this.codec = facts.codec
    this.address = address
    this.#facts = facts
    this.#events = pool
    this.#backlog = pool.backlog
    this.#calls = new Slots(pool.backlog.calls)
    this.#streams = new Slots(pool.backlog.streams)
  }

  /** The connection that tasks are sent over; there is none at first. */
  get connection(): ClientConnection | undefined {
    return this.#connection
  }

  /** Calls that had a slot since the start. */
  get sent(): number {
    return this.#sent
  }

  /** A call, or a stream, would be sent at once. */
  hasRoom(streams: boolean): boolean {
    return this.#agreed && (streams ? this.#streams : this.#calls).free && this.#connection!.outflow.open
  }

  /** Frames that came and had nothing to do. */
  get idleFrames(): number {
    return this.#idleFrames
  }

  get holdings(): ClientHoldings {
    return {
      slots: this.#calls.taken + this.#streams.taken,
      leaving: this.#leaving.size,
      waitingBytes: 0,
      itemBytes: this.#connection?.heldBytes ?? 0,
    }
  }

  /** None is out. */
  get isIdle(): boolean {
    return this.routes.size === 0
  }

  /** There is a connection, not yet agreed on. */
  connected(connection: ClientConnection): void {
    this.#connection = connection
  }

  /** Sends what waits, and what comes, for as long as the result is not unsubscribed. */
  send(connection: ClientConnection, failed: (error: unknown) => void): Subscription {
    const { agreement, outflow } = connection
    const { version, calls, streams } = agreement
    this.#agreed = true
    if (version === RPC_VERSION_1) this.#refuseWhatV1Lacks()
    const send = (task: ClientTask): void => {
      task.belongTo(this)
      this.#sent++
      this.#write(connection, task)
    }
    const sending = this.#calls.start(calls, outflow, send, failed)
    if (version !== RPC_VERSION_1) sending.add(this.#streams.start(streams, outflow, send, failed))
    return sending
  }

  /** A call comes in: refused, or queued until its turn, which may be at once. */
  enter(task: ClientTask): void {
    const { request } = task
    const { config } = this.#facts
    if (request.signal?.aborted === true) return task.abort(request.signal.reason)
    if (task.timeoutMs <= 0) return task.expire()
    const connection = this.#connection
    const agreed = this.#agreed ? connection : undefined
    const tooLarge = checkSizes(request, agreed?.agreement ?? config, config)
    if (tooLarge !== undefined) return task.refuse('rpc_too_large', tooLarge)
    if (agreed?.agreement.version === RPC_VERSION_1 && needsV2(task)) return refuseV1(task)
    const slots = task.streams ? this.#streams : this.#calls
    if (agreed === undefined || !slots.free || slots.queue.size > 0 || !agreed.outflow.open) {
      this.#backlog.waiting.admit(task)
      if (task.over) return
    }
    if (task.timeoutMs !== Number.POSITIVE_INFINITY) this.#backlog.deadlines.join(task)
    task.open()
    if (!task.over) slots.enter(task)
  }

  /** Sends a task that takes no slot. */
  ping(connection: ClientConnection, task: ClientTask): void {
    this.#backlog.deadlines.join(task)
    this.#write(connection, task)
  }

  /** The server takes no more calls, and did not run those above `highestSeq`. */
  goAway(highestSeq: U64): void {
    const message = `${this.address} is draining and did not take the call`
    for (const task of this.routes.values()) if (task.seq > highestSeq) task.refuse('rpc_draining', message)
  }

  /** Gives up the calls that have no last answer to wait for. */
  endStreams(why: Farewell): void {
    for (const task of this.routes.values()) if (isEndless(task)) task.closed(why)
  }

  /** Settles all that are left, and closes the link: what was not sent never ran, what was sent may have. */
  end(code: RpcCode, message: string, cause: unknown): void {
    const left = this.routes.values()
    // Where this end leaves: nobody waits for what the far end still does.
    this.#connection?.cancelAll(left)
    this.routes.clear()
    this.#connection?.close()
    for (const task of left) task.fail(code, message, cause)
  }

  // What a task needs.

  leaving(task: ClientTask): boolean {
    this.#leaving.add(task)
    const connection = this.#connection
    if (connection === undefined || connection.agreement.version === RPC_VERSION_1) return false
    connection.control(UP_CANCEL, task.seq)
    // Should the server never have its last word, the slot is given up after another timeout.
    task.giveUpAfter(this.#facts.config.taskTimeoutMs)
    this.#backlog.deadlines.join(task)
    return true
  }

  again(task: ClientTask, error: RpcError): boolean {
    return this.#events.again(task, error)
  }

  answered(): void {
    this.#events.answered()
  }

  idle(): void {
    this.#connection?.idle()
  }

  /** The connection dropped a frame. */
  dropped(): void {
    this.#idleFrames++
  }

  complain(what: string, error: unknown): void {
    const reason = RpcError.from(error)
    this.#facts.log({ level: 'warn', message: `${what}: ${reason.message}`, address: this.address, error: reason })
  }

  released(task: ClientTask): void {
    this.#backlog.waiting.leave(task)
    if (this.#leaving.size > 0) this.#leaving.delete(task)
    this.routes.delete(task.seq)
    const slots = task.streams ? this.#streams : this.#calls
    slots.release(task)
    if (this.isIdle) this.#backlog.idle.next()
  }

  #refuseWhatV1Lacks(): void {
    for (const task of [...this.#backlog.calls, ...this.#backlog.streams]) if (needsV2(task)) refuseV1(task)
  }

  #write(connection: ClientConnection, task: ClientTask): void {
    this.#backlog.waiting.leave(task)
    const alone = this.routes.size === 0
    const seq = connection.nextSeq()
    // The route stands before the frame leaves: a link in memory may answer from within.
    this.routes.set(seq, task)
    task.seq = seq
    try {
      connection.write(task, alone)
    } catch (error) {
      task.refuseWith(error)
      return
    }
    task.sent()
  }
}
