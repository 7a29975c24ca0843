/**
 * The listener for WebSockets, on a port of its own or on a user's HTTP server.
 */
import type { Server } from 'node:http'
import type { TlsOptions } from 'node:tls'
import { Observable, Subject } from 'rxjs'
import type { Bound, Link, Listener, Refused } from '../transport/link.ts'
import { cannotListen } from './addresses.ts'
import { checkTls, type HttpTarget, ownServer, type Served, userServer } from './http.ts'
import { type Origins, originsOf, refusedOrigin } from './origins.ts'
import { farEnd, refuse, route, type Take } from './upgrades.ts'
import { type NodeWebSocketOptions, upgrader } from './websocket.ts'

/** What a listener for WebSockets can be told. */
export interface NodeWebSocketListenerOptions extends NodeWebSocketOptions {
  /**
   * The web pages that may connect, by origin, `['https://app.example']`, with the word `loopback` for those of the same machine;
   * others are answered 403. Programs that send no `Origin` are let in, as they could send any. Default: every page may.
   */
  readonly origins?: readonly string[] | undefined
  /** On a port of its own: how long a connection may take until it is upgraded, in ms. Default 10,000. */
  readonly upgradeTimeoutMs?: number | undefined
  /** For `wss:` on a port of its own, and needed there: at least `cert` and `key`. */
  readonly tls?: TlsOptions | undefined
}

function accept(served: Served, options: NodeWebSocketOptions, origins: Origins | undefined): Observable<Bound> {
  return new Observable(subscriber => {
    const links = new Subject<Link>()
    const refused = new Subject<Refused>()
    const upgrade = upgrader(options)
    const take: Take = (request, socket, head) => {
      const refusal = refusedOrigin(request.headers, origins)
      if (refusal !== undefined) {
        refused.next({ address: farEnd(request), message: `403: ${refusal}` })
        refuse(socket, 403, refusal)
      } else upgrade(request, socket, head, link => (links.observed ? links.next(link) : link.destroy()))
    }
    subscriber.add(() => {
      links.complete()
      refused.complete()
    })
    subscriber.add(route(served.server, served.path, take))
    subscriber.next({
      get address() {
        return served.address()
      },
      links$: links.asObservable(),
      refused$: refused.asObservable(),
    })
  })
}

/**
 * Listens for WebSockets: on a port of its own at `ws://host:port/path` (port 0 takes a free one, which `Bound.address` names), at
 * `wss://host:port/path` with `tls`, or at `path` of a user's `server`, whose other upgrades, requests and life are left alone. Throws
 * a `TypeError` for `wss:` without a certificate, and for an origin that is none.
 */
export function webSocketListener(
  target: string | HttpTarget<Server>,
  options: NodeWebSocketListenerOptions = {},
): Listener {
  const name = typeof target === 'string' ? target : `path ${target.path ?? '/'} of the HTTP server`
  if (typeof target === 'string') checkTls(target, options.tls)
  else if (options.tls !== undefined) {
    throw new TypeError(`cannot listen at ${name}: a certificate is given to that server itself`)
  }
  const origins = originsOf(options.origins)
  const served$ = typeof target === 'string' ? ownServer(target, options) : userServer(target)
  return {
    listen: () =>
      new Observable<Bound>(subscriber => {
        const fail = (error: Error): void => subscriber.error(cannotListen(name, error))
        const open = served$.subscribe({
          next: served => {
            const accepting = accept(served, options, origins)
            subscriber.add(accepting.subscribe({ next: bound => subscriber.next(bound), error: fail }))
          },
          error: fail,
          complete: () => subscriber.complete(),
        })
        subscriber.add(open)
      }),
  }
}
