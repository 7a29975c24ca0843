/**
 * The HTTP server under a WebSocket listener: one of its own, which does nothing but upgrade, or a user's.
 */
import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { BehaviorSubject, Observable } from 'rxjs'
import { hostPort, parseWs } from './addresses.ts'
import { bindTcp, tcpUrl } from './binding.ts'
import { watchUpgrades } from './upgrades.ts'

/** A path of a user's server; any `http.Server` or `https.Server`. */
export interface HttpTarget<S> {
  readonly server: S
  /** Such as `/rpc`. Default `/`. */
  readonly path?: string | undefined
}

/** A server whose upgrades for `path` may be taken. */
export interface Served {
  readonly server: Server
  readonly path: string
  /** The URL to dial. */
  address(): string
}

const UPGRADE_TIMEOUT_MS = 10_000

function listening(server: Server): AddressInfo | undefined {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address : undefined
}

/** How a server of one's own is made. */
export interface OwnServerOptions {
  /** How long a connection may take until it is upgraded, in ms; for `wss:` the handshake of TLS may take as long before. Default 10,000. */
  readonly upgradeTimeoutMs?: number | undefined
  /** For `wss:`, and needed there: at least `cert` and `key`. */
  readonly tls?: TlsOptions | undefined
}

/** Throws a `TypeError`, which says what to do, where `wss:` lacks its certificate or `ws:` has one. */
export function checkTls(address: string, tls: TlsOptions | undefined): void {
  const secure = /^wss:/i.test(address)
  if (secure && tls === undefined) {
    const option = '{ tls: { cert, key } } of listen(), webSocketListener() or Gateway'
    throw new TypeError(`cannot listen at ${address}: it needs a certificate and its key, ${option}`)
  }
  if (!secure && tls !== undefined) {
    throw new TypeError(`cannot listen at ${address}: a certificate is for wss://, and ws:// uses none`)
  }
}

function httpServer(timeout: number, options: ServerOptions, tls: TlsOptions | undefined): Server {
  return tls === undefined
    ? createServer(options)
    : createSecureServer({ ...options, handshakeTimeout: timeout, ...tls })
}

/** The connections of a server that are not upgraded yet, those included whose handshake of TLS is not over. */
class EarlyConnections {
  readonly #sockets = new Map<string, Socket>()
  readonly #count = new BehaviorSubject(0)
  /** How many there are: now, and at each change. */
  readonly count$: Observable<number> = this.#count.asObservable()

  constructor(server: Server) {
    // By name: what TLS makes of a connection is another object.
    const name = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
    server.on('connection', (socket: Socket) => {
      const from = name(socket)
      this.#sockets.set(from, socket)
      this.#count.next(this.#sockets.size)
      socket.once('close', () => this.#forget(from))
    })
    watchUpgrades(server, ({ socket }) => this.#forget(name(socket)))
  }

  destroy(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  #forget(name: string): void {
    if (this.#sockets.delete(name)) this.#count.next(this.#sockets.size)
  }
}

/**
 * A server at `ws://host:port/path`, or `wss://` with `tls`, emitted once it listens. A connection that has not sent its upgrade after
 * `upgradeTimeoutMs` is closed, also one that says nothing; a plain request is answered 426. Unsubscribing frees the port and ends
 * connections that were not upgraded.
 */
export function ownServer(address: string, options: OwnServerOptions = {}): Observable<Served> {
  return new Observable(subscriber => {
    const { upgradeTimeoutMs = UPGRADE_TIMEOUT_MS, tls } = options
    checkTls(address, tls)
    const { host, port, path, secure } = parseWs(address)
    // Looked at every tenth of the time, so that the last look comes before it is over.
    const timeout = Math.ceil(upgradeTimeoutMs * 0.8)
    const times = { headersTimeout: timeout, requestTimeout: timeout }
    const own = httpServer(
      upgradeTimeoutMs,
      { ...times, connectionsCheckingInterval: Math.ceil(upgradeTimeoutMs * 0.1) },
      tls,
    )
    const early = new EarlyConnections(own)
    own.on('request', (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' })
      response.end('this port speaks WebSocket only')
    })
    const where = { host, port }
    const binding = bindTcp(own, address, where, tcpUrl(secure ? 'wss' : 'ws', where, path), early.count$).subscribe({
      next: bound => subscriber.next({ server: own, path, address: () => bound }),
      error: error => subscriber.error(error),
    })
    subscriber.add(binding)
    subscriber.add(() => early.destroy())
  })
}

/** A user's server, emitted at once, whether it listens yet or not. Completes when the server closes. */
export function userServer({ server, path = '/' }: HttpTarget<Server>): Observable<Served> {
  return new Observable(subscriber => {
    if (!path.startsWith('/')) throw new Error(`the path ${JSON.stringify(path)} does not begin with a slash`)
    const scheme = 'setSecureContext' in server ? 'wss' : 'ws'
    const onClose = (): void => subscriber.complete()
    server.once('close', onClose)
    subscriber.add(() => {
      server.off('close', onClose)
    })
    const address = (): string => {
      const at = listening(server)
      return `${scheme}://${at === undefined ? 'not-listening' : hostPort(at.address, at.port)}${path}`
    }
    subscriber.next({ server, path, address })
  })
}
