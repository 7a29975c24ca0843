/**
 * `RpcServer` for every address that Node can listen at.
 */
import type { Server } from 'node:http'
import { RpcServer as BaseServer } from '../rpc-server.ts'
import type { Listening } from '../server/server.ts'
import type { Listener } from '../transport/link.ts'
import type { HttpTarget } from './http.ts'
import { tcpListener, unixListener } from './tcp.ts'
import { type NodeWebSocketListenerOptions, webSocketListener } from './websocket-listener.ts'

/** An address, a path of the user's own HTTP server, or any listener. */
export type ListenTarget = string | HttpTarget<Server> | Listener

/** Serves calls at any number of addresses at once: `tcp://`, `unix://`, `ws://`, `memory:`, or a path of an HTTP server. */
export class RpcServer extends BaseServer<ListenTarget> {
  /**
   * Listens at one more address; `options` are for WebSockets: which pages may connect (`origins`), and the certificate of `wss://`
   * (`tls`). Settles when it accepts; rejects with an error that names the address where it cannot.
   */
  override async listen(target: ListenTarget, options?: NodeWebSocketListenerOptions): Promise<Listening> {
    if (options === undefined) return super.listen(target)
    const forWebSockets = typeof target === 'string' ? /^wss?:/.test(target) : !isListener(target)
    if (forWebSockets) return super.listen(webSocketListener(target as string | HttpTarget<Server>, options))
    const name = typeof target === 'string' ? target : 'a listener'
    throw new TypeError(`cannot listen at ${name} with options: they are for ws://, wss:// and HTTP servers`)
  }

  protected override listener(target: ListenTarget): Listener {
    if (typeof target === 'string') {
      if (target.startsWith('tcp:')) return tcpListener(target)
      if (target.startsWith('unix:')) return unixListener(target)
      if (/^wss?:/.test(target)) return webSocketListener(target)
      if (target.startsWith('memory:')) return super.listener(target)
      throw new TypeError(`cannot listen at ${target}: known are tcp://, unix://, ws:// and memory:`)
    }
    return isListener(target) ? target : webSocketListener(target)
  }
}

function isListener(target: HttpTarget<Server> | Listener): target is Listener {
  return 'listen' in target && typeof target.listen === 'function'
}
