/**
 * `razor decode FILE`: what went over the wire, a line a frame.
 */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { type Command, Option } from 'commander'
import { lastValueFrom } from 'rxjs'
import { json } from '../codec/json.ts'
import { msgpack } from '../codec/msgpack.ts'
import type { Direction } from './capture/format.ts'
import { Decoder, DirectionUnknown } from './decode/decoder.ts'
import type { DecodeEvent } from './decode/events.ts'
import { Lines } from './decode/lines.ts'
import { READ_ALL } from './decode/message.ts'
import { UsageError } from './failure.ts'
import { formatJson } from './json-text.ts'
import { wholeNumber } from './options.ts'
import type { Terminal } from './terminal.ts'

interface DecodeCommandOptions {
  readonly direction?: Direction
  readonly connection?: number
  readonly call?: number
  readonly codec: 'msgpack' | 'json'
  readonly full?: true
  readonly showSecrets?: true
  readonly json?: true
  readonly text?: true
}

const CODECS = { msgpack, json } as const

const HELP = `
FILE is what --record of call, watch, serve or gateway wrote; or the bytes of
one direction as they came; or such bytes as hex digits. - reads stdin, so a
capture can be watched while it grows.
  razor call tcp://127.0.0.1:19749 CalculatorService.inc 1 --record a.razor
  razor decode a.razor
  tail -c +1 -f a.razor | razor decode - --connection 1 --call 2
  echo 254d010001000000040000000000000000000000e0 | razor decode -
Tokens, and texts of HELLO and HEADERS that are named like a secret, are shown
as ***. The file itself has them, and arguments and answers are shown as they
are: keep it to yourself (--record makes it readable for you only).
Credit, and the time without it, is what an observer sees where the recording
was made: at a client a CREDIT counts when it leaves, at a server when it comes.
Exit codes: 0 all was read; 1 there were bytes that are no frames; 2 the command
makes no sense as given.`

/** Adds the command to `program`. */
export function addDecode(program: Command, terminal: Terminal): void {
  program
    .command('decode')
    .description('Show the frames of a capture, a line each, and how each call went.')
    .argument('<file>', 'a capture, a dump of one direction, or hex text; - for stdin')
    .addOption(new Option('--direction <way>', 'of a dump or hex text (default: by its heads)').choices(['up', 'down']))
    .option('--connection <n>', 'this connection only', wholeNumber(1, 0xffff_ffff))
    .option('--call <seq>', 'the frames of this call only', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--codec <name>', 'how messages are written').choices(Object.keys(CODECS)).default('msgpack'))
    .option('--full', 'messages whole, however long')
    .option('--show-secrets', 'tokens too')
    .addOption(new Option('--json', 'JSON, a line each (default: where stdout is no terminal)').conflicts('text'))
    .option('--text', 'lines for people, also where stdout is no terminal')
    .addHelpText('after', HELP)
    .action((file: string, options: DecodeCommandOptions) => decode(terminal, file, options))
}

async function decode(terminal: Terminal, file: string, options: DecodeCommandOptions): Promise<void> {
  const { out } = terminal
  const { direction, connection, call, full = false, showSecrets = false } = options
  const asText = options.text ?? (out.isTerminal && options.json === undefined)
  const lines = new Lines(terminal)
  let pending = ''
  let isEmpty = true
  const emit = (event: DecodeEvent): void => {
    if (event.event === 'total') isEmpty = event.connections === 0 && event.frames === 0
    if (call !== undefined && (event.event === 'frame' || event.event === 'call') && event.seq !== call) return
    pending += asText ? lines.line(event) : `${formatJson(event)}\n`
  }
  const flush = async (): Promise<void> => {
    if (pending !== '') out.write(pending)
    pending = ''
    await lastValueFrom(out.drained(), { defaultValue: undefined })
  }
  const codec = CODECS[options.codec](READ_ALL)
  const decoder = new Decoder({ style: { codec, full, showSecrets }, direction, connection, emit })
  try {
    const isWhole = await readAll(terminal, file, async chunk => {
      decoder.push(chunk)
      await flush()
    })
    decoder.end(isWhole)
    await flush()
  } catch (error) {
    if (!(error instanceof DirectionUnknown)) throw error
    throw new UsageError(`${nameOf(file)}: ${error.message}; say which with --direction up (client to server) or down`)
  }
  if (decoder.broken === 0) return
  if (isEmpty) {
    const next = 'name what --record wrote, a dump of one direction, or hex text'
    throw new Error(`${nameOf(file)} has nothing that can be decoded: see "broken" above; ${next}`)
  }
  const places = decoder.broken === 1 ? 'one place' : `${decoder.broken} places`
  throw new Error(
    `${nameOf(file)} is broken in ${places}: see "broken" above; what stands behind it there was not read`,
  )
}

/** Reads a file until its end, or a signal (then `false`); no further than `take` has come. */
async function readAll(terminal: Terminal, file: string, take: (chunk: Uint8Array) => Promise<void>): Promise<boolean> {
  const stream: Readable = file === '-' ? process.stdin : createReadStream(file)
  let interrupted = false
  const interrupts = terminal.signals$.subscribe({
    next: () => {
      interrupted = true
      stream.destroy()
    },
    error: error => stream.destroy(error),
  })
  const chunks = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { value, done } = await chunks.next().catch(error => {
        if (interrupted) return { value: undefined, done: true }
        throw new UsageError(`cannot read ${file}: ${error.message}; name a file that is there and yours to read, or -`)
      })
      if (done === true) return !interrupted
      await take(value)
    }
  } finally {
    interrupts.unsubscribe()
    stream.destroy()
  }
}

function nameOf(file: string): string {
  return file === '-' ? 'stdin' : file
}
