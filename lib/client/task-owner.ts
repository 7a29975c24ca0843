/**
 * What a task may ask of the stream it belongs to, and of the connection it was sent over.
 */
import type { Codec } from '../codec/codec.ts'
import type { RpcError } from '../error.ts'
import type { Grant } from '../flow/credit.ts'
import type { Turns } from '../flow/turns.ts'
import type { ProtocolError } from '../protocol/close.ts'

/** A task as its owner sees it. */
export interface OwnedTask {
  /** 0 while it is queued. */
  readonly seq: number
  /** It takes a slot of the streams, not of the calls. */
  readonly streams: boolean
}

/** The connection that a task was sent over. */
export interface TaskConnection {
  /** Whose turn it is to write items. */
  readonly outflow: Turns
  /** Did the output up to `position` leave this process? */
  hasLeft(position: number): boolean
  /** Writes a frame of version 2 without a message: CANCEL, COMPLETE, or ERROR with its text. */
  control(kind: number, seq: number, blob?: Uint8Array): void
  /** Grants credit for the items of a call. */
  credit(seq: number, grant: Grant): void
  /** Writes an item; returns its bytes. Throws `rpc_encode` and `rpc_too_large`, and then wrote nothing. */
  item(seq: number, item: unknown): number
  /** Consumers hold so many bytes more, or fewer. */
  hold(bytes: number): void
  /** Something that came for a call is wrong for the whole connection. */
  break(error: ProtocolError): void
}

/** What a task needs of the stream it belongs to. */
export interface TaskOwner {
  readonly codec: Codec
  readonly address: string
  /** There is none before the task is sent. */
  readonly connection: TaskConnection | undefined
  /** The caller has gone while the call is out: tells the server, and looks after the slot. `false` where the server cannot be told. */
  leaving(task: OwnedTask): boolean
  /** A frame came that has nothing to do. */
  idle(): void
  /** The task, which has a caller, failed: `true` where it is sent again, and so is not over. */
  again(task: OwnedTask, error: RpcError): boolean
  /** A call got its answer. */
  answered(): void
  /** Something outside the library misbehaved. */
  complain(what: string, error: unknown): void
  /** The task is over: it holds no place in the queue, in the routes or in the window any more. */
  released(task: OwnedTask): void
}
