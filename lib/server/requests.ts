/**
 * What a connection does with each frame it reads: pings and offers are answered, requests become tasks, the rest goes to the
 * task of its seq.
 */
import { type Subscription, timer } from 'rxjs'
import { PerSecond } from '../flow/per-second.ts'
import type { U64 } from '../protocol/bytes.ts'
import { ProtocolError } from '../protocol/close.ts'
import { PING_ACTION, type RequestFrame, RPC_VERSION_1 } from '../protocol/heads.ts'
import { UP_HEADERS, UP_REQUEST } from '../protocol/heads-v2.ts'
import type { Outflow } from '../transport/outflow.ts'
import type { Answers } from './answers.ts'
import type { RunningCalls } from './calls.ts'
import type { ServerConfig, ServerFacts } from './config.ts'
import { CallRefused, type Dispatch } from './dispatch.ts'
import type { ServerSession } from './session.ts'
import { ServerStreamTask } from './stream-task.ts'
import { ServerTask } from './task.ts'

/** The frames of one connection. */
export class Requests {
  readonly #config: ServerConfig
  readonly #dispatch: Dispatch
  readonly #session: ServerSession
  readonly #calls: RunningCalls
  readonly #answers: Answers
  readonly #outflow: Outflow
  /** Unary calls of version 2 that are not started before the output is shorter. */
  #parked: ServerTask[] = []
  #highestSeq: U64 = 0
  /** The highest seq of a whole call or ping: that of headers is not taken before their request. */
  #takenSeq: U64 = 0
  /** Calls above this seq are skipped: GOAWAY was their answer. */
  #lastSeq: U64 | undefined
  readonly #pings: PerSecond
  #halfClosed = false
  #dispatching = false
  #afterDispatch: (() => void) | undefined

  constructor(
    facts: ServerFacts,
    dispatch: Dispatch,
    session: ServerSession,
    calls: RunningCalls,
    answers: Answers,
    outflow: Outflow,
  ) {
    this.#config = facts.config
    this.#pings = new PerSecond(facts.config.maxPingsPerSecond, facts.config.tickMs)
    this.#dispatch = dispatch
    this.#session = session
    this.#calls = calls
    this.#answers = answers
    this.#outflow = outflow
  }

  /** A tick has passed. */
  tick(): void {
    this.#pings.tick()
    // A client that only finished ignores this; the system of one that is gone answers with a reset.
    if (this.#halfClosed) this.#session.sayGoAway(this.#lastSeq ?? this.#takenSeq, 0)
  }

  /** The client has finished its direction, or is gone: from here that looks the same. */
  halfClosed(): void {
    this.#halfClosed = this.#session.version !== RPC_VERSION_1
    for (const task of this.#calls.all()) task.halfClosed()
  }

  /**
   * Takes no further calls, and says so, once; ends streams after `graceMs`, unless the result is unsubscribed. Called again it may
   * end them sooner.
   */
  drain(graceMs: number): Subscription {
    if (this.#lastSeq === undefined) {
      this.#lastSeq = this.#takenSeq
      this.#session.sayGoAway(this.#lastSeq, graceMs)
    }
    return timer(graceMs).subscribe({ next: () => this.#endStreams(), error: error => this.#answers.broken(error) })
  }

  /** Ends what has no last answer to wait for. */
  #endStreams(): void {
    const reason = new CallRefused('rpc_canceled', 'the server is draining')
    for (const task of this.#calls.all()) if (task.shape === 'stream' || task.shape === 'duplex') task.stop(reason)
  }

  /** Takes a frame. Throws a `ProtocolError` for one that breaks the connection. */
  take(frame: RequestFrame): void {
    this.#session.check(frame)
    const headers = frame.ver === RPC_VERSION_1 ? undefined : this.#session.takeHeaders(frame.seq)
    if (frame.ver !== RPC_VERSION_1 && frame.format !== UP_REQUEST) {
      if (frame.format === UP_HEADERS) this.#begin(frame)
      if (this.#session.takes(frame)) return
      const task = this.#calls.get(frame.seq)
      if (task === undefined) this.#answers.idle()
      else task.next(frame)
      return
    }
    const first = this.#highestSeq === 0
    if (headers === undefined) this.#begin(frame)
    this.#takenSeq = frame.seq
    if (frame.ver === RPC_VERSION_1 && isPing(frame)) {
      if (!(first && this.#session.offered(frame))) this.#pong(frame)
      return
    }
    if (this.#lastSeq !== undefined && frame.seq > this.#lastSeq) return
    this.#request(frame, headers)
  }

  /** A seq is used for the first time: it is above all before it. */
  #begin(frame: RequestFrame): void {
    if (frame.seq <= this.#highestSeq) {
      throw this.#calls.has(frame.seq)
        ? new ProtocolError(4409, `request ${frame.seq} has the seq of a call that still runs`)
        : new ProtocolError(4400, `request has seq ${frame.seq}, the highest before it was ${this.#highestSeq}`)
    }
    this.#highestSeq = frame.seq
  }

  #request(frame: RequestFrame, headers: Readonly<Record<string, string>> | undefined): void {
    const Task = frame.window > 0 || frame.open ? ServerStreamTask : ServerTask
    const task = new Task(this.#answers, frame)
    if (headers !== undefined) task.headers = headers
    const refusal = this.#refusal(frame, task)
    if (refusal !== undefined) {
      task.failWith(refusal)
    } else if (this.#session.version !== RPC_VERSION_1 && task.shape === 'unary' && !this.#outflow.open) {
      this.#calls.add(task)
      // Those that were canceled meanwhile are let go of.
      if (this.#parked.length > 2 * this.#calls.size) this.#parked = this.#parked.filter(({ over }) => !over)
      this.#parked.push(task)
      this.#outflow.wait(this)
    } else {
      this.#run(task)
    }
  }

  /** Starts what was parked, as far as the output allows. */
  pump(): void {
    while (this.#parked.length > 0 && this.#outflow.open) {
      const task = this.#parked.shift()!
      if (!task.over) task.run(this.#dispatch)
    }
    if (this.#parked.length > 0) this.#outflow.wait(this)
  }

  #run(task: ServerTask): void {
    // A stream takes its place first: its first items may go out from within its handler.
    const early = task.shape !== 'unary'
    if (early) this.#calls.add(task)
    this.#dispatching = true
    task.run(this.#dispatch)
    this.#dispatching = false
    // A call that is over already never took a place; one whose handler ended the connection gets none.
    if (!task.over && this.#answers.ended) task.cancel()
    else if (!task.over && !early) this.#calls.add(task)
    const after = this.#afterDispatch
    this.#afterDispatch = undefined
    after?.()
  }

  /** Does `act` later where a handler is being started, whose call has no place yet; else returns `false`. */
  afterDispatch(act: () => void): boolean {
    if (!this.#dispatching) return false
    this.#afterDispatch = act
    return true
  }

  #refusal(frame: RequestFrame, task: ServerTask): CallRefused | undefined {
    if (!this.#session.admitted) return new CallRefused('rpc_unauthenticated', 'the client has not said who it is')
    if (frame.skipped) return new CallRefused('rpc_busy', `maxHeldBytes ${this.#config.maxHeldBytes} is used up`)
    if (frame.action === undefined) return new CallRefused('rpc_decode', 'the action name is not UTF-8')
    if (frame.action === PING_ACTION) return new CallRefused('rpc_method_notfound', 'action 0 is no method')
    if (frame.window > this.#config.maxWindow) {
      throw new ProtocolError(4420, `call ${frame.seq} has a window of ${frame.window}, over ${this.#config.maxWindow}`)
    }
    const busy = this.#session.version === RPC_VERSION_1 ? undefined : this.#calls.tooMany(task.shape)
    return busy === undefined ? undefined : new CallRefused('rpc_busy', busy)
  }

  #pong(frame: RequestFrame): void {
    if (this.#pings.add()) {
      const { maxPingsPerSecond } = this.#config
      throw new ProtocolError(
        4429,
        `${this.#pings.count} pings came within a second, maxPingsPerSecond is ${maxPingsPerSecond}`,
      )
    }
    this.#answers.pong(frame)
  }
}

/** A round trip, or the offer. */
export function isPing(frame: RequestFrame): boolean {
  return frame.action === PING_ACTION && frame.msgBytes === 0 && frame.blob.length === 0
}
