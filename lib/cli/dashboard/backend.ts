/**
 * One of the dashboard's two servers: it can finish in order or go down at once, and it comes back.
 */
import type { Server } from 'node:http'
import { type Subscription, timer } from 'rxjs'
import { RpcServer } from '../../node/rpc-server.ts'
import type { ServerInterceptor } from '../../server/dispatch.ts'
import type { Implementation } from '../../service/handlers.ts'
import type { ServerFigures, ServerNumber } from './contract.ts'
import type { Journal } from './journal.ts'
import type { PageLinks } from './page-links.ts'

/** How long running calls go on in a drain, and when the last connection is closed. */
const GRACE_MS = 1_500
const WAIT_MS = 4_000
/** So that the call that asks for it is answered. */
const SOON_MS = 50

/** What both servers share. */
export interface BackendFacts {
  readonly http: Server
  readonly links: PageLinks
  readonly journal: Journal
}

/** A server at `/rpc/1` or `/rpc/2` of the dashboard's port. */
export class Backend {
  readonly number: ServerNumber
  readonly #facts: BackendFacts
  readonly #services: readonly Implementation[]
  readonly #interceptor: ServerInterceptor
  #server: RpcServer | undefined
  #state: ServerFigures['state'] = 'down'
  /** What is to happen next. */
  #next: Subscription | undefined
  #over = false

  constructor(number: ServerNumber, facts: BackendFacts, services: (from: ServerNumber) => readonly Implementation[]) {
    this.number = number
    this.#facts = facts
    this.#services = services(number)
    this.#interceptor = facts.journal.interceptor(number)
  }

  get path(): string {
    return `/rpc/${this.number}`
  }

  get figures(): ServerFigures {
    const none = { connections: 0, calls: 0, streams: 0, dropped: 0, heldBytes: 0 }
    return { ...(this.#server?.stats() ?? none), number: this.number, state: this.#state }
  }

  /** Listens. */
  async start(): Promise<void> {
    const { http, links, journal } = this.#facts
    const note = (level: string) => (fields: { readonly address?: unknown }, message: string) =>
      journal.note(`server ${this.number}  ${level}: ${message} ${String(fields.address ?? '')}`)
    const logger = { debug: () => undefined, info: note('info'), warn: note('warn'), error: note('error') }
    const server = new RpcServer({ services: this.#services, interceptors: [this.#interceptor], logger })
    this.#server = server
    await server.listen(links.listener(http, this.path))
    this.#state = 'up'
    journal.note(`server ${this.number}  is up`)
  }

  /** Soon: finishes in order, and is back `forMs` after that. */
  drain(forMs: number): void {
    this.#leave('draining', forMs, { graceMs: GRACE_MS, waitMs: WAIT_MS })
  }

  /** Soon: is gone at once, and back after `forMs`. */
  outage(forMs: number): void {
    this.#leave('down', forMs, { graceMs: 0, waitMs: 0 })
  }

  /** For good. */
  async close(options?: { readonly graceMs?: number; readonly waitMs?: number }): Promise<void> {
    this.#over = true
    this.#next?.unsubscribe()
    await this.#server?.close(options)
  }

  #leave(state: 'draining' | 'down', forMs: number, how: { readonly graceMs: number; readonly waitMs: number }): void {
    // A server that is going has heard it already.
    if (this.#state !== 'up') return
    this.#state = state
    this.#facts.journal.note(`server ${this.number}  is ${state}`)
    this.#later(SOON_MS, async () => {
      await this.#server?.close(how)
      if (this.#over) return
      this.#state = 'down'
      this.#later(forMs, () => this.start())
    })
  }

  #later(ms: number, what: () => Promise<void>): void {
    const failed = (error: unknown): void =>
      this.#facts.journal.note(
        `server ${this.number}  error: ${error instanceof Error ? error.message : String(error)}`,
      )
    this.#next = timer(ms).subscribe({ next: () => what().catch(failed), error: failed })
  }
}
