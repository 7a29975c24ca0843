/**
 * What a command sees of the process: where it writes, the clock, the signals. A spec puts its own in its place.
 */
import { styleText } from 'node:util'
import { defer, EMPTY, fromEvent, ignoreElements, map, merge, type Observable, take } from 'rxjs'

/** stdout or stderr. */
export interface Output {
  write(text: string): void
  /** Completes as soon as a reader that lags behind has taken what was written; at once where none does. */
  drained(): Observable<never>
  /** Somebody reads it, rather than a program or a file. */
  readonly isTerminal: boolean
}

/** The process as a command sees it. */
export interface Terminal {
  /** Answers, and nothing else. */
  readonly out: Output
  /** Errors, progress and notes. */
  readonly err: Output
  /** A terminal gets colour, unless `NO_COLOR` is set and not empty. */
  readonly colour: boolean
  /** How this program was called, for commands that are shown: `node dist/cli/main.js`. */
  readonly program: string
  /** Milliseconds of a clock that is never set. */
  now(): number
  /** SIGINT and SIGTERM. While it is subscribed to, they do not end the process by themselves. */
  readonly signals$: Observable<NodeJS.Signals>
  /** The process ends within a second, also where nobody takes what it has written. */
  endSoon(): void
}

const END_SOON_MS = 1000

/** The terminal of this process. */
export function processTerminal(): Terminal {
  return {
    out: output(process.stdout),
    err: output(process.stderr),
    colour: !process.env['NO_COLOR'],
    program: programName(process.argv[1] ?? 'razor'),
    now: () => performance.now(),
    signals$: merge(
      fromEvent(process, 'SIGINT').pipe(map(() => 'SIGINT' as const)),
      fromEvent(process, 'SIGTERM').pipe(map(() => 'SIGTERM' as const)),
    ),
    // Unsent output keeps a process alive; where there is none this timer does not.
    endSoon: () => {
      setTimeout(() => process.exit(), END_SOON_MS).unref()
    },
  }
}

/** Colours that mean something here. */
export type Colour = 'red' | 'green' | 'cyan' | 'gray' | 'bold'

/** `text` in colour where `output` is a terminal that wants it. */
export function coloured(terminal: Terminal, output: Output, colour: Colour, text: string): string {
  return terminal.colour && output.isTerminal ? styleText(colour, text, { validateStream: false }) : text
}

/** `text` on one line that cannot steer a terminal: a far end may have written it. */
export function plainLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').trim()
}

/** `1 call`, `2 calls`. */
export function counts(number: number, thing: string): string {
  return number === 1 ? `1 ${thing}` : `${number} ${thing}s`
}

/** A line on stderr that the next one replaces; nothing where stderr is no terminal. */
export function progress(terminal: Terminal, text: string): void {
  if (terminal.err.isTerminal) terminal.err.write(`\r\u001b[K${text}`)
}

function output(stream: NodeJS.WriteStream): Output {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that went away, as `head` does, wants no more.
    if (error.code === 'EPIPE') process.exit(0)
    // Of a failing stderr nobody can be told.
    if (stream !== process.stderr)
      process.stderr.write(`razor: cannot write to stdout: ${error.message}; make room there\n`)
    process.exit(1)
  })
  return {
    write: text => {
      stream.write(text)
    },
    drained: () =>
      defer(() => (stream.writableNeedDrain ? fromEvent(stream, 'drain').pipe(take(1), ignoreElements()) : EMPTY)),
    isTerminal: stream.isTTY === true,
  }
}

/** What to type to get this program again, from the folder it was called in. */
function programName(script: string): string {
  if (/(^|[\\/])razor$/.test(script)) return script.includes('node_modules') ? 'npx razor' : 'razor'
  const folder = `${process.cwd()}/`
  const path = script.startsWith(folder) ? script.slice(folder.length) : script
  return ['node', ...process.execArgv, path].join(' ')
}
