/**
 * The connections of the dashboard's pages: accepted at a path of its HTTP server, from its own pages and from programs of this machine,
 * and kept by name, so that a page can have its own one killed or stalled.
 */
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Observable, Subject, timer } from 'rxjs'
import { refuse, route } from '../../node/upgrades.ts'
import { upgrader } from '../../node/websocket.ts'
import type { Bound, Link, Listener } from '../../transport/link.ts'
import { isLoopback, refusal } from './loopback.ts'
import { StalledLink } from './stalled-link.ts'

/** Pages hold few connections; a script that opens more than these is turned away. */
const MOST_LINKS = 256

/** All open connections, whichever server has them. */
export class PageLinks {
  readonly #links = new Map<string, { readonly link: StalledLink; readonly socket: Socket }>()
  readonly #closed = new Subject<string>()

  /** The far end of each connection that is over. */
  readonly closed$: Observable<string> = this.#closed.asObservable()

  /** A listener at `path` of `server`, which listens already. */
  listener(server: Server, path: string): Listener {
    return {
      listen: () =>
        new Observable<Bound>(subscriber => {
          const links = new Subject<Link>()
          const upgrade = upgrader({})
          const { port } = server.address() as AddressInfo
          const left = route(server, path, (request, socket, head) => {
            const reason = refusal(request.headers, port)
            if (reason !== undefined) refuse(socket, 403, reason)
            else if (!isLoopback(request.socket.remoteAddress)) refuse(socket, 403, 'this is for this machine only')
            else if (this.#links.size >= MOST_LINKS) refuse(socket, 503, `${MOST_LINKS} connections are open`)
            else upgrade(request, socket, head, link => links.next(this.#kept(link, request.socket)))
          })
          subscriber.add(left)
          subscriber.add(() => links.complete())
          subscriber.next({ address: `ws://127.0.0.1:${port}${path}`, links$: links })
        }),
    }
  }

  /** Cuts the connection of that far end, as a pulled cable does: no last word. */
  kill(address: string): void {
    this.#links.get(address)?.socket.destroy()
  }

  /** Lets nothing pass over it for so many milliseconds. */
  stall(address: string, forMs: number): void {
    const kept = this.#links.get(address)
    if (kept === undefined) return
    kept.link.stall()
    const flowing = timer(forMs).subscribe({ next: () => kept.link.flow(), error: () => kept.socket.destroy() })
    kept.socket.once('close', () => flowing.unsubscribe())
  }

  /** Cuts all. */
  destroy(): void {
    for (const { socket } of this.#links.values()) socket.destroy()
  }

  #kept(inner: Link, socket: Socket): StalledLink {
    const link = new StalledLink(inner)
    const { address } = link
    this.#links.set(address, { link, socket })
    socket.once('close', () => {
      this.#links.delete(address)
      this.#closed.next(address)
    })
    return link
  }
}
