/**
 * One request and its settlement: it is settled exactly once, by whoever takes it out. Rust: `client/task.rs`.
 */
import { asyncScheduler, type Observer, type Subscriber, type Unsubscribable } from 'rxjs'
import { type Executed, type RpcCode, RpcError } from '../error.ts'
import { Expiring } from '../flow/deadline.ts'
import { ProtocolError } from '../protocol/close.ts'
import { FLAG_ERROR, FLAG_OK, PING_ACTION, type ResponseFrame } from '../protocol/heads.ts'
import { DOWN_CREDIT, DOWN_NEXT } from '../protocol/heads-v2.ts'
import type { Agreement } from './agreement.ts'
import { actionName, type CallRequest, readError } from './call.ts'
import type { TaskOwner } from './task-owner.ts'
import type { RequestShape } from './write.ts'

/** Stands for an end without an answer: that of a stream. */
export const NO_ANSWER: unique symbol = Symbol('no answer')

/**
 * A task observes the frames of its seq. Its life: queued, then sent, then over. The caller's end and the slot's end are two
 * things: a caller that goes while the call is out leaves the slot taken until the server's last word, or the deadline, comes.
 */
export class ClientTask extends Expiring implements Observer<ResponseFrame>, Unsubscribable {
  readonly request: CallRequest<unknown>
  timeoutMs: number
  /** The seq it was sent with, or 0 while it is queued. */
  seq = 0
  /** Its message where it was encoded before its turn came. */
  encoded: Uint8Array | undefined
  /** It waits for its turn, and since when, holding so many bytes. */
  waits = false
  waitsSince: number | undefined
  waitingBytes = 0
  /** Where in the link's output its frame ends. */
  endPosition = 0
  /** It has a slot of the window. */
  holdsSlot = false
  protected readonly owner: TaskOwner
  protected caller: Subscriber<unknown> | undefined
  /** A frame of it came, so its handler was started. */
  #begun = false
  #over = false

  constructor(owner: TaskOwner, request: CallRequest<unknown>, timeoutMs: number, caller: Subscriber<unknown>) {
    super()
    this.owner = owner
    this.request = request
    this.timeoutMs = timeoutMs
    this.caller = caller
  }

  /** Nothing more happens to it. */
  get over(): boolean {
    return this.#over
  }

  /** Items go up or down: it takes a slot of the streams, not of the calls. */
  get streams(): boolean {
    return false
  }

  /** What its request says in version 2. */
  shape(_agreement: Agreement): RequestShape {
    return { window: 0, msLeft: this.msLeft }
  }

  /** It was let in, and may have to wait. */
  open(): void {}

  /** Its request was written. */
  sent(): void {}

  /** Its caller has gone; it is over that much later at the latest. */
  giveUpAfter(timeoutMs: number): void {
    this.timeoutMs = timeoutMs
  }

  /** A frame of its seq. */
  next(frame: ResponseFrame): void {
    this.#begun ||= frame.flag > FLAG_ERROR
    if (frame.flag <= FLAG_ERROR) this.#terminal(frame)
    else if (this.caller === undefined)
      return // what was under way when the caller went
    else if (frame.flag === DOWN_NEXT) this.item(frame)
    else if (frame.flag === DOWN_CREDIT) this.credit(frame)
    else this.canceled()
  }

  /** An item came. */
  protected item(_frame: ResponseFrame): void {
    const message = `an item came for ${this.name}, call ${this.seq}, which takes none`
    this.owner.connection?.break(new ProtocolError(4420, message))
  }

  /** The server takes more items. */
  protected credit(_frame: ResponseFrame): void {
    this.owner.idle()
  }

  /** The server takes no more items. */
  protected canceled(): void {
    this.owner.idle()
  }

  /** What the caller gets of the server's last word, where that is no error. */
  protected answer(frame: ResponseFrame): unknown {
    const value = frame.msg.length === 0 ? undefined : this.owner.codec.decode(frame.msg)
    const { read } = this.request
    return read === undefined ? { value, blob: frame.blob } : read(value, frame.blob)
  }

  /** Nobody hears of it any more, though it may not be over: lets go of its items. May be called twice. */
  protected left(): void {}

  #terminal(frame: ResponseFrame): void {
    const caller = this.#end()
    if (caller === undefined) return
    if (this.request.action === PING_ACTION) {
      caller.complete() // whatever the pong says
      return
    }
    if (frame.flag !== FLAG_OK) {
      caller.error(readError(frame, this.request, this.owner.codec, this.owner.address))
      return
    }
    let answer: unknown
    try {
      answer = this.answer(frame)
    } catch (cause) {
      const message = `the answer of ${this.name} cannot be decoded: ${RpcError.from(cause).message}`
      caller.error(this.failure('rpc_decode', message, 'yes', cause))
      return
    }
    if (answer !== NO_ANSWER) caller.next(answer)
    caller.complete()
  }

  /** The link is lost; `reason` says why. */
  error(reason: unknown): void {
    const { code, message } = RpcError.from(reason)
    if (code === 'rpc_unauthenticated' || code === 'rpc_forbidden') this.#settle(code, message, 'no', reason)
    else this.fail('rpc_io_err', `lost its connection: ${message}`, reason)
  }

  /** Its stream is over; what had not left by then never ran. */
  fail(code: RpcCode, message: string, cause: unknown): void {
    const left = this.owner.connection?.hasLeft(this.endPosition) ?? false
    this.#settle(code, message, this.seq === 0 || !left ? 'no' : this.executed, cause)
  }

  /** A link never just completes under a task: its stream turns that into an error. */
  complete(): void {
    this.error(new RpcError('rpc_io_err', 'the far end closed the connection'))
  }

  /** Its deadline passed: the caller is told, and in version 2 the server too; a slot that was left long ago is free. */
  expire(): void {
    const { caller } = this
    if (caller === undefined) {
      this.#end()
      return
    }
    const what = this.seq === 0 ? 'was not sent' : 'was not answered'
    const error = this.failure(
      'rpc_timeout',
      `${this.name} ${what} within ${this.timeoutMs} ms`,
      this.executed,
      undefined,
    )
    this.#leave(true)
    caller.error(error)
  }

  /** It fails before it was sent. */
  refuse(code: RpcCode, message: string, cause?: unknown): void {
    this.#settle(code, message, 'no', cause)
  }

  /** It fails before it was sent, with an error of the codec or of a limit. */
  refuseWith(error: unknown): void {
    const { code, message, cause } = RpcError.from(error)
    this.refuse(code === 'user' ? 'rpc_encode' : code, message, cause)
  }

  /** It was aborted by its signal: the caller is told at once, as by {@link expire}. */
  abort(reason: unknown): void {
    this.drop('rpc_canceled', 'was aborted by its signal', reason)
  }

  /** Gives it up from this side, with an error for the caller. */
  protected drop(code: RpcCode, message: string, cause: unknown): void {
    const { caller } = this
    if (caller === undefined) return
    const error = this.failure(code, `${this.name} ${message}`, this.executed, cause)
    this.#leave(false)
    caller.error(error)
  }

  /** The caller unsubscribed. Queued, it is forgotten; sent, its slot stays until the server's last word or the deadline. */
  unsubscribe(): void {
    if (this.caller !== undefined) this.#leave(false)
  }

  /** The caller goes. `late`: the deadline has passed, so on a connection of version 1 the slot is free. */
  #leave(late: boolean): void {
    this.caller = undefined
    if (this.#over) return
    this.left()
    const told = this.seq > 0 && this.owner.leaving(this)
    if (this.seq === 0 || (late && !told)) this.#end()
  }

  #settle(code: RpcCode, message: string, executed: Executed, cause: unknown): void {
    this.#end()?.error(this.failure(code, `${this.name}: ${message}`, executed, cause))
  }

  /** Ends it once; gives the caller where there still is one. The slot is free before the caller hears of the end. */
  #end(): Subscriber<unknown> | undefined {
    if (this.#over) return undefined
    this.#over = true
    this.leaveDeadline()
    this.left()
    this.owner.released(this)
    const { caller } = this
    this.caller = undefined
    return caller
  }

  /** While the link lives, a frame that was written will get there. */
  protected get executed(): Executed {
    return this.#begun ? 'yes' : this.seq === 0 ? 'no' : 'maybe'
  }

  protected get name(): string {
    return actionName(this.request.action)
  }

  /** How long the caller still waits, as version 2 tells it: 0 is for ever. */
  protected get msLeft(): number {
    if (this.timeoutMs === Number.POSITIVE_INFINITY) return 0
    const waited = this.waitsSince === undefined ? 0 : asyncScheduler.now() - this.waitsSince
    return Math.max(1, Math.ceil(this.timeoutMs - waited))
  }

  protected failure(code: RpcCode, message: string, executed: Executed, cause: unknown): RpcError {
    const { action } = this.request
    return new RpcError(code, message, { executed, action, address: this.owner.address, cause })
  }
}
