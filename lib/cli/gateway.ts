/**
 * `razor gateway`: lets browsers reach servers that speak TCP or listen at a Unix socket.
 */
import { readFileSync } from 'node:fs'
import type { TlsOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { type Command, Option } from 'commander'
import { Gateway } from '../node/gateway.ts'
import { GATEWAY_DEFAULTS } from '../node/gateway-config.ts'
import { collectSooner } from '../node/turnover.ts'
import { addRecord, type RecordOptions, recording } from './capture/record-option.ts'
import { recordedTargets } from './capture/recorded-link.ts'
import type { Recorder } from './capture/recorder.ts'
import { closedBySignal } from './closed-by-signal.ts'
import { refusing } from './dial.ts'
import { UsageError } from './failure.ts'
import { listenAt } from './listen.ts'
import { MOST_MS, wholeNumber } from './options.ts'
import { coloured, counts, type Terminal } from './terminal.ts'
import { terminalLogger } from './terminal-logger.ts'

interface GatewayCommandOptions extends RecordOptions {
  readonly listen: readonly string[]
  readonly to: readonly string[]
  readonly origin?: readonly string[]
  readonly cert?: string
  readonly key?: string
  readonly maxConnections: number
  readonly maxPerAddress: number
  readonly connectTimeout: number
  readonly idleTimeout: number
  readonly buffer: number
  readonly wait: number
  readonly verbose?: boolean
}

const DEFAULT_ADDRESS = 'ws://127.0.0.1:19751'
const MOST_CONNECTIONS = 1_000_000
const MOST_BUFFER = 1024 * 1024 * 1024

const HELP = `
The bytes pass unread, so client and server agree on everything themselves.
Pages of every origin may connect unless --origin names some.
  razor gateway --to tcp://127.0.0.1:19749
  razor gateway --listen wss://0.0.0.0:443 --cert cert.pem --key key.pem \\
    --origin https://app.example \\
    --to unix:///run/api.sock /files=tcp://10.0.0.5:4000`

/** Adds the command to `program`. */
export function addGateway(program: Command, terminal: Terminal): void {
  const {
    maxServerConnections,
    maxPerAddress,
    connectTimeoutMs,
    idleTimeoutMs,
    highWaterMarkBytes: bufferBytes,
    closeWaitMs,
  } = GATEWAY_DEFAULTS
  const connections = wholeNumber(1, MOST_CONNECTIONS)
  const time = wholeNumber(1, MOST_MS)
  const command = program
    .command('gateway')
    .description('Carry WebSockets to razor servers at TCP or Unix sockets, until SIGINT or SIGTERM.')
    .requiredOption('--to <target...>', 'tcp://host:port or unix:///path, or /path=URL for a path of its own')
    .addOption(
      new Option('--listen <url...>', 'where: ws://host:port, or wss://host:port with --cert and --key').default(
        [DEFAULT_ADDRESS],
        DEFAULT_ADDRESS,
      ),
    )
    .option('--origin <origin...>', 'only pages of these may connect: https://app.example')
    .option('--cert <file>', 'the certificate for wss, in PEM, with those between it and its root')
    .option('--key <file>', 'its private key, in PEM')
    .option('--max-connections <n>', 'connections in all', connections, maxServerConnections)
    .option('--max-per-address <n>', 'connections from one address, loopback exempt', connections, maxPerAddress)
    .option('--connect-timeout <ms>', 'how long a server may take to accept', time, connectTimeoutMs)
    .option('--idle-timeout <ms>', 'a connection without a byte is closed after this', time, idleTimeoutMs)
    .option('--buffer <bytes>', 'held for an end that is behind', wholeNumber(1, MOST_BUFFER), bufferBytes)
    .option('--wait <ms>', 'how long open connections go on after a signal', wholeNumber(0, MOST_MS), closeWaitMs)
    .option('--verbose', 'a line for each connection that opens and ends')
    .addHelpText('after', HELP)
  addRecord(command).action((options: GatewayCommandOptions) =>
    recording(terminal, options, recorder => carry(terminal, recorder, options)),
  )
}

async function carry(
  terminal: Terminal,
  recorder: Recorder | undefined,
  options: GatewayCommandOptions,
): Promise<void> {
  const targets = targetsOf(options.to)
  const tls = tlsOf(options)
  const gateway = refusing(
    () =>
      new Gateway({
        targets: recorder === undefined ? targets : recordedTargets(recorder, targets),
        tls,
        origins: options.origin,
        maxServerConnections: options.maxConnections,
        maxPerAddress: options.maxPerAddress,
        connectTimeoutMs: options.connectTimeout,
        idleTimeoutMs: options.idleTimeout,
        highWaterMarkBytes: options.buffer,
        closeWaitMs: options.wait,
        logger: terminalLogger(terminal, level => options.verbose === true || level !== 'info'),
      }),
  )
  collectSooner()
  try {
    const addresses: string[] = []
    for (const address of options.listen) addresses.push(await listenAt(gateway, address))
    const over = stopped(terminal, gateway)
    announce(terminal, addresses, targets, options.origin)
    await over
  } finally {
    await gateway.close({ waitMs: 0 })
  }
}

/** `URL`, or `/path=URL`. */
function targetsOf(words: readonly string[]): Record<string, string> {
  const targets: Record<string, string> = Object.create(null)
  for (const word of words) {
    const [, path = '/', target = ''] = /^(?:(\/[^=]*)=)?(.*)$/s.exec(word) ?? []
    if (path in targets) throw new UsageError(`--to names the path ${path} twice: give each target a path, /path=URL`)
    targets[path] = target
  }
  return targets
}

function tlsOf({ listen, cert, key }: GatewayCommandOptions): TlsOptions | undefined {
  const secure = listen.filter(address => /^wss:/i.test(address))
  if (secure.length === 0) {
    if (cert === undefined && key === undefined) return undefined
    throw new UsageError('--cert and --key are for wss://: give --listen wss://host:port')
  }
  if (cert === undefined || key === undefined) {
    throw new UsageError(`${secure[0]} needs --cert FILE and --key FILE, both in PEM`)
  }
  if (secure.length < listen.length) {
    throw new UsageError('ws:// and wss:// do not go together: run one gateway for each')
  }
  const tls = { cert: pem('--cert', cert), key: pem('--key', key) }
  try {
    createSecureContext(tls)
  } catch (error) {
    const reason = (error as Error).message
    throw new UsageError(
      `--cert ${cert} and --key ${key} do not make a pair (${reason}): give a PEM certificate and its own key`,
    )
  }
  return tls
}

function pem(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`cannot read ${option} ${file}: ${(error as Error).message}; give the path of a PEM file`)
  }
}

/** Where it listens, what is behind, and a line that can be typed as it is. */
function announce(
  terminal: Terminal,
  addresses: readonly string[],
  targets: Readonly<Record<string, string>>,
  origins: readonly string[] | undefined,
): void {
  const { out, program } = terminal
  for (const address of addresses) {
    for (const [path, target] of Object.entries(targets)) {
      out.write(`${coloured(terminal, out, 'cyan', `listening at ${address}${path}`)} for ${target}\n`)
    }
  }
  out.write(
    origins === undefined
      ? 'pages of every origin may connect; --origin https://app.example lets in those of one\n'
      : `pages of ${origins.join(', ')} may connect\n`,
  )
  const [path = ''] = Object.keys(targets)
  out.write('\nTry, in another terminal here:\n')
  out.write(`  ${coloured(terminal, out, 'bold', `${program} ping ${addresses[0]}${path}`)}\n`)
  out.write('\nCtrl-C stops it.\n')
}

/** Carries until a signal, then until the connections have ended, or a second signal. */
async function stopped(terminal: Terminal, gateway: Gateway): Promise<void> {
  await closedBySignal(terminal, gateway, () => {
    const { connections } = gateway.stats()
    return connections === 0 ? '' : `, waiting for ${counts(connections, 'open connection')}; once more cuts them`
  })
  const { opened, refused, bytesUp, bytesDown } = gateway.stats()
  terminal.err.write(
    `carried ${counts(opened, 'connection')}, refused ${refused}; ${bytesUp} B up, ${bytesDown} B down\n`,
  )
}
