/**
 * One request and its settlement: it is settled exactly once, by whoever takes it out. Rust: `client/task.rs`.
 */
import type { Observer, Subscriber, Unsubscribable } from 'rxjs'
import type { Codec } from '../codec/codec.ts'
import { type Executed, type RpcCode, RpcError } from '../error.ts'
import { Expiring } from '../flow/deadline.ts'
import { FLAG_OK, PING_ACTION, type ResponseFrame } from '../protocol/heads.ts'
import { actionName, type CallRequest, readError } from './call.ts'

/** What a task needs of the stream it belongs to. */
export interface TaskOwner {
  readonly codec: Codec
  readonly address: string
  /** Did the byte at this position of the output leave? */
  hasLeft(position: number): boolean
  /** The task is over: it holds no place in the queue, in the routes or in the window any more. */
  released(task: ClientTask): void
}

/**
 * A task observes the answers to its seq. Its life: queued, then sent, then over. The caller's end and the slot's end are
 * two things: a caller that unsubscribes leaves the slot taken until the answer or the deadline comes.
 */
export class ClientTask extends Expiring implements Observer<ResponseFrame>, Unsubscribable {
  readonly request: CallRequest<unknown>
  readonly timeoutMs: number
  /** The seq it was sent with, or 0 while it is queued. */
  seq = 0
  /** Its message where it was encoded before its turn came. */
  encoded: Uint8Array | undefined
  /** It had to wait for its turn, holding so many bytes. */
  waits = false
  waitingBytes = 0
  /** Where in the link's output its frame ends. */
  endPosition = 0
  /** It has a slot of the window. */
  holdsSlot = false
  readonly #owner: TaskOwner
  #caller: Subscriber<unknown> | undefined
  #over = false

  constructor(owner: TaskOwner, request: CallRequest<unknown>, timeoutMs: number, caller: Subscriber<unknown>) {
    super()
    this.#owner = owner
    this.request = request
    this.timeoutMs = timeoutMs
    this.#caller = caller
  }

  /** Nothing more happens to it. */
  get over(): boolean {
    return this.#over
  }

  /** The answer. */
  next(frame: ResponseFrame): void {
    const caller = this.#end()
    if (caller === undefined) return
    if (this.request.action === PING_ACTION) {
      caller.complete() // whatever the pong says
      return
    }
    const { codec, address } = this.#owner
    if (frame.flag !== FLAG_OK) {
      caller.error(readError(frame, this.request, codec, address))
      return
    }
    let answer: unknown
    try {
      const value = frame.msg.length === 0 ? undefined : codec.decode(frame.msg)
      const { read } = this.request
      answer = read === undefined ? { value, blob: frame.blob } : read(value, frame.blob)
    } catch (cause) {
      const message = `the answer of ${this.#name} cannot be decoded: ${RpcError.from(cause).message}`
      caller.error(this.#error('rpc_decode', message, 'yes', cause))
      return
    }
    caller.next(answer)
    caller.complete()
  }

  /** The link is lost; `reason` says why. */
  error(reason: unknown): void {
    this.fail('rpc_io_err', `lost its connection: ${RpcError.from(reason).message}`, reason)
  }

  /** Its stream is over; what had not left by then never ran. */
  fail(code: RpcCode, message: string, cause: unknown): void {
    const executed = this.seq === 0 || !this.#owner.hasLeft(this.endPosition) ? 'no' : 'maybe'
    this.#end()?.error(this.#error(code, `${this.#name}: ${message}`, executed, cause))
  }

  /** A link never just completes under a task: its stream turns that into an error. */
  complete(): void {
    this.error(new RpcError('rpc_io_err', 'the far end closed the connection'))
  }

  /** Its deadline passed. */
  expire(): void {
    const executed = this.#mayHaveRun
    const what = this.seq === 0 ? 'was not sent' : 'was not answered'
    this.#end()?.error(
      this.#error('rpc_timeout', `${this.#name} ${what} within ${this.timeoutMs} ms`, executed, undefined),
    )
  }

  /** It fails before it was sent. */
  refuse(code: RpcCode, message: string, cause?: unknown): void {
    this.#end()?.error(this.#error(code, `${this.#name}: ${message}`, 'no', cause))
  }

  /** It fails before it was sent, with an error of the codec or of a limit. */
  refuseWith(error: unknown): void {
    const { code, message, cause } = RpcError.from(error)
    this.refuse(code === 'user' ? 'rpc_encode' : code, message, cause)
  }

  /** It was aborted by its signal: the caller is told at once, the slot stays until the answer or the deadline. */
  abort(reason: unknown): void {
    const caller = this.#caller
    const error = this.#error('rpc_canceled', `${this.#name} was aborted by its signal`, this.#mayHaveRun, reason)
    this.unsubscribe()
    caller?.error(error)
  }

  /** The caller unsubscribed. Queued, it is forgotten; sent, its slot stays until the answer or the deadline. */
  unsubscribe(): void {
    this.#caller = undefined
    if (this.seq === 0) this.#end()
  }

  /** Ends it once; gives the caller where there still is one. The slot is free before the caller hears of the end. */
  #end(): Subscriber<unknown> | undefined {
    if (this.#over) return undefined
    this.#over = true
    this.leaveDeadline()
    this.#owner.released(this)
    const caller = this.#caller
    this.#caller = undefined
    return caller
  }

  /** While the link lives, a frame that was written will get there. */
  get #mayHaveRun(): Executed {
    return this.seq === 0 ? 'no' : 'maybe'
  }

  get #name(): string {
    return actionName(this.request.action)
  }

  #error(code: RpcCode, message: string, executed: Executed, cause: unknown): RpcError {
    return new RpcError(code, message, {
      executed,
      action: this.request.action,
      address: this.#owner.address,
      cause,
    })
  }
}
