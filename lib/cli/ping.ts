/**
 * `razor ping URL`: how long a round trip takes.
 */
import type { Command } from 'commander'
import {
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  lastValueFrom,
  map,
  range,
  tap,
  throwError,
  timeout as timeoutWith,
  timer,
  toArray,
} from 'rxjs'
import { RpcError } from '../error.ts'
import { refusing, withClient } from './dial.ts'
import { MOST_MS, wholeNumber } from './options.ts'
import { coloured, type Terminal } from './terminal.ts'

interface PingCommandOptions {
  readonly count: number
  readonly interval: number
  readonly timeout: number
}

/** Our servers close a connection that pings more than 100 times a second. */
const LEAST_INTERVAL_MS = 20

/** Adds the command to `program`. */
export function addPing(program: Command, terminal: Terminal): void {
  program
    .command('ping')
    .description('Measure round trips. The first, which dials, does not count.')
    .argument('<url>', 'tcp://host:port, unix:///path, ws://host:port/path or wss://')
    .option('--count <n>', 'how many', wholeNumber(1, 1_000_000), 10)
    .option(
      '--interval <ms>',
      'milliseconds from a pong to the next ping',
      wholeNumber(LEAST_INTERVAL_MS, MOST_MS),
      100,
    )
    .option('--timeout <ms>', 'fail when a pong takes longer', wholeNumber(1, MOST_MS), 20_000)
    .action((url: string, options: PingCommandOptions) => pingAndPrint(terminal, url, options))
}

async function pingAndPrint(terminal: Terminal, url: string, options: PingCommandOptions): Promise<void> {
  const { count, interval, timeout } = options
  const { out } = terminal
  const times$ = withClient(terminal, url, undefined, client => {
    const roundTrip = defer(() => {
      const began = terminal.now()
      return refusing(() => client.ping(timeout)).pipe(
        defaultIfEmpty(undefined),
        // Its own timeout begins when there is a connection.
        timeoutWith({ first: timeout, with: () => throwError(() => late(url, timeout)) }),
        map(() => terminal.now() - began),
      )
    })
    const further = range(0, count).pipe(
      concatMap(index => concat(timer(index === 0 ? 0 : interval).pipe(concatMap(() => roundTrip)))),
      tap(ms => out.isTerminal && out.write(`pong from ${url} in ${milliseconds(ms)}\n`)),
    )
    return roundTrip.pipe(
      concatMap(() => further),
      toArray(),
    )
  })
  const figures = summary(await lastValueFrom(times$))
  if (!out.isTerminal) {
    out.write(`${JSON.stringify({ address: url, count, ...figures })}\n`)
    return
  }
  const { minMs, medianMs, p99Ms } = figures
  const shown = [`min ${milliseconds(minMs)}`, `median ${milliseconds(medianMs)}`, `p99 ${milliseconds(p99Ms)}`]
  out.write(`${coloured(terminal, out, 'green', `${count} round trips:`)} ${shown.join(', ')}\n`)
}

function late(url: string, timeoutMs: number): RpcError {
  const message = `no pong from ${url} within ${timeoutMs} ms`
  return new RpcError('rpc_timeout', message, { address: url, executed: 'no' })
}

/** Nearest-rank figures of at least one time, in milliseconds to the microsecond. */
export function summary(times: readonly number[]): {
  readonly minMs: number
  readonly medianMs: number
  readonly p99Ms: number
} {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): number => toMicroseconds(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!)
  return { minMs: at(0), medianMs: at(0.5), p99Ms: at(0.99) }
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(3)} ms`
}
