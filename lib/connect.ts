/**
 * `connect`: a client with everything put together, for the addresses a browser can dial.
 */
import type { Observable } from 'rxjs'
import type { Caller, CallRequest, ClientInterceptor, Reply } from './client/call.ts'
import { RpcClient } from './client/client.ts'
import { CLIENT_DEFAULTS, type ClientConfig, type ClientFacts } from './client/config.ts'
import { type FailoverOptions, FailoverPool } from './client/failover.ts'
import { ConnPool } from './client/pool.ts'
import type { Pool, Standing } from './client/pool-duties.ts'
import type { Codec } from './codec/codec.ts'
import { MSGPACK } from './codec/msgpack.ts'
import { type Logger, logTo } from './logger.ts'
import { withDefaults } from './options.ts'
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
  /** Hears what no call's error tells. Default: nobody does. */
  readonly logger?: Logger
  /** See every call, the first one outermost. Default: none. */
  readonly interceptors?: readonly ClientInterceptor[]
  /** The constructor for `ws:` and `wss:`. Default: the global one; in `razor-rx/node` that of `ws`. */
  readonly WebSocket?: WebSocketConstructor
  /** `none` for WebSocket bridges that echo no subprotocol. Default `razor`. */
  readonly subprotocol?: 'razor' | 'none'
}

/** Options of a client of several addresses. */
export interface FailoverConnectOptions extends ConnectOptions, FailoverOptions {}

/** A client: proxies for contracts, and calls without one. */
export interface Client extends Standing {
  /** The methods of a contract, as functions that return cold Observables. */
  use<M>(contract: Contract<M>, options?: UseOptions): ServiceClient<M>
  /** A call without a contract. */
  call<T = Reply>(request: CallRequest<T>): Observable<T>
  /**
   * Takes no further calls, waits for answers (`waitMs` at most, default `closeWaitMs`, 90 s) and closes the connections.
   * Later calls fail with `rpc_unreachable`.
   */
  close(options?: { readonly waitMs?: number }): Promise<void>
}

/** A client of several addresses. */
export interface FailoverClient extends Client {
  /** Where calls go, the addresses learned from redirects last. */
  readonly addresses: readonly string[]
  /**
   * Calls go to these from now on: addresses that stay keep their connections, the others are closed when their calls are
   * answered, `closeWaitMs` later at most; streams there, and calls that are left then, end with `rpc_draining` (which
   * `resubscribe` mends), or are sent elsewhere where they may be. Learned addresses are forgotten. Throws a `TypeError` for an
   * address that is none, or no address at all, and changes nothing then. Rust: `update_addrs`.
   */
  updateAddresses(addresses: readonly string[]): void
}

/**
 * A client of one address: `ws://`, `wss://`, or `memory:name`. Dials at the first call, and by itself, with a growing pause,
 * after a connection was lost. Throws a `TypeError` for an address or an option that is none. Rust: `ConnPool`.
 */
export function connect(address: string, options?: ConnectOptions): Client
/** A client of several addresses that take over from each other. Rust: `FailoverPool`. */
export function connect(addresses: readonly string[], options?: FailoverConnectOptions): FailoverClient
/** Either. */
export function connect(where: string | readonly string[], options?: FailoverConnectOptions): Client
export function connect(where: string | readonly string[], options: FailoverConnectOptions = {}): Client {
  return clientAt(where, address => browserDialer(address, options), options)
}

/** The dialer of an address that a browser can dial. */
export function browserDialer(address: string, options: ConnectOptions): Dialer {
  if (/^wss?:/.test(address)) {
    if (!URL.canParse(address)) throw new TypeError(`cannot dial ${address}: expected ws://host:port/path`)
    return webSocketDialer(address, { WebSocket: options.WebSocket, subprotocol: options.subprotocol })
  }
  if (address.startsWith('memory:')) return memoryDialer(address)
  throw new TypeError(
    `cannot dial ${address}: this entry knows ws://, wss:// and memory:, razor-rx/node tcp:// and unix:// too`,
  )
}

/** A client of one address, over any dialer. */
export function clientOf(dialer: Dialer, options: ConnectOptions): Client {
  const facts = factsOf(options)
  return clientOver(new ConnPool(dialer, facts), facts, options)
}

/** A client of one address, or of several, over any dialers. */
export function clientAt(
  where: string | readonly string[],
  dialer: (address: string) => Dialer,
  options: FailoverConnectOptions,
): Client {
  if (typeof where === 'string') return clientOf(dialer(where), options)
  const facts = factsOf(options)
  const pool = new FailoverPool(where, dialer, facts, options)
  const client = clientOver(pool, facts, options)
  const updateAddresses = (addresses: readonly string[]): void => pool.updateAddresses(addresses)
  const addresses = { get: () => pool.addresses, enumerable: true }
  return Object.defineProperty(Object.assign(client, { updateAddresses }), 'addresses', addresses)
}

/** The facts of a client; throws a `TypeError` for an option that is none. */
export function factsOf(options: ConnectOptions): ClientFacts {
  const { codec = MSGPACK, clientId = 0, logger } = options
  const id = asU64(clientId)
  if (id === undefined) throw new TypeError(`clientId must be an integer from 0 to 2^64 - 1, not ${clientId}`)
  const config = withDefaults<ClientConfig>(CLIENT_DEFAULTS, options)
  return { config, codec, control: MSGPACK, clientId: id, token: options.token, meta: options.meta, log: logTo(logger) }
}

function clientOver(pool: Pool, { config }: ClientFacts, { interceptors = [] }: ConnectOptions): Client {
  const client: Caller = interceptors.length === 0 ? pool : new RpcClient(pool, config, interceptors)
  return {
    get address() {
      return pool.address
    },
    status$: pool.status$,
    events$: pool.events$,
    get status() {
      return pool.status
    },
    get holdings() {
      return pool.holdings
    },
    stats: () => pool.stats(),
    use: (contract, useOptions) => serviceClient(contract, client, config.window, useOptions),
    call: request => client.call(request),
    ping: timeoutMs => pool.ping(timeoutMs),
    prewarm: connections => pool.prewarm(connections),
    close: closeOptions => pool.close(closeOptions?.waitMs),
  }
}
