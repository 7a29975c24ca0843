/**
 * What a source of items and its sink owe each other.
 */

/** Where items go. */
export interface ItemSink {
  /** Learns of a source that may end, and have lost items, before it was handed over. */
  began?(source: ItemSource): void
  /** Will an item that can wait be taken now? `false` also where the sink has taken its share of this turn. */
  ready(): boolean
  /** Is there credit for an item that cannot wait, and room for it on the way? */
  wanted(): boolean
  /** Takes an item. One that cannot be sent ends the sink, not the source. */
  item(item: unknown): void
  /** The source pushes more than may wait. */
  overflow(message: string): void
  /** No item follows. */
  complete(): void
  /** The source failed. */
  error(error: unknown): void
  /** The source misbehaved after its end. */
  complain(error: unknown): void
}

/** A source that is being read. Ends once, by the sink's `complete`, `error` or `overflow`, or by {@link stop}. */
export interface ItemSource {
  /** Items that were lost by the policy. */
  readonly dropped: number
  /** Goes on, after the sink has become ready. */
  pump(): void
  /** Lets go of the source; the sink hears no more but complaints. Idempotent. */
  stop(): void
}
