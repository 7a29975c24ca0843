/**
 * A gateway: WebSockets in front, any razor servers behind, and the bytes pass unread. So a browser reaches a server that listens at
 * TCP or at a Unix socket only, one of Rust for instance.
 */
import type { Server } from 'node:http'
import type { TlsOptions } from 'node:tls'
import { filter, firstValueFrom, type Observable, race, Subscription } from 'rxjs'
import { longTimer } from '../flow/long-timer.ts'
import { logTo } from '../logger.ts'
import { withDefaults } from '../options.ts'
import type { ServerLogEntry } from '../server/config.ts'
import type { Listening } from '../server/server.ts'
import type { Dialer } from '../transport/link.ts'
import { cannotListen, parseWs } from './addresses.ts'
import { GATEWAY_DEFAULTS, type GatewayConfig, type GatewayOptions, targetsOf } from './gateway-config.ts'
import { checkTls, type HttpTarget, ownServer, userServer } from './http.ts'
import { originsOf } from './origins.ts'
import { type GatewayStats, Passages } from './passages.ts'
import { route } from './upgrades.ts'

/** Carries WebSocket connections to the servers behind, by path. */
export class Gateway {
  readonly #config: GatewayConfig
  readonly #targets: ReadonlyMap<string, Dialer>
  readonly #tls: TlsOptions | undefined
  readonly #log: (entry: ServerLogEntry) => void
  readonly #passages: Passages
  readonly #listening = new Set<Subscription>()
  #closed = false

  /** How many connections there are, with those that are being dialled: now, and at each change. */
  readonly connections$: Observable<number>

  /** Throws a `TypeError` for a target, a path or an origin that is none. */
  constructor(options: GatewayOptions) {
    this.#log = logTo(options.logger)
    this.#config = withDefaults<GatewayConfig>(GATEWAY_DEFAULTS, options)
    this.#targets = targetsOf(options.targets)
    this.#tls = options.tls
    this.#passages = new Passages({ config: this.#config, origins: originsOf(options.origins), log: this.#log })
    this.connections$ = this.#passages.count$.asObservable()
  }

  /**
   * Accepts at `ws://host:port` (port 0 takes a free one), at `wss://host:port` where `tls` was given, or on a user's HTTP server,
   * always at the paths of the targets. The address it settles with has no path. Rejects with an error that names the address where it
   * cannot listen there, with a `TypeError` where nobody could.
   */
  async listen(target: string | Pick<HttpTarget<Server>, 'server'>): Promise<Listening> {
    if (this.#closed) throw new Error('the gateway is closed')
    const name = typeof target === 'string' ? target : 'the HTTP server'
    if (typeof target === 'string') this.#check(target)
    const options = { upgradeTimeoutMs: this.#config.upgradeTimeoutMs, tls: this.#tls }
    const served$ = typeof target === 'string' ? ownServer(target, options) : userServer({ server: target.server })
    return new Promise((resolve, reject) => {
      const listening = new Subscription()
      this.#listening.add(listening)
      const close = (): void => {
        this.#listening.delete(listening)
        listening.unsubscribe()
      }
      let settled = false
      const failed = (error: Error): void => {
        const failure = cannotListen(name, error)
        if (settled) this.#log({ level: 'error', message: failure.message })
        else reject(failure)
        close()
      }
      const open = served$.subscribe({
        next: served => {
          try {
            for (const [path, dialer] of this.#targets) listening.add(this.#route(served.server, path, dialer))
          } catch (error) {
            failed(error as Error)
            return
          }
          settled = true
          resolve({
            get address() {
              return served.address().replace(/\/$/, '')
            },
            close,
          })
        },
        error: failed,
        complete: close,
      })
      listening.add(open)
      // Does nothing where it listens already.
      listening.add(() => reject(new Error(`cannot listen at ${name}: the gateway was closed meanwhile`)))
    })
  }

  /** What it counts: connections, and the bytes they carried. */
  stats(): GatewayStats {
    return this.#passages.stats()
  }

  /**
   * Stops accepting, lets open connections go on until they end, for `waitMs` at most (default `closeWaitMs`, 90 s), and closes the
   * rest with code 4491. May be called again, to be done sooner.
   */
  async close(options: { readonly waitMs?: number } = {}): Promise<void> {
    this.#closed = true
    for (const listening of this.#listening) listening.unsubscribe()
    this.#listening.clear()
    this.#passages.stop()
    const empty$ = this.connections$.pipe(filter(connections => connections === 0))
    await firstValueFrom(race(empty$, longTimer(options.waitMs ?? this.#config.closeWaitMs)))
    this.#passages.end()
  }

  #check(address: string): void {
    if (!/^wss?:/i.test(address)) throw new TypeError(`cannot listen at ${address}: a gateway takes ws:// and wss://`)
    checkTls(address, this.#tls)
    const { path } = parseWs(address)
    if (path !== '/') {
      throw new TypeError(
        `cannot listen at ${address}: a path stands at the target, as in { targets: { '${path}': ... } }`,
      )
    }
  }

  #route(server: Server, path: string, dialer: Dialer): () => void {
    return route(server, path, (request, socket, head) => this.#passages.take(path, dialer, { request, socket, head }))
  }
}
