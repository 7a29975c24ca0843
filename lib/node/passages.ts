/**
 * The connections of a gateway: who may come in, the dial behind, and the bridge between the two.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { BehaviorSubject, interval, Subscription, TimeoutError, timeout } from 'rxjs'
import { timerMs } from '../flow/long-timer.ts'
import { networkOf, tooMany } from '../server/admission.ts'
import type { ServerLogEntry } from '../server/config.ts'
import type { Dialer, Link } from '../transport/link.ts'
import { Bridge } from './bridge.ts'
import type { GatewayConfig } from './gateway-config.ts'
import { type Origins, refusedOrigin } from './origins.ts'
import { farEnd, refuse } from './upgrades.ts'
import { upgrader } from './websocket.ts'

/** How often connections are looked at, at least. */
const MOST_TICK_MS = 1_000

/** What a gateway counts; all but `connections` since it began. */
export interface GatewayStats {
  /** Open now, or being dialled. */
  readonly connections: number
  readonly opened: number
  /** Turned away: a limit, an origin, a server that cannot be reached. */
  readonly refused: number
  /** Bytes from clients to servers. */
  readonly bytesUp: number
  /** Bytes from servers to clients. */
  readonly bytesDown: number
}

/** A WebSocket upgrade that waits for its answer. */
export interface Asking {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** One connection, from its upgrade on. */
interface Passage {
  readonly address: string
  /** Where it comes from, as `maxPerAddress` counts. */
  readonly network: string | undefined
  readonly path: string
  /** Absent while the server is being dialled. */
  bridge: Bridge | undefined
  /** Turns away who still waits. */
  refuse(status: number, text: string, why?: string): void
}

/** What holds for all connections. */
export interface PassageRules {
  readonly config: GatewayConfig
  readonly origins: Origins | undefined
  readonly log: (entry: ServerLogEntry) => void
}

/** All connections of one gateway. */
export class Passages {
  readonly #rules: PassageRules
  readonly #upgrade: ReturnType<typeof upgrader>
  readonly #passages = new Set<Passage>()
  readonly #over = { opened: 0, refused: 0, bytesUp: 0, bytesDown: 0 }
  #ticking: Subscription | undefined

  /** How many there are: now, and at each change. */
  readonly count$: BehaviorSubject<number> = new BehaviorSubject(0)

  constructor(rules: PassageRules) {
    this.#rules = rules
    this.#upgrade = upgrader(rules.config)
  }

  stats(): GatewayStats {
    let { bytesUp, bytesDown } = this.#over
    for (const { bridge } of this.#passages) {
      bytesUp += bridge?.bytesUp ?? 0
      bytesDown += bridge?.bytesDown ?? 0
    }
    return { ...this.#over, bytesUp, bytesDown, connections: this.#passages.size }
  }

  /** Dials the server for an upgrade, and then accepts it; or answers it with an HTTP error. */
  take(path: string, dialer: Dialer, asking: Asking): void {
    const address = farEnd(asking.request)
    const network = networkOf(address)
    const refusal = this.#refusal(network, asking.request)
    if (refusal !== undefined) {
      this.#turnAway(address, path, asking, ...refusal)
      return
    }
    const dialling = new Subscription()
    const over = (): void => {
      dialling.unsubscribe()
      this.#forget(passage)
    }
    const passage: Passage = {
      address,
      network,
      path,
      bridge: undefined,
      refuse: (status, text, why) => {
        over()
        this.#turnAway(address, path, asking, status, text, why)
      },
    }
    this.#passages.add(passage)
    this.#count()
    const { socket } = asking
    const left = (): void => {
      if (passage.bridge === undefined) over()
    }
    // Node has let go of the socket, and nobody else listens to it yet.
    socket.on('error', left).once('close', left)
    const { connectTimeoutMs } = this.#rules.config
    dialling.add(
      dialer
        .dial()
        .pipe(timeout({ first: timerMs(connectTimeoutMs) }))
        .subscribe({
          next: far => this.#open(passage, far, asking),
          error: (error: Error) => {
            if (error instanceof TimeoutError) {
              const text = `the server behind ${path} has not accepted within ${connectTimeoutMs} ms`
              passage.refuse(
                504,
                text,
                `cannot reach ${dialer.address}: nothing in connectTimeoutMs ${connectTimeoutMs}`,
              )
            } else passage.refuse(502, `the server behind ${path} cannot be reached`, error.message)
          },
        }),
    )
  }

  /** Turns away those that are being dialled. */
  stop(): void {
    for (const passage of [...this.#passages]) {
      if (passage.bridge === undefined) passage.refuse(503, 'this gateway is going away')
    }
  }

  /** Ends those that are left. */
  end(): void {
    for (const { bridge } of [...this.#passages]) bridge?.end('the gateway closes', 4491, 'rpc_draining')
  }

  /** The status and the text for who may not come in. */
  #refusal(network: string | undefined, { headers }: IncomingMessage): [status: number, text: string] | undefined {
    const { config, origins } = this.#rules
    const refusal = refusedOrigin(headers, origins)
    if (refusal !== undefined) return [403, refusal]
    const over = tooMany(network, this.#passages, config)
    return over === undefined ? undefined : [503, over]
  }

  #turnAway(address: string, path: string, { socket }: Asking, status: number, text: string, why = text): void {
    this.#over.refused++
    this.#rules.log({ level: 'warn', message: `${status} for ${path}: ${why}`, address })
    refuse(socket, status, text)
  }

  #open(passage: Passage, far: Link, { request, socket, head }: Asking): void {
    const { config, log } = this.#rules
    const { address, path } = passage
    this.#upgrade(request, socket, head, near => {
      const bridge = new Bridge(near, far, config.highWaterMarkBytes)
      passage.bridge = bridge
      this.#over.opened++
      log({ level: 'info', message: `opened ${path}`, address })
      const ended = (): void => {
        const { reason, bytesUp, bytesDown } = bridge
        this.#over.bytesUp += bytesUp
        this.#over.bytesDown += bytesDown
        this.#forget(passage)
        log({ level: 'info', message: `ended ${path}: ${reason}; ${bytesUp} B up, ${bytesDown} B down`, address })
      }
      bridge.ended$.subscribe({ complete: ended, error: ended })
      bridge.start()
    })
    if (passage.bridge !== undefined) return
    // It was no good upgrade, and has been answered so.
    this.#over.refused++
    far.destroy()
    this.#forget(passage)
  }

  #forget(passage: Passage): void {
    if (this.#passages.delete(passage)) this.#count()
  }

  #count(): void {
    if (this.#passages.size > 0) this.#ticking ??= this.#tick()
    else {
      this.#ticking?.unsubscribe()
      this.#ticking = undefined
    }
    this.count$.next(this.#passages.size)
  }

  /** One interval for all, while there are any. */
  #tick(): Subscription {
    const { idleTimeoutMs } = this.#rules.config
    const tickMs = Math.min(MOST_TICK_MS, Math.ceil(idleTimeoutMs / 4))
    return interval(tickMs).subscribe({
      next: () => {
        for (const { bridge } of [...this.#passages]) {
          if (bridge?.silentFor(tickMs, idleTimeoutMs)) {
            bridge.end(`no byte came from either end in idleTimeoutMs ${idleTimeoutMs}`, 4408, 'rpc_timeout')
          }
        }
      },
      error: (error: Error) => this.#rules.log({ level: 'error', message: error.message }),
    })
  }
}
