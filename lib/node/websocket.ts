/**
 * WebSockets on Node: the dialer, and what makes links of upgrades. The only file that knows `ws`.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import type { SchedulerLike } from 'rxjs'
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import type { Dialer, Link } from '../transport/link.ts'
import { type WebSocketConstructor, webSocketDialer } from '../transport/websocket-client.ts'
import { WebSocketLink } from '../transport/websocket-link.ts'
import { LINGER_MS, linger } from './linger.ts'
import { turnScheduler } from './turn.ts'
import { farEnd, refuse } from './upgrades.ts'

/** What both ends of a WebSocket on Node can be told. */
export interface NodeWebSocketOptions {
  /**
   * The largest WebSocket message that is taken; one above it ends the link with close code 1009. Default 18 MiB: the largest
   * frame of razor, and some more of the next. How frames are cut into messages is the sender's choice, so this is no limit for a call.
   */
  readonly maxSocketMessageBytes?: number | undefined
  /** WebSocket pings, pongs and empty messages that the far end may send in a second. Above: close code 4429. Default 100. */
  readonly maxPingsPerSecond?: number | undefined
}

/** What a dialer of WebSockets on Node can be told. */
export interface NodeWebSocketDialerOptions extends NodeWebSocketOptions {
  /** `razor` (default) offers that subprotocol and insists on it; `none` offers nothing, for plain bridges that echo none. */
  readonly subprotocol?: 'razor' | 'none' | undefined
  /** Sent with the upgrade request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** For `wss:`: certificates, and whether the server's is checked (default true). */
  readonly tls?: (SecureContextOptions & { readonly rejectUnauthorized?: boolean }) | undefined
}

const MAX_SOCKET_MESSAGE_BYTES = 18 * 1024 * 1024
const MAX_PINGS_PER_SECOND = 100

/** The settings of `ws` for both ends. `closeTimeout` is how long it waits for the answer to a close frame. */
function settings(options: NodeWebSocketOptions): ServerOptions & { readonly closeTimeout: number } {
  return {
    maxPayload: options.maxSocketMessageBytes ?? MAX_SOCKET_MESSAGE_BYTES,
    perMessageDeflate: false,
    allowSynchronousEvents: true,
    closeTimeout: LINGER_MS,
    // Pings are counted by the second; this one is for a far end that never takes its pongs.
    ...{ maxPendingAutoPongs: 10 * (options.maxPingsPerSecond ?? MAX_PINGS_PER_SECOND) },
  }
}

/** A link over a socket of `ws`: it can pause, knows when bytes left, and can be dropped. */
class NodeWebSocketLink extends WebSocketLink {
  override readonly turn: SchedulerLike = turnScheduler
  readonly #ws: WebSocket
  readonly #raw: Socket
  readonly #maxPings: number
  #corked = false
  /** Bytes were taken over since `drained` emitted. */
  #owing = false
  #afterLast: (() => void) | undefined
  /** Frames without effect since `#second` began, on the clock of `performance.now()`. */
  #pings = 0
  #second = 0

  constructor(ws: WebSocket, raw: Socket, address: string, options: NodeWebSocketOptions) {
    super(ws, address)
    this.#ws = ws
    this.#raw = raw
    this.#maxPings = options.maxPingsPerSecond ?? MAX_PINGS_PER_SECOND
    ws.on('ping', () => this.idle())
    ws.on('pong', () => this.idle())
  }

  override pause(): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.pause()
  }

  override resume(): void {
    this.#ws.resume()
  }

  protected override transmit(bytes: Uint8Array, corked: boolean): void {
    if (corked && !this.#corked) {
      this.#corked = true
      this.#raw.cork()
      // Should nothing follow after all, the end of this turn sends what there is.
      process.nextTick(this.#uncork)
    }
    this.#owing = true
    this.#ws.send(bytes, this.#onSent)
    if (!corked) this.#uncork()
  }

  /** The close frame waits until all that was sent left, as `ws` gives the far end only a fixed time from it on. */
  protected override finish(code?: number, reason?: string): void {
    this.#uncork()
    this.#ws.resume()
    const left = linger(this.#raw)
    const end = (): void => {
      this.#ws.close(code, reason)
      left()
    }
    if (this.#ws.bufferedAmount === 0) end()
    else this.#afterLast = end
  }

  /** A server may say more than a browser may: 1011 to 1014 among others. */
  protected override maySend(code: number): boolean {
    return super.maySend(code) || (code >= 1011 && code <= 1014)
  }

  protected override terminate(): void {
    this.#ws.terminate()
  }

  /** Nothing to poll: `ws` tells when bytes left. */
  protected override watch(): void {}

  protected override idle(): void {
    const now = performance.now()
    if (now - this.#second >= 1000) {
      this.#second = now
      this.#pings = 0
    }
    if (++this.#pings !== this.#maxPings + 1) return
    const message = `over maxPingsPerSecond ${this.#maxPings}: pings, pongs and empty messages of one second`
    this.fail(4429, 'rpc_busy', message)
  }

  /** An error says that the bytes are lost, not that they left. */
  readonly #onSent = (error?: Error | null): void => {
    if (error || !this.#owing || this.#ws.readyState === WebSocket.CLOSED || this.#ws.bufferedAmount > 0) return
    this.#owing = false
    this.drained.next()
    this.#afterLast?.()
    this.#afterLast = undefined
  }

  readonly #uncork = (): void => {
    if (!this.#corked) return
    this.#corked = false
    this.#raw.uncork()
  }
}

/** Dials `ws://host:port/path` or `wss://...`. */
export function nodeWebSocketDialer(address: string, options: NodeWebSocketDialerOptions = {}): Dialer {
  const sockets = new WeakMap<object, Socket>()
  class ClientSocket extends WebSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols, { ...options.tls, ...settings(options), headers: { ...options.headers } })
      this.once('upgrade', response => sockets.set(this, response.socket))
    }
  }
  return webSocketDialer(address, {
    WebSocket: ClientSocket as WebSocketConstructor,
    subprotocol: options.subprotocol,
    binaryType: 'nodebuffer',
    link: (socket, at) => new NodeWebSocketLink(socket as ClientSocket, sockets.get(socket)!, at, options),
  })
}

/** Did the client offer subprotocols, but not ours? */
function offersOthers(headers: IncomingHttpHeaders): boolean {
  const offered = headers['sec-websocket-protocol']
  return offered !== undefined && !offered.split(',').some(each => each.trim() === 'razor')
}

/**
 * What makes links of upgrades, which may come from anywhere: gives `use` the link in the turn it is called, or answers the upgrade
 * with an HTTP error, and then never calls it.
 */
export function upgrader(
  options: NodeWebSocketOptions,
): (request: IncomingMessage, socket: Duplex, head: Buffer, use: (link: Link) => void) => void {
  const server = new WebSocketServer({
    ...settings(options),
    noServer: true,
    clientTracking: false,
    handleProtocols: offered => (offered.has('razor') ? 'razor' : false),
  })
  return (request, socket, head, use) => {
    if (offersOthers(request.headers)) refuse(socket, 400, 'the only subprotocol here is razor')
    else {
      server.handleUpgrade(request, socket, head, ws =>
        use(new NodeWebSocketLink(ws, request.socket, farEnd(request), options)),
      )
    }
  }
}
