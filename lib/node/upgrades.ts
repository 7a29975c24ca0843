/**
 * Which WebSocket upgrade of an HTTP server is whose: one listener for each server, however many paths of it are taken here, so
 * that every upgrade is either taken, left to others, or answered.
 */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { hostPort } from './addresses.ts'

/** Takes an upgrade over, the socket and its errors included. */
export type Take = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

interface Router {
  readonly paths: Map<string, Take>
  readonly listener: Take
}

const ROUTERS = new WeakMap<Server, Router>()
const WATCHERS = new WeakMap<Server, (request: IncomingMessage) => void>()

/** Shows each upgrade of `server` to `see`, before it is routed. */
export function watchUpgrades(server: Server, see: (request: IncomingMessage) => void): void {
  WATCHERS.set(server, see)
}

/** Who asks, as a URL. */
export function farEnd({ socket }: IncomingMessage): string {
  const { remoteAddress, remotePort } = socket
  return `${'encrypted' in socket ? 'wss' : 'ws'}://${hostPort(remoteAddress ?? '', remotePort ?? 0)}`
}

/** The path that a request asks for, without its query. */
function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function routerOf(server: Server): Router {
  const known = ROUTERS.get(server)
  if (known !== undefined) return known
  const paths = new Map<string, Take>()
  const listener: Take = (request, socket, head) => {
    WATCHERS.get(server)?.(request)
    const path = pathOf(request)
    const take = paths.get(path)
    if (take !== undefined) take(request, socket, head)
    else if (server.listenerCount('upgrade') === 1) refuse(socket, 404, `no WebSocket is served at ${path}`)
  }
  const router = { paths, listener }
  ROUTERS.set(server, router)
  server.on('upgrade', listener)
  return router
}

/**
 * Gives upgrades for `path` to `take` until the returned function is called. Upgrades for other paths are left to other
 * listeners of the server, or answered 404 where there are none. Throws where the path is taken already.
 */
export function route(server: Server, path: string, take: Take): () => void {
  const router = routerOf(server)
  if (router.paths.has(path)) throw new Error(`the path ${path} of this HTTP server is taken`)
  router.paths.set(path, take)
  return () => {
    router.paths.delete(path)
    if (router.paths.size > 0) return
    server.off('upgrade', router.listener)
    ROUTERS.delete(server)
  }
}

/** Answers an upgrade with an HTTP error, and ends the connection. */
export function refuse(socket: Duplex, status: number, text: string): void {
  // A far end that hangs up on a refusal has nothing to lose.
  socket.on('error', () => undefined)
  socket.once('finish', () => socket.destroy())
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: text/plain\r\n`
  socket.end(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
}
