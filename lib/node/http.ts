/**
 * The HTTP server under a WebSocket listener: one of its own, which does nothing but upgrade, or a user's.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Observable } from 'rxjs'
import { hostPort, parseWs } from './addresses.ts'

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

/**
 * A server at `ws://host:port/path`, emitted once it listens. A connection that has not sent its upgrade after `upgradeTimeoutMs`
 * is closed, also one that says nothing; a plain request is answered 426. Unsubscribing frees the port and ends connections
 * that were not upgraded.
 */
export function ownServer(address: string, upgradeTimeoutMs: number = UPGRADE_TIMEOUT_MS): Observable<Served> {
  return new Observable(subscriber => {
    const { host, port, path } = parseWs(address)
    // Looked at every tenth of the time, so that the last look comes before it is over.
    const timeout = Math.ceil(upgradeTimeoutMs * 0.8)
    const server = createServer({
      headersTimeout: timeout,
      requestTimeout: timeout,
      connectionsCheckingInterval: Math.ceil(upgradeTimeoutMs * 0.1),
    })
    server.on('request', (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' })
      response.end('this port speaks WebSocket only')
    })
    server.on('error', error => subscriber.error(error))
    server.once('listening', () => {
      const bound = `ws://${hostPort(host, listening(server)?.port ?? port)}${path}`
      subscriber.next({ server, path, address: () => bound })
    })
    subscriber.add(() => {
      server.close()
      server.closeAllConnections()
    })
    server.listen({ host, port })
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
