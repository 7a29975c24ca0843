/**
 * The matrix of faults: every kind of them, with calls of each shape, over TCP; over the other sockets some of them. The specs run it
 * once, a soak again and again.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { anything, FAULT_KINDS, type FaultKind, type Plan, planOf } from './faults.ts'
import type { FindingKind } from './join.ts'
import { type Run, run } from './run.ts'
import { type Outcome, total } from './table.ts'
import { SHAPES } from './workload.ts'

/** Runs that go at the same time, each with a server, a proxy and a client of its own. */
export interface Cell {
  readonly name: string
  /** What calls must come to here: failures, as connections are lost; none at all; or either. */
  readonly calls: 'fail' | 'come through' | 'may fail'
  readonly run: (seed: number, durationMs: number) => Promise<readonly Outcome[]>
}

type Scheme = 'tcp' | 'unix' | 'ws'

/** The wire has no checksum: what a flipped bit makes of an answer may be any other answer. Calls still end, once, and run once. */
const FORGED: readonly FindingKind[] = ['damaged', 'gap', 'disordered', 'mixed up', 'lying']
/** Faults that only make a connection slow. */
const SLOW: ReadonlySet<string> = new Set(['latency', 'rate', 'slice', 'flip'])
/** Those that are looked at over Unix sockets, which know no reset, and over WebSockets. */
const OVER_UNIX: readonly FaultKind[] = ['stall', 'half-close', 'cut', 'refuse']
const OVER_WS: readonly FaultKind[] = ['slice', 'stall', 'half-close', 'reset', 'flip', 'silence']

/** Calls `use` with an address to listen at, and removes what it leaves. */
async function at<T>(scheme: Scheme, use: (listenAt: string) => Promise<T>): Promise<T> {
  if (scheme !== 'unix') return use(`${scheme}://127.0.0.1:0`)
  const folder = mkdtempSync(join(tmpdir(), 'razor-chaos-'))
  try {
    return await use(`unix://${join(folder, 's')}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Each shape by itself, so that none hides behind another. */
function byShape(kind: FaultKind, scheme: Scheme): Cell {
  const name = `${kind}, over ${scheme}`
  return {
    name,
    calls: SLOW.has(kind) ? 'may fail' : 'fail',
    run: (seed, durationMs) =>
      Promise.all(
        SHAPES.map(shape => {
          const pardoned = kind === 'flip' ? FORGED : []
          const rest = { shapes: [shape], plan: planOf(kind), durationMs, pardoned }
          return at(scheme, listenAt => run({ name: `${name}: ${shape}`, seed, listenAt: [listenAt], ...rest }))
        }),
      ),
  }
}

/** All shapes at once. */
function mixed(name: string, scheme: Scheme, what: Partial<Run>, servers = 1, calls: Cell['calls'] = 'fail'): Cell {
  const whole = `${name}, over ${scheme}`
  const listen = (seed: number, durationMs: number, listenAt: readonly string[]): Promise<Outcome> =>
    listenAt.length < servers
      ? at(scheme, one => listen(seed, durationMs, [...listenAt, one]))
      : run({ name: whole, shapes: SHAPES, plan: NOTHING, ...what, seed, durationMs, listenAt })
  return { name: whole, calls, run: async (seed, durationMs) => [await listen(seed, durationMs, [])] }
}

const NOTHING: Plan = () => []

export const CELLS: readonly Cell[] = [
  ...FAULT_KINDS.map(kind => byShape(kind, 'tcp')),
  ...OVER_UNIX.map(kind => byShape(kind, 'unix')),
  ...OVER_WS.map(kind => byShape(kind, 'ws')),
  ...(['tcp', 'unix', 'ws'] as const).map(scheme => mixed('anything', scheme, { plan: anything })),
  mixed('anything, in version 1', 'tcp', { plan: anything, shapes: ['unary'], client: { version: 1 } }),
  mixed('anything, with two servers', 'tcp', { plan: anything }, 2),
  mixed('a server that is killed', 'tcp', { process: 'kill' }),
  mixed('a server that is killed', 'unix', { process: 'kill' }),
  mixed('a server that stands still', 'tcp', { process: 'freeze' }, 1, 'may fail'),
  mixed('two servers that are killed', 'tcp', { process: 'kill' }, 2),
  mixed('two servers that drain', 'tcp', { process: 'drain' }, 2, 'may fail'),
  mixed('two servers that drain, unary calls', 'tcp', { process: 'drain', shapes: ['unary'] }, 2, 'come through'),
]

/** Errors that tell of no fault: those of the handlers, and of a machine that is too busy. */
const OWN_ERRORS: ReadonlySet<string> = new Set(['user', 'rpc_timeout'])

/** What is wrong with the outcomes of a cell: findings, and that it showed nothing. */
export function wrongs({ name, calls }: Cell, outcomes: readonly Outcome[]): string[] {
  const found = outcomes.flatMap(outcome => {
    const { seed, joined, evidence } = outcome
    return joined.findings.map(({ kind, text }) => `${outcome.name}, seed ${seed}: ${kind}: ${text}; see ${evidence}`)
  })
  const { joined, faults, seed } = total(outcomes)
  const failed = [...joined.errors.keys()].filter(code => !OWN_ERRORS.has(code))
  const say = (wrong: boolean, text: string): unknown => wrong && found.push(`${name}, seed ${seed}: ${text}`)
  say(joined.ok === 0, `none of ${joined.sent} calls came through`)
  say(faults.size === 0, 'nothing happened')
  say(calls === 'fail' && failed.length === 0, 'nothing failed')
  say(calls === 'come through' && failed.length > 0, `calls failed with ${failed.join(', ')}`)
  return found
}
