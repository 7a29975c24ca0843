/**
 * What the panels share.
 */
import type { Observable, Subscription } from 'rxjs'
import type { FailoverClient } from '../../../connect.ts'
import { type Gap, resubscribe } from '../../../flow/resubscribe.ts'
import type { Figures } from '../contract.ts'
import type { Happening } from './standing.ts'

/** What a panel is given. */
export interface Shared {
  readonly client: FailoverClient
  /** Four times a second while somebody looks. */
  readonly ticks$: Observable<unknown>
  /** Colours may have changed. */
  readonly looks$: Observable<void>
  /** Figures of the process that serves. */
  readonly figures$: Observable<Figures | Gap>
  /** Tells the connection panel what happened. */
  tell(happening: Happening): void
  /** An error that nobody expected: it is shown. */
  failed(error: unknown): void
}

/** A stream that goes on after a loss, soon: there is another server to ask, or the client knows when one is back. */
export const goesOn: ReturnType<typeof resubscribe> = resubscribe({ firstMs: 150, maxMs: 1_500, resetAfterMs: 2_000 })

/** What came of a panel: what to unsubscribe when the page goes. */
export type Panel = Subscription
