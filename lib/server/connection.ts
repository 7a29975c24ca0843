/**
 * One connection of a server: one reader, one writer, and the calls in between. Rust: the connection tasks of
 * `server/server.rs`.
 */
import { type Observable, Subject, Subscription, take, tap } from 'rxjs'
import { RpcError } from '../error.ts'
import { frames } from '../flow/frames.ts'
import { Gate } from '../flow/gate.ts'
import { figuresOf, Liveness } from '../flow/liveness.ts'
import { PerSecond } from '../flow/per-second.ts'
import type { U64 } from '../protocol/bytes.ts'
import { CLOSE, type CloseCode, ProtocolError } from '../protocol/close.ts'
import { type Framer, requestFramer } from '../protocol/frames.ts'
import { PING_ACTION, type RequestFrame } from '../protocol/heads.ts'
import { whenBelow } from '../transport/drained.ts'
import type { Link } from '../transport/link.ts'
import { LinkWriter } from '../transport/writer.ts'
import { Answers } from './answers.ts'
import { RunningCalls, type RunningTotal } from './calls.ts'
import type { ServerFacts } from './config.ts'
import { CallRefused, type Dispatch } from './dispatch.ts'
import { ServerTask } from './task.ts'
import { writeErrorBody } from './write.ts'

const encoder = new TextEncoder()

/** One connection: open, then perhaps draining (running calls are answered, no further ones read), then over. */
export class ServerConnection {
  /** Completes when the connection is over. Never errors. */
  readonly ended$: Observable<void>
  readonly #link: Link
  readonly #facts: ServerFacts
  readonly #dispatch: Dispatch
  readonly #calls: RunningCalls
  readonly #writer: LinkWriter
  readonly #framer: Framer<RequestFrame>
  readonly #answers: Answers
  readonly #liveness: Liveness
  /** Holds reading back, and pauses the link with it. */
  readonly #gate = new Gate()
  readonly #running = new Subscription()
  readonly #ended = new Subject<void>()
  #highestSeq: U64 = 0
  readonly #pings: PerSecond
  /** A handler is being started, and its call is not among the running ones yet. */
  #dispatching = false
  #afterDispatch: (() => void) | undefined
  #draining = false
  #over = false

  constructor(link: Link, facts: ServerFacts, dispatch: Dispatch, total: RunningTotal) {
    const { config } = facts
    this.ended$ = this.#ended.asObservable()
    this.#link = link
    this.#facts = facts
    this.#dispatch = dispatch
    this.#calls = new RunningCalls(config, total)
    this.#writer = new LinkWriter(link)
    this.#answers = new Answers(facts, link, this.#writer, this.#calls)
    this.#framer = requestFramer(config)
    this.#liveness = new Liveness({ ...config, silenceMs: config.idleTimeoutMs })
    this.#pings = new PerSecond(config.maxPingsPerSecond, config.tickMs)
  }

  get address(): string {
    return this.#link.address
  }

  /** Calls that have not been answered. */
  get calls(): number {
    return this.#calls.size
  }

  /** Starts reading. The connection may be over when this returns. */
  start(): void {
    const failed = (error: unknown): void => this.#break(error)
    this.#running.add(
      this.#gate.changes$.subscribe({
        next: open => (open ? this.#link.resume() : this.#link.pause()),
        error: failed,
      }),
    )
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
      this.#link.chunks$.pipe(frames(this.#framer, this.#gate)).subscribe({
        next: frame => this.#read(frame),
        error: failed,
        complete: () => {
          const finish = (): void => {
            this.#writer.flush()
            this.#link.close(1000, '')
          }
          this.#finishAfterLast(() => this.#end(finish))
          // Nothing is read any more: from now on only this tells of a loss.
          if (!this.#over) {
            this.#running.add(this.#link.drained$.subscribe({ complete: () => this.destroy(), error: failed }))
          }
        },
      }),
    )
  }

  /** Looks after the link; called once a tick. */
  tick(): void {
    this.#pings.tick()
    const verdict = this.#liveness.tick(figuresOf(this.#framer, this.#writer, !this.#gate.open))
    if (verdict === undefined) return
    this.#break(new ProtocolError(verdict.kind === 'undrained' ? 4490 : 4408, verdict.message))
  }

  /** Reads no further calls; when the running ones are answered it says `rpc_draining` and closes. */
  drain(): void {
    this.#draining = true
    this.#gate.hold('draining')
    this.#finishAfterLast(() => this.close(4491))
  }

  /** Tells the far end why, and closes at once; handlers that still run are torn down. */
  close(code: CloseCode): void {
    this.#end(() => {
      const text = CLOSE[code]
      writeErrorBody(this.#writer, 0, encoder.encode(text))
      this.#writer.flush()
      this.#link.close(code, text)
    })
  }

  /** Drops the link. */
  destroy(): void {
    this.#end(() => this.#link.destroy())
  }

  #read(frame: RequestFrame): void {
    if (frame.seq <= this.#highestSeq) {
      this.#break(
        this.#calls.has(frame.seq)
          ? new ProtocolError(4409, `request ${frame.seq} has the seq of a call that still runs`)
          : new ProtocolError(4400, `request has seq ${frame.seq}, the highest before it was ${this.#highestSeq}`),
      )
      return
    }
    this.#highestSeq = frame.seq
    if (frame.action === PING_ACTION && frame.msg.length === 0 && frame.blob.length === 0) {
      this.#pong(frame)
      return
    }
    if (!this.#calls.full) return this.#start(frame)
    // Other connections took the last place since this one read on: the frame waits for the next.
    const start = (): void => {
      if (!this.#draining) this.#start(frame)
    }
    this.#holdUntil('calls', this.#calls.free$.pipe(tap(start)))
  }

  #start(frame: RequestFrame): void {
    const task = new ServerTask(this.#answers, frame)
    if (frame.action === undefined) {
      task.failWith(new CallRefused('rpc_decode', 'the action name is not UTF-8'))
    } else if (frame.action === PING_ACTION) {
      task.failWith(new CallRefused('rpc_method_notfound', 'action 0 with a body is no ping'))
    } else {
      this.#dispatching = true
      task.run(this.#dispatch)
      this.#dispatching = false
      // A call that is over already never took a place; one whose handler ended the connection gets none.
      if (!task.over && this.#over) task.cancel()
      else if (!task.over) this.#calls.add(task)
      this.#afterDispatch?.()
      this.#afterDispatch = undefined
    }
    this.#hold()
  }

  #pong(frame: RequestFrame): void {
    if (this.#pings.add()) {
      const { maxPingsPerSecond } = this.#facts.config
      const message = `${this.#pings.count} pings came within a second, maxPingsPerSecond is ${maxPingsPerSecond}`
      this.#break(new ProtocolError(4429, message))
      return
    }
    this.#answers.write(frame.seq, undefined)
  }

  /** Stops reading while there is too much of anything. */
  #hold(): void {
    const { highWaterMarkBytes, maxUnsentBytes } = this.#facts.config
    if (this.#calls.full) this.#holdUntil('calls', this.#calls.free$)
    const { unsentBytes } = this.#writer
    if (unsentBytes <= highWaterMarkBytes || this.#over) return
    if (unsentBytes > maxUnsentBytes) {
      this.#break(new ProtocolError(4490, `${unsentBytes} unsent bytes are over maxUnsentBytes ${maxUnsentBytes}`))
      return
    }
    this.#holdUntil('output', whenBelow(this.#writer, this.#link, highWaterMarkBytes))
  }

  /** Holds reading back for `reason` until `over$` emits. */
  #holdUntil(reason: string, over$: Observable<unknown>): void {
    if (!this.#gate.hold(reason)) return
    const released = over$.pipe(take(1))
    this.#running.add(
      released.subscribe({ next: () => this.#gate.release(reason), error: error => this.#break(error) }),
    )
  }

  #finishAfterLast(finish: () => void): void {
    if (this.#dispatching) {
      // A handler that closes its own server is answered, too.
      this.#afterDispatch = () => this.#finishAfterLast(finish)
      return
    }
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
    if (seq !== undefined && seq !== 0) writeErrorBody(this.#writer, seq, encoder.encode(CLOSE[closeCode]))
    this.close(closeCode)
  }

  /** Over, once: `last` still has the link and the writer; the handlers are torn down after it. */
  #end(last: () => void): void {
    if (this.#over) return
    this.#over = true
    last()
    this.#running.unsubscribe()
    this.#writer.destroy()
    this.#calls.cancelAll()
    this.#ended.next()
    this.#ended.complete()
  }
}
