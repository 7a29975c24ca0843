/**
 * TCP and Unix sockets: dialers and listeners on `node:net`. Rust: the `razor-rpc-tcp` crate.
 */
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { defer, Observable, Subject } from 'rxjs'
import type { Bound, Dialer, Link, Listener } from '../transport/link.ts'
import { cannotListen, hostPort, parseTcp, parseUnix, unreachable } from './addresses.ts'
import { bindTcp, bindUnix, tcpUrl } from './binding.ts'
import { SocketLink } from './socket-link.ts'

function dialer(address: string, transport: 'tcp' | 'unix', where: () => NetConnectOpts): Dialer {
  return {
    address,
    dial: () =>
      new Observable<Link>(subscriber => {
        let socket: Socket
        try {
          socket = connect({ ...where(), allowHalfOpen: true, noDelay: true })
        } catch (error) {
          subscriber.error(unreachable(address, error as Error))
          return
        }
        let handed = false
        // Stays for good: a socket without an error listener would end the process.
        socket.on('error', error => subscriber.error(unreachable(address, error)))
        socket.once('connect', () => {
          handed = true
          subscriber.next(new SocketLink(socket, address, transport))
          subscriber.complete()
        })
        subscriber.add(() => {
          if (!handed) socket.destroy()
        })
      }),
  }
}

/** Dials `tcp://host:port`; an IPv6 host stands in brackets. A name with several addresses is tried on all of them. */
export function tcpDialer(address: string): Dialer {
  return dialer(address, 'tcp', () => {
    const { host, port } = parseTcp(address)
    if (port === 0) throw new Error('port 0 is for listening')
    return { host, port }
  })
}

/** Dials `unix:///path` (or `unix:/path`). */
export function unixDialer(address: string): Dialer {
  return dialer(address, 'unix', () => ({ path: parseUnix(address) }))
}

/** Binds a server with `bind`; `far` names an accepted socket, or says that it is gone. */
function serve(
  address: string,
  transport: 'tcp' | 'unix',
  bind: (server: Server) => Observable<string>,
  far: (socket: Socket) => string | undefined,
): Observable<Bound> {
  return new Observable(subscriber => {
    const links = new Subject<Link>()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      const from = far(socket)
      if (from !== undefined && links.observed) links.next(new SocketLink(socket, from, transport))
      // The listener is for a reset that is already on its way: there is nobody left to tell.
      else socket.on('error', () => undefined).destroy()
    })
    const binding = bind(server).subscribe({
      next: bound => subscriber.next({ address: bound, links$: links.asObservable() }),
      error: error => subscriber.error(cannotListen(address, error)),
    })
    subscriber.add(binding)
    subscriber.add(() => links.complete())
  })
}

/** Listens at `tcp://host:port`; port 0 takes a free one, which `Bound.address` names. */
export function tcpListener(address: string): Listener {
  const bind = (server: Server): Observable<string> =>
    defer(() => {
      const where = parseTcp(address)
      return bindTcp(server, address, where, tcpUrl('tcp', where))
    })
  const far = ({ remoteAddress, remotePort }: Socket): string | undefined =>
    remoteAddress === undefined ? undefined : `tcp://${hostPort(remoteAddress, remotePort ?? 0)}`
  return { listen: () => serve(address, 'tcp', bind, far) }
}

/**
 * Listens at `unix:///path` (or `unix:/path`), with mode 0600. A stale socket file is replaced; a live one, and a file that is no
 * socket, make it fail. Unsubscribing removes the file, unless it was replaced by somebody else's.
 */
export function unixListener(address: string): Listener {
  return {
    listen: () =>
      serve(
        address,
        'unix',
        server => bindUnix(server, address),
        () => address,
      ),
  }
}
