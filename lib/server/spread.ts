/**
 * A server that closes does not tell all its clients at once: they would all dial another server in the same instant.
 */
import { interval, map, type Observable, startWith, take } from 'rxjs'

/** So many are told at once. A server with no more connections than that has told them all at once. */
export const BURST = 100

/** Time between two bursts, in milliseconds: 1,000 connections a second, unless that takes too long. */
export const BURST_MS = 100

/** Items in bursts. */
export interface Spread<T> {
  /** The first burst comes as it is subscribed to, the others one each {@link BURST_MS}. Completes with the last. */
  readonly bursts$: Observable<readonly T[]>
  /** When the last burst comes, in milliseconds after the first. */
  readonly overMs: number
}

/** Spreads `items` in bursts of {@link BURST}; of more, equally many each, where those would take longer than `mostMs`. */
export function spread<T>(items: readonly T[], mostMs: number): Spread<T> {
  const most = Math.floor(Math.max(mostMs, 0) / BURST_MS) + 1
  const size = Math.max(BURST, Math.ceil(items.length / most))
  const bursts = Math.max(1, Math.ceil(items.length / size))
  const bursts$ = interval(BURST_MS).pipe(
    startWith(undefined),
    take(bursts),
    map((_, index) => items.slice(index * size, (index + 1) * size)),
  )
  return { bursts$, overMs: (bursts - 1) * BURST_MS }
}
