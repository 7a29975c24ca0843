/**
 * A call with items on the server: those of the client come as `items$`, those of the handler go out under the client's credit.
 */
import { asapScheduler, type Observable, type Subscriber } from 'rxjs'
import { readItem } from '../codec/items.ts'
import { type RpcCode, RpcError } from '../error.ts'
import type { Grant } from '../flow/credit.ts'
import { type IncomingEvents, IncomingItems } from '../flow/incoming.ts'
import { type OutgoingEvents, OutgoingItems } from '../flow/outgoing.ts'
import type { Overflow } from '../flow/overflow.ts'
import { mapPaced, type Pace, Paced } from '../flow/paced.ts'
import type { Turns } from '../flow/turns.ts'
import type { RequestFrame } from '../protocol/heads.ts'
import { UP_COMPLETE, UP_CREDIT, UP_ERROR, UP_NEXT } from '../protocol/heads-v2.ts'
import type { CallShape } from '../protocol/shape.ts'
import { CallRefused, isPromiseLike } from './dispatch.ts'
import { ServerTask } from './task.ts'
import type { TaskOwner } from './task-owner.ts'

/** A stream, an upload or a duplex. */
export class ServerStreamTask extends ServerTask implements IncomingEvents, OutgoingEvents {
  overflow: Overflow | undefined
  window: number | undefined
  checkItem: ((item: unknown) => unknown) | undefined
  /** Of the item cache: what this call sent last. */
  itemGeneration = 0
  readonly #window: number
  /** What goes out; absent for an upload. */
  readonly #outgoing: OutgoingItems | undefined
  readonly #open: boolean
  /** What comes in; absent before the handler has subscribed. */
  #incoming: IncomingItems | undefined
  /** The client's half: open; deaf, when the handler wants no more; over. */
  #half: 'open' | 'deaf' | 'over'
  #items: Subscriber<unknown> | undefined
  #itemsTaken = false
  #noMoreCredit = false
  /** Frames that may cross the terminal, besides items. */
  #crossing = 0
  #paced = false
  /** How the client's half ended, for a handler that subscribes later. */
  #itemsEnd: ((items: Subscriber<unknown>) => void) | undefined

  constructor(owner: TaskOwner, frame: RequestFrame) {
    super(owner, frame)
    this.#window = frame.window
    this.#half = frame.open ? 'open' : 'over'
    if (frame.window > 0) this.#outgoing = new OutgoingItems(frame.window, this)
    this.#open = frame.open
  }

  protected override longest(): number {
    return Number.POSITIVE_INFINITY
  }

  override get shape(): CallShape {
    if (!this.#open) return 'stream'
    return this.#outgoing === undefined ? 'upload' : 'duplex'
  }

  override get dropped(): number {
    return this.#outgoing?.dropped ?? 0
  }

  override get demand$(): Observable<boolean> {
    return this.#outgoing?.demand$ ?? super.demand$
  }

  override get items$(): Observable<unknown> {
    if (!this.#open) return super.items$
    const items$ = new Paced<unknown>((items, pace) => this.#subscribeItems(items, pace))
    return this.checkItem === undefined ? items$ : mapPaced(items$, this.checkItem)
  }

  override next(frame: RequestFrame): void {
    if (this.stopping) return
    switch (frame.format) {
      case UP_CREDIT:
        this.#credited(frame)
        break
      case UP_NEXT:
      case UP_COMPLETE:
      case UP_ERROR:
        this.#fromClient(frame)
        break
      default:
        super.next(frame)
    }
  }

  override halfClosed(): void {
    this.#noMoreCredit = true
    if (this.#half === 'open') {
      const error = new CallRefused('rpc_io_err', 'the client finished before its items had ended')
      this.#endItems(items => items.error(error))
    }
    this.#stopStarved()
  }

  /** A stream that has used up its credit, and will get no more, is over. */
  #stopStarved(): void {
    if (!this.#noMoreCredit || this.#outgoing?.exhausted !== true || this.over) return
    this.stop(new CallRefused('rpc_canceled', 'the client has finished, and grants no credit any more'))
  }

  protected override follow(answer: unknown): void {
    const outgoing = this.#outgoing
    this.#crossing = CROSSING
    if (outgoing === undefined || isPromiseLike(answer)) super.follow(answer)
    else if (this.over || this.stopping) outgoing.discard(answer)
    else outgoing.start(answer, this.overflow ?? 'buffer', this.#window)
  }

  protected override letGo(reason: unknown): void {
    const underWay = this.#half === 'over' ? 0 : (this.#incoming?.underWay ?? 0)
    this.owner.allowIdle(underWay + this.#crossing)
    this.#crossing = 0
    // First, so that the handler's leaving its items is not told: the terminal says it all.
    this.#half = 'over'
    super.letGo(reason)
    this.#outgoing?.stop()
    this.#incoming?.end()
    const told = reason instanceof CallRefused
    const error = told ? reason : new CallRefused('rpc_canceled', `the call of ${String(this.action)} is over`)
    const items = this.#items
    this.#items = undefined
    items?.error(error)
    // A handler that asks for them only now would wait for good, and its call with it.
    this.#itemsEnd ??= late => late.error(error)
  }

  #credited({ window, consumed }: RequestFrame): void {
    const outgoing = this.#outgoing
    if (outgoing === undefined || outgoing.over) {
      this.owner.idle()
      return
    }
    const { maxWindow } = this.owner
    const before = outgoing.granted
    const lie =
      window > maxWindow ? `a grant has a window of ${window}, over ${maxWindow}` : outgoing.grant({ window, consumed })
    if (lie !== undefined) this.owner.breach(`call ${this.seq}: ${lie}`)
    else if (outgoing.granted === before) this.owner.idle()
  }

  #fromClient(frame: RequestFrame): void {
    if (this.#half === 'deaf') {
      this.owner.idle()
      return
    }
    if (this.#half === 'over') {
      this.owner.breach(`call ${this.seq}: a frame of kind ${frame.format} came after the client's half had ended`)
      return
    }
    if (frame.format === UP_NEXT) {
      this.#item(frame)
      return
    }
    const text = frame.format === UP_ERROR ? new TextDecoder().decode(frame.blob) : undefined
    const cause = new CallRefused('rpc_canceled', `the client's items failed: ${text}`)
    this.#endItems(items => (text === undefined ? items.complete() : items.error(cause)))
  }

  #item(frame: RequestFrame): void {
    const incoming = this.#incoming
    if (frame.skipped) {
      this.stop(new CallRefused('rpc_overflow', 'maxHeldBytes leaves no room for an item'))
      return
    }
    if (incoming === undefined || !incoming.receive(frame.msgBytes + frame.blob.length)) {
      this.owner.breach(`call ${this.seq}: an item came without credit`)
      return
    }
    let item: unknown
    try {
      item = readItem(this.owner.codec, frame)
    } catch (cause) {
      this.stop(new CallRefused('rpc_decode', `an item cannot be decoded: ${RpcError.from(cause).message}`, cause))
      return
    }
    this.#items?.next(item)
    if (!this.#paced) incoming.done()
  }

  #subscribeItems(items: Subscriber<unknown>, pace: Pace | undefined): () => void {
    if (this.#itemsTaken) {
      items.error(new TypeError(`the items of ${String(this.action)} have one subscriber already`))
      return () => {}
    }
    const incoming = new IncomingItems(this.window ?? this.owner.window, 0, this)
    this.#itemsTaken = true
    this.#incoming = incoming
    this.#items = items
    this.#paced = pace !== undefined
    if (pace !== undefined) pace.done = () => incoming.done()
    if (this.#itemsEnd !== undefined) this.#itemsEnd(items)
    else if (this.#half === 'open') incoming.open()
    return () => {
      this.#items = undefined
      if (this.#half !== 'open' || this.over) return // it has ended by itself
      this.#half = 'deaf'
      incoming.end()
      this.owner.cancelItems(this)
    }
  }

  #endItems(end: (items: Subscriber<unknown>) => void): void {
    this.#half = 'over'
    this.#itemsEnd = end
    const items = this.#items
    if (items !== undefined) end(items)
  }

  // What the items need of the call.

  grant({ window, consumed }: Grant): void {
    if (this.#half === 'open' && !this.over) this.owner.credit(this, window, consumed)
  }

  hold(bytes: number): void {
    this.owner.hold(bytes)
  }

  turns(): Turns {
    return this.owner.turns
  }

  write(item: unknown): number {
    const bytes = this.owner.item(this, item)
    if (this.#noMoreCredit) asapScheduler.schedule(() => this.#stopStarved())
    return bytes
  }

  completed(): void {
    this.answerWith(undefined)
  }

  failed(error: unknown): void {
    this.failWith(error)
  }

  refused(code: RpcCode, message: string): void {
    this.failWith(new CallRefused(code, message))
  }
}

/** A CREDIT, and the end of the client's half, may cross the terminal. */
const CROSSING = 2
