/**
 * One call on the server and its settlement: whatever the handler does, it is answered once, or not at all where nobody can
 * hear the answer. Rust: `server/task.rs`.
 */
import { asyncScheduler, isObservable, type Observable, type Subscriber } from 'rxjs'
import type { UserError } from '../error.ts'
import { Expiring } from '../flow/deadline.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import type { RequestFrame } from '../protocol/heads.ts'
import { UP_CANCEL, UP_CREDIT } from '../protocol/heads-v2.ts'
import type { CallShape } from '../protocol/shape.ts'
import { printsAsText } from '../protocol/text.ts'
import { CallRefused, type Dispatch, fail, isPromiseLike, type Peer, type ServerCall } from './dispatch.ts'
import { HandlerSubscriber } from './handler-subscriber.ts'
import { readInput } from './input.ts'
import type { TaskOwner } from './task-owner.ts'
import { taskText } from './task-text.ts'

/** A call of 24 h and more runs that long at most. */
const MAX_CALL_MS = 24 * 60 * 60 * 1000

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

/** A call: what its handler sees of it, and what becomes of it. */
export class ServerTask extends Expiring implements ServerCall {
  readonly seq: U64
  readonly ver: number
  readonly timeoutMs: number
  readonly fail: (value: unknown) => UserError = fail
  errors: ErrorsKind | undefined
  headers: Readonly<Record<string, string>> = NO_HEADERS
  protected readonly owner: TaskOwner
  readonly #frame: RequestFrame
  /** Set when it is first asked for, at the latest when the call outlives its dispatch: most never need the clock. */
  #startedAt: number | undefined
  #aborter: AbortController | undefined
  #source: Subscriber<unknown> | undefined
  #promised = false
  /** Why it is being stopped: told when its handler has let go. */
  #stopping: CallRefused | undefined
  #over = false

  constructor(owner: TaskOwner, frame: RequestFrame) {
    super()
    this.owner = owner
    this.#frame = frame
    this.seq = frame.seq
    this.ver = frame.ver
    this.timeoutMs = frame.msLeft > 0 ? Math.min(frame.msLeft, MAX_CALL_MS) : this.longest(frame)
  }

  /** How long it may run where the caller does not say. */
  protected longest(frame: RequestFrame): number {
    return frame.ver === 1 ? this.owner.maxCallMs : MAX_CALL_MS
  }

  get deadline(): number {
    return this.startClock() + this.timeoutMs
  }

  /** Its time runs, if not since before: gives since when. */
  startClock(): number {
    this.#startedAt ??= asyncScheduler.now()
    return this.#startedAt
  }

  get shape(): CallShape {
    return 'unary'
  }

  get action(): number | string {
    return this.#frame.action ?? ''
  }

  get msg(): Uint8Array {
    return this.#frame.msg
  }

  get blob(): Uint8Array {
    return this.#frame.blob
  }

  get input(): unknown {
    return readInput(this.#frame, this.action, this.owner.codec)
  }

  get peer(): Peer {
    return this.owner.peer(this.#frame.clientId)
  }

  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    return this.#aborter.signal
  }

  get items$(): Observable<unknown> {
    throw new TypeError(`${this.action} is called without items`)
  }

  get demand$(): Observable<boolean> {
    throw new TypeError(`${this.action} is called without a stream to answer`)
  }

  get dropped(): number {
    return 0
  }

  /** It was answered, or never will be. */
  get over(): boolean {
    return this.#over
  }

  /** It was told to stop, and is answered when its handler has let go. */
  get stopping(): boolean {
    return this.#stopping !== undefined
  }

  /** Bytes it keeps alive while it runs. */
  get heldBytes(): number {
    return this.#frame.msgBytes + this.#frame.blob.length
  }

  /** Such as `Host.load #12 from tcp://127.0.0.1:50312, running 130 ms`. */
  override toString(): string {
    return taskText(this, this.peer.address, asyncScheduler.now() - this.startClock())
  }

  static {
    printsAsText(ServerTask.prototype)
  }

  /** Runs the handler. May be over when this returns. */
  run(dispatch: Dispatch): void {
    try {
      this.follow(dispatch(this))
    } catch (error) {
      this.failWith(error)
    }
  }

  /** A further frame of its seq came. */
  next(frame: RequestFrame): void {
    if (this.stopping) return // what was under way when it was told to stop
    if (frame.format === UP_CANCEL) this.stop(new CallRefused('rpc_canceled', 'the caller has gone'))
    else if (frame.format === UP_CREDIT) this.owner.idle()
    else
      this.owner.breach(`call ${this.seq}: a frame of kind ${frame.format} came, and the client has no items to send`)
  }

  /** The client has finished its direction: nothing more comes for this call. */
  halfClosed(): void {}

  /** It has run for too long. */
  expire(): void {
    this.stop(new CallRefused('rpc_timeout', `${String(this.action)} ran for more than ${this.timeoutMs} ms`), true)
  }

  /** Its caller has gone, or the server closes: torn down, and answered when the handler has let go. */
  stop(reason: CallRefused, now = false): void {
    if (this.#over || (this.#stopping !== undefined && !now)) return
    this.#stopping ??= reason
    this.letGo(this.#stopping)
    this.#aborter?.abort(reason)
    // A Promise cannot be stopped: its slot is taken until it has settled, or until its time is over.
    if (!this.#promised || now) this.#settle(this.#stopping, true)
  }

  /** Nobody can hear its answer any more. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#tearDown(new CallRefused('rpc_canceled', 'nobody waits for the answer any more'))
  }

  /** Whatever throws, an answer whose `then` does included, fails the call. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.failWith(error)
    }
  }

  /** Takes what the handler returned. */
  protected follow(answer: unknown): void {
    if (this.#over || this.#stopping !== undefined) return
    if (isObservable(answer)) {
      this.#source = new HandlerSubscriber(this)
      try {
        answer.subscribe(this.#source)
      } catch (error) {
        this.complain(error) // a teardown that threw at once
      }
    } else if (isPromiseLike(answer)) {
      this.#promised = true
      answer.then(
        value => {
          this.#promised = false
          this.#guard(() => this.follow(value))
          if (this.#stopping !== undefined) this.#settle(this.#stopping, true)
        },
        error => {
          this.#promised = false
          this.failWith(error)
        },
      )
    } else {
      this.answerWith(answer)
    }
  }

  /** The handler's value. */
  answerWith(value: unknown): void {
    this.#settle(value, false)
  }

  /** The handler's error. After the end it is only complained about. */
  failWith(error: unknown): void {
    if (this.#over) this.complain(error)
    else this.#settle(this.#stopping ?? error, true)
  }

  /** The handler misbehaved after its call was over. */
  complain(error: unknown): void {
    this.owner.complain(this, error)
  }

  /** Lets go of what the handler runs: for that reason, where the handler did not end by itself. May be called twice. */
  protected letGo(_reason: unknown): void {
    const source = this.#source
    this.#source = undefined
    source?.unsubscribe()
  }

  #settle(result: unknown, isError: boolean): void {
    if (this.#over) return
    this.#over = true
    if (isError) this.owner.answerError(this, result)
    else this.owner.answer(this, result)
    this.#tearDown(isError ? result : undefined)
  }

  #tearDown(reason: unknown): void {
    this.leaveDeadline()
    this.letGo(reason)
    if (reason !== undefined) this.#aborter?.abort(reason)
    this.owner.released(this)
  }
}
