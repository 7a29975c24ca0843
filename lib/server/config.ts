/**
 * What a server can be told, and what holds where it is not. Rust: `ServerConfig` and `ServerFacts`.
 */
import type { Codec } from '../codec/codec.ts'
import type { RpcError } from '../error.ts'
import { FRAME_LIMITS, type FrameLimits } from '../protocol/heads.ts'

/** Something worth knowing that no answer tells. */
export interface ServerLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  /** The far end, as a URL. */
  readonly address?: string
  /** The action of the call it is about. */
  readonly action?: string | number
  readonly error?: RpcError
}

/** Numbers of a server, the ones of Rust under their Rust names. Times in milliseconds, sizes in bytes. */
export interface ServerConfig extends FrameLimits {
  /** Bytes of an error text that is sent; longer ones are cut at a code point. Default 1 KiB. */
  readonly maxErrorTextBytes: number
  /** A frame that is not complete must get on within this. Default 5,000. Rust: `read_timeout`. */
  readonly readTimeoutMs: number
  /** A connection without any byte from the client is closed after this. Default 120,000. Rust: `idle_timeout`. */
  readonly idleTimeoutMs: number
  /** Written bytes must start to leave within this. Default 10,000. Rust: `write_timeout` (5 s). */
  readonly drainTimeoutMs: number
  /** How long `close` waits for running calls. Default 90,000. Rust: `server_close_wait`. */
  readonly serverCloseWaitMs: number
  /** Longest run of a call; then it is answered `rpc_timeout`. Default 90,000. */
  readonly maxCallMs: number
  /** How often connections and deadlines are looked at. Default 1,000. */
  readonly tickMs: number
  /** Calls in flight on one connection; then reading pauses. Default 1,024. */
  readonly maxCallsPerConnection: number
  /** Calls in flight in all; then reading pauses. Default 10,000. */
  readonly maxCalls: number
  /** Bytes of requests that running calls of one connection hold; then reading pauses. Default 64 MiB. */
  readonly maxHeldBytes: number
  /** Above this many unsent bytes no further call of the connection is started. Default 1 MiB. */
  readonly highWaterMarkBytes: number
  /** Above this many unsent bytes the connection is closed. Default 64 MiB. */
  readonly maxUnsentBytes: number
  /** Pings of one connection. Default 100 a second. */
  readonly maxPingsPerSecond: number
  /** Connections in all. Default 10,000; more are closed with `rpc_busy`. */
  readonly maxServerConnections: number
  /** Connections from one address; loopback and Unix sockets are exempt. Default 256. */
  readonly maxPerAddress: number
}

export const SERVER_DEFAULTS: ServerConfig = {
  ...FRAME_LIMITS,
  maxErrorTextBytes: 1024,
  readTimeoutMs: 5_000,
  idleTimeoutMs: 120_000,
  drainTimeoutMs: 10_000,
  serverCloseWaitMs: 90_000,
  maxCallMs: 90_000,
  tickMs: 1_000,
  maxCallsPerConnection: 1_024,
  maxCalls: 10_000,
  maxHeldBytes: 64 * 1024 * 1024,
  highWaterMarkBytes: 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
  maxPingsPerSecond: 100,
  maxServerConnections: 10_000,
  maxPerAddress: 256,
}

/** All that a connection of a server needs besides its link. Rust: `ServerFacts`. */
export interface ServerFacts {
  readonly config: ServerConfig
  readonly codec: Codec
  /** Where entries for a log go. Default: nowhere. */
  readonly log: (entry: ServerLogEntry) => void
}
