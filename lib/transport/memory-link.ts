/**
 * One end of a pair of links inside one process. Nothing here is a promise, a timer or a copy, so it works in virtual time.
 */
import { type Observable, type SchedulerLike, Subject } from 'rxjs'
import { RpcError } from '../error.ts'
import { Intake } from './intake.ts'
import type { Link } from './link.ts'

/** From how many taken chunks on the inbox of a slow reader is shortened. */
const COMPACT_AT = 1024

/** One end of a pair. It owns the bytes on their way to it; to the other end they are the unsent ones. */
export class MemoryLink implements Link {
  readonly address: string
  readonly transport = 'memory'
  readonly chunks$: Observable<Uint8Array>
  readonly drained$: Observable<void>
  readonly #scheduler: SchedulerLike
  readonly #intake: Intake
  readonly #drained = new Subject<void>()
  #peer: MemoryLink | undefined
  /** Sent by the peer; those before `#head` were taken, and `#inboxBytes` are not. */
  #inbox: Uint8Array[] = []
  #head = 0
  #inboxBytes = 0
  #paused = false
  /** A delivery is on the scheduler. */
  #awake = false
  /** This end finished or dropped its direction: it sends no more and takes no more. */
  #closed = false
  /** The peer finished: what is in the inbox is all that comes. */
  #last = false
  /** The peer dropped the link. */
  #lost = false

  constructor(address: string, scheduler: SchedulerLike) {
    this.address = address
    this.#scheduler = scheduler
    this.#intake = new Intake(
      () => this.#wake(),
      () => this.#drop(),
    )
    this.chunks$ = this.#intake.chunks$
    this.drained$ = this.#drained.asObservable()
  }

  /** Two ends, each the other's far one. */
  static pair(address: string, scheduler: SchedulerLike): [MemoryLink, MemoryLink] {
    const a = new MemoryLink(address, scheduler)
    const b = new MemoryLink(address, scheduler)
    a.#peer = b
    b.#peer = a
    return [a, b]
  }

  get unsentBytes(): number {
    const peer = this.#peer
    return peer === undefined ? 0 : peer.#inboxBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#wake()
  }

  send(bytes: Uint8Array): void {
    const peer = this.#peer
    if (this.#closed || peer === undefined || peer.#closed || bytes.length === 0) return
    peer.#inbox.push(bytes)
    peer.#inboxBytes += bytes.length
    peer.#wake()
  }

  close(): void {
    const peer = this.#peer
    if (this.#closed) return
    this.#shut()
    if (peer !== undefined) {
      peer.#last = true
      peer.#wake()
      if (peer.#inboxBytes === 0) this.#drained.complete()
    }
    this.#intake.complete()
  }

  destroy(): void {
    this.#drop()
    this.#intake.complete()
  }

  #drop(): void {
    const peer = this.#peer
    if (peer === undefined) return
    this.#shut()
    this.#peer = undefined
    this.#drained.complete()
    peer.#empty()
    peer.#lost = true
    peer.#wake()
  }

  /** Takes no more, and lets go of what is here, which the peer sees as taken. */
  #shut(): void {
    this.#closed = true
    const held = this.#inboxBytes
    this.#empty()
    if (held > 0) this.#tellDrained()
    const peer = this.#peer
    if (this.#last && peer !== undefined) peer.#drained.complete()
  }

  #empty(): void {
    this.#inbox = []
    this.#head = 0
    this.#inboxBytes = 0
  }

  #tellDrained(): void {
    const peer = this.#peer
    if (peer !== undefined) peer.#drained.next()
  }

  #wake(): void {
    const due = this.#lost || (!this.#paused && this.#intake.taken && (this.#inboxBytes > 0 || this.#last))
    if (this.#awake || !due) return
    this.#awake = true
    this.#scheduler.schedule(() => {
      this.#awake = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.#lost) {
      this.#peer = undefined
      this.#closed = true
      this.#drained.complete()
      const address = this.address
      this.#intake.error(new RpcError('rpc_io_err', `${address}: connection lost: the far end dropped it`, { address }))
      return
    }
    const before = this.#inboxBytes
    while (this.#head < this.#inbox.length && !this.#paused) {
      const chunk = this.#inbox[this.#head++]!
      this.#inboxBytes -= chunk.length
      this.#intake.next(chunk)
    }
    if (this.#closed || this.#lost) return
    if (this.#inboxBytes > 0) {
      if (this.#head >= COMPACT_AT && this.#head * 2 > this.#inbox.length) {
        this.#inbox = this.#inbox.slice(this.#head)
        this.#head = 0
      }
      return
    }
    this.#empty()
    if (before > 0) this.#tellDrained()
    const peer = this.#peer
    // Whoever heard of the drain may have sent again, or paused.
    if (peer === undefined || !this.#last || this.#paused) return
    peer.#drained.complete()
    this.#intake.complete()
  }
}
