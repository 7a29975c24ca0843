/**
 * What a client can be told, and what holds where it is not. Rust: `ClientConfig` and `ClientFacts`.
 */
import { asyncScheduler } from 'rxjs'
import type { Codec } from '../codec/codec.ts'
import { RpcError } from '../error.ts'
import type { U64 } from '../protocol/bytes.ts'
import { FRAME_LIMITS, type FrameLimits } from '../protocol/heads.ts'

/**
 * Which failed calls are sent again. `safe`: what provably never ran, and calls that are declared idempotent. `razor`: as the Rust
 * pools do, unary calls whose connection was lost or that a server gave up with `rpc_timeout`, too, whether they ran or not; but inside
 * the call's own timeout, where Rust gives each try a whole one, and under `retryTokens`, of which Rust has no counterpart
 * (`Infinity`). `never`: only what no server saw.
 */
export type RetryRule = 'safe' | 'razor' | 'never'

/** Something worth knowing that no call's error tells. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  /** The far end, as a URL. */
  readonly address?: string
  readonly error?: RpcError
}

/** Numbers of a client, the ones of Rust under their Rust names. Times in milliseconds, sizes in bytes. */
export interface ClientConfig extends FrameLimits {
  /** A call without `timeoutMs` fails after this. Default 20,000. Rust: `task_timeout`. */
  readonly taskTimeoutMs: number
  /** A frame that is not complete must get on within this. Default 5,000. Rust: `read_timeout`. */
  readonly readTimeoutMs: number
  /** Written bytes must start to leave within this. Default 5,000. Rust: `write_timeout`. */
  readonly writeTimeoutMs: number
  /** Dialling fails after this. Default 10,000 (Rust: 10 s). Rust: `connect_timeout`. */
  readonly connectTimeoutMs: number
  /** Calls in flight on one connection; the others wait. Default 128. Rust: `thresholds`. */
  readonly thresholds: number
  /** Streams, uploads and duplexes in flight on one connection; the others wait. Default 1,024. */
  readonly maxStreams: number
  /** Connections to one address; one more is dialled while the windows of the others are full. Default 4. */
  readonly maxConnections: number
  /** A connection of no use for this long is closed, within 1.5 times that. Default 60,000. */
  readonly connectionIdleMs: number
  /** Connections that stay open without use; 0: the last one is closed, too. Default 1. */
  readonly idleConnections: number
  /**
   * When a lost connection is tried again: `background`, by itself, as long as the client is not closed (which keeps a Node process
   * alive, as an open connection does); `on-call`, by the first call after the pause of the back-off. Default `background`.
   */
  readonly redial: 'background' | 'on-call'
  /** After a loss the first try follows at random within this; the bound doubles with each failure. Default 1,000. */
  readonly backoffFirstMs: number
  /** The highest bound. Default 30,000. */
  readonly backoffMaxMs: number
  /** A connection that lasted so long makes the next loss a first one again. Default 60,000. */
  readonly backoffResetMs: number
  /** Which failed calls are sent again, see {@link RetryRule}. Default `safe`. */
  readonly retry: RetryRule
  /** How often a call is sent again at most, those tries not counted that no server saw. Default 3, as in Rust. */
  readonly retryLimit: number
  /** What retries may cost: each takes 1, and each answer brings 0.1, up to this. Default 10. */
  readonly retryTokens: number
  /** Credit a stream starts with, in units: one item, or 16 KiB of a large one. Default 1,024. */
  readonly window: number
  /** Largest window a call may ask for. Default 4,096. */
  readonly maxWindow: number
  /** Bytes of items that wait for their subscribers; streams beyond fail with `rpc_overflow`. Default 64 MiB. */
  readonly maxHeldBytes: number
  /** The highest version to offer: 1 offers nothing. Default 2. */
  readonly version: 1 | 2
  /** How often deadlines and the link are looked at. Default 1,000. Calls under 5 ticks use a tick of 1/20 of it. */
  readonly tickMs: number
  /** The client pings after that much silence in either direction. Default 25,000. */
  readonly pingIntervalMs: number
  /** The link counts as lost after that much silence from the far end. Default 55,000 (2 × ping + 5 s). */
  readonly deadAfterMs: number
  /** Calls that wait for a slot or for the connection. Default 10,000; more fail with `rpc_overflow`. */
  readonly maxWaitingCalls: number
  /** Bytes they may hold before further ones fail with `rpc_overflow`. Default 8 MiB. */
  readonly maxWaitingBytes: number
  /** Answers that nobody waits for, in a second; above, the link is given up. Default 10,000. */
  readonly maxIdleFramesPerSecond: number
  /** Above this many unsent bytes no further call is written. Default 1 MiB. */
  readonly highWaterMarkBytes: number
  /** Above this many unsent bytes the link is given up. Default 64 MiB. */
  readonly maxUnsentBytes: number
  /** How long `close` waits for answers. Default 90,000. */
  readonly closeWaitMs: number
}

/** What holds for a client where it is not told otherwise. */
export const CLIENT_DEFAULTS: ClientConfig = {
  ...FRAME_LIMITS,
  taskTimeoutMs: 20_000,
  readTimeoutMs: 5_000,
  writeTimeoutMs: 5_000,
  connectTimeoutMs: 10_000,
  thresholds: 128,
  maxStreams: 1_024,
  maxConnections: 4,
  connectionIdleMs: 60_000,
  idleConnections: 1,
  redial: 'background',
  backoffFirstMs: 1_000,
  backoffMaxMs: 30_000,
  backoffResetMs: 60_000,
  retry: 'safe',
  retryLimit: 3,
  retryTokens: 10,
  window: 1_024,
  maxWindow: 4_096,
  maxHeldBytes: 64 * 1024 * 1024,
  version: 2,
  tickMs: 1_000,
  pingIntervalMs: 25_000,
  deadAfterMs: 55_000,
  maxWaitingCalls: 10_000,
  maxWaitingBytes: 8 * 1024 * 1024,
  maxIdleFramesPerSecond: 10_000,
  highWaterMarkBytes: 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
  closeWaitMs: 90_000,
}

/** All that a connection of a client needs besides its dialer. Rust: `ClientFacts`. */
export interface ClientFacts {
  readonly config: ClientConfig
  readonly codec: Codec
  /** The codec of control maps: MessagePack, whatever `codec` is. */
  readonly control: Codec
  /** What the server's `authenticate` gets. Default: nothing. Never leaves on a connection of version 1. */
  readonly token?: (() => string) | undefined
  readonly meta?: Readonly<Record<string, string>> | undefined
  /** A label for the server's logs, never an identity. Default 0. */
  readonly clientId: U64
  /** Where entries for a log go. Default: nowhere. */
  readonly log: (entry: LogEntry) => void
}

/** Logs that something at this end is broken, at work for that address. */
export function logBroken({ log }: ClientFacts, address: string, error: unknown): void {
  const reason = RpcError.from(error)
  log({ level: 'error', message: reason.message, address, error: reason })
}

/** Longest timeout of a call, 24 h; longer ones, `Infinity` too, are cut to it. */
export const MAX_TIMEOUT_MS: number = 24 * 60 * 60 * 1000

/**
 * The timeout of a call: `undefined` stands for the default, which for a call whose items come down is none. A deadline, in
 * milliseconds since 1970, shortens it; `Infinity` is none. Throws a `TypeError` for NaN and what is no number.
 */
export function callTimeout(
  timeoutMs: number | undefined,
  config: ClientConfig,
  window = 0,
  deadline: number = Number.POSITIVE_INFINITY,
): number {
  if (timeoutMs === undefined && deadline === Number.POSITIVE_INFINITY && window <= 0) return config.taskTimeoutMs
  checkNumber('timeoutMs', timeoutMs ?? 0, 'a number of milliseconds')
  checkNumber('deadline', deadline, 'milliseconds since 1970')
  const unlimited = window > 0 ? Number.POSITIVE_INFINITY : config.taskTimeoutMs
  const given = timeoutMs === undefined ? unlimited : Math.min(timeoutMs, MAX_TIMEOUT_MS)
  if (deadline === Number.POSITIVE_INFINITY) return given
  return Math.min(given, MAX_TIMEOUT_MS, deadline - asyncScheduler.now())
}

function checkNumber(name: string, value: number, what: string): void {
  if (typeof value !== 'number' || Number.isNaN(value))
    throw new TypeError(`${name} must be ${what}, not ${String(value)}`)
}
