/**
 * `connect(url)`: a client with everything put together, for the addresses a browser can dial.
 */
import type { Observable } from 'rxjs'
import type { Caller, CallRequest, ClientInterceptor, Reply } from './client/call.ts'
import { RpcClient } from './client/client.ts'
import { CLIENT_DEFAULTS, type ClientConfig, type LogEntry } from './client/config.ts'
import type { StreamStats } from './client/stats.ts'
import type { ClientHoldings } from './client/tasks.ts'
import type { Codec } from './codec/codec.ts'
import { MSGPACK } from './codec/msgpack.ts'
import { asU64, type U64 } from './protocol/bytes.ts'
import { type ServiceClient, serviceClient, type UseOptions } from './service/client.ts'
import type { Contract } from './service/contract.ts'
import type { Dialer } from './transport/link.ts'
import { memoryDialer } from './transport/memory.ts'
import { type WebSocketConstructor, webSocketDialer } from './transport/websocket-client.ts'

/** What `connect` can be told. Every number of {@link ClientConfig} may stand here too. */
export interface ConnectOptions extends Partial<ClientConfig> {
  /** Must be the server's. Default MessagePack. */
  readonly codec?: Codec
  /** A label for the server's logs, never an identity; 0 to 2^64 - 1. Default 0. */
  readonly clientId?: U64
  /** What the server's `authenticate` gets; made anew for each connection. Never leaves on a connection of version 1. */
  readonly token?: () => string
  /** Text to text, for `authenticate` too. */
  readonly meta?: Readonly<Record<string, string>>
  /** Where entries for a log go. Default: nowhere. */
  readonly log?: (entry: LogEntry) => void
  /** See every call, the first one outermost. Default: none. */
  readonly interceptors?: readonly ClientInterceptor[]
  /** The constructor for `ws:` and `wss:`. Default: the global one; in `razor-rx/node` that of `ws`. */
  readonly WebSocket?: WebSocketConstructor
  /** `none` for WebSocket bridges that echo no subprotocol. Default `razor`. */
  readonly subprotocol?: 'razor' | 'none'
}

/** A client: proxies for contracts, and calls without one. */
export interface Client {
  /** The address as it was given. */
  readonly address: string
  /** What the connection counts. */
  readonly stats: StreamStats
  /** What calls hold: all 0 where nothing is going on. */
  readonly holdings: ClientHoldings
  /** The methods of a contract, as functions that return cold Observables. */
  use<M>(contract: Contract<M>, options?: UseOptions): ServiceClient<M>
  /** A call without a contract. */
  call<T = Reply>(request: CallRequest<T>): Observable<T>
  /** A round trip: completes when the pong came. Default timeout: `taskTimeoutMs`. */
  ping(timeoutMs?: number): Observable<never>
  /**
   * Takes no further calls, waits for answers (`waitMs` at most, default `closeWaitMs`, 90 s) and closes the connection.
   * Later calls fail with `rpc_unreachable`.
   */
  close(options?: { readonly waitMs?: number }): Promise<void>
}

/**
 * A client of one address: `ws://`, `wss://`, or `memory:name`. Dials at the first call, and again at the next call after
 * the connection was lost. Throws a `TypeError` for an address or an option that is none.
 */
export function connect(address: string, options: ConnectOptions = {}): Client {
  return clientOf(browserDialer(address, options), options)
}

/** The dialer of an address that a browser can dial. */
export function browserDialer(address: string, options: ConnectOptions): Dialer {
  if (/^wss?:/.test(address)) {
    return webSocketDialer(address, { WebSocket: options.WebSocket, subprotocol: options.subprotocol })
  }
  if (address.startsWith('memory:')) return memoryDialer(address)
  throw new TypeError(
    `cannot dial ${address}: this entry knows ws://, wss:// and memory:, razor-rx/node tcp:// and unix:// too`,
  )
}

/** A client over any dialer. */
export function clientOf(dialer: Dialer, options: ConnectOptions): Client {
  const { codec = MSGPACK, clientId = 0, log = () => {}, interceptors = [] } = options
  const id = asU64(clientId)
  if (id === undefined) throw new TypeError(`clientId must be an integer from 0 to 2^64 - 1, not ${clientId}`)
  const config: ClientConfig = { ...CLIENT_DEFAULTS, ...given(options) }
  const facts = { config, codec, control: MSGPACK, clientId: id, token: options.token, meta: options.meta, log }
  const client: RpcClient & Caller = new RpcClient(dialer, facts, interceptors)
  return {
    address: dialer.address,
    get stats() {
      return client.stats
    },
    get holdings() {
      return client.holdings
    },
    use: (contract, useOptions) => serviceClient(contract, client, config.window, useOptions),
    call: request => client.call(request),
    ping: timeoutMs => client.ping(timeoutMs),
    close: closeOptions => client.close(closeOptions?.waitMs),
  }
}

/** The options that were given: `undefined` stands for the default. */
export function given<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}
