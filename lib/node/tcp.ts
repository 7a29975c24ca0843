/**
 * TCP and Unix sockets: dialers and listeners on `node:net`. Rust: the `razor-rpc-tcp` crate.
 */
import type { Stats } from 'node:fs'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { map, Observable, Subject } from 'rxjs'
import type { Bound, Dialer, Link, Listener } from '../transport/link.ts'
import { cannotListen, hostPort, parseTcp, parseUnix, unreachable } from './addresses.ts'
import { SocketLink } from './socket-link.ts'
import { publish, release, stage } from './unix-path.ts'

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

/** The process is out of file descriptors: the system turned one caller away, and accepting goes on. */
const TURNED_AWAY = new Set(['EMFILE', 'ENFILE', 'ECONNABORTED'])

/** Binds a server with `bind` and emits it once it listens; `far` names an accepted socket, or says that it is gone. */
function serve(
  address: string,
  transport: 'tcp' | 'unix',
  bind: (server: Server) => void,
  far: (socket: Socket) => string | undefined,
): Observable<{ readonly server: Server; readonly links$: Observable<Link> }> {
  return new Observable(subscriber => {
    const links = new Subject<Link>()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      const from = far(socket)
      if (from !== undefined && links.observed) links.next(new SocketLink(socket, from, transport))
      // The listener is for a reset that is already on its way: there is nobody left to tell.
      else socket.on('error', () => undefined).destroy()
    })
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening && TURNED_AWAY.has(error.code ?? '')) {
        process.emitWarning(`a connection to ${address} was turned away: ${error.message}`)
      } else subscriber.error(cannotListen(address, error))
    })
    server.once('listening', () => subscriber.next({ server, links$: links.asObservable() }))
    subscriber.add(() => {
      server.close()
      links.complete()
    })
    try {
      bind(server)
    } catch (error) {
      subscriber.error(cannotListen(address, error as Error))
    }
  })
}

/** Listens at `tcp://host:port`; port 0 takes a free one, which `Bound.address` names. */
export function tcpListener(address: string): Listener {
  const bind = (server: Server): void => {
    server.listen(parseTcp(address))
  }
  const far = ({ remoteAddress, remotePort }: Socket): string | undefined =>
    remoteAddress === undefined ? undefined : `tcp://${hostPort(remoteAddress, remotePort ?? 0)}`
  return {
    listen: () =>
      serve(address, 'tcp', bind, far).pipe(
        map(({ server, links$ }) => {
          const { port } = server.address() as AddressInfo
          return { address: `tcp://${hostPort(parseTcp(address).host, port)}`, links$ }
        }),
      ),
  }
}

/**
 * Listens at `unix:///path` (or `unix:/path`), with mode 0600. A stale socket file is replaced; a live one, and a file that is no
 * socket, make it fail. Unsubscribing removes the file, unless it was replaced by somebody else's.
 */
export function unixListener(address: string): Listener {
  return {
    listen: () =>
      new Observable<Bound>(subscriber => {
        const refuse = (error: Error): void => subscriber.error(cannotListen(address, error))
        try {
          const path = parseUnix(address)
          const staged = stage(path)
          let own: Stats | undefined
          // Before the server closes: until then no other file can have this inode.
          subscriber.add(() => {
            staged.clear()
            if (own !== undefined) release(path, own)
          })
          // `exclusive`: a cluster worker binds for itself, not through its primary.
          const bind = (server: Server): void => {
            server.listen({ path: staged.path, exclusive: true })
          }
          const served$ = serve(address, 'unix', bind, () => address)
          const open = served$.subscribe({
            next: ({ links$ }) => {
              const published = publish(staged.path, path).subscribe({
                next: placed => {
                  own = placed
                  staged.clear()
                  subscriber.next({ address, links$ })
                },
                error: refuse,
              })
              subscriber.add(published)
            },
            error: error => subscriber.error(error),
          })
          subscriber.add(open)
        } catch (error) {
          refuse(error as Error)
        }
      }),
  }
}
