/**
 * `razor watch URL ACTION [JSON]`: a stream, one line of JSON an item.
 */
import type { Command } from 'commander'
import { concat, defer, lastValueFrom, type Observable, of, take, takeUntil, tap } from 'rxjs'
import type { CallRequest } from '../client/call.ts'
import { CLIENT_DEFAULTS } from '../client/config.ts'
import type { Client } from '../connect.ts'
import { Paced, pacedMap } from '../flow/paced.ts'
import { addRecord, type RecordOptions, recording } from './capture/record-option.ts'
import type { Recorder } from './capture/recorder.ts'
import { refusing, withClient } from './dial.ts'
import { formatJson } from './json-text.ts'
import { wholeNumber } from './options.ts'
import { addRequest, type RequestOptions, requestOf } from './request.ts'
import type { Terminal } from './terminal.ts'

interface WatchCommandOptions extends RequestOptions, RecordOptions {
  readonly take?: number
  readonly window: number
}

const HELP = `
Ctrl-C ends it, with exit code 0. A slow reader slows the server's handler.
  razor watch tcp://127.0.0.1:19749 Host.metrics '{"everyMs": 1000}'
  razor watch tcp://127.0.0.1:19749 Host.metrics '{"everyMs": 100}' --take 5`

/** Adds the command to `program`. */
export function addWatch(program: Command, terminal: Terminal): void {
  const { window, maxWindow } = CLIENT_DEFAULTS
  const command = program.command('watch').description('Print the items of a stream as JSON, a line each.')
  addRecord(addRequest(command, 'none'))
    .option('--take <n>', 'end after this many items', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option(
      '--window <n>',
      'items that may be under way; a large one counts once per 16 KiB',
      wholeNumber(1, maxWindow),
      window,
    )
    .addHelpText('after', HELP)
    .action((url: string, action: string, json: string | undefined, options: WatchCommandOptions) =>
      recording(terminal, options, recorder =>
        watchAndPrint(terminal, recorder, url, requestOf(action, json, options), options),
      ),
    )
}

async function watchAndPrint(
  terminal: Terminal,
  recorder: Recorder | undefined,
  url: string,
  request: CallRequest,
  options: WatchCommandOptions,
): Promise<void> {
  const printed$ = withClient(terminal, url, recorder, client =>
    refusing(() => itemsOf(client, { ...request, window: options.window })).pipe(
      pacedMap(item => printing(terminal, item)),
      take(options.take ?? Number.POSITIVE_INFINITY),
    ),
  )
  const interrupted$ = terminal.signals$.pipe(tap(() => terminal.endSoon()))
  await lastValueFrom(printed$.pipe(takeUntil(interrupted$)), { defaultValue: undefined })
}

/** The items of a call; its sender is held by those that are not printed. */
function itemsOf(client: Client, request: CallRequest<unknown>): Paced<unknown> {
  const items$ = client.call(request) // turns down what is no request, before anything is dialled
  return new Paced((subscriber, pace) =>
    (pace === undefined ? items$ : client.call({ ...request, pace })).subscribe(subscriber),
  )
}

/** Writes a line, and emits when the reader has room for another. */
function printing({ out }: Terminal, item: unknown): Observable<void> {
  return defer(() => {
    out.write(`${formatJson(item)}\n`)
    return concat(out.drained(), of(undefined))
  })
}
