/**
 * How a server gets to listen: at the socket that the process before left for the address, or at one that is bound now.
 */
import type { AddressInfo, Server } from 'node:net'
import { Observable } from 'rxjs'
import { type HostPort, hostPort, parseUnix } from './addresses.ts'
import { claim } from './inheritance.ts'
import { ListeningSocket } from './sockets.ts'
import { publish, type SocketFile, stage } from './unix-path.ts'

/** The process is out of file descriptors: the system turned one caller away, and accepting goes on. */
const TURNED_AWAY = new Set(['EMFILE', 'ENFILE', 'ECONNABORTED'])

/** What came of binding. */
interface Fresh {
  /** What to dial. */
  readonly bound: string
  readonly file?: SocketFile
}

/**
 * Makes `server` listen at `address`, bound by `fresh$` where no socket was inherited for it; emits what to dial. Errors with what the
 * system says, later too. Unsubscribing stops accepting and frees the address.
 */
function listening(
  server: Server,
  address: string,
  fresh$: Observable<Fresh>,
  opening$?: Observable<number>,
): Observable<string> {
  return new Observable(subscriber => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening && TURNED_AWAY.has(error.code ?? '')) {
        process.emitWarning(`a connection to ${address} was turned away: ${error.message}`)
      } else subscriber.error(error)
    })
    let socket: ListeningSocket | undefined
    subscriber.add(() => {
      if (socket !== undefined) socket.close()
      else server.close()
    })
    const left = claim(address)
    if (left !== undefined) {
      socket = new ListeningSocket({ ...left, server, address, opening$, inherited: left.fd })
      subscriber.next(socket.bound)
      return
    }
    const binding = fresh$.subscribe({
      next: fresh => {
        socket = new ListeningSocket({ ...fresh, server, address, opening$ })
        subscriber.next(socket.bound)
      },
      error: error => subscriber.error(error),
    })
    subscriber.add(binding)
  })
}

/** Makes what is dialled of the port that a server got. */
export function tcpUrl(scheme: string, { host }: HostPort, path: string = ''): (port: number) => string {
  return port => `${scheme}://${hostPort(host, port)}${path}`
}

/**
 * Makes `server` listen at a port; `url` makes what is dialled of the one it got. A `server` whose connections take a while to become
 * links says so with `opening$`: how many have not, now and at each change.
 */
export function bindTcp(
  server: Server,
  address: string,
  { host, port }: HostPort,
  url: (port: number) => string,
  opening$?: Observable<number>,
): Observable<string> {
  const fresh$ = new Observable<Fresh>(subscriber => {
    server.once('listening', () => subscriber.next({ bound: url((server.address() as AddressInfo).port) }))
    server.listen({ host, port })
  })
  return listening(server, address, fresh$, opening$)
}

/**
 * Makes `server` listen at `unix:///path`, with mode 0600. A stale socket file is replaced; a live one, and a file that is no socket,
 * make it fail. Unsubscribing removes the file, unless it was replaced by somebody else's or went to another process.
 */
export function bindUnix(server: Server, address: string): Observable<string> {
  const fresh$ = new Observable<Fresh>(subscriber => {
    const path = parseUnix(address)
    const staged = stage(path)
    subscriber.add(() => staged.clear())
    server.once('listening', () => {
      const published = publish(staged.path, path).subscribe({
        next: file => {
          staged.clear()
          subscriber.next({ bound: address, file })
        },
        error: error => subscriber.error(error),
      })
      subscriber.add(published)
    })
    // `exclusive`: a cluster worker binds for itself, not through its primary.
    server.listen({ path: staged.path, exclusive: true })
  })
  return listening(server, address, fresh$)
}
