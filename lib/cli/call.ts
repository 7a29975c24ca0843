/**
 * `razor call URL ACTION [JSON]`: one answer as one line of JSON.
 */
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { concatMap, defer, lastValueFrom, map, type Observable, repeat, takeUntil } from 'rxjs'
import type { Reply } from '../client/call.ts'
import { CLIENT_DEFAULTS } from '../client/config.ts'
import { addRecord, type RecordOptions, recording } from './capture/record-option.ts'
import type { Recorder } from './capture/recorder.ts'
import { refusing, withClient } from './dial.ts'
import { UsageError } from './failure.ts'
import { formatJson } from './json-text.ts'
import { wholeNumber } from './options.ts'
import { addRequest, type RequestOptions, requestOf } from './request.ts'
import { progress, type Terminal } from './terminal.ts'

interface CallCommandOptions extends RequestOptions, RecordOptions {
  readonly blobFile?: string
  readonly out?: string
  readonly repeat: number
}

const HELP = `
Integers are exact at any size, bytes are {"$bytes":"base64"}; no JSON is null,
and so is an answer without a value.
  razor call tcp://127.0.0.1:19749 CalculatorService.add '[1, 2]'
  razor call tcp://127.0.0.1:19749 1 '{"path": "a.txt", "flags": 0}'`

/** Adds the command to `program`. */
export function addCall(program: Command, terminal: Terminal): void {
  const command = program.command('call').description('Make a call and print its answer as JSON.')
  addRecord(addRequest(command, '20000'))
    .option('--blob-file <file>', 'send the bytes of a file behind the argument')
    .option('--out <file>', 'write the bytes behind the answer to a file')
    .option('--repeat <n>', 'make this many calls, one after the other', wholeNumber(1, 1_000_000_000), 1)
    .addHelpText('after', HELP)
    .action((url: string, action: string, json: string | undefined, options: CallCommandOptions) =>
      recording(terminal, options, recorder => callAndPrint(terminal, recorder, url, action, json, options)),
    )
}

async function callAndPrint(
  terminal: Terminal,
  recorder: Recorder | undefined,
  url: string,
  action: string,
  json: string | undefined,
  options: CallCommandOptions,
): Promise<void> {
  const request = {
    ...requestOf(action, json, options),
    blob: options.blobFile === undefined ? undefined : await blobOf(options.blobFile),
  }
  const times = options.repeat
  const began = terminal.now()
  let answered = 0
  // On a terminal the answers themselves show how far it is.
  const shown = times > 1 && !terminal.out.isTerminal
  const show = (): void => {
    if (shown) progress(terminal, `${answered} of ${times} calls in ${seconds(terminal.now() - began)}`)
  }
  const answers$: Observable<void> = withClient(terminal, url, recorder, client => {
    const call$ = refusing(() => client.call(request))
    return defer(() => call$).pipe(
      repeat(times),
      concatMap(async reply => {
        await print(terminal, reply, options.out, answered === 0)
        answered++
        show()
      }),
    )
  })
  try {
    await lastValueFrom(recorder === undefined ? answers$ : interruptible(terminal, answers$))
  } finally {
    if (shown && terminal.err.isTerminal) terminal.err.write('\n')
  }
}

/** Fails at a signal, which by itself would end the process before the recording is in its file. */
function interruptible(terminal: Terminal, answers$: Observable<void>): Observable<void> {
  const interrupted$ = terminal.signals$.pipe(
    map(signal => {
      throw new Error(`${signal} came before the answer; the recording has what was sent until then`)
    }),
  )
  return answers$.pipe(takeUntil(interrupted$))
}

/** The bytes of a file, no more of it being read than may be sent. */
async function blobOf(file: string): Promise<Uint8Array> {
  const { maxBlobBytes } = CLIENT_DEFAULTS
  const chunks: Buffer[] = []
  try {
    for await (const chunk of createReadStream(file, { end: maxBlobBytes })) chunks.push(chunk as Buffer)
  } catch (error) {
    throw new UsageError(`cannot read --blob-file ${file}: ${(error as Error).message}; name a file that you may read`)
  }
  const blob = Buffer.concat(chunks)
  if (blob.length > maxBlobBytes)
    throw new UsageError(`--blob-file ${file} is over maxBlobBytes ${maxBlobBytes}: send it in parts`)
  return blob
}

async function print(terminal: Terminal, reply: Reply, out: string | undefined, first: boolean): Promise<void> {
  // First, as it is all there is where the file cannot be written: the call has been made.
  terminal.out.write(`${formatJson(reply.value)}\n`)
  const { length } = reply.blob
  if (out === undefined) {
    if (length > 0 && first) {
      terminal.err.write(`razor: the answer has a blob of ${length} bytes, which --out FILE would keep\n`)
    }
    return
  }
  try {
    await writeFile(out, reply.blob)
  } catch (error) {
    const reason = (error as Error).message
    throw new Error(
      `cannot write the blob of ${length} bytes to --out ${out}: ${reason}; name a file that you may write`,
    )
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
