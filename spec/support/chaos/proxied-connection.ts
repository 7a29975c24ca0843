/**
 * One connection through the chaos proxy: a client, a server, and what happens to the two directions between them.
 */
import { connect, type Socket } from 'node:net'
import type { Dice } from './dice.ts'
import { DIRECTIONS, type Direction, type Fault, type FaultKind, type Incident, type Weather } from './faults.ts'
import { Lane } from './lane.ts'

/** One thing that happened. */
export interface Happening {
  /** As `performance.now()` tells it. */
  readonly atMs: number
  /** From 0 on; -1 for what happens to none in particular. */
  readonly connection: number
  readonly kind: FaultKind | 'opened' | 'resumed' | 'accepting' | 'client gone' | 'server gone' | 'over'
  readonly direction?: Direction
  /** Bytes of that direction that had passed. */
  readonly byte?: number
  /** The port at the server's side, where there are ports. */
  readonly port?: number
}

/** Where the server is. */
export type Target = { readonly path: string } | { readonly host: string; readonly port: number }

/** What a connection tells its proxy. */
export interface ConnectionEvents {
  readonly over: () => void
  readonly happened: (happening: Omit<Happening, 'atMs' | 'connection'>) => void
  readonly refuse: (forMs: number) => void
}

/** A client, a server, and the two lanes between them. */
export class ProxiedConnection {
  readonly lanes: { up?: Lane; down?: Lane } = {}
  readonly #near: Socket
  readonly #far: Socket | undefined
  readonly #weather: Weather[] = []
  readonly #events: ConnectionEvents
  readonly #resets: boolean
  readonly #timers = new Set<NodeJS.Timeout>()
  #ended = false

  constructor(near: Socket, target: Target, dice: Dice, faults: readonly Fault[], events: ConnectionEvents) {
    this.#near = near
    this.#events = events
    this.#resets = 'port' in target
    if (faults.some(fault => fault.kind === 'silence')) return
    const far = connect({ ...target, allowHalfOpen: true, noDelay: true })
    this.#far = far
    const incidents: Incident[] = []
    for (const fault of faults) {
      if ('at' in fault) incidents.push(fault)
      else if (fault.kind !== 'silence') this.#weather.push(fault)
    }
    for (const direction of DIRECTIONS) {
      const [from, to] = direction === 'up' ? [near, far] : [far, near]
      const own = incidents.filter(incident => incident.direction === direction)
      const happens = (incident: Incident): void => this.happens(incident)
      this.lanes[direction] = new Lane(from, to, direction, dice.fork(direction), own, happens)
    }
  }

  start(): void {
    const near = this.#near
    const far = this.#far
    // What is wrong shows in their close.
    for (const socket of [near, far]) socket?.on('error', () => undefined)
    if (far === undefined) {
      this.#log('silence')
      near.on('data', () => {})
      near.on('end', () => near.end())
      near.on('close', () => {
        this.#log('client gone')
        this.#over()
      })
      return
    }
    far.once('connect', () => {
      const port = far.localPort
      this.#events.happened({ kind: 'opened', ...(port === undefined ? {} : { port }) })
    })
    for (const [socket, other, direction] of [[near, far, 'up'] as const, [far, near, 'down'] as const]) {
      const lane = this.lanes[direction]!
      socket.on('end', () => {
        if (other.destroyed) socket.destroy()
        else lane.end(() => other.end())
      })
      socket.on('close', failed => this.#closed(socket, other, lane, failed))
    }
    for (const weather of this.#weather) this.become(weather)
    for (const direction of DIRECTIONS) this.lanes[direction]?.begin()
  }

  become(weather: Weather): void {
    for (const direction of DIRECTIONS) {
      if (weather.direction !== undefined && weather.direction !== direction) continue
      this.lanes[direction]?.become(weather)
      this.#log(weather.kind, direction)
    }
  }

  happens(incident: Incident): void {
    const { kind, direction } = incident
    const lane = this.lanes[direction]
    this.#log(kind, direction)
    if (kind === 'flip' || lane === undefined) return
    if (kind === 'stall') {
      lane.stalled = true
      if (incident.forMs !== undefined) this.#later(incident.forMs, () => this.resume(direction))
    } else if (kind === 'half-close') {
      lane.swallow()
      const to = direction === 'up' ? this.#far : this.#near
      to?.end()
    } else if (kind === 'refuse') this.#events.refuse(incident.forMs)
    else this.drop(kind === 'reset')
  }

  resume(direction: Direction): void {
    const lane = this.lanes[direction]
    if (lane?.stalled !== true) return
    this.#log('resumed', direction)
    lane.resume()
  }

  /** Ends both sides. */
  drop(byReset: boolean): void {
    for (const socket of [this.#near, this.#far]) this.#drop(socket, byReset)
  }

  #drop(socket: Socket | undefined, byReset: boolean): void {
    if (socket === undefined) return
    // Node never closes a socket that is reset while it connects or shuts down.
    if (byReset && this.#resets && !socket.connecting && !socket.writableEnded) socket.resetAndDestroy()
    else socket.destroy()
  }

  #closed(socket: Socket, other: Socket, lane: Lane, failed: boolean): void {
    this.#log(socket === this.#near ? 'client gone' : 'server gone', lane.direction)
    const back = this.lanes[lane.direction === 'up' ? 'down' : 'up']!
    back.swallow()
    if (other.destroyed) this.#over()
    // A stall holds up the end too, as where a cable is pulled.
    else if (failed && !lane.stalled) this.#drop(other, true)
    else lane.end(() => other.end(() => other.destroy()))
  }

  #over(): void {
    if (this.#ended) return
    this.#ended = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const direction of DIRECTIONS) this.lanes[direction]?.swallow()
    this.#events.over()
    this.#log('over')
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, ms)
    this.#timers.add(timer)
  }

  #log(kind: Happening['kind'], direction?: Direction): void {
    const lane = direction === undefined ? undefined : this.lanes[direction]
    const where = direction === undefined ? {} : { direction, byte: lane?.passed ?? 0 }
    this.#events.happened({ kind, ...where })
  }
}
