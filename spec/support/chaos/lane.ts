/**
 * One direction of a connection through the chaos proxy: bytes come in from one socket and go out to the other, with what is
 * planned for them. Holds a bounded number of bytes: above it the sender is not read.
 */
import type { Socket } from 'node:net'
import type { Dice } from './dice.ts'
import type { Direction, Incident, Weather } from './faults.ts'

/** Bytes that a lane holds before it stops reading; one read more may come on top, and what the system holds. */
export const MOST_HELD_BYTES = 64 * 1024

interface Piece {
  bytes: Buffer
  readonly dueMs: number
}

export class Lane {
  readonly direction: Direction
  /** Bytes that went out. */
  passed = 0
  stalled = false
  readonly #from: Socket
  readonly #to: Socket
  readonly #dice: Dice
  /** Those to come, the next one first. */
  readonly #incidents: Incident[]
  readonly #happens: (incident: Incident) => void
  readonly #queue: Piece[] = []
  #heldBytes = 0
  #latencyMs = 0
  #jitterMs = 0
  #bytesPerMs = Number.POSITIVE_INFINITY
  #sliceBytes = Number.POSITIVE_INFINITY
  /** When the newest bytes leave the sender, and when they arrive. */
  #leavesMs = 0
  #dueMs = 0
  /** What was written is on its way, or its turn is not over. */
  #busy = false
  /** What comes is swallowed. */
  #over = false
  /** To be done behind the last byte. */
  #finish: (() => void) | undefined
  #waking: NodeJS.Timeout | undefined

  constructor(
    from: Socket,
    to: Socket,
    direction: Direction,
    dice: Dice,
    incidents: readonly Incident[],
    happens: (incident: Incident) => void,
  ) {
    this.direction = direction
    this.#from = from
    this.#to = to
    this.#dice = dice
    this.#incidents = [...incidents].sort((a, b) => a.at - b.at)
    this.#happens = happens
    from.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** From now on it behaves so. */
  become(weather: Weather): void {
    if (weather.kind === 'rate') this.#bytesPerMs = weather.bytesPerSecond / 1000
    else if (weather.kind === 'slice') this.#sliceBytes = weather.bytes
    else {
      this.#latencyMs = weather.ms
      this.#jitterMs = weather.jitterMs ?? 0
    }
  }

  /** Lets what is planned for the very beginning happen. */
  begin(): void {
    this.pump()
  }

  /** The sender is done: `finish` is called behind its last byte, also where a stall holds that up. */
  end(finish: () => void): void {
    if (this.#over) {
      finish()
      return
    }
    this.#finish = finish
    this.pump()
  }

  resume(): void {
    this.stalled = false
    this.pump()
  }

  /** What is held, and what comes, goes nowhere. */
  swallow(): void {
    this.#over = true
    clearTimeout(this.#waking)
    this.#queue.length = 0
    this.#heldBytes = 0
    this.#from.resume()
  }

  #take(chunk: Buffer): void {
    if (this.#over) return
    const nowMs = performance.now()
    for (let at = 0; at < chunk.length; at += this.#sliceBytes) {
      const bytes = chunk.subarray(at, Math.min(chunk.length, at + this.#sliceBytes))
      const jitterMs = this.#jitterMs > 0 ? this.#dice.next() * this.#jitterMs : 0
      this.#leavesMs = Math.max(nowMs, this.#leavesMs) + bytes.length / this.#bytesPerMs
      const dueMs = Math.max(this.#dueMs, this.#leavesMs + this.#latencyMs + jitterMs)
      this.#dueMs = dueMs
      this.#queue.push({ bytes, dueMs })
    }
    this.#heldBytes += chunk.length
    if (this.#heldBytes > MOST_HELD_BYTES) this.#from.pause()
    this.pump()
  }

  /** Passes what may pass now. */
  pump(): void {
    while (!this.stalled && !this.#busy && !this.#over) {
      const incident = this.#incidents[0]
      const piece = this.#queue[0]
      if (incident !== undefined && incident.at <= this.passed) {
        if (incident.kind === 'flip') {
          if (piece === undefined) return
          // The chunk belongs to this proxy: nobody else sees it change.
          piece.bytes[0]! ^= 1 << incident.bit
        }
        this.#incidents.shift()
        this.#happens(incident)
        continue
      }
      if (piece === undefined) {
        const finish = this.#finish
        this.#finish = undefined
        finish?.()
        return
      }
      const waitMs = piece.dueMs - performance.now()
      if (waitMs > 0) {
        clearTimeout(this.#waking)
        this.#waking = setTimeout(() => this.pump(), Math.ceil(waitMs))
        return
      }
      this.#pass(piece, incident === undefined ? piece.bytes.length : incident.at - this.passed)
    }
  }

  #pass(piece: Piece, room: number): void {
    const bytes = piece.bytes.subarray(0, room)
    if (room >= piece.bytes.length) this.#queue.shift()
    else piece.bytes = piece.bytes.subarray(room)
    this.passed += bytes.length
    this.#heldBytes -= bytes.length
    if (this.#heldBytes <= MOST_HELD_BYTES && this.#from.isPaused()) this.#from.resume()
    // The next step waits until these bytes are the system's: a reset must not take them back.
    this.#busy = true
    this.#to.write(bytes, error => {
      const next = (): void => {
        this.#busy = false
        this.pump()
      }
      if (error) return
      if (this.#sliceBytes === Number.POSITIVE_INFINITY) next()
      else setImmediate(next)
    })
  }
}
