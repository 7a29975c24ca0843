/**
 * What became of runs, as one table: a line for each, and one for all of them.
 */
import { FINDINGS, type FindingKind, type Joined } from './join.ts'

/** One run. */
export interface Outcome {
  readonly name: string
  readonly seed: number
  readonly joined: Joined
  /** By their kind. */
  readonly faults: ReadonlyMap<string, number>
  readonly connections: number
  /** The most that this process had in memory, in bytes. */
  readonly peakBytes: number
  /** From a fault until a call that was under way failed, at most; absent where none did. */
  readonly noticeMs: number | undefined
  /** From a fault until a call that began behind it was answered, at most; absent where none was. */
  readonly recoverMs: number | undefined
  /** Where all that happened is written, if there is something wrong. */
  readonly evidence?: string
}

const sumOf = (counts: Iterable<readonly [string, number]>): Map<string, number> => {
  const sums = new Map<string, number>()
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count)
  return sums
}

const counted = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name.replace('rpc_', '')} ${count}`)
    .join(', ') || '-'

/** How many of a kind were found. */
export function foundOf({ findings }: Joined, ...kinds: readonly FindingKind[]): number {
  return findings.filter(({ kind }) => kinds.includes(kind)).length
}

const most = (values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** All of them as one. */
export function total(outcomes: readonly Outcome[]): Outcome {
  const joined = outcomes.map(each => each.joined)
  const sum = (of: (each: Joined) => number): number => joined.reduce((all, each) => all + of(each), 0)
  return {
    name: 'all',
    seed: outcomes[0]?.seed ?? 0,
    joined: {
      sent: sum(each => each.sent),
      ok: sum(each => each.ok),
      left: sum(each => each.left),
      errors: sumOf(joined.flatMap(({ errors }) => [...errors])),
      findings: joined.flatMap(({ findings }) => findings),
    },
    faults: sumOf(outcomes.flatMap(({ faults }) => [...faults])),
    connections: outcomes.reduce((all, { connections }) => all + connections, 0),
    peakBytes: Math.max(0, ...outcomes.map(({ peakBytes }) => peakBytes)),
    noticeMs: most(outcomes.map(({ noticeMs }) => noticeMs)),
    recoverMs: most(outcomes.map(({ recoverMs }) => recoverMs)),
  }
}

const COLUMNS: readonly (readonly [string, (outcome: Outcome) => string | number])[] = [
  ['run', ({ name }) => name],
  ['seed', ({ seed }) => seed],
  ['sent', ({ joined }) => joined.sent],
  ['ok', ({ joined }) => joined.ok],
  ['left', ({ joined }) => joined.left],
  ...FINDINGS.map(kind => [kind, ({ joined }: Outcome) => foundOf(joined, kind)] as const),
  ['links', ({ connections }) => connections],
  ['peak MiB', ({ peakBytes }) => (peakBytes / 2 ** 20).toFixed(0)],
  ['notice ms', ({ noticeMs }) => noticeMs?.toFixed(0) ?? '-'],
  ['recover ms', ({ recoverMs }) => recoverMs?.toFixed(0) ?? '-'],
  ['faults', ({ faults }) => counted(faults)],
  ['errors', ({ joined }) => counted(joined.errors)],
]

/** The table, with a line for all. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = [COLUMNS.map(([title]) => title), ...[...outcomes, total(outcomes)].map(cells)]
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map(row => row[at]!.length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 || at >= row.length - 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd()
  return rows.map(line).join('\n')
}

function cells(outcome: Outcome): string[] {
  return COLUMNS.map(([, cell]) => String(cell(outcome)))
}
