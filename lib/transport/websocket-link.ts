/**
 * A link over any object with the WHATWG WebSocket interface. What browsers cannot do (pause, tell when bytes left, drop a
 * connection) is a protected method that the Node link overrides.
 */
import { asyncScheduler, Observable, type SchedulerLike, Subject, type Subscription } from 'rxjs'
import { RpcError } from '../error.ts'
import { Intake } from './intake.ts'
import type { Link } from './link.ts'

/** The part of the WHATWG WebSocket interface that is used. A browser's, Node's own and the one of `ws` all fit. */
export interface WebSocketLike {
  binaryType: string
  readonly bufferedAmount: number
  readonly protocol: string
  readonly readyState: number
  /** Sends one binary message. */
  send(data: Uint8Array): void
  /** Begins the close; `reason` has 123 bytes at most. */
  close(code?: number, reason?: string): void
  /** The events are those of WHATWG: a `message` has `data`, a `close` has `code` and `reason`. */
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: any) => void): void
}

const OPEN = 1
/** Between two looks at `bufferedAmount`, which has no event. */
const DRAIN_POLL_MS = 10
const MAX_REASON_BYTES = 123
const encoder = new TextEncoder()

/** `text` cut to what the reason of a close frame may hold, at a code point. */
function reasonOf(text: string): string {
  return text.slice(0, encoder.encodeInto(text, new Uint8Array(MAX_REASON_BYTES)).read)
}

/** Did the far end simply finish? The other codes say that a rule of WebSocket was broken, or that the connection is lost. */
function isFinish(code: number): boolean {
  return code === 1000 || code === 1001 || code === 1005 || (code >= 3000 && code <= 4999)
}

/**
 * One open WebSocket as a link. Binary messages only: a text message is answered with close code 4400 and fails `chunks$`.
 * Pausing is left out here, as browsers cannot; `destroy` closes, as browsers have nothing harder.
 */
export class WebSocketLink implements Link {
  readonly address: string
  readonly transport = 'ws'
  readonly turn?: SchedulerLike
  readonly chunks$: Observable<Uint8Array>
  readonly drained$: Observable<void>
  protected readonly drained: Subject<void> = new Subject<void>()
  readonly #socket: WebSocketLike
  readonly #scheduler: SchedulerLike
  readonly #intake: Intake
  #closing = false
  /** The connection is no more: what was unsent stays so. */
  #gone = false
  #polling: Subscription | undefined

  /** `socket` is open; `scheduler` paces the looks at `bufferedAmount`. */
  constructor(socket: WebSocketLike, address: string, scheduler: SchedulerLike = asyncScheduler) {
    this.#socket = socket
    this.address = address
    this.#scheduler = scheduler
    this.#intake = new Intake(
      () => undefined,
      () => this.#drop(),
    )
    this.chunks$ = this.#intake.chunks$
    this.drained$ = new Observable<void>(subscriber => {
      subscriber.add(this.drained.subscribe(subscriber))
      subscriber.add(() => {
        if (!this.drained.observed) this.#rest()
      })
      this.watch()
    })
    socket.addEventListener('message', event => this.#receive(event.data))
    // A browser's error event says nothing, and a close event follows it.
    socket.addEventListener('error', event => {
      if (event.message) this.#intake.error(this.#lost(event.message, event.error))
    })
    socket.addEventListener('close', event => this.#ended(event.code, event.reason))
  }

  get unsentBytes(): number {
    return this.#gone ? 0 : this.#socket.bufferedAmount
  }

  pause(): void {}

  resume(): void {}

  send(bytes: Uint8Array, corked = false): void {
    if (this.#closing || this.#socket.readyState !== OPEN || bytes.length === 0) return
    this.transmit(bytes, corked)
  }

  close(code?: number, text?: string): void {
    if (this.#closing) return
    this.#closing = true
    if (code !== undefined && this.maySend(code)) this.finish(code, reasonOf(text ?? ''))
    else this.finish()
    this.#intake.complete()
  }

  destroy(): void {
    this.#drop()
    this.#intake.complete()
  }

  /** Hands bytes to the socket and sees to it that `drained` emits when they left. */
  protected transmit(bytes: Uint8Array, _corked: boolean): void {
    this.#socket.send(bytes)
    this.watch()
  }

  /** May this end send that close code? Browsers throw for any other. */
  protected maySend(code: number): boolean {
    return code === 1000 || (code >= 3000 && code <= 4999)
  }

  /** Begins the closing handshake behind what was sent. Called once. */
  protected finish(code?: number, reason?: string): void {
    this.#socket.close(code, reason)
  }

  /** Drops the connection. May be called again. */
  protected terminate(): void {
    this.#socket.close()
  }

  /** Polls while bytes are unsent and somebody wants to know. */
  protected watch(): void {
    if (this.#polling !== undefined || !this.drained.observed || this.#socket.bufferedAmount === 0) return
    const look = (): void => {
      this.#polling = undefined
      if (this.#socket.bufferedAmount > 0) this.watch()
      else this.drained.next()
    }
    this.#polling = this.#scheduler.schedule(look, DRAIN_POLL_MS)
  }

  /** A message of no bytes came. */
  protected idle(): void {}

  /** Fails `chunks$` with `error` and closes with `code`. */
  protected fail(code: number, reason: string, message: string): void {
    const error = this.#lost(message)
    if (!this.#closing) {
      this.#closing = true
      this.finish(code, reason)
    }
    this.#intake.error(error)
  }

  #receive(data: unknown): void {
    if (this.#intake.ended) return
    if (typeof data === 'string') {
      const message = `a text message of ${data.length} characters came; every message must be binary`
      this.fail(4400, 'rpc_protocol', message)
    } else if (!this.#intake.taken) {
      this.fail(4500, 'rpc_internal_err', 'bytes came, and nobody had subscribed to chunks$')
    } else {
      const chunk = data instanceof Uint8Array ? data : new Uint8Array(data as ArrayBuffer)
      if (chunk.length > 0) this.#intake.next(chunk)
      else this.idle()
    }
  }

  #ended(code: number, reason: string): void {
    this.#closing = true
    this.#gone = true
    this.#rest()
    if (isFinish(code)) this.#intake.complete()
    else this.#intake.error(this.#lost(`closed with code ${code}${reason ? `, ${JSON.stringify(reason)}` : ''}`))
    this.drained.complete()
  }

  #drop(): void {
    this.#closing = true
    this.#gone = true
    this.#rest()
    this.terminate()
  }

  #rest(): void {
    this.#polling?.unsubscribe()
    this.#polling = undefined
  }

  #lost(reason: string, cause?: unknown): RpcError {
    return new RpcError('rpc_io_err', `${this.address}: connection lost: ${reason}`, { address: this.address, cause })
  }
}
