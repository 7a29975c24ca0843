/**
 * The ledgers of both sides of a run, joined: which calls were lost, run twice, lied about, or answered with what is not theirs.
 */
import type { CallerEntry, ServerEntry } from './ledger.ts'

/** What can be wrong with a call. */
export const FINDINGS = [
  /** Without an end: by its timeout, a tick and a second, or by the end of its connection. */
  'lost',
  /** Ended more than once. */
  'ended twice',
  /** Run twice, and not idempotent. */
  'doubled',
  /** Said that it did not run, and did; or the other way round. */
  'lying',
  /** Got the answer, an item or an error of another call. */
  'mixed up',
  /** An item came before an earlier one, or again. */
  'disordered',
  /** An item is missing, and no error says so. */
  'gap',
  /** What came is not what was sent. */
  'damaged',
] as const
export type FindingKind = (typeof FINDINGS)[number]

export interface Finding {
  readonly kind: FindingKind
  readonly id: number
  readonly text: string
}

/** What a run's ledgers are judged by. */
export interface Circumstances {
  /** Of the client. */
  readonly tickMs: number
  /** How late this process was at most: it cannot keep times that it slept through. Default 0. */
  readonly lagMs?: number
  /** When the connection of a port ended at the client. Default: never. */
  readonly linkEnds?: ReadonlyMap<number, number>
  /** When the run was over and all connections closed; calls may end until then that have no other limit. */
  readonly overAtMs: number
}

/** The outcome of a run. */
export interface Joined {
  readonly sent: number
  readonly ok: number
  /** Given up by their callers. */
  readonly left: number
  /** By their code. */
  readonly errors: ReadonlyMap<string, number>
  readonly findings: readonly Finding[]
}

/** What is granted beyond a timeout and a tick, for whatever the machine has to do besides. */
const GRACE_MS = 1_000

type Entry<E, W> = E extends { readonly what: W } ? E : never
type Called = Entry<CallerEntry, 'called'>
type Over = Entry<CallerEntry, 'over'>

/** All entries of one call. */
interface Dossier {
  readonly called: Called
  readonly got: Entry<CallerEntry, 'got'>[]
  damaged: number
  readonly overs: Over[]
  readonly started: Entry<ServerEntry, 'started'>[]
  readonly took: Entry<ServerEntry, 'took'>[]
}

export function join(
  caller: readonly CallerEntry[],
  server: readonly ServerEntry[],
  circumstances: Circumstances,
): Joined {
  const dossiers = file(caller, server)
  const findings: Finding[] = []
  const errors = new Map<string, number>()
  let ok = 0
  let left = 0
  for (const dossier of dossiers.values()) {
    const how = dossier.overs[0]?.how
    if (how === 'ok') ok++
    else if (how === 'left') left++
    else if (how !== undefined) errors.set(how, (errors.get(how) ?? 0) + 1)
    const { id } = dossier.called
    const found = (kind: FindingKind, text: string): void => {
      findings.push({ kind, id, text: `call ${id} (${dossier.called.shape}) ${text}` })
    }
    judgeEnd(dossier, circumstances, found)
    judgeRuns(dossier, found)
    judgeItems(dossier, found)
  }
  return { sent: dossiers.size, ok, left, errors, findings }
}

type Found = (kind: FindingKind, text: string) => void

function judgeEnd(
  { called, overs, started }: Dossier,
  { tickMs, lagMs = 0, linkEnds, overAtMs }: Circumstances,
  found: Found,
) {
  if (overs.length > 1) found('ended twice', `ended with ${overs.map(({ how }) => how).join(' and ')}`)
  const port = started.at(-1)?.port
  const linkEnd = port === undefined ? undefined : linkEnds?.get(port)
  const limitMs = called.timeoutMs === undefined ? (linkEnd ?? overAtMs) : called.atMs + called.timeoutMs
  const end = overs[0]
  const lateMs = (end?.atMs ?? Number.POSITIVE_INFINITY) - (limitMs + tickMs + GRACE_MS + lagMs)
  if (lateMs <= 0) return
  const limit = called.timeoutMs === undefined ? 'its connection' : `timeoutMs ${called.timeoutMs}`
  found(
    'lost',
    end === undefined ? `never ended, beyond ${limit}` : `ended ${Math.round(lateMs)} ms too late for ${limit}`,
  )
}

function judgeRuns({ called, overs, started }: Dossier, found: Found): void {
  if (started.length > 1 && !called.idempotent) found('doubled', `ran ${started.length} times`)
  const end = overs[0]
  if (end === undefined) return
  if (end.executed === 'no' && started.length > 0) found('lying', `ended with ${end.how}, executed no, and ran`)
  if (started.length > 0) return
  if (end.executed === 'yes') found('lying', `ended with ${end.how}, executed yes, and did not run`)
  if (end.how === 'ok') found('lying', 'was answered, and did not run')
}

function judgeItems({ called, got, damaged, overs, took }: Dossier, found: Found): void {
  const { id, shape, count } = called
  if (damaged > 0) found('damaged', `got ${damaged} items that are not what was sent`)
  const strangers = [...got.map(({ of }) => of), ...took.map(({ of }) => of), overs[0]?.of ?? id].filter(
    of => of !== id,
  )
  if (strangers.length > 0) found('mixed up', `got what belongs to call ${strangers.join(', ')}`)
  const answered = overs[0]?.how === 'ok'
  const down = shape === 'unary' || shape === 'upload' ? 1 : count
  const up = shape === 'unary' || shape === 'stream' ? 0 : count
  judgeOrder('got', got, answered ? down : undefined, found)
  // A call that runs again takes its items again.
  if (!called.idempotent) judgeOrder('its handler took', took, answered ? up : undefined, found)
}

function judgeOrder(
  who: string,
  items: readonly { readonly n: number }[],
  all: number | undefined,
  found: Found,
): void {
  for (const [at, { n }] of items.entries()) {
    if (n === at) continue
    const seen = items.slice(0, at).some(item => item.n >= n)
    found(seen ? 'disordered' : 'gap', `${who} item ${n} where ${at} was due`)
    return
  }
  if (all !== undefined && items.length !== all)
    found('gap', `${who} ${items.length} of ${all} items, and it ended well`)
}

function file(caller: readonly CallerEntry[], server: readonly ServerEntry[]): Map<number, Dossier> {
  const dossiers = new Map<number, Dossier>()
  for (const entry of caller) {
    if (entry.what === 'called') {
      dossiers.set(entry.id, { called: entry, got: [], damaged: 0, overs: [], started: [], took: [] })
      continue
    }
    const dossier = dossiers.get(entry.id)
    if (dossier === undefined) throw new Error(`entry ${JSON.stringify(entry)} is of a call that was never made`)
    if (entry.what === 'got') dossier.got.push(entry)
    else if (entry.what === 'over') dossier.overs.push(entry)
    else dossier.damaged++
  }
  for (const entry of server) {
    const dossier = dossiers.get(entry.id)
    if (dossier === undefined) throw new Error(`entry ${JSON.stringify(entry)} is of a call that was never made`)
    if (entry.what === 'started') dossier.started.push(entry)
    else if (entry.what === 'took') dossier.took.push(entry)
  }
  return dossiers
}
