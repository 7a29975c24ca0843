/**
 * What a gateway can be told, read and checked before it listens.
 */
import type { TlsOptions } from 'node:tls'
import type { Logger } from '../logger.ts'
import type { Dialer } from '../transport/link.ts'
import { dialerAt } from './dialers.ts'

/** Numbers of a gateway. Times in milliseconds, sizes in bytes. */
export interface GatewayConfig {
  /** How long a server may take to accept; then the client's upgrade is answered 504. Default 10,000. */
  readonly connectTimeoutMs: number
  /**
   * A connection without a byte in either direction is closed after this, and at most a tick of a second later. Default 180,000: more
   * than the 120,000 of a server, which so can say for itself why.
   */
  readonly idleTimeoutMs: number
  /**
   * Above this many bytes that one end has not taken, the other is not read any more. Besides, a connection holds one chunk of each
   * end: up to 64 KiB of a TCP or Unix socket, up to `maxSocketMessageBytes` of a WebSocket. Default 256 KiB.
   */
  readonly highWaterMarkBytes: number
  /** The largest WebSocket message that is taken; one above it ends the connection with close code 1009. Default 18 MiB. */
  readonly maxSocketMessageBytes: number
  /** WebSocket pings, pongs and empty messages that a client may send in a second. Above: close code 4429. Default 100. */
  readonly maxPingsPerSecond: number
  /** How long a client may take until its upgrade is there, on a port of the gateway's own. Default 10,000. */
  readonly upgradeTimeoutMs: number
  /** Connections in all; the upgrade of one more is answered 503. Default 10,000. */
  readonly maxServerConnections: number
  /** Connections from one address (of IPv6: from one /64 network); loopback is exempt. Default 256. */
  readonly maxPerAddress: number
  /** How long `close` lets open connections go on. Default 90,000. */
  readonly closeWaitMs: number
}

/** What holds for a gateway where it is not told otherwise. */
export const GATEWAY_DEFAULTS: GatewayConfig = {
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 180_000,
  highWaterMarkBytes: 256 * 1024,
  maxSocketMessageBytes: 18 * 1024 * 1024,
  maxPingsPerSecond: 100,
  upgradeTimeoutMs: 10_000,
  maxServerConnections: 10_000,
  maxPerAddress: 256,
  closeWaitMs: 90_000,
}

/** What a gateway can be told. */
export interface GatewayOptions extends Partial<GatewayConfig> {
  /**
   * Where connections go: one address for the path `/`, or a target for each path, such as
   * `{ '/': 'tcp://127.0.0.1:4000', '/files': 'unix:///run/files.sock' }`. A target is `tcp://`, `unix://`, `ws://`, `wss://`, or any
   * dialer.
   */
  readonly targets: string | Readonly<Record<string, string | Dialer>>
  /**
   * The web pages that may connect, by origin, `['https://app.example']`, with the word `loopback` for those of the same machine.
   * Programs that send no `Origin` are let in, as they could send any. Default: every page may, as with a server of one's own.
   */
  readonly origins?: readonly string[] | undefined
  /** For `wss:`: at least `cert` and `key`. */
  readonly tls?: TlsOptions | undefined
  /** Hears at level `info` of each connection that opens and ends, at `warn` of those refused. Default: nobody does. */
  readonly logger?: Logger | undefined
}

/** The dialers by path. Throws a `TypeError` that names what is no path, and no address. */
export function targetsOf(targets: GatewayOptions['targets']): ReadonlyMap<string, Dialer> {
  const entries = Object.entries(typeof targets === 'string' ? { '/': targets } : targets)
  if (entries.length === 0) throw new TypeError('a gateway needs a target: an address such as tcp://127.0.0.1:4000')
  const dialers = new Map<string, Dialer>()
  for (const [path, target] of entries) {
    if (!/^\/[^?#\s]*$/.test(path)) {
      throw new TypeError(`${JSON.stringify(path)} is no path of a target: expected one such as /files`)
    }
    dialers.set(path, typeof target === 'string' ? dialerOf(target) : target)
  }
  return dialers
}

function dialerOf(address: string): Dialer {
  // To a URL, ws:///nowhere is ws://nowhere.
  const hasNoHost = /^wss?:(?!\/\/[^/])/.test(address)
  const dialer = hasNoHost ? undefined : dialerAt(address)
  if (dialer !== undefined) return dialer
  const known = 'expected tcp://host:port, unix:///path, ws://host:port/path or wss://host:port/path'
  throw new TypeError(`${JSON.stringify(address)} is no target: ${known}`)
}
