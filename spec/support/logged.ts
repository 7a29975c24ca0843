/**
 * A logger that keeps what it is given.
 */
import type { LogFields, Logger } from '../../lib/index.ts'

/** One entry, with its error where the specs look for it. */
export interface Logged extends Omit<LogFields, 'err'> {
  readonly level: keyof Logger
  readonly message: string
  readonly error?: LogFields['err']
}

/** A logger that hands each entry to `take`. */
export function loggerTo(take: (entry: Logged) => void): Logger {
  const at =
    (level: keyof Logger) =>
    ({ err, ...fields }: LogFields, message: string): void =>
      take({ ...fields, level, message, ...(err === undefined ? {} : { error: err }) })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
