/**
 * One run: a server, a chaos proxy, a client, and calls through faults for a while; and what became of them.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Client, type ConnectOptions, connect } from '../../../lib/node/index.ts'
import type { CallShape } from '../../../lib/protocol/shape.ts'
import { inside, outside, type ProcessFault, Turns } from './backend.ts'
import { Dice, textSum } from './dice.ts'
import type { Plan } from './faults.ts'
import { type Finding, type FindingKind, join } from './join.ts'
import type { CallerEntry } from './ledger.ts'
import type { Happening } from './proxied-connection.ts'
import { ChaosProxy } from './proxy.ts'
import type { Outcome } from './table.ts'
import { timing } from './timing.ts'
import { HASTY_CLIENT, work } from './workload.ts'

export interface Run {
  readonly name: string
  readonly seed: number
  /** Where the servers listen: `tcp://127.0.0.1:0` or the like. Several take over from each other. */
  readonly listenAt: readonly string[]
  readonly shapes: readonly CallShape[]
  readonly plan: Plan
  /** The servers are processes, and this happens to them again and again. Default: they are in this process. */
  readonly process?: ProcessFault
  readonly durationMs: number
  readonly concurrency?: number
  readonly client?: ConnectOptions
  /** What cannot be told from what was sent, as where bits flip: the wire has no checksum. Default: none. */
  readonly pardoned?: readonly FindingKind[]
  /** How long calls may go on behind their time, before and after the client is closed. It bounds a failure. Default 5,000. */
  readonly mostMs?: number
  /** The client of the run. Default: one of `connect`. */
  readonly clientOf?: (addresses: readonly string[], options: ConnectOptions) => Client
}

/** See {@link Run.mostMs}. */
const MOST_MS = 5_000
const SAMPLE_MS = 50
/** Faults that break a connection or stop it for good: those that somebody has to notice. */
const BREAKING: ReadonlySet<string> = new Set(['stall', 'half-close', 'reset', 'cut', 'silence', 'refuse'])
const CALM: ReadonlySet<string> = new Set(['opened', 'over', 'accepting', 'resumed', 'client gone', 'server gone'])

const single = (addresses: readonly string[], options: ConnectOptions): Client =>
  addresses.length === 1 ? connect(addresses[0]!, options) : connect(addresses, options)

/** Runs it. Rejects where something is left at the end; what the ledgers say stands in the outcome. */
export async function run(what: Run): Promise<Outcome> {
  const { name, seed, durationMs, pardoned = [], client: options = {}, clientOf = single, mostMs = MOST_MS } = what
  // The seed of a whole matrix does for each run in it: its name makes the difference.
  const dice = new Dice(seed).fork(name)
  const turns = new Turns()
  const backends = await Promise.all(
    what.listenAt.map((listenAt, i) => {
      const own = dice.fork(`process ${i}`)
      return what.process === undefined
        ? inside(name, listenAt)
        : outside(listenAt, what.process, durationMs, own, turns)
    }),
  )
  const proxies = await Promise.all(
    backends.map(({ address }, i) =>
      ChaosProxy.listen(address, { seed: textSum(`${seed}:${name}:${i}`), plan: what.plan }),
    ),
  )
  const clientOptions = { ...HASTY_CLIENT, ...options }
  const client = clientOf(
    proxies.map(({ address }) => address),
    clientOptions,
  )
  const ledger: CallerEntry[] = []
  const lag = monitorEventLoopDelay({ resolution: 10 })
  lag.enable()
  let peakBytes = process.memoryUsage.rss()
  const sampling = setInterval(() => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
  }, SAMPLE_MS)
  let failure: unknown
  try {
    const working = work({ ...what, client, dice: dice.fork('work'), ledger })
    await atMost(working, durationMs + mostMs)
    await client.close({ waitMs: 0 })
    await atMost(working, mostMs)
  } finally {
    clearInterval(sampling)
    lag.disable()
    const closed = await Promise.allSettled([...proxies, ...backends].map(each => each.close()))
    for (const end of closed) if (end.status === 'rejected') failure ??= end.reason
  }
  if (failure !== undefined) throw failure
  const overAtMs = performance.now()
  assert.deepEqual(
    client.holdings,
    { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 },
    `${name}: the client holds`,
  )

  const { tickMs = 50 } = clientOptions
  const serverEntries = backends.flatMap(({ entries }) => entries())
  const linkEnds = new Map(proxies.flatMap(proxy => clientEnds(proxy.log)))
  const joined = join(ledger, serverEntries, { tickMs, lagMs: lag.max / 1e6, linkEnds, overAtMs })
  const findings = joined.findings.filter(({ kind }) => !pardoned.includes(kind))
  const happened = proxies.flatMap(({ log }) => log)
  const processFaultsMs = backends.flatMap(({ faultsMs }) => faultsMs)
  const faults = new Map<string, number>()
  const count = (kind: string): unknown => faults.set(kind, (faults.get(kind) ?? 0) + 1)
  for (const { kind } of happened) if (!CALM.has(kind)) count(kind)
  for (const _ of processFaultsMs) count(what.process!)
  const broken = happened.filter(({ kind }) => BREAKING.has(kind)).map(({ atMs }) => atMs)
  const faultsMs = [...broken, ...processFaultsMs].sort((a, b) => a - b)
  const connections = proxies.reduce((sum, proxy) => sum + proxy.connections, 0)
  const outcome = { name, seed, joined: { ...joined, findings }, faults, connections, peakBytes }
  const evidence = findings.length === 0 ? {} : { evidence: keep(what, happened, ledger, serverEntries) }
  return { ...outcome, ...timing(faultsMs, ledger), ...evidence }
}

/** When the client's side of each connection ended, by its port at the server's side. */
function clientEnds(log: readonly Happening[]): [port: number, atMs: number][] {
  const ports = new Map(log.map(({ connection, port }) => [port === undefined ? -1 : connection, port]))
  return log.flatMap(({ kind, connection, atMs }): [number, number][] => {
    const port = ports.get(connection)
    return kind === 'client gone' && port !== undefined ? [[port, atMs]] : []
  })
}

/** Writes all that happened into a file; returns its path. */
function keep({ name, seed }: Run, ...parts: readonly (readonly object[])[]): string {
  const path = joinPath(tmpdir(), `razor-chaos-${name.replaceAll(/\W+/g, '-')}-${seed}.jsonl`)
  writeFileSync(path, parts.flatMap(part => part.map(entry => `${JSON.stringify(entry)}\n`)).join(''))
  return path
}

/** Fails where a run has found something, and tells which seed repeats it. */
export function assertSound({ name, seed, joined, evidence }: Outcome): void {
  const text = (finding: Finding): string => `${finding.kind}: ${finding.text}`
  assert.deepEqual(joined.findings.map(text), [], `${name}, seed ${seed}; see ${evidence}`)
}

/** Waits for it, but not for ever: what has not ended then, shows in the ledgers. */
async function atMost(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}
