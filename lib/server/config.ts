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
  /** Streams, uploads and duplexes in flight on one connection; the excess is answered `rpc_busy`. Default 1,024. */
  readonly maxStreamsPerConnection: number
  /** Credit that an upload starts with, in units: one item, or 16 KiB of a large one. Default 1,024. */
  readonly window: number
  /** Largest window that a client may give. Default 4,096. */
  readonly maxWindow: number
  /** Frames without effect on one connection. Default 10,000 a second. */
  readonly maxIdleFramesPerSecond: number
  /** Where `authenticate` is set: time from connect to HELLO. Default 3,000. */
  readonly authTimeoutMs: number
  /** How long streams go on when the server closes. Default 10,000. */
  readonly graceMs: number
  /** The highest version to speak. Default 2. */
  readonly version: 1 | 2
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
  /** Connections from one address (of IPv6: from one /64 network); loopback and Unix sockets are exempt. Default 256. */
  readonly maxPerAddress: number
}

/** What holds for a server where it is not told otherwise. */
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
  maxStreamsPerConnection: 1_024,
  window: 1_024,
  maxWindow: 4_096,
  maxIdleFramesPerSecond: 10_000,
  authTimeoutMs: 3_000,
  graceMs: 10_000,
  version: 2,
  maxHeldBytes: 64 * 1024 * 1024,
  highWaterMarkBytes: 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
  maxPingsPerSecond: 100,
  maxServerConnections: 10_000,
  maxPerAddress: 256,
}

/** What a client says of itself when it connects. */
export interface Credentials {
  /** Absent where the client has none. */
  readonly token: string | undefined
  readonly meta: Readonly<Record<string, string>>
  /** The far end, as a URL. */
  readonly address: string
}

/**
 * Decides who a client is, before any of its calls is read: what it gives, or a Promise of it gives, is `peer.principal` of the
 * calls. Whatever it throws turns the client away with `rpc_unauthenticated`; a `CallRefused` `rpc_forbidden` with that.
 */
export type Authenticate = (credentials: Credentials) => unknown

/** All that a connection of a server needs besides its link. Rust: `ServerFacts`. */
export interface ServerFacts {
  readonly config: ServerConfig
  readonly codec: Codec
  /** The codec of control maps: MessagePack, whatever `codec` is. */
  readonly control: Codec
  /** Who the client is: see {@link Authenticate}. Default: everybody may call. */
  readonly authenticate?: Authenticate | undefined
  /** Where entries for a log go. Default: nowhere. */
  readonly log: (entry: ServerLogEntry) => void
}
