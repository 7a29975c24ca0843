/**
 * How soon a fault was noticed, and how soon calls were answered again.
 */
import type { CallerEntry } from './ledger.ts'

/** Codes that say that the far end is not there, or does not answer. */
const TELLING: ReadonlySet<string> = new Set(['rpc_io_err', 'rpc_timeout', 'rpc_unreachable', 'rpc_draining'])

export interface Timing {
  /** The longest time from a fault to the first failure of a call that was under way. */
  readonly noticeMs: number | undefined
  /** The longest time from a fault to the first answer to a call that began behind it. */
  readonly recoverMs: number | undefined
}

/** Measures by the faults' times. A fault behind which no call failed, before the next one came, was not noticed and does not count. */
export function timing(faultsMs: readonly number[], entries: readonly CallerEntry[]): Timing {
  const began = new Map<number, number>()
  const ends: { readonly beganMs: number; readonly atMs: number; readonly how: string }[] = []
  for (const entry of entries) {
    if (entry.what === 'called') began.set(entry.id, entry.atMs)
    else if (entry.what === 'over') ends.push({ beganMs: began.get(entry.id)!, atMs: entry.atMs, how: entry.how })
  }
  let noticeMs: number | undefined
  let recoverMs: number | undefined
  for (const [at, faultMs] of faultsMs.entries()) {
    const nextMs = faultsMs[at + 1] ?? Number.POSITIVE_INFINITY
    const failed = ends.find(end => end.beganMs <= faultMs && end.atMs >= faultMs && TELLING.has(end.how))
    if (failed === undefined || failed.atMs > nextMs) continue
    noticeMs = Math.max(noticeMs ?? 0, failed.atMs - faultMs)
    const answered = ends.find(end => end.beganMs >= faultMs && end.atMs > failed.atMs && end.how === 'ok')
    if (answered !== undefined) recoverMs = Math.max(recoverMs ?? 0, answered.atMs - faultMs)
  }
  return { noticeMs, recoverMs }
}
