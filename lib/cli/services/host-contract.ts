/**
 * The contract of `Host`: figures of the machine that serves it, its files as streams, and an echo. Plain data without a module
 * of Node: a page in a browser may import it.
 */
import { type Contract, service, type, type Unary, unary } from '../../service/contract.ts'
import { type Duplex, duplex, type Stream, stream, type Upload, upload } from '../../service/streaming.ts'
import { bytes, nil, optional, struct, text, wholeFrom } from './shapes.ts'

/** How busy the processors are. */
export interface Load {
  /** Programs that run or wait to, on average over the last 1, 5 and 15 minutes. */
  readonly averages: readonly number[]
  /** Of all processors together, since the figures were last looked at; they move five times a second at most. */
  readonly percent: number
  /** The same of each processor. */
  readonly corePercents: readonly number[]
}

/** Memory, in bytes. */
export interface Memory {
  readonly totalBytes: number
  /** In use by programs, without what only caches. */
  readonly activeBytes: number
  /** What programs could still get. */
  readonly availableBytes: number
  readonly swapTotalBytes: number
  readonly swapUsedBytes: number
}

/** One network interface. */
export interface Network {
  readonly name: string
  /** Since the machine started. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /** Since the figures were last looked at; they move twice a second at most. `null` at the first look. */
  readonly receivedBytesPerSecond: number | null
  readonly sentBytesPerSecond: number | null
}

/** What all disks together do, in bytes per second, since the figures were last looked at; they move twice a second at most. */
export interface Disk {
  readonly readBytesPerSecond: number
  readonly writtenBytesPerSecond: number
}

/** What {@link Host} tells of the machine at one moment. */
export interface Sample {
  /** When, in milliseconds since 1970. */
  readonly at: number
  readonly load: Load
  readonly memory: Memory
  /** The first 64 interfaces. */
  readonly network: readonly Network[]
  /** `null` at the first look, and where the system does not tell. */
  readonly disk: Disk | null
}

/** One process. */
export interface Process {
  readonly pid: number
  readonly name: string
  readonly user: string
  /** Of one processor, since the figures were last looked at; since its start at the first look. */
  readonly cpuPercent: number
  readonly memoryBytes: number
}

/** The processes at one moment. */
export interface Processes {
  /** When, in milliseconds since 1970. */
  readonly at: number
  /** How many there are, and how many of them run. */
  readonly all: number
  readonly running: number
  /** The busiest, the busiest first. */
  readonly top: readonly Process[]
}

/** One file of the server's folder. */
export interface FileFacts {
  readonly name: string
  readonly bytes: number
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedAt: number
}

/** Bounds of the rates, in milliseconds. */
export const LEAST_SAMPLE_MS = 100
export const LEAST_PROCESSES_MS = 1_000
export const MOST_SAMPLE_MS: number = 60 * 60 * 1000
/** Lines that `tail` starts with: unless told, and at most. */
export const DEFAULT_LINES = 10
export const MOST_LINES = 10_000
/** Files that are listed at most. */
export const MOST_FILES = 1_000
/** Bytes of one item of `fetch`. */
export const PIECE_BYTES: number = 64 * 1024
/** Processes that are told: unless told otherwise, and at most. */
export const DEFAULT_TOP = 10
export const MOST_TOP = 100

/** The contract of the machine. Errors are texts. */
export const Host: Contract<{
  readonly load: Unary<void, Load, string>
  readonly metrics: Stream<{ everyMs: number }, Sample, string>
  readonly processes: Stream<{ everyMs: number; top?: number }, Processes, string>
  readonly tail: Stream<{ path: string; lines?: number }, string, string>
  readonly files: Unary<void, readonly FileFacts[], string>
  readonly fetch: Stream<{ path: string }, Uint8Array, string>
  readonly store: Upload<{ name: string }, Uint8Array, { bytes: number }, string>
  readonly echo: Duplex<void, unknown, unknown, string>
}> = service('Host', {
  /** How busy the processors are now. */
  load: unary({ input: nil, output: type<Load>(), idempotent: true }),
  /**
   * A sample every `everyMs` milliseconds, from 100 to an hour; whoever takes them slowly misses the older ones. All watchers of one
   * rate get the same samples, a late one the newest at once.
   */
  metrics: stream({
    input: struct<{ everyMs: number }>({ everyMs: wholeFrom(LEAST_SAMPLE_MS, MOST_SAMPLE_MS) }),
    output: type<Sample>(),
    overflow: 'latest',
    window: 8,
  }),
  /** The busiest `top` processes, from 1 to 100, every `everyMs` milliseconds, from 1,000 to an hour. Default: 10. */
  processes: stream({
    input: struct<{ everyMs: number; top?: number }>({
      everyMs: wholeFrom(LEAST_PROCESSES_MS, MOST_SAMPLE_MS),
      top: optional(wholeFrom(1, MOST_TOP)),
    }),
    output: type<Processes>(),
    overflow: 'latest',
    window: 8,
  }),
  /**
   * The last `lines` lines of a file (default 10, at most 10,000, from no more than its last 16 MiB), then what is appended, until it
   * is unsubscribed. A line is told when it is complete; one over 64 KiB comes in pieces. The path may come to mean a new file, or
   * the file be cut: then it goes on from the start. `path` is relative to the server's `--files`.
   */
  tail: stream({
    input: struct<{ path: string; lines?: number }>({ path: text, lines: optional(wholeFrom(0, MOST_LINES)) }),
    output: type<string>(),
    window: 256,
  }),
  /** The files that lie in the server's `--files` itself, not deeper, by name; hidden ones are left out, and all beyond the first 1,000. */
  files: unary({ input: nil, output: type<readonly FileFacts[]>(), idempotent: true }),
  /** The bytes of a file, in pieces of 64 KiB, as many as it had when it was opened: it fails where the file is cut meanwhile. */
  fetch: stream({ input: struct<{ path: string }>({ path: text }), output: type<Uint8Array>(), window: 64 }),
  /**
   * Stores the items, one after the other, as the file `name`, relative to the server's `--files`, and says how much that was. The
   * file is there, in the place of an older one, when all of it is; an upload that is cut off leaves nothing. At most 1 GiB.
   */
  store: upload({
    input: struct<{ name: string }>({ name: text }),
    items: bytes,
    output: type<{ bytes: number }>(),
    window: 64,
  }),
  /** Gives each item back, as fast as they are taken. */
  echo: duplex({ input: nil, items: type<unknown>(), output: type<unknown>() }),
})
