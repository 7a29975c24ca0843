/**
 * The way out of a connection: answers, errors and items of its tasks onto its writer. Rust: `RespNoti`.
 */
import type { Codec } from '../codec/codec.ts'
import { RpcError } from '../error.ts'
import type { PerSecond } from '../flow/per-second.ts'
import type { Turns } from '../flow/turns.ts'
import type { U64 } from '../protocol/bytes.ts'
import { ProtocolError } from '../protocol/close.ts'
import { EMPTY_BYTES, RPC_VERSION_1 } from '../protocol/heads.ts'
import { creditBody, DOWN_CANCEL, DOWN_CREDIT } from '../protocol/heads-v2.ts'
import type { Link } from '../transport/link.ts'
import type { Outflow } from '../transport/outflow.ts'
import type { LinkWriter } from '../transport/writer.ts'
import type { RunningCalls } from './calls.ts'
import type { ServerFacts, ServerLogEntry } from './config.ts'
import { CallRefused, type Peer } from './dispatch.ts'
import type { ItemCache } from './item-cache.ts'
import type { ServerSession } from './session.ts'
import type { ItemSender, OwnedTask, TaskOwner } from './task-owner.ts'
import {
  type Addressee,
  errorAnswer,
  type Known,
  writeAnswer,
  writeDown,
  writeErrno,
  writeErrorBody,
  writeItem,
} from './write.ts'

/** What the tasks of one connection need of it. */
export class Answers implements TaskOwner {
  readonly codec: Codec
  readonly maxCallMs: number
  readonly window: number
  readonly maxWindow: number
  readonly turns: Turns
  readonly #facts: ServerFacts
  readonly #link: Link
  readonly #writer: LinkWriter
  readonly #calls: RunningCalls
  readonly #session: ServerSession
  readonly #items: ItemCache
  /** Something is wrong with the connection, not with a call. */
  readonly broken: (error: unknown) => void
  readonly #idleFrames: PerSecond
  #peer: Peer | undefined

  constructor(
    facts: ServerFacts,
    link: Link,
    writer: LinkWriter,
    outflow: Outflow,
    calls: RunningCalls,
    session: ServerSession,
    items: ItemCache,
    events: { readonly broken: (error: unknown) => void; readonly idleFrames: PerSecond },
  ) {
    this.codec = facts.codec
    this.maxCallMs = facts.config.maxCallMs
    this.window = facts.config.window
    this.maxWindow = facts.config.maxWindow
    this.turns = outflow
    this.#facts = facts
    this.#link = link
    this.#writer = writer
    this.#calls = calls
    this.#session = session
    this.#items = items
    this.broken = events.broken
    this.#idleFrames = events.idleFrames
  }

  peer(clientId: U64): Peer {
    const { principal } = this.#session
    const id = this.#session.version === RPC_VERSION_1 ? clientId : this.#session.clientId
    if (this.#peer === undefined || this.#peer.clientId !== id || this.#peer.principal !== principal) {
      this.#peer = { address: this.#link.address, transport: this.#link.transport, clientId: id, principal }
    }
    return this.#peer
  }

  /** The connection is over. */
  ended = false

  pong(frame: Addressee): void {
    writeAnswer(this.#writer, this.codec, this.#session, frame, undefined)
  }

  answer(task: OwnedTask, value: unknown): void {
    try {
      writeAnswer(this.#writer, this.codec, this.#session, task, value)
      this.#flushIfAlone(task)
    } catch (cause) {
      const { code, message } = RpcError.from(cause)
      const text = `the answer of ${String(task.action)}: ${message}`
      this.answerError(task, new CallRefused(code === 'rpc_too_large' ? code : 'rpc_encode', text, cause))
    }
  }

  answerError(task: OwnedTask, error: unknown): void {
    const { maxErrorTextBytes } = this.#facts.config
    const limits = { maxErrorTextBytes, maxMessageBytes: this.#session.maxMessageBytes }
    const { errno, body, logged } = errorAnswer(error, task.errors, this.codec, limits, this.#known(task))
    if (errno === undefined) writeErrorBody(this.#writer, task, body ?? EMPTY_BYTES)
    else writeErrno(this.#writer, task, errno)
    if (logged !== undefined) this.log('error', logged.message, logged, task.action)
    else if (error instanceof CallRefused) this.log('debug', error.message, error, task.action)
    this.#flushIfAlone(task)
  }

  item(task: ItemSender, item: unknown): number {
    const { bytes, generation } = this.#items.encoding(item, task.itemGeneration)
    task.itemGeneration = generation
    return writeItem(this.#writer, this.codec, this.#session, task.seq, item, bytes)
  }

  credit(task: OwnedTask, window: number, consumed: U64): void {
    writeDown(this.#writer, DOWN_CREDIT, task.seq, creditBody(window, consumed))
  }

  cancelItems(task: OwnedTask): void {
    writeDown(this.#writer, DOWN_CANCEL, task.seq, EMPTY_BYTES)
  }

  hold(bytes: number): void {
    this.#calls.hold(bytes)
  }

  idle(): void {
    if (!this.#idleFrames.add()) return
    const { count } = this.#idleFrames
    const most = this.#facts.config.maxIdleFramesPerSecond
    const message = `${count} frames without effect came within a second, maxIdleFramesPerSecond is ${most}`
    this.broken(new ProtocolError(4429, message))
  }

  allowIdle(frames: number): void {
    this.#idleFrames.allow(frames)
  }

  breach(message: string): void {
    this.broken(new ProtocolError(4420, message))
  }

  complain(task: OwnedTask, error: unknown): void {
    const reason = RpcError.from(error)
    // It was told to stop, and says so.
    const obeys = error instanceof CallRefused || reason.code === 'rpc_canceled' || isAbort(error)
    this.log(
      obeys ? 'debug' : 'warn',
      `the handler of ${String(task.action)} after its end: ${reason.message}`,
      reason,
      task.action,
    )
  }

  released(task: OwnedTask): void {
    this.#calls.delete(task)
  }

  log(level: ServerLogEntry['level'], message: string, error: RpcError, action?: string | number): void {
    const { address } = this.#link
    this.#facts.log({ level, message, address, error, ...(action === undefined ? {} : { action }) })
  }

  #known(task: OwnedTask): Known {
    if (this.#session.version === RPC_VERSION_1) return 'codes of version 1'
    return task.ver === RPC_VERSION_1 ? 'all codes' : 'codes and details'
  }

  /** An answer that nothing else is likely to follow leaves at once; the others leave together at the end of the turn. */
  #flushIfAlone(task: OwnedTask): void {
    if (this.#calls.size === 1 && this.#calls.has(task.seq)) this.#writer.flush()
  }
}

/** What Node's own functions, and `fetch`, fail with where their `signal` aborts. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
