/**
 * How a command fails: what it prints, and its exit code. 1: a call failed, or the server could not listen. 2: the command
 * makes no sense as it was given; nothing was sent.
 */
import { getSystemErrorName } from 'node:util'
import { RpcError, UserError } from '../error.ts'
import { nextStep } from './advice.ts'
import { formatJson } from './json-text.ts'
import { coloured, plainLine, type Terminal } from './terminal.ts'

/** Exit codes. */
export const CALL_FAILED = 1
export const USAGE = 2

/** The command line, or a file it names, is at fault. */
export class UsageError extends Error {}

/** Prints one line about `error` and returns the exit code. */
export function reportFailure(terminal: Terminal, error: unknown): number {
  const label = coloured(terminal, terminal.err, 'red', 'razor:')
  terminal.err.write(`${label} ${plainLine(describe(error))}\n`)
  return error instanceof UsageError ? USAGE : CALL_FAILED
}

/** The code, whether the handler ran, the message, and what to do; of any other error its message. */
export function describe(error: unknown): string {
  if (!RpcError.is(error)) return error instanceof Error ? error.message : String(error)
  const step = nextStep(error)
  // The code stands before it.
  const message = error.message.replace(` was answered with ${error.code}: `, ': ')
  return `${error.code}, executed ${error.executed}: ${message}${detail(error)}${step === undefined ? '' : `; ${step}`}`
}

/** What the message of a user error leaves out: the name of an errno, the value of a coded error. */
function detail(error: RpcError): string {
  if (!(error instanceof UserError)) return ''
  const { value } = error
  if (typeof value === 'number') {
    const name = value > 0 ? getSystemErrorName(-value) : ''
    return name.startsWith('E') ? ` (${name})` : ''
  }
  return typeof value === 'string' ? '' : `: ${formatJson(value)}`
}
