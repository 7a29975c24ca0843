/**
 * A stream's open link: frames in, frames out, and a look at both once a tick. It knows bytes and seqs; what a task is and
 * when it ends is its stream's matter.
 */
import {
  catchError,
  concat,
  ignoreElements,
  interval,
  merge,
  type Observable,
  type Observer,
  Subject,
  tap,
  throwError,
} from 'rxjs'
import { isRpcCode, RpcError } from '../error.ts'
import { demux } from '../flow/demux.ts'
import { frames } from '../flow/frames.ts'
import { figuresOf, Liveness } from '../flow/liveness.ts'
import { PerSecond } from '../flow/per-second.ts'
import type { U64 } from '../protocol/bytes.ts'
import { CLOSE, ProtocolError } from '../protocol/close.ts'
import { type Framer, responseFramer } from '../protocol/frames.ts'
import { FLAG_ERROR, type ResponseFrame } from '../protocol/heads.ts'
import { whenBelow } from '../transport/drained.ts'
import type { Link } from '../transport/link.ts'
import { LinkWriter } from '../transport/writer.ts'
import type { ClientFacts } from './config.ts'
import type { ClientTask } from './task.ts'
import { writeRequest } from './write.ts'

/** What a connection tells its stream. */
export interface ConnectionEvents {
  /** The link is over; called once, before the routes get their error. */
  readonly ending: () => void
  /** The routes have got their error. Called once. */
  readonly ended: (reason: RpcError) => void
  /** The far end said that it closes, and why: nothing new is sent here. It may say so again. */
  readonly leaving: (notice: RpcError) => void
  /** A frame was dropped: an answer that nobody waits for any more, or one to no call at all. */
  readonly late: () => void
  /** Nothing was sent, or nothing came, for `pingIntervalMs`; again each tick until that changes. */
  readonly pingDue: () => void
}

/** One open link of a client. */
export class ClientConnection {
  readonly #link: Link
  readonly #facts: ClientFacts
  readonly #events: ConnectionEvents
  readonly #writer: LinkWriter
  readonly #framer: Framer<ResponseFrame>
  readonly #liveness: Liveness
  #seq = 0
  #quietTicks = 0
  #writtenAtTick = 0
  /** Bytes that had left when the link ended. */
  #leftBytes: number | undefined
  #notice: RpcError | undefined
  /** Errors when the far end broke a rule that no single frame shows. */
  readonly #broken = new Subject<never>()
  /** Frames without effect. */
  readonly #idleFrames: PerSecond
  #ended = false

  constructor(link: Link, facts: ClientFacts, events: ConnectionEvents) {
    const { config } = facts
    this.#link = link
    this.#facts = facts
    this.#events = events
    this.#writer = new LinkWriter(link)
    this.#framer = responseFramer(config)
    this.#liveness = new Liveness({ ...config, drainTimeoutMs: config.writeTimeoutMs, silenceMs: config.deadAfterMs })
    this.#idleFrames = new PerSecond(config.maxIdleFramesPerSecond, config.tickMs)
  }

  /** Starts reading: frames go to the `routes` under their seq. The link may end from within. */
  start(routes: Map<U64, Observer<ResponseFrame>>): void {
    const lost = throwError(() => new RpcError('rpc_io_err', `${this.#link.address} closed the connection`))
    const ticks$ = interval(this.#facts.config.tickMs).pipe(
      tap(() => this.#tick()),
      ignoreElements(),
    )
    merge(concat(this.#link.chunks$, lost), ticks$, this.#broken)
      .pipe(
        frames(this.#framer),
        tap(frame => this.#check(frame)),
        catchError(error => {
          // Before the link is let go, which drops it: it still has to say why.
          const reason = this.#ending(error)
          return throwError(() => reason)
        }),
        demux(frame => frame.seq, routes),
      )
      .subscribe({ next: frame => this.#unclaimed(frame), error: reason => this.#events.ended(reason) })
  }

  /** The highest seq that was sent. */
  get seq(): number {
    return this.#seq
  }

  /** All bytes that were ever written: where the last frame ends. */
  get writtenBytes(): number {
    return this.#writer.writtenBytes
  }

  /** Did the output up to `position` leave this process? */
  hasLeft(position: number): boolean {
    return position <= (this.#leftBytes ?? this.#writer.writtenBytes - this.#writer.unsentBytes)
  }

  /** Emits once when the output is short enough for a further call. */
  ready(): Observable<unknown> {
    return whenBelow(this.#writer, this.#link, this.#facts.config.highWaterMarkBytes)
  }

  /** Is it? */
  get isReady(): boolean {
    return this.#writer.unsentBytes <= this.#facts.config.highWaterMarkBytes
  }

  /** Takes the next seq. */
  nextSeq(): number {
    return ++this.#seq
  }

  /** Writes a task's frame; throws as `writeRequest` does, and then wrote nothing. `urgent` flushes at once. */
  write(task: ClientTask, urgent: boolean): void {
    writeRequest(this.#writer, this.#facts, task.seq, task.request, task.encoded)
    task.encoded = undefined
    task.endPosition = this.#writer.writtenBytes
    if (urgent) this.#writer.flush()
  }

  /** Ends the link from this side: what was written leaves, then it closes. The routes get an error, if any are left. */
  close(): void {
    if (this.#ended) return
    this.#writer.flush()
    this.#end(this.#writer.writtenBytes)
    this.#link.close(1000, '')
  }

  /** Throws for a frame that breaks the connection. */
  #check(frame: ResponseFrame): void {
    if (frame.seq > this.#seq) {
      throw new ProtocolError(4400, `response has seq ${frame.seq}, the highest sent is ${this.#seq}`)
    }
  }

  #unclaimed(frame: ResponseFrame): void {
    if (frame.seq !== 0 || frame.flag !== FLAG_ERROR) {
      this.#dropped()
      return
    }
    const text = new TextDecoder().decode(frame.blob)
    const message = `${this.#link.address} closes the connection: ${text}`
    this.#notice = new RpcError(isRpcCode(text) ? text : 'rpc_io_err', message)
    this.#events.leaving(this.#notice)
  }

  #dropped(): void {
    this.#events.late()
    if (!this.#idleFrames.add()) return
    const most = this.#facts.config.maxIdleFramesPerSecond
    const message = `${this.#idleFrames.count} answers that nobody waits for within a second, over maxIdleFramesPerSecond ${most}`
    this.#broken.error(new ProtocolError(4429, message))
  }

  /** The far end is told by the close code, the stream by the reason, which this returns. */
  #ending(error: unknown): RpcError {
    const reason = this.#notice ?? RpcError.from(error)
    if (this.#ended) return reason
    this.#end(this.#writer.writtenBytes - this.#writer.unsentBytes)
    this.#facts.log({ level: 'warn', message: reason.message, address: this.#link.address, error: reason })
    if (error instanceof ProtocolError) this.#link.close(error.closeCode, CLOSE[error.closeCode])
    else this.#link.destroy()
    this.#events.ending()
    return reason
  }

  #end(leftBytes: number): void {
    this.#ended = true
    this.#leftBytes = leftBytes
    this.#writer.destroy()
  }

  #tick(): void {
    const { config } = this.#facts
    this.#idleFrames.tick()
    const { writtenBytes } = this.#writer
    this.#quietTicks = writtenBytes > this.#writtenAtTick ? 0 : this.#quietTicks + 1
    this.#writtenAtTick = writtenBytes
    const verdict = this.#liveness.tick(figuresOf(this.#framer, this.#writer, false))
    if (verdict !== undefined) {
      throw new ProtocolError(verdict.kind === 'undrained' ? 4490 : 4408, `${this.#link.address}: ${verdict.message}`)
    }
    const quietMs = Math.max(this.#quietTicks * config.tickMs, this.#liveness.silentMs)
    if (quietMs >= config.pingIntervalMs) this.#events.pingDue()
  }
}
