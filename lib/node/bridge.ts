/**
 * Two links made one: the bytes of each are sent on the other, unread, and a link that is behind holds back the one that fills it.
 */
import { type Observable, Subject } from 'rxjs'
import type { Link } from '../transport/link.ts'
import { passed } from './turnover.ts'

/** What a chunk costs besides its bytes while it waits to be sent: so many small ones are no way round the mark. */
const CHUNK_BYTES = 256

/** One direction. */
class Lane {
  bytes = 0
  readonly #from: Link
  readonly #to: Link
  readonly #highWaterMarkBytes: number
  /** Chunks since the last time nothing was unsent. */
  #chunks = 0
  #paused = false

  constructor(from: Link, to: Link, highWaterMarkBytes: number) {
    this.#from = from
    this.#to = to
    this.#highWaterMarkBytes = highWaterMarkBytes
  }

  carry(chunk: Uint8Array): void {
    this.bytes += chunk.length
    this.#chunks++
    // Corked: what came in one read leaves in one write.
    this.#to.send(chunk, true)
    const { unsentBytes } = this.#to
    if (unsentBytes === 0) this.#chunks = 0
    else if (!this.#paused && unsentBytes + this.#chunks * CHUNK_BYTES > this.#highWaterMarkBytes) {
      this.#paused = true
      this.#from.pause()
    }
  }

  drained(): void {
    this.#chunks = 0
    if (!this.#paused) return
    this.#paused = false
    this.#from.resume()
  }
}

/** Carries bytes between a client and a server until one of them ends. Bytes that came before an end still arrive. */
export class Bridge {
  readonly #near: Link
  readonly #far: Link
  readonly #up: Lane
  readonly #down: Lane
  readonly #ended = new Subject<void>()
  #open = 2
  #moved = false
  #silentMs = 0
  #reason: string | undefined

  /** Completes when both connections are gone; never errors. */
  readonly ended$: Observable<void> = this.#ended.asObservable()

  /** `near` leads to the client, `far` to the server; at most about `highWaterMarkBytes` and one chunk wait for either. */
  constructor(near: Link, far: Link, highWaterMarkBytes: number) {
    this.#near = near
    this.#far = far
    this.#up = new Lane(near, far, highWaterMarkBytes)
    this.#down = new Lane(far, near, highWaterMarkBytes)
  }

  get bytesUp(): number {
    return this.#up.bytes
  }

  get bytesDown(): number {
    return this.#down.bytes
  }

  /** Why it ended, for a log. */
  get reason(): string {
    return this.#reason ?? ''
  }

  /** In the turn both links were handed over. */
  start(): void {
    this.#watch(this.#near, this.#down)
    this.#watch(this.#far, this.#up)
    this.#near.chunks$.subscribe({
      next: chunk => this.#carry(this.#up, chunk),
      // A WebSocket has no half: who closes it wants no answers. The server gets what was sent, and then the end.
      complete: () => this.#end('the client finished', () => this.#close(1000)),
      error: (error: Error) => this.#end(`the client is lost: ${error.message}`, () => this.#far.destroy()),
    })
    this.#far.chunks$.subscribe({
      next: chunk => this.#carry(this.#down, chunk),
      complete: () => this.#end('the server finished', () => this.#close(1000)),
      error: (error: Error) =>
        this.#end(`the server is lost: ${error.message}`, () =>
          this.#close(1014, 'the server behind the gateway is lost'),
        ),
    })
  }

  /** Time passed: true as soon as no byte came from either end for `idleTimeoutMs`. */
  silentFor(ms: number, idleTimeoutMs: number): boolean {
    this.#silentMs = this.#moved ? 0 : this.#silentMs + ms
    this.#moved = false
    return this.#silentMs >= idleTimeoutMs
  }

  /** Ends it for `reason`: what came still arrives, and the client is told `code` and `text`. */
  end(reason: string, code: number, text: string): void {
    this.#end(reason, () => this.#close(code, text))
  }

  #close(code: number, text?: string): void {
    this.#near.close(code, text)
    this.#far.close()
  }

  #carry(lane: Lane, chunk: Uint8Array): void {
    this.#moved = true
    lane.carry(chunk)
    passed(chunk.length)
  }

  /** The first end counts: closing one link here makes the other end too. */
  #end(reason: string, act: () => void): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    act()
  }

  /** `lane` waits for `link`. */
  #watch(link: Link, lane: Lane): void {
    const gone = (): void => {
      if (--this.#open === 0) this.#ended.complete()
    }
    link.drained$.subscribe({ next: () => lane.drained(), complete: gone, error: gone })
  }
}
