/**
 * What can happen to a connection that goes through a chaos proxy, and plans of it that dice make.
 */
import type { Dice } from './dice.ts'

/** `up` is what the client sends, `down` what the server sends. */
export type Direction = 'up' | 'down'
export const DIRECTIONS: readonly Direction[] = ['up', 'down']

/** How a direction behaves all along; both directions where none is named. */
export type Weather =
  /** Each byte takes that long, and up to `jitterMs` longer; bytes keep their order. */
  | { readonly kind: 'latency'; readonly direction?: Direction; readonly ms: number; readonly jitterMs?: number }
  | { readonly kind: 'rate'; readonly direction?: Direction; readonly bytesPerSecond: number }
  /** Pieces of so many bytes, each written in a turn of its own. */
  | { readonly kind: 'slice'; readonly direction?: Direction; readonly bytes: number }

/** What happens once, when `at` bytes of the direction have passed. */
export type Incident = {
  readonly direction: Direction
  readonly at: number
} /** Nothing of that direction passes any more, its end neither; for so long, or until it is resumed by hand. */ & (
  | { readonly kind: 'stall'; readonly forMs?: number }
  /** The receiver gets an end in order; the other direction goes on. */
  | { readonly kind: 'half-close' }
  /** Both ends get a reset; on a Unix socket there is none, so it is a cut. */
  | { readonly kind: 'reset' }
  /** Both ends get an end in order. */
  | { readonly kind: 'cut' }
  /** Bit 0 to 7 of the next byte is turned over. */
  | { readonly kind: 'flip'; readonly bit: number }
  /** All connections are cut, and dials are refused for so long. */
  | { readonly kind: 'refuse'; readonly forMs: number }
)

/** It is accepted, and then nothing ever comes; what is sent is swallowed. */
export interface Silence {
  readonly kind: 'silence'
}

export type Fault = Weather | Incident | Silence
export type FaultKind = Fault['kind']

/** What is to happen to a connection, by its number from 0 on. */
export type Plan = (dice: Dice, connection: number) => readonly Fault[]

/** Every fault that a plan of one kind is made for. */
export const FAULT_KINDS: readonly FaultKind[] = [
  'latency',
  'rate',
  'slice',
  'stall',
  'half-close',
  'reset',
  'cut',
  'flip',
  'silence',
  'refuse',
]

/** Bytes in which two ends come to terms, a WebSocket's upgrade included; and where calls go on for a while. */
const BEGINNING_BYTES = 300
const MOST_BYTES = 12_000
/** Flips on one connection; most of them hit what a message carries, and the connection goes on. */
const MOST_FLIPS = 3

/** A third of the places lie where a connection begins, the first bytes as often as the next hundred. */
function place(dice: Dice): number {
  if (dice.chance(2 / 3)) return dice.between(BEGINNING_BYTES, MOST_BYTES)
  return Math.floor(BEGINNING_BYTES ** dice.next()) - 1
}

/** A plan with faults of one kind, on every connection or nearly so. */
export function planOf(kind: FaultKind): Plan {
  return (dice, connection) => {
    const direction = dice.pick(DIRECTIONS)
    const at = place(dice)
    switch (kind) {
      case 'latency':
        return [{ kind, ms: dice.between(1, 30), jitterMs: dice.between(0, 30) }]
      case 'rate':
        return [{ kind, bytesPerSecond: dice.between(40_000, 200_000) }]
      case 'slice':
        return [{ kind, bytes: 2 ** dice.between(0, 6) }]
      case 'stall':
        // One that passes, and behind it one that does not.
        return [
          { kind, direction, at, forMs: dice.between(20, 300) },
          { kind, direction: dice.pick(DIRECTIONS), at: at + place(dice) },
        ]
      case 'silence':
        // Others work for a while, so that there is somebody to be silent to.
        return connection % 2 === 1
          ? [{ kind }]
          : [{ kind: 'cut', direction, at: dice.between(BEGINNING_BYTES, MOST_BYTES) }]
      case 'flip':
        return Array.from({ length: MOST_FLIPS }, () => {
          return { kind, direction: dice.pick(DIRECTIONS), at: place(dice), bit: dice.between(0, 7) }
        })
      case 'refuse':
        return [{ kind, direction, at, forMs: dice.between(20, 300) }]
      default:
        return [{ kind, direction, at }]
    }
  }
}

/** Every connection breaks in one way or another, and half of them are slow before; no wrong bytes. */
export const anything: Plan = (dice, connection) => {
  const broken = planOf(dice.pick(BREAKING))(dice, connection)
  return dice.chance(0.5) ? [...planOf(dice.pick(WEATHERS))(dice, connection), ...broken] : broken
}

const WEATHERS: readonly FaultKind[] = ['latency', 'rate', 'slice']
const BREAKING: readonly FaultKind[] = ['stall', 'half-close', 'reset', 'cut', 'silence', 'refuse']
