/**
 * `connect` for every address that Node can dial.
 */
import {
  browserDialer,
  type Client,
  type ConnectOptions,
  clientAt,
  type FailoverClient,
  type FailoverConnectOptions,
} from '../connect.ts'
import type { Dialer } from '../transport/link.ts'
import { dialerAt } from './dialers.ts'

/**
 * A client of one address: `tcp://host:port`, `unix:///path`, `ws://`, `wss://` or `memory:name`. Dials at the first call, and by
 * itself, with a growing pause, after a connection was lost. Throws a `TypeError` for an address or an option that is none. Rust: `ConnPool`.
 */
export function connect(address: string, options?: ConnectOptions): Client
/** A client of several addresses that take over from each other. Rust: `FailoverPool`. */
export function connect(addresses: readonly string[], options?: FailoverConnectOptions): FailoverClient
/** Either. */
export function connect(where: string | readonly string[], options?: FailoverConnectOptions): Client
export function connect(where: string | readonly string[], options: FailoverConnectOptions = {}): Client {
  return clientAt(where, address => dialerOf(address, options), options)
}

function dialerOf(address: string, options: ConnectOptions): Dialer {
  const { subprotocol, WebSocket } = options
  if (address.startsWith('memory:') || (/^wss?:/.test(address) && WebSocket !== undefined)) {
    return browserDialer(address, options)
  }
  const dialer = dialerAt(address, { subprotocol })
  if (dialer !== undefined) return dialer
  throw new TypeError(`cannot dial ${address}: known are tcp://, unix://, ws://, wss:// and memory:`)
}
