/**
 * What the two ends agreed on: the version, and what the server allows. PROTOCOL.md, "Negotiation".
 */
import type { Codec } from '../codec/codec.ts'
import { asLimit, asMap, type HelloMap } from '../protocol/control.ts'
import { FLAG_OK, type ResponseFrame, RPC_VERSION_1, RPC_VERSION_2 } from '../protocol/heads.ts'
import type { ClientConfig } from './config.ts'

/** Holds for one connection, from the answer to the offer on. */
export interface Agreement {
  readonly version: number
  readonly maxMessageBytes: number
  readonly maxBlobBytes: number
  /** Unary calls that may be out at a time; other calls; and the largest window of a stream. */
  readonly calls: number
  readonly streams: number
  readonly window: number
}

/** What holds on a connection of version 1. */
export function agreementV1(config: ClientConfig): Agreement {
  const { maxMessageBytes, maxBlobBytes, thresholds } = config
  return { version: RPC_VERSION_1, maxMessageBytes, maxBlobBytes, calls: thresholds, streams: 0, window: 0 }
}

/**
 * Reads the answer to the offer. Anything but a success with a map that names version 2 makes the connection one of
 * version 1, for good.
 */
export function readPong(frame: ResponseFrame, control: Codec, config: ClientConfig): Agreement {
  const v1 = agreementV1(config)
  if (frame.flag !== FLAG_OK || frame.msg.length === 0) return v1
  let map: Readonly<Record<string, unknown>> | undefined
  try {
    map = asMap(control.decode(frame.msg))
  } catch {
    return v1 // an answer that is no map is what a peer of version 1 gives
  }
  if (map?.['v'] !== RPC_VERSION_2) return v1
  const least = (key: string, own: number): number => {
    const limit = asLimit(map[key])
    return limit === undefined || Number.isNaN(limit) ? own : Math.min(limit, own)
  }
  return {
    version: RPC_VERSION_2,
    maxMessageBytes: least('msg', config.maxMessageBytes),
    maxBlobBytes: least('blob', config.maxBlobBytes),
    calls: least('calls', config.thresholds),
    streams: least('streams', config.maxStreams),
    window: least('window', config.maxWindow),
  }
}

/** The client's first frame of version 2. */
export function hello(config: ClientConfig, token: string | undefined, meta: HelloMap['meta']): HelloMap {
  return {
    ...(token === undefined ? {} : { token }),
    ...(meta === undefined ? {} : { meta }),
    msg: config.maxMessageBytes,
    blob: config.maxBlobBytes,
  }
}
