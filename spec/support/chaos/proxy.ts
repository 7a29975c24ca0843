/**
 * A proxy in front of a server on a TCP or Unix socket (a WebSocket passes as the bytes it is) that lets faults happen to its
 * connections: as planned by a seed, or by hand. All that happens is logged with its time and place.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dice } from './dice.ts'
import type { Direction, Plan, Weather } from './faults.ts'
import { type Happening, ProxiedConnection, type Target } from './proxied-connection.ts'

export interface ChaosOptions {
  /** Default 1. */
  readonly seed?: number
  /** Default: nothing happens. */
  readonly plan?: Plan
}

/** The times that a port may be taken by somebody else while this proxy does not listen there. */
const MOST_TRIES = 40
const TRY_AGAIN_MS = 50

export class ChaosProxy {
  readonly seed: number
  /** For the connections to come. */
  plan: Plan
  readonly log: Happening[] = []
  readonly #dice: Dice
  readonly #target: Target
  readonly #folder: string | undefined
  readonly #open = new Set<ProxiedConnection>()
  #scheme = ''
  #place: { path: string } | { host: string; port: number }
  #rest = ''
  #server: Server | undefined
  #connections = 0
  #last: ProxiedConnection | undefined
  #accepting: NodeJS.Timeout | undefined
  #closed = false

  private constructor(target: string, { seed = 1, plan = () => [] }: ChaosOptions) {
    this.seed = seed
    this.plan = plan
    this.#dice = new Dice(seed)
    if (target.startsWith('unix://')) {
      this.#target = { path: target.slice('unix://'.length) }
      this.#folder = mkdtempSync(join(tmpdir(), 'razor-chaos-'))
      this.#place = { path: join(this.#folder, 's') }
    } else {
      const url = new URL(target)
      this.#target = { host: url.hostname, port: Number(url.port) }
      this.#scheme = url.protocol
      this.#rest = url.pathname
      this.#place = { host: '127.0.0.1', port: 0 }
    }
  }

  /** A proxy that listens, in front of `target`: `tcp://host:port`, `ws://host:port/path` or `unix:///path`. */
  static async listen(target: string, options: ChaosOptions = {}): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target, options)
    await proxy.accept()
    return proxy
  }

  /** What to dial instead. */
  get address(): string {
    return 'path' in this.#place
      ? `unix://${this.#place.path}`
      : `${this.#scheme}//127.0.0.1:${this.#place.port}${this.#rest === '/' ? '' : this.#rest}`
  }

  /** Connections that came. */
  get connections(): number {
    return this.#connections
  }

  /** Connections of which a side is left. */
  get open(): number {
    return this.#open.size
  }

  /** Bytes that passed on the newest connection. */
  get passed(): Readonly<Record<Direction, number>> {
    return { up: this.#last?.lanes.up?.passed ?? 0, down: this.#last?.lanes.down?.passed ?? 0 }
  }

  /** Bytes that it holds of all connections. */
  get heldBytes(): number {
    let bytes = 0
    for (const { lanes } of this.#open) bytes += (lanes.up?.heldBytes ?? 0) + (lanes.down?.heldBytes ?? 0)
    return bytes
  }

  /** From now on all connections there are behave so. */
  become(weather: Weather): void {
    for (const connection of this.#open) connection.become(weather)
  }

  /** Nothing passes in this direction any more. */
  stall(direction: Direction): void {
    for (const connection of this.#open) connection.happens({ kind: 'stall', direction, at: 0 })
  }

  resume(direction: Direction): void {
    for (const connection of this.#open) connection.resume(direction)
  }

  /** Who gets this direction gets an end in order. */
  halfClose(direction: Direction): void {
    for (const connection of this.#open) connection.happens({ kind: 'half-close', direction, at: 0 })
  }

  /** Both ends of all connections get a reset. */
  resetAll(): void {
    for (const connection of this.#open) connection.happens({ kind: 'reset', direction: 'up', at: 0 })
  }

  /** Both ends of all connections get an end in order. */
  cutAll(): void {
    for (const connection of this.#open) connection.happens({ kind: 'cut', direction: 'up', at: 0 })
  }

  /** Dials are refused; connections that there are go on. For so long, or until {@link accept}. */
  refuse(forMs?: number): void {
    if (this.#server === undefined) return
    this.#server.close()
    this.#server = undefined
    this.note({ kind: 'refuse', connection: -1 })
    if (forMs === undefined) return
    this.#accepting = setTimeout(() => {
      this.accept().catch(error => this.#lost(error))
    }, forMs)
  }

  /** Listens again, where it did. */
  async accept(): Promise<void> {
    clearTimeout(this.#accepting)
    if (this.#server !== undefined) return
    for (let tries = 1; this.#server === undefined && !this.#closed; tries++) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, near => this.#connected(near))
      this.#server = server
      try {
        server.listen(this.#place)
        await once(server, 'listening')
        const bound = server.address() as AddressInfo | string
        if (typeof bound !== 'string' && 'port' in this.#place) this.#place.port = bound.port
        if (this.#closed) server.close()
      } catch (error) {
        this.#server = undefined
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === MOST_TRIES) throw error
        await new Promise(resolve => setTimeout(resolve, TRY_AGAIN_MS))
      }
    }
    this.note({ kind: 'accepting', connection: -1 })
  }

  /** Ends all that is left. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#accepting)
    const server = this.#server
    this.#server = undefined
    for (const connection of [...this.#open]) connection.drop(false)
    if (server?.listening) {
      server.close()
      await once(server, 'close')
    }
    while (this.#open.size > 0) await new Promise(resolve => setImmediate(resolve))
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Logs. */
  note(happening: Omit<Happening, 'atMs'>): void {
    this.log.push({ atMs: performance.now(), ...happening })
  }

  #connected(near: Socket): void {
    const number = this.#connections++
    const dice = this.#dice.fork(number)
    const faults = this.plan(dice.fork('plan'), number)
    const connection = new ProxiedConnection(near, this.#target, dice, faults, {
      over: () => this.#open.delete(connection),
      refuse: forMs => {
        this.refuse(forMs)
        for (const each of [...this.#open]) each.drop(false)
      },
      happened: happening => this.note({ connection: number, ...happening }),
    })
    this.#last = connection
    this.#open.add(connection)
    connection.start()
  }

  #lost(error: Error): void {
    throw new Error(`the chaos proxy cannot listen at ${this.address} again: ${error.message}`, { cause: error })
  }
}
