/**
 * `razor serve`: a server to try a client against, and for a user's own services.
 */
import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { type Command, Option } from 'commander'
import type { LogFields } from '../logger.ts'
import { Graceful } from '../node/graceful.ts'
import { originsOf } from '../node/origins.ts'
import { RpcServer } from '../node/rpc-server.ts'
import type { Implementation } from '../service/handlers.ts'
import { addRecord, type RecordOptions, recording } from './capture/record-option.ts'
import type { Recorder } from './capture/recorder.ts'
import { RecordingServer } from './capture/recording-server.ts'
import { closedBySignal } from './closed-by-signal.ts'
import { refusing } from './dial.ts'
import { UsageError } from './failure.ts'
import { listenAt } from './listen.ts'
import { loadServices } from './load-services.ts'
import { calculator } from './services/calculator.ts'
import { files } from './services/files.ts'
import { host } from './services/host.ts'
import { Host } from './services/host-contract.ts'
import { coloured, counts, plainLine, type Terminal } from './terminal.ts'
import { terminalLogger } from './terminal-logger.ts'

interface ServeCommandOptions extends RecordOptions {
  readonly listen: readonly string[]
  readonly origin: readonly string[]
  readonly files?: string
  readonly module?: readonly string[]
  readonly graceful?: true
  readonly pidFile?: string
}

/** Loopback only, on the number that every razor frame starts with, and the next one. */
const DEFAULT_ADDRESSES = ['tcp://127.0.0.1:19749', 'ws://127.0.0.1:19750']

/** A browser lets a page from anywhere connect to this machine: no stranger's page is to read what is served here. */
const DEFAULT_ORIGINS = ['loopback']
const ALL_ORIGINS = 'all'

/** Adds the command to `program`. */
export function addServe(program: Command, terminal: Terminal): void {
  const command = program
    .command('serve')
    .description('Serve CalculatorService, Host and what the options add, until SIGINT or SIGTERM.')
    .addOption(
      new Option('--listen <url...>', 'where: tcp://host:port, unix:///path, ws://host:port/path').default(
        DEFAULT_ADDRESSES,
        DEFAULT_ADDRESSES.join(' '),
      ),
    )
    .addOption(
      new Option(
        '--origin <origin...>',
        'pages that may connect: https://app.example, loopback for those of this machine, or all',
      ).default(DEFAULT_ORIGINS, 'loopback'),
    )
    .option(
      '--files <dir>',
      'serve a folder: the file actions 1 open, 2 read, 3 write, Host.tail, files, fetch and store',
    )
    .option('--module <file...>', 'serve what a module exports: what implement() made, single or in arrays')
    .option('--graceful', 'SIGUSR2 starts this command anew, hands over to it without a gap, and drains')
    .option('--pid-file <file>', 'with --graceful: keep the number of the process that serves in a file')
  addRecord(command).action((options: ServeCommandOptions) => {
    check(options)
    return recording(terminal, options, recorder => serve(terminal, recorder, options))
  })
}

function check({ listen, origin, graceful, pidFile, record }: ServeCommandOptions): void {
  const secure = listen.find(address => /^wss:/i.test(address))
  if (secure !== undefined) {
    throw new UsageError(
      `cannot listen at ${secure}: put razor gateway with --cert FILE and --key FILE before a ws:// or tcp:// of this`,
    )
  }
  refusing(() => originsOf(only(origin)))
  if (pidFile !== undefined && !graceful) throw new UsageError('--pid-file needs --graceful')
  if (pidFile !== undefined) checkFolder(pidFile)
  if (record !== undefined && graceful) {
    throw new UsageError('--record is for one process, and --graceful starts more: leave one of them out')
  }
}

/** It is written once all is ready; that it cannot be is to be said before. */
function checkFolder(pidFile: string): void {
  try {
    accessSync(dirname(pidFile), constants.W_OK)
  } catch (error) {
    const reason = (error as Error).message
    throw new UsageError(`cannot write --pid-file ${pidFile}: ${reason}; name one in a folder that you may write to`)
  }
}

async function serve(terminal: Terminal, recorder: Recorder | undefined, options: ServeCommandOptions): Promise<void> {
  const services: Implementation[] = [calculator, ...machine(options.files)]
  for (const module of options.module ?? []) services.push(...(await loadServices(module)))
  // A user's own Host, as the README has one, takes the place of this one.
  const own = services.filter(({ contract }) => contract.name === Host.name).length > 1
  if (own) services.splice(1, 1)
  const addresses: string[] = []
  // What keeps it from listening is this command's own failure.
  const serving = (): boolean => addresses.length === options.listen.length
  const heard = (level: string): boolean => serving() && (level === 'warn' || level === 'error')
  const serverOptions = { services, logger: terminalLogger(terminal, heard) }
  const server = refusing(() =>
    recorder === undefined ? new RpcServer(serverOptions) : new RecordingServer(recorder, serverOptions),
  )
  try {
    const pages = { origins: only(options.origin) }
    for (const address of options.listen) {
      addresses.push(await listenAt(server, address, address.startsWith('ws:') ? pages : undefined))
    }
    const over = options.graceful ? restartable(terminal, server, options.pidFile) : stopped(terminal, server)
    announce(terminal, services, addresses, options.origin)
    await over
  } finally {
    await server.close({ waitMs: 0 })
  }
}

/** `undefined` for all, as the library has it. */
function only(origin: readonly string[]): readonly string[] | undefined {
  return origin.includes(ALL_ORIGINS) ? undefined : origin
}

/** This machine, and a folder of it where there is one. */
function machine(folder: string | undefined): Implementation[] {
  if (folder === undefined) return [host()]
  try {
    return [host({ folder }), files(folder)]
  } catch (error) {
    throw new UsageError(`cannot serve --files ${folder}: ${(error as Error).message}; name a folder that is there`)
  }
}

/** Where it listens, what it serves, and lines that can be typed as they are. */
function announce(
  terminal: Terminal,
  services: readonly Implementation[],
  addresses: readonly string[],
  origin: readonly string[],
): void {
  const { out, program } = terminal
  const [address = ''] = addresses
  for (const each of addresses) out.write(`listening at ${coloured(terminal, out, 'cyan', each)}\n`)
  if (addresses.some(address => address.startsWith('ws:'))) out.write(`${pagesLine(origin)}\n`)
  for (const { contract } of services) {
    const methods = Object.values(contract.methods).map(({ action }) => action)
    out.write(`serving ${contract.name}: ${methods.join(', ')}\n`)
  }
  out.write('\nTry, in another terminal here:\n')
  const lines = [
    `call ${address} CalculatorService.add '[1, 2]'`,
    `call ${addresses.at(-1)} CalculatorService.div '[1, 0]'`,
  ]
  if (services.some(({ contract }) => contract === Host))
    lines.push(`watch ${address} Host.metrics '{"everyMs": 1000}'`)
  for (const line of [...lines, `ping ${address}`]) {
    out.write(`  ${coloured(terminal, out, 'bold', `${program} ${line}`)}\n`)
  }
  out.write('\nCtrl-C stops it.\n')
}

function pagesLine(origin: readonly string[]): string {
  if (origin.includes(ALL_ORIGINS))
    return 'pages of every origin may connect; --origin https://app.example lets in those of one'
  if (origin !== DEFAULT_ORIGINS) return `pages of ${origin.join(', ')} may connect`
  return 'pages of this machine may connect; --origin loopback https://app.example lets in those of one more'
}

/** Serves until a signal, then until running calls are answered; a second signal stops that. */
function stopped(terminal: Terminal, server: RpcServer): Promise<void> {
  return closedBySignal(terminal, server, () => {
    const { calls } = server.stats()
    return calls === 0 ? '' : `, waiting for ${counts(calls, 'running call')}; once more stops them`
  })
}

/** Serves until a signal, or until a new process has taken its place. */
function restartable(terminal: Terminal, server: RpcServer, pidFile: string | undefined): Promise<void> {
  // What it says is what this command says: plain lines.
  const line = (_: LogFields, message: string): void => terminal.err.write(`${plainLine(message)}\n`)
  return new Graceful({ pidFile, logger: { debug: line, info: line, warn: line, error: line } }).run(server)
}
