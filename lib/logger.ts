/**
 * Where entries for a log go: the logger that an application has already.
 */
import type { LogEntry } from './client/config.ts'
import type { RpcError } from './error.ts'
import type { ServerLogEntry } from './server/config.ts'

/** What an entry says besides its message. */
export interface LogFields {
  /** The far end, as a URL. */
  readonly address?: string
  /** The action of the call it is about. */
  readonly action?: string | number
  /** Under the name by which pino and bunyan know errors, and write them with their stack. */
  readonly err?: RpcError
}

/**
 * One method for each level, which takes the fields and then the message, as those of pino, bunyan and their like do. `console`
 * serves too: it prints both.
 *
 * What a method throws is dropped: no call ends otherwise because its log is broken, and there is no log left to say it to.
 */
export interface Logger {
  /** What the far end was told as well. */
  debug(fields: LogFields, message: string): void
  /** Nothing is wrong: what an operator may want to see, such as a restart. */
  info(fields: LogFields, message: string): void
  /** The far end breaks the rules, or is lost. */
  warn(fields: LogFields, message: string): void
  /** Something at this end is broken. */
  error(fields: LogFields, message: string): void
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** Writes entries to `logger`, or nowhere. Throws a `TypeError` for one that lacks a method. */
export function logTo(logger: Logger | undefined): (entry: LogEntry | ServerLogEntry) => void {
  if (logger === undefined) return () => {}
  for (const level of LEVELS) {
    if (typeof logger[level] !== 'function') throw new TypeError(`the logger has no method ${level}(fields, message)`)
  }
  return ({ level, message, error, ...fields }) => {
    try {
      logger[level](error === undefined ? fields : { ...fields, err: error }, message)
    } catch {
      // See Logger.
    }
  }
}
