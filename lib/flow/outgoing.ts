/**
 * The items that one end of a call sends: from a source, under the credit of the far end, in turns with the other calls of the
 * link.
 */
import { distinctUntilChanged, map, merge, type Observable, of, Subject } from 'rxjs'
import { type RpcCode, RpcError } from '../error.ts'
import { creditCost, type Grant, SendCredit } from './credit.ts'
import type { Overflow } from './overflow.ts'
import { type ItemSink, type ItemSource, readSource, release } from './source.ts'
import { type Pumpable, TURN_BYTES, type Turns } from './turns.ts'

/** Where the items go. */
export interface OutgoingEvents {
  /** The link's turns; `undefined` as long as the call is not on a link. */
  turns(): Turns | undefined
  /** Writes an item, and returns how many bytes it has. Throws for one that cannot be sent. */
  write(item: unknown): number
  /** No item follows. */
  completed(): void
  /** The source failed. */
  failed(error: unknown): void
  /** The items end for a reason of the library's: one cannot be sent, or there are too many. */
  refused(code: RpcCode, message: string): void
  /** The source misbehaved after its end. */
  complain(error: unknown): void
}

/** The items that go out. Ends once: by its source, or by {@link stop}. */
export class OutgoingItems implements ItemSink, Pumpable {
  readonly #events: OutgoingEvents
  readonly #credit: SendCredit
  #source: ItemSource | undefined
  /** What is wanted may have changed. Absent: nobody listens. */
  #demandMoved: Subject<void> | undefined
  #turnBytes = 0
  #pumping = false
  #over = false

  /** `window` is the credit before the first grant. */
  constructor(window: number, events: OutgoingEvents) {
    this.#credit = new SendCredit(window)
    this.#events = events
  }

  /** No item follows. */
  get over(): boolean {
    return this.#over
  }

  /** Units of credit that were granted since the start. */
  get granted(): number {
    return this.#credit.limit
  }

  /** The credit is used up. */
  get exhausted(): boolean {
    return !this.#credit.open
  }

  /** Items that the policy lost. */
  get dropped(): number {
    return this.#source?.dropped ?? 0
  }

  /** Is an item wanted? Now, and at each change; completes at the end. All who listen hear the same. */
  get demand$(): Observable<boolean> {
    const moved = this.#demandMoved ?? new Subject<void>()
    this.#demandMoved = moved
    if (this.#over) moved.complete()
    // In this order: whoever sends at its first word hears what becomes of it.
    return merge(moved, of(undefined)).pipe(
      map(() => this.wanted()),
      distinctUntilChanged(),
    )
  }

  /** Reads `source`; `window` bounds what the policy `buffer` keeps. */
  start(source: unknown, policy: Overflow, window: number): void {
    const reading = readSource(source, this, policy, window)
    if (this.#over) {
      reading.stop()
      return
    }
    this.#source = reading
    this.#goOn() // credit may have come while the source was being started
  }

  /** Lets go of a source that came too late to be read. */
  discard(source: unknown): void {
    release(source, this)
  }

  /** Takes a grant; says why where it is a lie. */
  grant(grant: Grant): string | undefined {
    const lie = this.#credit.grant(grant)
    if (lie === undefined) this.pump()
    return lie
  }

  /** Goes on, as far as credit, the link and the call's turn allow. */
  pump(): void {
    if (this.#over || this.#pumping) return
    this.#turnBytes = 0
    this.#goOn()
  }

  /** Lets go of the source; nothing is sent any more. */
  stop(): void {
    if (this.#over) return
    this.#end()
    this.#source?.stop()
  }

  wanted(): boolean {
    if (this.#over || !this.#credit.open) return false
    const turns = this.#events.turns()
    if (turns === undefined) return false
    if (turns.open) return true
    turns.wait(this)
    return turns.open // waiting may have flushed what was missing
  }

  began(source: ItemSource): void {
    this.#source = source
  }

  /** What can wait is taken in turns; what cannot is not lost for one. */
  ready(): boolean {
    if (!this.wanted()) return false
    if (this.#turnBytes < TURN_BYTES) return true
    this.#events.turns()?.yield(this)
    return false
  }

  item(item: unknown): void {
    let bytes: number
    try {
      bytes = this.#events.write(item)
    } catch (error) {
      const { code, message } = RpcError.from(error)
      this.#refuse(code === 'rpc_too_large' ? code : 'rpc_encode', `an item: ${message}`)
      return
    }
    this.#turnBytes += bytes
    this.#credit.spend(creditCost(bytes))
    this.#demandMoved?.next()
  }

  complete(): void {
    this.#end()
    this.#events.completed()
  }

  error(error: unknown): void {
    this.#end()
    this.#events.failed(error)
  }

  overflow(message: string): void {
    this.#refuse('rpc_overflow', message)
  }

  complain(error: unknown): void {
    this.#events.complain(error)
  }

  #goOn(): void {
    this.#pumping = true
    this.#source?.pump()
    this.#pumping = false
    this.#demandMoved?.next()
  }

  #refuse(code: RpcCode, message: string): void {
    this.stop()
    this.#events.refused(code, message)
  }

  #end(): void {
    this.#over = true
    this.#events.turns()?.forget(this)
    this.#demandMoved?.complete()
  }
}
