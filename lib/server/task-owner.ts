/**
 * What a task may ask of the connection it came from.
 */
import type { Codec } from '../codec/codec.ts'
import type { Turns } from '../flow/turns.ts'
import type { U64 } from '../protocol/bytes.ts'
import type { ErrorsKind } from '../protocol/errors-kind.ts'
import type { CallShape } from '../protocol/shape.ts'
import type { Peer } from './dispatch.ts'

/** A task as its connection sees it. */
export interface OwnedTask {
  readonly seq: U64
  /** The version its request came in, and its answer goes out in. */
  readonly ver: number
  readonly action: number | string
  readonly shape: CallShape
  readonly errors: ErrorsKind | undefined
  /** Bytes of the request. */
  readonly heldBytes: number
  /** Items that were lost. */
  readonly dropped: number
}

/** A task that gives items, and remembers of the item cache what it gave last. */
export interface ItemSender {
  readonly seq: U64
  itemGeneration: number
}

/** What a task needs of the connection it came from. */
export interface TaskOwner {
  readonly codec: Codec
  /** Longest run of a call that does not say how long its caller waits. */
  readonly maxCallMs: number
  /** Credit that uploads start with, and the largest window a client may give. */
  readonly window: number
  readonly maxWindow: number
  /** Whose turn it is to write items. */
  readonly turns: Turns
  peer(clientId: U64): Peer
  /** Writes the answer. Called at most once a task, with `task.over` set. */
  answer(task: OwnedTask, value: unknown): void
  answerError(task: OwnedTask, error: unknown): void
  /** Writes an item, and returns its bytes; throws for one that cannot be sent. */
  item(task: ItemSender, item: unknown): number
  /** Grants credit for the client's items, or asks for no more of them. */
  credit(task: OwnedTask, window: number, consumed: U64): void
  cancelItems(task: OwnedTask): void
  /** Handlers hold so many bytes of items more, or fewer. */
  hold(bytes: number): void
  /** A frame came that has nothing to do. */
  idle(): void
  /** So many frames may come that have nothing to do, as they were under way. */
  allowIdle(frames: number): void
  /** The client broke the credit. */
  breach(message: string): void
  /** A handler misbehaved after its call was over. */
  complain(task: OwnedTask, error: unknown): void
  /** The call holds its slot no longer. */
  released(task: OwnedTask): void
}
