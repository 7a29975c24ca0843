/**
 * Dials over the WHATWG WebSocket interface: the global one by default, any other constructor by option.
 */
import { Observable, type SchedulerLike } from 'rxjs'
import { RpcError } from '../error.ts'
import type { Dialer, Link } from './link.ts'
import { type WebSocketLike, WebSocketLink } from './websocket-link.ts'

/** What makes a WebSocket. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike

/** What {@link webSocketDialer} can be told. */
export interface WebSocketDialerOptions {
  /** Default: the global `WebSocket`, which Node has from version 22 on. */
  readonly WebSocket?: WebSocketConstructor | undefined
  /** `razor` (default) offers that subprotocol and insists on it; `none` offers nothing, for plain bridges that echo none. */
  readonly subprotocol?: 'razor' | 'none' | undefined
  /** How the socket hands out bytes. Default `arraybuffer`; `nodebuffer` is for the socket of `ws`. */
  readonly binaryType?: 'arraybuffer' | 'nodebuffer' | undefined
  /** Paces the looks at `bufferedAmount` while somebody waits for `drained$`. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined
  /** Makes the link of an open socket. Default: the link of a browser. */
  readonly link?: ((socket: WebSocketLike, address: string) => Link) | undefined
}

function unreachable(address: string, reason: string, cause?: unknown): RpcError {
  return new RpcError('rpc_unreachable', `cannot reach ${address}: ${reason}`, { address, executed: 'no', cause })
}

/** The reason in an error event, as far as the platform tells one. */
function reasonOf(event: { readonly message?: string; readonly error?: unknown }): string {
  const error = event.error as (Error & { readonly errors?: readonly Error[] }) | undefined
  // A name with several addresses fails with one error for each, and no message for all.
  const text = error?.errors?.map(each => each.message).join('; ') || event.message || error?.message
  if (!text) return 'the connection was refused, or the far end is no WebSocket server (browsers tell no more)'
  return /subprotocol/i.test(text)
    ? `${text}: the far end does not speak razor; a plain bridge needs { subprotocol: 'none' }`
    : text
}

function checkUrl(address: string): void {
  let url: URL | undefined
  try {
    url = new URL(address)
  } catch (error) {
    throw unreachable(address, 'this is no URL: expected ws://host:port/path or wss://host:port/path', error)
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw unreachable(address, `the scheme is ${url.protocol}//, expected ws:// or wss://`)
  }
  if (url.hash !== '') throw unreachable(address, `the fragment ${url.hash} has no meaning in a WebSocket URL`)
}

function open(address: string, options: WebSocketDialerOptions): WebSocketLike {
  checkUrl(address)
  const Socket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined)
  if (Socket === undefined) {
    throw unreachable(address, 'this platform has no global WebSocket; pass one as { WebSocket }')
  }
  try {
    const socket = options.subprotocol === 'none' ? new Socket(address) : new Socket(address, ['razor'])
    socket.binaryType = options.binaryType ?? 'arraybuffer'
    return socket
  } catch (error) {
    throw unreachable(address, error instanceof Error ? error.message : String(error), error)
  }
}

/**
 * Dials a WebSocket server; `address` is `ws://host:port/path` or `wss://...`. Fails with `rpc_unreachable`, executed `no`,
 * for a bad URL, a refused connection and a far end without the subprotocol.
 */
export function webSocketDialer(address: string, options: WebSocketDialerOptions = {}): Dialer {
  const link = options.link ?? ((socket, at) => new WebSocketLink(socket, at, options.scheduler))
  return {
    address,
    dial: () =>
      new Observable<Link>(subscriber => {
        let socket: WebSocketLike
        try {
          socket = open(address, options)
        } catch (error) {
          subscriber.error(error)
          return
        }
        let handed = false
        socket.addEventListener('open', () => {
          if (subscriber.closed) {
            socket.close()
            return
          }
          if (options.subprotocol !== 'none' && socket.protocol !== 'razor') {
            subscriber.error(unreachable(address, reasonOf({ message: 'the subprotocol razor was not accepted' })))
            return
          }
          handed = true
          subscriber.next(link(socket, address))
          subscriber.complete()
        })
        // Both stay for good: a socket of `ws` without an error listener would end the process.
        socket.addEventListener('error', event => subscriber.error(unreachable(address, reasonOf(event), event.error)))
        socket.addEventListener('close', event => {
          subscriber.error(unreachable(address, `closed during the handshake, with code ${event.code}`))
        })
        subscriber.add(() => {
          if (!handed) socket.close()
        })
      }),
  }
}
