/**
 * One connection of a server: one reader, one writer, and the calls in between. Rust: the connection tasks of
 * `server/server.rs`.
 */
import { type Observable, Subject, Subscription, take } from 'rxjs'
import { RpcError } from '../error.ts'
import { figuresOf, Liveness } from '../flow/liveness.ts'
import { PerSecond } from '../flow/per-second.ts'
import type { U64 } from '../protocol/bytes.ts'
import { CLOSE, type CloseCode, ProtocolError } from '../protocol/close.ts'
import { type Framer, requestFramer } from '../protocol/frames.ts'
import { type RequestFrame, RPC_VERSION_1 } from '../protocol/heads.ts'
import { MAX_CONTROL_BYTES, UP_NEXT, UP_REQUEST } from '../protocol/heads-v2.ts'
import type { Link } from '../transport/link.ts'
import { Outflow } from '../transport/outflow.ts'
import { LinkWriter } from '../transport/writer.ts'
import { networkOf } from './admission.ts'
import { Answers } from './answers.ts'
import { RunningCalls } from './calls.ts'
import type { ServerFacts } from './config.ts'
import { Reading } from './reading.ts'
import { isPing, Requests } from './requests.ts'
import { ServerSession } from './session.ts'
import type { Shared } from './shared.ts'
import { writeErrorBody } from './write.ts'

const encoder = new TextEncoder()

/** One connection: open, then perhaps draining (running calls go on, no further ones are taken), then over. */
export class ServerConnection {
  /** Completes when the connection is over. Never errors. */
  readonly ended$: Observable<void>
  /** Where it comes from, as `maxPerAddress` counts. */
  readonly network: string | undefined
  readonly #link: Link
  readonly #facts: ServerFacts
  readonly #calls: RunningCalls
  readonly #writer: LinkWriter
  readonly #outflow: Outflow
  readonly #framer: Framer<RequestFrame>
  readonly #session: ServerSession
  readonly #answers: Answers
  readonly #requests: Requests
  readonly #liveness: Liveness
  readonly #reading: Reading
  readonly #running = new Subscription()
  readonly #ended = new Subject<void>()
  readonly #idleFrames: PerSecond
  #draining = false
  #over = false

  constructor(link: Link, shared: Shared) {
    const { facts, dispatch, total, items } = shared
    const { config } = facts
    this.ended$ = this.#ended.asObservable()
    this.network = networkOf(link.address)
    this.#link = link
    this.#facts = facts
    this.#calls = new RunningCalls(config, total)
    this.#idleFrames = new PerSecond(config.maxIdleFramesPerSecond, config.tickMs)
    this.#writer = new LinkWriter(link)
    this.#outflow = new Outflow(this.#writer, link, config.highWaterMarkBytes)
    this.#framer = requestFramer(config)
    this.#reading = new Reading(link, this.#framer, error => this.#break(error))
    this.#session = new ServerSession(facts, link.address, this.#writer, this.#framer, {
      deciding: () => this.#reading.hold('deciding'),
      decided: () => this.#reading.release('deciding'),
      refused: error => this.#break(error),
    })
    this.#answers = new Answers(facts, link, this.#writer, this.#outflow, this.#calls, this.#session, items, {
      broken: error => this.#break(error),
      idleFrames: this.#idleFrames,
    })
    this.#requests = new Requests(facts, dispatch, this.#session, this.#calls, this.#answers, this.#outflow)
    this.#liveness = new Liveness({ ...config, silenceMs: config.idleTimeoutMs })
  }

  /** Bytes that requests and items of its running calls hold. */
  get heldBytes(): number {
    return this.#calls.heldBytes
  }

  /** Its running calls that have items. */
  get streams(): number {
    return this.#calls.streams
  }

  /** Items that its running streams have lost. */
  get dropped(): number {
    return this.#calls.dropped
  }

  /** Starts reading. The connection may be over when this returns. */
  start(): void {
    const failed = (error: unknown): void => this.#break(error)
    this.#framer.room = (frame, bytes) => this.#hasRoom(frame, bytes)
    this.#running.add(this.#session.awaitHello())
    this.#running.add(this.#calls.ended$.subscribe({ next: () => this.#hold(), error: failed }))
    this.#running.add(
      this.#calls.expired$.subscribe({
        next: batch => {
          for (const task of batch) task.expire()
        },
        error: failed,
      }),
    )
    this.#running.add(
      this.#reading.frames$.subscribe({
        next: frame => this.#read(frame),
        error: failed,
        complete: () => this.#farEndFinished(),
      }),
    )
  }

  /** The client has nothing more to say: what can be answered still is. */
  #farEndFinished(): void {
    const finish = (): void => {
      this.#writer.flush()
      this.#link.close(1000, '')
    }
    this.#requests.halfClosed()
    this.#finishAfterLast(() => this.#end(finish))
    // Nothing is read any more: from now on only this tells of a loss.
    if (this.#over) return
    const lost = { complete: () => this.destroy(), error: (error: unknown) => this.#break(error) }
    this.#running.add(this.#link.drained$.subscribe(lost))
  }

  /** Looks after the link; called once a tick. */
  tick(): void {
    this.#requests.tick()
    this.#idleFrames.tick()
    const verdict = this.#liveness.tick(figuresOf(this.#framer, this.#writer, !this.#reading.open))
    if (verdict === undefined) return
    this.#break(new ProtocolError(verdict.kind === 'undrained' ? 4490 : 4408, verdict.message))
  }

  /**
   * Takes no further calls; when the running ones are over it says `rpc_draining` and closes. Streams go on for `graceMs`, where
   * the client knows version 2; with version 1 it just stops reading.
   */
  drain(graceMs: number): void {
    this.#draining = true
    if (this.#session.version === RPC_VERSION_1) this.#reading.hold('draining')
    else this.#running.add(this.#requests.drain(graceMs))
    this.#finishAfterLast(() => this.close(4491))
  }

  /** Tells the far end why, and closes at once; handlers that still run are torn down. */
  close(code: CloseCode): void {
    this.#end(() => {
      const text = CLOSE[code]
      writeErrorBody(this.#writer, this.#notice, encoder.encode(text))
      this.#writer.flush()
      this.#link.close(code, text)
    })
  }

  /** Drops the link. */
  destroy(): void {
    this.#end(() => this.#link.destroy())
  }

  #read(frame: RequestFrame): void {
    if (this.#session.version !== RPC_VERSION_1 || !this.#calls.full || isPing(frame)) return this.#take(frame)
    // Other connections took the last place since this one read on: the frame waits for the next.
    this.#reading.holdUntil('calls', this.#calls.free$, () => {
      if (!this.#draining) this.#take(frame)
    })
  }

  #take(frame: RequestFrame): void {
    try {
      this.#requests.take(frame)
    } catch (error) {
      this.#break(error)
      return
    }
    this.#hold()
  }

  /** Is there room for a body of this size? Version 1 stops reading instead, and its clients know no `rpc_busy`. */
  #hasRoom(frame: RequestFrame, bytes: number): boolean {
    // Whoever has not said who it is gets no room worth speaking of.
    if (!this.#session.admitted) return bytes <= MAX_CONTROL_BYTES
    if (this.#session.version === RPC_VERSION_1) return true
    if (frame.ver !== RPC_VERSION_1 && frame.format !== UP_REQUEST && frame.format !== UP_NEXT) return true
    return this.#calls.heldBytes + bytes <= this.#facts.config.maxHeldBytes
  }

  /** Stops reading while there is too much of anything. A connection of version 2 is read on: an inner answer may be behind. */
  #hold(): void {
    const { maxUnsentBytes } = this.#facts.config
    if (this.#over) return
    const { unsentBytes } = this.#writer
    if (unsentBytes > maxUnsentBytes) {
      this.#break(new ProtocolError(4490, `${unsentBytes} unsent bytes are over maxUnsentBytes ${maxUnsentBytes}`))
      return
    }
    if (this.#session.version !== RPC_VERSION_1) return
    if (this.#calls.full) this.#reading.holdUntil('calls', this.#calls.free$)
    if (!this.#outflow.open) this.#reading.holdUntil('output', this.#outflow.below())
  }

  get #notice(): { seq: U64; ver: number } {
    return { seq: 0, ver: this.#session.version }
  }

  #finishAfterLast(finish: () => void): void {
    // A handler that closes its own server is answered, too.
    if (this.#requests.afterDispatch(() => this.#finishAfterLast(finish))) return
    this.#running.add(this.#calls.idle$.pipe(take(1)).subscribe({ next: finish, error: error => this.#break(error) }))
  }

  /** Something is wrong with the connection, not with a call. */
  #break(error: unknown): void {
    if (this.#over) return
    const reason = RpcError.from(error)
    this.#answers.log('warn', reason.message, reason)
    if (!(error instanceof ProtocolError)) {
      this.destroy()
      return
    }
    const { closeCode, seq } = error
    // Seq 0 would be a notice, and that comes anyway.
    if (seq !== undefined && seq !== 0)
      writeErrorBody(this.#writer, { seq, ver: RPC_VERSION_1 }, encoder.encode(CLOSE[closeCode]))
    this.close(closeCode)
  }

  /** Over, once: `last` still has the link and the writer; the handlers are torn down after it. */
  #end(last: () => void): void {
    if (this.#over) return
    this.#over = true
    last()
    this.#answers.ended = true
    this.#running.unsubscribe()
    this.#reading.destroy()
    this.#outflow.destroy()
    this.#writer.destroy()
    this.#calls.cancelAll()
    this.#ended.next()
    this.#ended.complete()
  }
}
