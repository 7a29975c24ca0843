/**
 * The way out of a connection: answers and errors of its tasks onto its writer. Rust: `RespNoti`.
 */
import type { Codec } from '../codec/codec.ts'
import { RpcError } from '../error.ts'
import type { U64 } from '../protocol/bytes.ts'
import { EMPTY_BYTES } from '../protocol/heads.ts'
import type { Link } from '../transport/link.ts'
import type { LinkWriter } from '../transport/writer.ts'
import type { RunningCalls } from './calls.ts'
import type { ServerFacts, ServerLogEntry } from './config.ts'
import { CallRefused, type Peer } from './dispatch.ts'
import type { ServerTask, TaskOwner } from './task.ts'
import { errorAnswer, writeAnswer, writeErrno, writeErrorBody } from './write.ts'

/** What the tasks of one connection need of it. */
export class Answers implements TaskOwner {
  readonly codec: Codec
  readonly maxCallMs: number
  readonly #facts: ServerFacts
  readonly #link: Link
  readonly #writer: LinkWriter
  readonly #calls: RunningCalls
  #peer: Peer | undefined

  constructor(facts: ServerFacts, link: Link, writer: LinkWriter, calls: RunningCalls) {
    this.codec = facts.codec
    this.maxCallMs = facts.config.maxCallMs
    this.#facts = facts
    this.#link = link
    this.#writer = writer
    this.#calls = calls
  }

  peer(clientId: U64): Peer {
    if (this.#peer === undefined || this.#peer.clientId !== clientId) {
      this.#peer = { address: this.#link.address, transport: this.#link.transport, clientId }
    }
    return this.#peer
  }

  answer(task: ServerTask, value: unknown): void {
    try {
      this.write(task.seq, value)
      this.#flushIfAlone(task)
    } catch (cause) {
      const message = `the answer of ${String(task.action)}: ${RpcError.from(cause).message}`
      this.answerError(task, new CallRefused('rpc_encode', message, cause))
    }
  }

  /** Writes a successful answer; throws as `writeAnswer` does. */
  write(seq: U64, value: unknown): void {
    writeAnswer(this.#writer, this.codec, this.#facts.config, seq, value)
  }

  answerError(task: ServerTask, error: unknown): void {
    const { errno, body, logged } = errorAnswer(error, task.errors, this.codec, this.#facts.config)
    if (errno === undefined) writeErrorBody(this.#writer, task.seq, body ?? EMPTY_BYTES)
    else writeErrno(this.#writer, task.seq, errno)
    if (logged !== undefined) this.log('error', logged.message, logged, task.action)
    else if (error instanceof CallRefused) this.log('debug', error.message, error, task.action)
    this.#flushIfAlone(task)
  }

  complain(task: ServerTask, error: unknown): void {
    const reason = RpcError.from(error)
    this.log('warn', `the handler of ${String(task.action)} after its end: ${reason.message}`, reason, task.action)
  }

  released(task: ServerTask): void {
    this.#calls.delete(task)
  }

  log(level: ServerLogEntry['level'], message: string, error: RpcError, action?: string | number): void {
    const { address } = this.#link
    this.#facts.log({ level, message, address, error, ...(action === undefined ? {} : { action }) })
  }

  /** An answer that nothing else is likely to follow leaves at once; the others leave together at the end of the turn. */
  #flushIfAlone(task: ServerTask): void {
    if (this.#calls.size === 1 && this.#calls.has(task.seq)) this.#writer.flush()
  }
}
