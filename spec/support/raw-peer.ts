/**
 * A far end that follows no rules: sends exact bytes on any transport, and keeps what came and how it ended.
 */
import type { Socket } from 'node:net'
import { filter, firstValueFrom, Subject, startWith } from 'rxjs'
import type { WebSocket } from 'ws'
import type { Link } from '../../lib/transport/link.ts'
import { type Answer, type Asked, answers, asked } from './raw-frames.ts'

/** How the other side ended. `code` and `reason` are those of a WebSocket's close frame. */
export interface PeerEnd {
  readonly how: 'finished' | 'lost'
  readonly code?: number
  readonly reason?: string
}

/** What a transport lets a peer do. */
interface Means {
  send(bytes: Uint8Array): void
  /** Ends this direction: FIN; on WebSocket the close frame. */
  finish(): void
  /** Drops the connection: RST where there is one. */
  reset(): void
  pause(): void
  resume(): void
  sendText?(text: string): void
}

/** One end of a connection, in the hands of a spec. Finishes by itself when the other side has. */
export class RawPeer {
  readonly chunks: Buffer[] = []
  bytes = 0
  end: PeerEnd | undefined
  /** Runs when bytes came. */
  onBytes: () => void = () => undefined
  readonly #means: Means
  readonly #changed = new Subject<void>()

  constructor(wire: (peer: RawPeer) => Means) {
    this.#means = wire(this)
  }

  send(...parts: Uint8Array[]): void {
    for (const part of parts) this.#means.send(part)
  }

  /** A text message, on WebSocket. */
  sendText(text: string): void {
    this.#means.sendText!(text)
  }

  finish(): void {
    this.#means.finish()
  }

  reset(): void {
    this.#means.reset()
  }

  pause(): void {
    this.#means.pause()
  }

  resume(): void {
    this.#means.resume()
  }

  /** All that came. */
  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  /** What came, as responses. */
  get answers(): Answer[] {
    return answers(this.received)
  }

  /** What came, as requests. */
  get asked(): Asked[] {
    return asked(this.received)
  }

  /** Resolves when something that came makes `condition` true, at once where it is; fails where the end came first. */
  async until(condition: () => boolean): Promise<void> {
    await firstValueFrom(
      this.#changed.pipe(
        startWith(undefined),
        filter(() => condition() || this.end !== undefined),
      ),
    )
    if (!condition()) throw new Error(`the connection ended (${JSON.stringify(this.end)}) after ${this.bytes} bytes`)
  }

  /** The first `count` responses. */
  async answered(count: number): Promise<Answer[]> {
    await this.until(() => this.answers.length >= count)
    return this.answers
  }

  /** The first `count` requests. */
  async wasAsked(count: number): Promise<Asked[]> {
    await this.until(() => this.asked.length >= count)
    return this.asked
  }

  /** How the other side ended it. */
  async ended(): Promise<PeerEnd> {
    await firstValueFrom(
      this.#changed.pipe(
        startWith(undefined),
        filter(() => this.end !== undefined),
      ),
    )
    return this.end!
  }

  /** For the wiring: bytes came. */
  took(chunk: Uint8Array): void {
    this.chunks.push(Buffer.from(chunk))
    this.bytes += chunk.length
    this.onBytes()
    this.#changed.next()
  }

  /** For the wiring: the other side ended; the first word counts. */
  isOver(end: PeerEnd): void {
    this.end ??= end
    this.#changed.next()
  }
}

/** A peer on a socket of `node:net`, which must have been made with `allowHalfOpen`. */
export function socketPeer(socket: Socket): RawPeer {
  return new RawPeer(peer => {
    socket.on('data', chunk => peer.took(chunk))
    socket.on('end', () => {
      peer.isOver({ how: 'finished' })
      socket.end()
    })
    socket.on('error', () => peer.isOver({ how: 'lost' }))
    socket.on('close', () => peer.isOver({ how: 'lost' }))
    return {
      send: bytes => socket.write(bytes),
      finish: () => socket.end(),
      // A Unix socket knows no reset.
      reset: () => (socket.remoteAddress === undefined ? socket.destroy() : socket.resetAndDestroy()),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    }
  })
}

/** A peer on a socket of `ws`; each `send` is one binary message. */
export function webSocketPeer(socket: WebSocket): RawPeer {
  return new RawPeer(peer => {
    socket.on('message', data => peer.took(data as Buffer))
    socket.on('error', () => peer.isOver({ how: 'lost' }))
    socket.on('close', (code, reason) => {
      peer.isOver(code === 1006 ? { how: 'lost' } : { how: 'finished', code, reason: String(reason) })
    })
    return {
      send: bytes => socket.send(bytes),
      finish: () => socket.close(1000),
      reset: () => socket.terminate(),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      sendText: text => socket.send(text),
    }
  })
}

/** A peer on a link in memory. */
export function linkPeer(link: Link): RawPeer {
  return new RawPeer(peer => {
    link.chunks$.subscribe({
      next: chunk => peer.took(chunk),
      error: () => peer.isOver({ how: 'lost' }),
      complete: () => {
        peer.isOver({ how: 'finished' })
        link.close()
      },
    })
    let finished = false
    return {
      send: bytes => {
        if (!finished) link.send(bytes)
      },
      // `Link.close` reads no further; a peer that only ends its direction wants its answers.
      finish: () => {
        finished = true
        link.close()
      },
      reset: () => link.destroy(),
      pause: () => link.pause(),
      resume: () => link.resume(),
    }
  })
}
