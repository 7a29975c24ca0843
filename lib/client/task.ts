/**
 * One request: what it says, and what the frames of its seq do to it. Rust: `client/task.rs`.
 */
import { asyncScheduler, type Observer } from 'rxjs'
import { RpcError } from '../error.ts'
import { ProtocolError } from '../protocol/close.ts'
import { FLAG_ERROR, FLAG_OK, PING_ACTION, type ResponseFrame } from '../protocol/heads.ts'
import { DOWN_CREDIT, DOWN_NEXT } from '../protocol/heads-v2.ts'
import { printsAsText } from '../protocol/text.ts'
import type { Agreement } from './agreement.ts'
import { readError } from './call.ts'
import { Settlement } from './settlement.ts'
import type { RequestShape } from './write.ts'

/** Stands for an end without an answer: that of a stream. */
export const NO_ANSWER: unique symbol = Symbol('no answer')

/** A task observes the frames of its seq. Its life: queued, then sent, then over, or queued again where it may be sent again. */
export class ClientTask extends Settlement implements Observer<ResponseFrame> {
  /** It waits for its turn, holding so many bytes. */
  waits = false
  waitingBytes = 0
  /** It has a slot of the window. */
  holdsSlot = false

  override get streams(): boolean {
    return false
  }

  /** Such as `Host.load #12 to tcp://127.0.0.1:4000, sent`; without a seq as long as it waits. Rust: the `Debug` of a task. */
  override toString(): string {
    const seq = this.seq === 0 ? '' : ` #${this.seq}`
    const sent = this.caller === undefined ? 'given up' : 'sent'
    const retries = this.retries === 0 ? '' : `, retry ${this.retries}`
    return `${this.name}${seq} to ${this.owner.address}, ${this.over ? 'over' : this.seq === 0 ? 'waiting' : sent}${retries}`
  }

  static {
    printsAsText(ClientTask.prototype)
  }

  /** Units of credit that it has given, and the server has not used. */
  get creditGiven(): number {
    return 0
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
    this.begun ||= frame.flag > FLAG_ERROR
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
    const value = frame.msgBytes === 0 ? undefined : frame.read(this.owner.codec)
    const { read } = this.request
    return read === undefined ? { value, blob: frame.blob } : read(value, frame.blob)
  }

  #terminal(frame: ResponseFrame): void {
    const isPing = this.request.action === PING_ACTION
    if (frame.flag !== FLAG_OK && !isPing && this.caller !== undefined) {
      this.failWith(readError(frame, this.request, this.owner.codec, this.owner.address))
      return
    }
    const caller = this.end()
    if (caller === undefined) return
    if (isPing) {
      caller.complete() // whatever the pong says
      return
    }
    this.owner.answered()
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
    if (code === 'rpc_unauthenticated' || code === 'rpc_forbidden') this.settle(code, message, 'no', reason)
    else this.fail('rpc_io_err', `lost its connection: ${message}`, reason)
  }

  /** A link never just completes under a task: its stream turns that into an error. */
  complete(): void {
    this.error(new RpcError('rpc_io_err', 'the far end closed the connection'))
  }

  /** How long the caller still waits, as version 2 tells it: 0 is for ever. */
  protected get msLeft(): number {
    if (this.timeoutMs === Number.POSITIVE_INFINITY) return 0
    // One that did not wait is encoded as it is written, and has all of its time: the clock costs more than the rest of a head.
    const left = this.encoded === undefined ? this.timeoutMs : this.expiresAt - asyncScheduler.now()
    return Math.max(1, Math.ceil(left))
  }
}
