/**
 * Waiting for a link that is behind.
 */
import { asapScheduler, defer, type Observable, of, scheduled, switchMap, take } from 'rxjs'
import type { Link } from './link.ts'
import type { LinkWriter } from './writer.ts'

/**
 * Emits once, and completes, as soon as at most `bytes` are unsent, in the writer and in the link: at once where that is so.
 * What waits in the writer is flushed for it. Only completes where the link ends before.
 */
export function whenBelow(writer: LinkWriter, link: Link, bytes: number): Observable<unknown> {
  return defer(() => {
    if (writer.unsentBytes > bytes) writer.flush()
    if (writer.unsentBytes <= bytes) return of(undefined)
    // A link that is not behind never drains. Then this is within one of its sends, and it gets the rest before the turn ends.
    const moved$ = link.unsentBytes > 0 ? link.drained$ : scheduled([undefined], link.turn ?? asapScheduler)
    // Whoever waited before may have written a lot again: look once more.
    return moved$.pipe(
      take(1),
      switchMap(() => whenBelow(writer, link, bytes)),
    )
  })
}
