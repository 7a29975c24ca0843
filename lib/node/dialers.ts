/**
 * Which dialer an address is for.
 */
import type { Dialer } from '../transport/link.ts'
import { parseTcp, parseUnix } from './addresses.ts'
import { tcpDialer, unixDialer } from './tcp.ts'
import { type NodeWebSocketDialerOptions, nodeWebSocketDialer } from './websocket.ts'

/**
 * The dialer of a `tcp:`, `unix:`, `ws:` or `wss:` address, `undefined` for any other scheme. Throws a `TypeError` for an address that
 * is none, which dialling would only find out each time anew.
 */
export function dialerAt(address: string, options: NodeWebSocketDialerOptions = {}): Dialer | undefined {
  if (address.startsWith('tcp:')) {
    if (parseTcp(address).port === 0) throw new TypeError(`${address}: port 0 is for listening`)
    return tcpDialer(address)
  }
  if (address.startsWith('unix:')) {
    parseUnix(address)
    return unixDialer(address)
  }
  if (!/^wss?:/.test(address)) return undefined
  if (URL.canParse(address)) return nodeWebSocketDialer(address, options)
  throw new TypeError(
    `${JSON.stringify(address)} is no WebSocket address: expected ws://host:port/path, the port up to 65535`,
  )
}
