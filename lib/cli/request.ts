/**
 * What `razor call` and `razor watch` have in common: which action, with which argument, and how to read its errors.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { CallRequest } from '../client/call.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import { UsageError } from './failure.ts'
import { parseJson } from './json-text.ts'
import { MOST_MS, wholeNumber } from './options.ts'

/** The options that {@link addRequest} adds. */
export interface RequestOptions {
  readonly timeout?: number
  readonly errors: ErrorsKind
  readonly header?: Readonly<Record<string, string>>
}

/** Adds the arguments and options of a request; `timeout` says what its default is. */
export function addRequest(command: Command, timeout: string): Command {
  return command
    .argument('<url>', 'tcp://host:port, unix:///path, ws://host:port/path or wss://')
    .argument('<action>', 'Service.method, or a number')
    .argument('[json]', 'the argument')
    .option('--timeout <ms>', `fail after this many milliseconds (default: ${timeout})`, wholeNumber(1, MOST_MS))
    .addOption(
      new Option('--errors <kind>', "how to read the handler's errors")
        .choices(['text', 'errno', 'coded'])
        .default('text'),
    )
    .option('--header <key=value>', 'a text for the handler; may stand several times', oneMore)
}

/** The request that a command line asks for. An argument that is no JSON is a {@link UsageError}. */
export function requestOf(action: string, json: string | undefined, options: RequestOptions): CallRequest {
  return {
    action: /^\d+$/.test(action) ? Number(action) : action,
    input: json === undefined ? undefined : argument(json),
    timeoutMs: options.timeout,
    errors: options.errors,
    headers: options.header,
  }
}

function argument(json: string): unknown {
  try {
    return parseJson(json)
  } catch (error) {
    const shown = `'{"a": 1}', '[1, 2]', a text as '"text"'`
    throw new UsageError(`the argument is no JSON: ${(error as Error).message}; in quotes for the shell it is ${shown}`)
  }
}

function oneMore(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Expected key=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}
