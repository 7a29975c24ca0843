/**
 * How a call ends: exactly once, for its caller and for its slot, or not yet, where it may be sent again.
 */
import { asyncScheduler, type Subscriber, type Unsubscribable } from 'rxjs'
import { type Executed, type RpcCode, RpcError, UserError } from '../error.ts'
import { Expiring } from '../flow/deadline.ts'
import { actionName, type CallRequest } from './call.ts'
import type { TaskOwner } from './task-owner.ts'

/** What became of a call before it was sent again. */
interface Earlier {
  /** How often it was sent again after a server may have seen it. */
  readonly retries: number
  /** The most that an earlier try may have done. */
  readonly executed: Executed
  /** What it was given at first; its `timeoutMs` is what is left of that. */
  readonly timeoutMs: number
}

/** Why this end closes a connection: what its calls are told that have to end with it. */
export interface Farewell {
  readonly code: RpcCode
  readonly message: string
}

/** The client is closed. */
export const CLIENT_CLOSED: Farewell = { code: 'rpc_canceled', message: 'this end closed the connection' }

/** The address is no longer one of the client's; it has others. */
export const ADDRESS_REMOVED: Farewell = { code: 'rpc_draining', message: 'its address was removed' }

/** Of two tries, what the one that did more did. */
function more(a: Executed, b: Executed): Executed {
  return a === 'yes' || b === 'no' ? a : b
}

/**
 * The caller's end and the slot's end are two things: a caller that goes while the call is out leaves the slot taken until the
 * server's last word, or the deadline, comes.
 */
export abstract class Settlement extends Expiring implements Unsubscribable {
  readonly request: CallRequest<unknown>
  timeoutMs: number
  /** The seq it was sent with, or 0 while it is queued. */
  seq = 0
  /** Its message where it was encoded before its turn came. */
  encoded: Uint8Array | undefined
  /** Where in the link's output its frame ends. */
  endPosition = 0
  /** A frame of it came, so its handler was started. */
  protected begun = false
  protected owner: TaskOwner
  protected caller: Subscriber<unknown> | undefined
  #earlier: Earlier | undefined
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

  /** How often it was sent again after a server may have seen it. */
  get retries(): number {
    return this.#earlier?.retries ?? 0
  }

  /** It takes a slot of the streams, not of the calls: items go up or down. */
  abstract get streams(): boolean

  /** Nothing of it is lost where it is sent once more: neither an item that came nor one that went. */
  get repeatable(): boolean {
    return !this.begun
  }

  /** Nobody hears of it any more, though it may not be over: lets go of its items. May be called twice. */
  protected left(): void {}

  /** It belongs to `owner` from now on. */
  belongTo(owner: TaskOwner): void {
    this.owner = owner
  }

  /** Takes back a try that failed with `error`: it is as if it had not been sent, with the time that is left. */
  takeBack(error: RpcError): void {
    const { retries, executed, timeoutMs } = this.#earlier ?? { retries: 0, executed: 'no', timeoutMs: this.timeoutMs }
    this.#earlier = {
      retries: this.seq === 0 ? retries : retries + 1,
      executed: more(executed, error.executed),
      timeoutMs,
    }
    if (this.timeoutMs !== Number.POSITIVE_INFINITY) this.timeoutMs = this.expiresAt - asyncScheduler.now()
    this.leaveDeadline()
    this.owner.released(this)
    this.seq = 0
    this.endPosition = 0
    this.encoded = undefined
  }

  /** Its stream is over; what had not left by then never ran. */
  fail(code: RpcCode, message: string, cause: unknown): void {
    const left = this.owner.connection?.hasLeft(this.endPosition) ?? false
    this.settle(code, message, this.seq === 0 || !left ? 'no' : this.executed, cause)
  }

  /** Its deadline passed: the caller is told, and in version 2 the server too; a slot that was left long ago is free. */
  expire(): void {
    const { caller } = this
    if (caller === undefined) {
      this.end()
      return
    }
    const what = this.seq === 0 ? 'was not sent' : 'was not answered'
    const timeoutMs = this.#earlier?.timeoutMs ?? this.timeoutMs
    const error = this.failure(
      'rpc_timeout',
      `${this.name} ${what} within ${timeoutMs} ms`,
      this.#inAll(this.executed),
      undefined,
    )
    this.#leave(true)
    caller.error(error)
  }

  /** It fails before it was sent. */
  refuse(code: RpcCode, message: string, cause?: unknown): void {
    this.settle(code, message, 'no', cause)
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

  /** Its connection is being closed, and it has no answer to wait for. Where it was not sent, it may be sent elsewhere. */
  closed({ code, message }: Farewell): void {
    if (this.seq === 0) this.refuse(code, message)
    else this.drop(code, `was ended: ${message}`, undefined)
  }

  /** Gives it up from this side, with an error for the caller. */
  protected drop(code: RpcCode, message: string, cause: unknown): void {
    const { caller } = this
    if (caller === undefined) return
    const error = this.failure(code, `${this.name} ${message}`, this.#inAll(this.executed), cause)
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
    if (this.seq === 0 || (late && !told)) this.end()
  }

  protected settle(code: RpcCode, message: string, executed: Executed, cause: unknown): void {
    if (!this.#over) this.failWith(this.failure(code, `${this.name}: ${message}`, executed, cause))
  }

  /** It failed: it is sent again where its owner can and may do that; else it is over, and its caller is told. */
  protected failWith(error: RpcError): void {
    if (this.#over) return
    if (this.caller !== undefined && this.owner.again(this, error)) return
    const caller = this.end()
    const executed = this.#inAll(error.executed)
    if (executed === error.executed || error instanceof UserError) caller?.error(error)
    else caller?.error(this.failure(error.code as RpcCode, error.message, executed, error.cause))
  }

  /** Ends it once; gives the caller where there still is one. The slot is free before the caller hears of the end. */
  protected end(): Subscriber<unknown> | undefined {
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
    return this.begun ? 'yes' : this.seq === 0 ? 'no' : 'maybe'
  }

  /** What all tries together may have done, where the last did this. */
  #inAll(executed: Executed): Executed {
    return executed === 'no' ? (this.#earlier?.executed ?? 'no') : executed
  }

  protected get name(): string {
    return actionName(this.request.action)
  }

  protected failure(code: RpcCode, message: string, executed: Executed, cause: unknown): RpcError {
    const { action } = this.request
    return new RpcError(code, message, { executed, action, address: this.owner.address, cause })
  }
}
