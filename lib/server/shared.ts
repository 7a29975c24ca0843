/**
 * What all connections of a server have in common.
 */
import type { RunningTotal } from './calls.ts'
import type { ServerFacts } from './config.ts'
import type { Dispatch } from './dispatch.ts'
import type { ItemCache } from './item-cache.ts'

/** What the connections of a server share. */
export interface Shared {
  readonly facts: ServerFacts
  readonly dispatch: Dispatch
  readonly total: RunningTotal
  readonly items: ItemCache
}
