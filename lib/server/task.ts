/**
 * One call on the server and its settlement: whatever the handler does, it is answered once, or not at all where nobody can
 * hear the answer. Rust: `server/task.rs`.
 */
import { asyncScheduler, isObservable, Subscriber } from 'rxjs'
import type { Codec } from '../codec/codec.ts'
import { RpcError, UserError } from '../error.ts'
import { Expiring } from '../flow/deadline.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import type { RequestFrame } from '../protocol/heads.ts'
import { CallRefused, type Dispatch, isPromiseLike, type Peer, type ServerCall } from './dispatch.ts'

/** What a task needs of the connection it came from. */
export interface TaskOwner {
  readonly codec: Codec
  readonly maxCallMs: number
  peer(clientId: U64): Peer
  /** Writes the answer. Called at most once a task, with `task.over` set. */
  answer(task: ServerTask, value: unknown): void
  answerError(task: ServerTask, error: unknown): void
  /** A handler misbehaved after its call was over. */
  complain(task: ServerTask, error: unknown): void
  /** The call holds its slot no longer. */
  released(task: ServerTask): void
}

const fail = (value: unknown): UserError =>
  new UserError(value, typeof value === 'string' ? value : 'the handler failed the call')

/** A call: what its handler sees of it, and what becomes of it. */
export class ServerTask extends Expiring implements ServerCall {
  readonly seq: U64
  readonly timeoutMs: number
  readonly fail: (value: unknown) => UserError = fail
  errors: ErrorsKind | undefined
  readonly #owner: TaskOwner
  readonly #frame: RequestFrame
  #aborter: AbortController | undefined
  #deadline = 0
  #source: Subscriber<unknown> | undefined
  #over = false

  constructor(owner: TaskOwner, frame: RequestFrame) {
    super()
    this.#owner = owner
    this.#frame = frame
    this.seq = frame.seq
    this.timeoutMs = owner.maxCallMs
  }

  get action(): number | string {
    return this.#frame.action ?? ''
  }

  get msg(): Uint8Array {
    return this.#frame.msg
  }

  get blob(): Uint8Array {
    return this.#frame.blob
  }

  get input(): unknown {
    const { msg } = this.#frame
    if (msg.length === 0) {
      if (typeof this.action === 'number') return undefined
      throw new CallRefused('rpc_decode', `${this.action} was called with an empty message; unit is c0`)
    }
    try {
      return this.#owner.codec.decode(msg)
    } catch (cause) {
      throw new CallRefused('rpc_decode', `the argument of ${this.action}: ${RpcError.from(cause).message}`, cause)
    }
  }

  get peer(): Peer {
    return this.#owner.peer(this.#frame.clientId)
  }

  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    return this.#aborter.signal
  }

  get deadline(): number {
    if (this.#deadline === 0) this.#deadline = asyncScheduler.now() + this.timeoutMs
    return this.#deadline
  }

  /** It was answered, or never will be. */
  get over(): boolean {
    return this.#over
  }

  /** Bytes it keeps alive while it runs. */
  get heldBytes(): number {
    return this.#frame.msg.length + this.#frame.blob.length
  }

  /** Runs the handler. May be over when this returns. */
  run(dispatch: Dispatch): void {
    this.#guard(() => this.#follow(dispatch(this)))
  }

  /** It has run for too long: answered `rpc_timeout`, and torn down. */
  expire(): void {
    const message = `${String(this.action)} ran for more than ${this.timeoutMs} ms`
    this.#settle(new CallRefused('rpc_timeout', message), true)
  }

  /** Nobody waits for its answer any more. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#tearDown(new RpcError('rpc_canceled', 'nobody waits for the answer any more'))
  }

  /** Whatever throws, an answer whose `then` does included, fails the call. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.failWith(error)
    }
  }

  #follow(answer: unknown): void {
    if (isObservable(answer)) {
      this.#source = new HandlerSubscriber(this, this.#owner)
      try {
        answer.subscribe(this.#source)
      } catch (error) {
        this.#owner.complain(this, error) // a teardown that threw at once
      }
    } else if (isPromiseLike(answer)) {
      answer.then(
        value => {
          if (!this.#over) this.#guard(() => this.#follow(value))
        },
        error => this.failWith(error),
      )
    } else {
      this.answerWith(answer)
    }
  }

  /** The handler's value. */
  answerWith(value: unknown): void {
    this.#settle(value, false)
  }

  /** The handler's error. After the end it is only complained about. */
  failWith(error: unknown): void {
    if (this.#over) this.#owner.complain(this, error)
    else this.#settle(error, true)
  }

  #settle(result: unknown, isError: boolean): void {
    if (this.#over) return
    this.#over = true
    if (isError) this.#owner.answerError(this, result)
    else this.#owner.answer(this, result)
    this.#tearDown(isError ? result : undefined)
  }

  #tearDown(reason: unknown): void {
    this.leaveDeadline()
    const source = this.#source
    this.#source = undefined
    source?.unsubscribe()
    if (reason !== undefined) this.#aborter?.abort(reason)
    this.#owner.released(this)
  }
}

/** Subscribes to a handler's Observable. A teardown that throws is complained about, and hurts nobody else. */
class HandlerSubscriber extends Subscriber<unknown> {
  readonly #task: ServerTask
  readonly #owner: TaskOwner

  constructor(task: ServerTask, owner: TaskOwner) {
    super({
      next: value => task.answerWith(value),
      error: (error: unknown) => task.failWith(error),
      complete: () => task.answerWith(undefined),
    })
    this.#task = task
    this.#owner = owner
  }

  override unsubscribe(): void {
    try {
      super.unsubscribe()
    } catch (error) {
      this.#owner.complain(this.#task, error)
    }
  }
}
