/**
 * The control maps of version 2, read with suspicion: unknown keys are ignored, wrong ones refused. PROTOCOL.md, "Negotiation".
 */
import { RpcError } from '../error.ts'
import { ProtocolError } from './close.ts'

/** What a server's answer to the offer says. Absent: the default of the option. */
export interface PongMap {
  readonly v: number
  readonly msg?: number
  readonly blob?: number
  readonly calls?: number
  readonly streams?: number
  readonly window?: number
}

/** What a client says first. */
export interface HelloMap {
  readonly token?: string
  /** Text to text, for the server's `authenticate`. */
  readonly meta?: Readonly<Record<string, string>>
  readonly msg?: number
  readonly blob?: number
}

/** What a server says when it lets go. */
export interface GoAwayMap {
  readonly reason?: string
  readonly graceMs?: number
}

/** The map that a frame called `name` carries. Throws a `ProtocolError`, 4400, where it is none or `decode` throws. */
export function readControl(
  decode: (bytes: Uint8Array) => unknown,
  msg: Uint8Array,
  name: string,
): Readonly<Record<string, unknown>> {
  let map: Readonly<Record<string, unknown>> | undefined
  try {
    map = asMap(decode(msg))
  } catch (cause) {
    throw new ProtocolError(4400, `the map of ${name}: ${RpcError.from(cause).message}`, { cause })
  }
  if (map === undefined) throw new ProtocolError(4400, `what ${name} carries is no map`)
  return map
}

/** A map, or `undefined` for anything else. */
export function asMap(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}

/** A limit: an integer above 0; `undefined` where the key is absent; NaN where it is something else. */
export function asLimit(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : Number.NaN
}

/** Text to text, or `undefined` for anything else. */
export function asTexts(value: unknown): Readonly<Record<string, string>> | undefined {
  const map = asMap(value)
  if (map === undefined) return undefined
  return Object.values(map).every(text => typeof text === 'string') ? (map as Record<string, string>) : undefined
}
