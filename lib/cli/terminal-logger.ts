/**
 * The library's log as lines for people, on stderr.
 */
import type { LogFields, Logger } from '../logger.ts'
import { coloured, plainLine, type Terminal } from './terminal.ts'

type Level = keyof Logger

/** Prints the level, the message and the far end of those entries that `heard` lets through. */
export function terminalLogger(terminal: Terminal, heard: (level: Level) => boolean): Logger {
  const { err } = terminal
  const at =
    (level: Level) =>
    ({ address }: LogFields, message: string): void => {
      if (!heard(level)) return
      const where = address === undefined ? '' : ` (${address})`
      err.write(`${coloured(terminal, err, 'gray', level)} ${plainLine(message)}${where}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
