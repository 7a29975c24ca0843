/**
 * What both sides of a run write down about its calls, each entry before what it tells of. The number of a call travels within its
 * argument, so the two can be joined afterwards: see join.ts.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { ErrorCode, Executed } from '../../../lib/error.ts'
import type { CallShape } from '../../../lib/protocol/shape.ts'

/** Entries of the caller. Times as `performance.now()` tells them in its process. */
export type CallerEntry =
  /** It is about to be subscribed to. `count` items are asked for, in each direction that has any. */
  | {
      readonly what: 'called'
      readonly id: number
      readonly shape: CallShape
      readonly idempotent: boolean
      /** Absent where the call may last as long as its connection. */
      readonly timeoutMs?: number
      readonly count: number
      readonly atMs: number
    }
  /** An item came, or the one answer: number `n` from 0 on, of the call `of` by its own words. */
  | { readonly what: 'got'; readonly id: number; readonly of: number; readonly n: number }
  /** Something came whose checksum is wrong. */
  | { readonly what: 'damaged'; readonly id: number }
  /** It is over: `ok`, `left` by its caller, or an error. `of`: the call that a user error names. */
  | {
      readonly what: 'over'
      readonly id: number
      readonly how: 'ok' | 'left' | ErrorCode
      readonly executed?: Executed
      readonly of?: number
      readonly atMs: number
    }

/** Entries of a server. */
export type ServerEntry =
  /** Its handler is about to act; `port` is that of the far end, where there are ports. */
  | { readonly what: 'started'; readonly id: number; readonly port?: number }
  /** Item `n` is about to be given. */
  | { readonly what: 'made'; readonly id: number; readonly n: number }
  /** Item `n` of the caller has come, of the call `of` by its own words. */
  | { readonly what: 'took'; readonly id: number; readonly of: number; readonly n: number }
  /** The handler has done all it was asked for. */
  | { readonly what: 'ended'; readonly id: number }

/** Where a server writes. */
export interface ServerLedger {
  write(entry: ServerEntry): void
}

/** The ledger of a server in this process. */
export class MemoryLedger implements ServerLedger {
  readonly entries: ServerEntry[] = []

  write(entry: ServerEntry): void {
    this.entries.push(entry)
  }
}

/** A file that several servers may append to, one after another: what was written is the system's, and outlives a SIGKILL. */
export class FileLedger implements ServerLedger {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  write(entry: ServerEntry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** What the servers of a file wrote. */
export function readLedger(path: string): ServerEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as ServerEntry)
}
