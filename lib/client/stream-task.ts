/**
 * A call with items: they come down under credit that its consumer gives, and go up under credit that the handler gives.
 */
import type { Subscriber } from 'rxjs'
import { readItem } from '../codec/items.ts'
import { type RpcCode, RpcError } from '../error.ts'
import type { Grant } from '../flow/credit.ts'
import { type IncomingEvents, IncomingItems } from '../flow/incoming.ts'
import { type OutgoingEvents, OutgoingItems } from '../flow/outgoing.ts'
import type { Turns } from '../flow/turns.ts'
import { ProtocolError } from '../protocol/close.ts'
import type { ResponseFrame } from '../protocol/heads.ts'
import { MAX_UP_ERROR_BYTES, MAX_WINDOW, readCreditBody, UP_COMPLETE, UP_ERROR } from '../protocol/heads-v2.ts'
import { cutText } from '../protocol/text.ts'
import type { Agreement } from './agreement.ts'
import type { CallRequest } from './call.ts'
import { ClientTask, NO_ANSWER } from './task.ts'
import type { TaskOwner } from './task-owner.ts'
import type { RequestShape } from './write.ts'

/** A stream, an upload or a duplex. */
export class StreamTask extends ClientTask implements IncomingEvents, OutgoingEvents {
  /** What comes down; absent for an upload, and before the request is written. */
  #incoming: IncomingItems | undefined
  /** What goes up; absent for a stream. */
  readonly #outgoing: OutgoingItems | undefined
  /** The last frame of the own half, once the source has ended. */
  #last: (() => void) | undefined
  #opened = false

  constructor(owner: TaskOwner, request: CallRequest<unknown>, timeoutMs: number, caller: Subscriber<unknown>) {
    super(owner, request, timeoutMs, caller)
    if (request.items !== undefined) this.#outgoing = new OutgoingItems(0, this)
    if (request.pace !== undefined) request.pace.done = () => this.#incoming?.done()
  }

  override get streams(): boolean {
    return true
  }

  override get creditGiven(): number {
    return this.#incoming?.underWay ?? 0
  }

  override get repeatable(): boolean {
    return super.repeatable && (this.#outgoing === undefined || this.#outgoing.granted === 0)
  }

  override shape(agreement: Agreement): RequestShape {
    const window = Math.min(this.request.window ?? 0, agreement.window)
    if (window > 0) this.#incoming = new IncomingItems(window, window, this)
    return { window, msLeft: this.msLeft }
  }

  /** Subscribes to what goes up: with the call, so that what a Subject emits while it waits is kept, not lost. */
  override open(): void {
    if (this.#opened) return // it waits for its second try, with the source it has
    this.#opened = true
    const { items, overflow = 'buffer' } = this.request
    this.#outgoing?.start(items, overflow, MOST_KEPT)
  }

  override sent(): void {
    this.#last?.()
    this.#outgoing?.pump()
  }

  protected override item(frame: ResponseFrame): void {
    const incoming = this.#incoming
    const bytes = frame.msgBytes + frame.blob.length
    if (incoming === undefined || (!frame.skipped && !incoming.receive(bytes))) {
      this.owner.connection?.break(
        new ProtocolError(4420, `an item of ${this.name}, call ${this.seq}, came without credit`),
      )
      return
    }
    if (frame.skipped) {
      this.drop('rpc_overflow', 'was sent an item for which maxHeldBytes leaves no room', undefined)
      return
    }
    let item: unknown
    try {
      item = readItem(this.owner.codec, frame)
    } catch (cause) {
      this.drop('rpc_decode', `was sent an item that cannot be decoded: ${RpcError.from(cause).message}`, cause)
      return
    }
    this.caller?.next(item)
    if (this.request.pace === undefined) incoming.done()
  }

  protected override credit(frame: ResponseFrame): void {
    const outgoing = this.#outgoing
    if (outgoing === undefined || outgoing.over) {
      this.owner.idle()
      return
    }
    const grant = readCreditBody(frame.msg)
    const before = outgoing.granted
    const lie = grant.window > MAX_WINDOW ? `a grant has a window of ${grant.window}` : outgoing.grant(grant)
    if (lie !== undefined)
      this.owner.connection?.break(new ProtocolError(4420, `${this.name}, call ${this.seq}: ${lie}`))
    else if (outgoing.granted === before) this.owner.idle()
  }

  protected override canceled(): void {
    if (this.#outgoing === undefined || this.#outgoing.over) this.owner.idle()
    else this.#outgoing.stop()
  }

  protected override answer(frame: ResponseFrame): unknown {
    if (this.#incoming === undefined) return super.answer(frame)
    const bytes = frame.msgBytes + frame.blob.length
    if (bytes > 0) throw new RpcError('rpc_decode', `the end of a stream has a body of ${bytes} bytes`)
    return NO_ANSWER
  }

  protected override left(): void {
    this.#incoming?.end()
    this.#outgoing?.stop()
  }

  // What the items need of the call.

  grant(grant: Grant): void {
    if (this.caller !== undefined) this.owner.connection?.credit(this.seq, grant)
  }

  hold(bytes: number): void {
    this.owner.connection?.hold(bytes)
  }

  turns(): Turns | undefined {
    return this.seq === 0 ? undefined : this.owner.connection?.outflow
  }

  write(item: unknown): number {
    return this.owner.connection?.item(this.seq, item) ?? 0
  }

  completed(): void {
    this.#finish(() => this.owner.connection?.control(UP_COMPLETE, this.seq))
  }

  failed(error: unknown): void {
    this.#fail(RpcError.from(error).message)
  }

  refused(code: RpcCode, message: string): void {
    this.#fail(`${code}: ${message}`)
  }

  complain(error: unknown): void {
    this.owner.complain(`the items of ${this.name} after their end`, error)
  }

  #fail(text: string): void {
    this.#finish(() => this.owner.connection?.control(UP_ERROR, this.seq, cutText(text, MAX_UP_ERROR_BYTES)))
  }

  #finish(last: () => void): void {
    if (this.over || this.caller === undefined) return
    this.#last = last
    if (this.seq > 0) last()
  }
}

/** Items that a pushing source may be ahead of the handler's credit. */
const MOST_KEPT = 1_024
