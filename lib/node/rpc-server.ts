/**
 * `RpcServer` for every address that Node can listen at.
 */
import type { Server } from 'node:http'
import { RpcServer as BaseServer } from '../rpc-server.ts'
import type { Listener } from '../transport/link.ts'
import type { HttpTarget } from './http.ts'
import { tcpListener, unixListener } from './tcp.ts'
import { webSocketListener } from './websocket.ts'

/** An address, a path of the user's own HTTP server, or any listener. */
export type ListenTarget = string | HttpTarget<Server> | Listener

/** Serves calls at any number of addresses at once: `tcp://`, `unix://`, `ws://`, `memory:`, or a path of an HTTP server. */
export class RpcServer extends BaseServer<ListenTarget> {
  protected override listener(target: ListenTarget): Listener {
    if (typeof target === 'string') {
      if (target.startsWith('tcp:')) return tcpListener(target)
      if (target.startsWith('unix:')) return unixListener(target)
      if (/^wss?:/.test(target)) return webSocketListener(target)
      if (target.startsWith('memory:')) return super.listener(target)
      throw new TypeError(`cannot listen at ${target}: known are tcp://, unix://, ws:// and memory:`)
    }
    return 'listen' in target && typeof target.listen === 'function'
      ? target
      : webSocketListener(target as HttpTarget<Server>)
  }
}
