/**
 * `RpcServer`: a server with everything put together, for the addresses a browser could listen at: memory.
 */
import type { Observable } from 'rxjs'
import type { Codec } from './codec/codec.ts'
import { MSGPACK } from './codec/msgpack.ts'
import { type Logger, logTo } from './logger.ts'
import { withDefaults } from './options.ts'
import { type Authenticate, SERVER_DEFAULTS, type ServerConfig } from './server/config.ts'
import { type Dispatch, intercepted, type ServerInterceptor } from './server/dispatch.ts'
import { DispatchServer, type Listening, type ServerStats } from './server/server.ts'
import { dispatchServices } from './service/dispatch.ts'
import type { Implementation } from './service/handlers.ts'
import type { Listener } from './transport/link.ts'
import { memoryListener } from './transport/memory.ts'

/** What a server can be told. Every number of {@link ServerConfig} may stand here too. */
export interface RpcServerOptions extends Partial<ServerConfig> {
  /** Contracts with their handlers. Default: none. */
  readonly services?: readonly Implementation[]
  /** Answers the actions that no service has. Default: they are not found. */
  readonly dispatch?: Dispatch
  /** Must be the clients'. Default MessagePack. */
  readonly codec?: Codec
  /** Decides who a client is before any of its calls is read. Default: everybody may call. */
  readonly authenticate?: Authenticate
  /** See every call, the first one outermost. Default: none. */
  readonly interceptors?: readonly ServerInterceptor[]
  /** Hears of refused connections, and of errors that callers are not told. Default: nobody does. */
  readonly logger?: Logger
}

/** Serves calls at any number of addresses at once. Rust: `RpcServer`. */
export class RpcServer<Target = string | Listener> {
  readonly #server: DispatchServer

  /** Throws a `TypeError` for a limit or a time that is no number, and for two methods with one action. */
  constructor(options: RpcServerOptions) {
    const { services = [], dispatch, codec = MSGPACK, authenticate, interceptors = [], logger } = options
    const config = withDefaults(SERVER_DEFAULTS, options)
    const run = dispatchServices(services, dispatch)
    this.#server = new DispatchServer(
      { config, codec, control: MSGPACK, authenticate, log: logTo(logger) },
      intercepted(run, interceptors),
    )
  }

  /** How many connections there are: now, and at each change. */
  get connections$(): Observable<number> {
    return this.#server.connections$
  }

  /** How many calls run: now, and at each change. One that is answered from within its handler never counts. */
  get calls$(): Observable<number> {
    return this.#server.calls$
  }

  /** Listens at one more address. Settles when it accepts; rejects with an error that names the address where it cannot. */
  async listen(target: Target): Promise<Listening> {
    return this.#server.listen(this.listener(target))
  }

  /** What it counts: figures of this moment, and what was dropped since the start. */
  stats(): ServerStats {
    return this.#server.stats()
  }

  /**
   * Drains: stops accepting, takes no further calls, waits until the running ones are answered, `waitMs` at most (default
   * `serverCloseWaitMs`, 90 s), and closes every connection. Streams and duplexes are ended after `graceMs` (default 10 s). Up to
   * 100 connections are told at once, the others 100 every 100 ms, or more where half of `graceMs` would not do: so that their
   * clients do not all dial elsewhere in one instant. May be called again, to be done sooner. Sockets whose client reads slowly
   * get up to 2 s more behind it: let the process end by itself. Rust: `close`.
   */
  close(options?: { readonly graceMs?: number; readonly waitMs?: number }): Promise<void> {
    return this.#server.close(options)
  }

  /** The listener of a target. */
  protected listener(target: Target): Listener {
    if (typeof target !== 'string') return target as Listener
    if (target.startsWith('memory:')) return memoryListener(target)
    throw new TypeError(
      `cannot listen at ${target}: this entry knows memory:, razor-rx/node tcp://, unix:// and ws:// too`,
    )
  }
}
