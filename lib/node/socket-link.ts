/**
 * A link over a socket of `node:net`, TCP or Unix.
 */
import type { Socket } from 'node:net'
import { type Observable, type SchedulerLike, Subject } from 'rxjs'
import { RpcError } from '../error.ts'
import { Intake } from '../transport/intake.ts'
import type { Link } from '../transport/link.ts'
import { linger } from './linger.ts'
import { turnScheduler } from './turn.ts'

/**
 * The socket must be connected, made with `allowHalfOpen`, and not read yet. Node reads into a new buffer each time, so a
 * chunk is handed on as it came.
 */
export class SocketLink implements Link {
  readonly address: string
  readonly transport: 'tcp' | 'unix'
  readonly turn: SchedulerLike = turnScheduler
  readonly chunks$: Observable<Uint8Array>
  readonly drained$: Observable<void>
  readonly #socket: Socket
  readonly #intake: Intake
  readonly #drained = new Subject<void>()
  #closing = false
  #corked = false
  /** Bytes were taken over since `drained$` emitted. */
  #owing = false

  constructor(socket: Socket, address: string, transport: 'tcp' | 'unix') {
    this.#socket = socket
    this.address = address
    this.transport = transport
    this.#intake = new Intake(
      () => socket.on('data', this.#onData),
      () => this.#drop(),
    )
    this.chunks$ = this.#intake.chunks$
    this.drained$ = this.#drained.asObservable()
    socket.on('error', error => this.#intake.error(this.#lost(error.message, error)))
    socket.once('end', () => this.#intake.complete())
    socket.once('close', () => {
      this.#intake.error(this.#lost('the socket closed'))
      this.#drained.complete()
    })
  }

  get unsentBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength
  }

  pause(): void {
    if (!this.#closing) this.#socket.pause()
  }

  resume(): void {
    if (this.#intake.taken) this.#socket.resume()
  }

  send(bytes: Uint8Array, corked = false): void {
    if (this.#closing || !this.#socket.writable || bytes.length === 0) return
    if (corked && !this.#corked) {
      this.#corked = true
      this.#socket.cork()
      // Should nothing follow after all, the end of this turn sends what there is.
      process.nextTick(this.#uncork)
    }
    this.#owing = true
    this.#socket.write(bytes, this.#onWritten)
    if (!corked) this.#uncork()
  }

  close(): void {
    if (this.#closing) return
    this.#closing = true
    const socket = this.#socket
    if (!socket.destroyed) {
      this.#uncork()
      socket.off('data', this.#onData)
      socket.once('finish', linger(socket))
      socket.end()
      socket.resume()
    }
    this.#intake.complete()
  }

  destroy(): void {
    this.#drop()
    this.#intake.complete()
  }

  readonly #onData = (chunk: Uint8Array): void => this.#intake.next(chunk)

  readonly #onWritten = (): void => {
    if (!this.#owing || this.#socket.destroyed || this.#socket.writableLength > 0) return
    this.#owing = false
    this.#drained.next()
  }

  readonly #uncork = (): void => {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  /** A TCP link that is dropped is reset, as a plain end would tell the far end that this was all; one that ended was told so already. */
  #drop(): void {
    this.#closing = true
    const ended = this.#socket.writableEnded && this.#socket.writableLength === 0
    if (this.transport === 'tcp' && !ended) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  #lost(reason: string, cause?: unknown): RpcError {
    return new RpcError('rpc_io_err', `${this.address}: connection lost: ${reason}`, { address: this.address, cause })
  }
}
