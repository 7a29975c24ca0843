/**
 * A stream's open link: frames in, frames out, and a look at both once a tick. It knows bytes, seqs and the version; what a task
 * is and when it ends is its stream's matter.
 */
import {
  catchError,
  concat,
  filter,
  ignoreElements,
  interval,
  merge,
  type Observer,
  Subject,
  tap,
  throwError,
} from 'rxjs'
import { RpcError } from '../error.ts'
import type { Grant } from '../flow/credit.ts'
import { demux, type Routes } from '../flow/demux.ts'
import { frames } from '../flow/frames.ts'
import { figuresOf, Liveness } from '../flow/liveness.ts'
import { longTimer } from '../flow/long-timer.ts'
import { PerSecond } from '../flow/per-second.ts'
import type { U64 } from '../protocol/bytes.ts'
import { CLOSE, ProtocolError } from '../protocol/close.ts'
import { type Framer, responseFramer } from '../protocol/frames.ts'
import { EMPTY_BYTES, PING_ACTION, type ResponseFrame, RPC_VERSION_1 } from '../protocol/heads.ts'
import { DOWN_NEXT, UP_CANCEL, UP_CREDIT, UP_HEADERS } from '../protocol/heads-v2.ts'
import type { Link } from '../transport/link.ts'
import { Outflow } from '../transport/outflow.ts'
import { LinkWriter } from '../transport/writer.ts'
import type { Agreement } from './agreement.ts'
import type { ClientFacts } from './config.ts'
import { ClientSession, type SessionEvents } from './session.ts'
import type { ClientTask } from './task.ts'
import { checkBodies, encodeRequest, writeItem, writeRequest, writeUp } from './write.ts'

/** What a connection tells its stream. */
export interface ConnectionEvents extends Omit<SessionEvents, 'idle'> {
  /** The link is over, and why; called once, before the routes get their error. */
  readonly ending: (reason: RpcError) => void
  /** The routes have got their error. Called once. */
  readonly ended: (reason: RpcError) => void
  /** A frame was dropped: for a call that nobody waits for any more, or for none at all. */
  readonly dropped: () => void
  /** Nothing was sent, or nothing came, for `pingIntervalMs`; again each tick until that changes. */
  readonly pingDue: () => void
}

/** One open link of a client. */
export class ClientConnection {
  /** Producers of items take turns here. */
  readonly outflow: Outflow
  readonly #link: Link
  readonly #facts: ClientFacts
  readonly #events: ConnectionEvents
  readonly #writer: LinkWriter
  readonly #framer: Framer<ResponseFrame>
  readonly #session: ClientSession
  readonly #liveness: Liveness
  /** Ends the connection, from wherever something is wrong with it. */
  readonly #broken = new Subject<never>()
  #seq = 0
  #heldBytes = 0
  /** Bytes that had left when the link ended. */
  #leftBytes: number | undefined
  /** Frames without effect. */
  readonly #idleFrames: PerSecond
  #ended = false

  constructor(link: Link, facts: ClientFacts, events: ConnectionEvents) {
    const { config } = facts
    this.#link = link
    this.#facts = facts
    this.#events = events
    this.#writer = new LinkWriter(link)
    this.outflow = new Outflow(this.#writer, link, config.highWaterMarkBytes)
    this.#framer = responseFramer(config)
    this.#session = new ClientSession(facts, link.address, this.#writer, this.#framer, {
      agreed: events.agreed,
      leaving: events.leaving,
      goAway: events.goAway,
      idle: () => this.idle(),
    })
    this.#liveness = new Liveness({ ...config, drainTimeoutMs: config.writeTimeoutMs, silenceMs: config.deadAfterMs })
    this.#idleFrames = new PerSecond(config.maxIdleFramesPerSecond, config.tickMs)
  }

  /** Starts reading, comes to terms with the server within `agreeMs`: frames go to the `routes` under their seq. May end from within. */
  start(routes: Routes<U64, Observer<ResponseFrame>>, agreeMs: number): void {
    const { tickMs, maxHeldBytes, version } = this.#facts.config
    const lost = throwError(() => new RpcError('rpc_io_err', `${this.#link.address} closed the connection`))
    const ticks$ = interval(tickMs).pipe(
      tap(() => this.#tick()),
      ignoreElements(),
    )
    this.#framer.room = (frame, bytes) => frame.flag !== DOWN_NEXT || this.#heldBytes + bytes <= maxHeldBytes
    const answered$ = longTimer(agreeMs).pipe(
      tap(() => this.#session.checkAnswered()),
      ignoreElements(),
    )
    merge(concat(this.#link.chunks$, lost), merge(ticks$, answered$, this.#broken))
      .pipe(
        frames(this.#framer),
        filter(frame => this.#isForCall(frame)),
        catchError(error => {
          // Before the link is let go, which drops it: it still has to say why.
          const reason = this.#ending(error)
          return throwError(() => reason)
        }),
        demux(frame => frame.seq, routes),
      )
      .subscribe({ next: () => this.idle(), error: reason => this.#events.ended(reason) })
    if (this.#ended) return
    if (version === RPC_VERSION_1) this.#events.agreed()
    else this.#session.offer(this.nextSeq())
  }

  /** What the two ends agreed on; version 1 until the server has answered the offer. */
  get agreement(): Agreement {
    return this.#session.agreement
  }

  /** The highest seq that was sent. */
  get seq(): number {
    return this.#seq
  }

  /** Bytes that were written and have not left. */
  get unsentBytes(): number {
    return this.#ended ? 0 : this.#writer.unsentBytes
  }

  /** Did the output up to `position` leave this process? */
  hasLeft(position: number): boolean {
    return position <= (this.#leftBytes ?? this.#writer.writtenBytes - this.#writer.unsentBytes)
  }

  /** Takes the next seq. */
  nextSeq(): number {
    return ++this.#seq
  }

  /** Writes a task's request; throws as `writeRequest` does, and then wrote nothing. `urgent` flushes at once. */
  write(task: ClientTask, urgent: boolean): void {
    const { agreement } = this
    const isV1 = agreement.version === RPC_VERSION_1 || task.request.action === PING_ACTION
    const shape = isV1 ? undefined : task.shape(agreement)
    if (shape !== undefined && task.request.headers !== undefined) {
      // Nothing may fail between HEADERS and their request.
      task.encoded ??= encodeRequest(this.#facts.codec, task.request, agreement)
      checkBodies(task.encoded, task.request.blob ?? EMPTY_BYTES, agreement)
      const map = this.#facts.control.encode(task.request.headers)
      writeUp(this.#writer, UP_HEADERS, 0, task.seq, 0, map, EMPTY_BYTES)
    }
    writeRequest(this.#writer, this.#facts, task.seq, task.request, task.encoded, agreement, shape)
    task.encoded = undefined
    task.endPosition = this.#writer.writtenBytes
    if (urgent) this.#writer.flush()
  }

  /** Writes a frame of version 2 without a message: CANCEL, COMPLETE, or ERROR with its text. */
  control(kind: number, seq: number, blob: Uint8Array = EMPTY_BYTES): void {
    if (!this.#ended) writeUp(this.#writer, kind, 0, seq, 0, EMPTY_BYTES, blob)
  }

  /** Tells the server, where it can be told, that these calls are of no use any more. */
  cancelAll(tasks: readonly ClientTask[]): void {
    if (this.agreement.version !== RPC_VERSION_1) for (const { seq } of tasks) this.control(UP_CANCEL, seq)
  }

  /** Grants credit for the items of a call. */
  credit(seq: number, { window, consumed }: Grant): void {
    if (!this.#ended) writeUp(this.#writer, UP_CREDIT, window, seq, consumed, EMPTY_BYTES, EMPTY_BYTES)
  }

  /** Writes an item; returns its bytes. Throws `rpc_encode` and `rpc_too_large`, and then wrote nothing. */
  item(seq: number, item: unknown): number {
    return this.#ended ? 0 : writeItem(this.#writer, this.#facts.codec, seq, item, this.agreement)
  }

  /** Bytes of items that their consumers have not done with. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Consumers hold so many bytes more, or fewer. */
  hold(bytes: number): void {
    this.#heldBytes += bytes
  }

  /** Something that came for a call is wrong for the whole connection. */
  break(error: ProtocolError): void {
    this.#broken.error(error)
  }

  /** Ends the link from this side: what was written leaves, then it closes. The routes get an error, if any are left. */
  close(): void {
    if (this.#ended) return
    this.#writer.flush()
    this.#end(this.#writer.writtenBytes)
    this.#link.close(1000, '')
  }

  /** Throws for a frame that breaks the connection; takes those that are for the session. */
  #isForCall(frame: ResponseFrame): boolean {
    if (frame.seq > this.#seq) {
      throw new ProtocolError(4400, `response has seq ${frame.seq}, the highest sent is ${this.#seq}`)
    }
    return !this.#session.takes(frame)
  }

  /** A frame came that has nothing to do. */
  idle(): void {
    this.#events.dropped()
    if (!this.#idleFrames.add()) return
    const most = this.#facts.config.maxIdleFramesPerSecond
    const message = `${this.#idleFrames.count} frames that nobody waits for within a second, over maxIdleFramesPerSecond ${most}`
    this.break(new ProtocolError(4429, message))
  }

  /** The far end is told by the close code, the stream by the reason, which this returns. */
  #ending(error: unknown): RpcError {
    const reason = this.#session.notice ?? RpcError.from(error)
    if (this.#ended) return reason
    this.#end(this.#writer.writtenBytes - this.#writer.unsentBytes)
    this.#facts.log({ level: 'warn', message: reason.message, address: this.#link.address, error: reason })
    if (error instanceof ProtocolError) this.#link.close(error.closeCode, CLOSE[error.closeCode])
    else this.#link.destroy()
    this.#events.ending(reason)
    return reason
  }

  #end(leftBytes: number): void {
    this.#ended = true
    this.#leftBytes = leftBytes
    this.outflow.destroy()
    this.#writer.destroy()
  }

  #tick(): void {
    const { config } = this.#facts
    this.#idleFrames.tick()
    const verdict = this.#liveness.tick(figuresOf(this.#framer, this.#writer, false))
    if (verdict !== undefined) {
      throw new ProtocolError(verdict.kind === 'undrained' ? 4490 : 4408, `${this.#link.address}: ${verdict.message}`)
    }
    if (this.#liveness.quietMs >= config.pingIntervalMs) this.#events.pingDue()
  }
}
