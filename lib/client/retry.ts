/**
 * Which failed calls are sent again. Rust: the rule of `FailoverPool`, which is `razor` here.
 */
import { type RpcCode, RpcError } from '../error.ts'
import { TokenBucket } from '../flow/token-bucket.ts'
import type { ClientConfig } from './config.ts'
import type { ClientTask } from './task.ts'

/** Failures that another connection may mend. */
const MENDABLE: readonly RpcCode[] = ['rpc_unreachable', 'rpc_io_err', 'rpc_draining', 'rpc_busy']

/** Is it a failure of the connection or the server, not of the call? */
export function isMendable(error: RpcError): boolean {
  return RpcError.is(error, ...MENDABLE)
}

/** The rule of one client, and what it has left to spend. */
export class Retries {
  readonly #config: ClientConfig
  readonly #tokens: TokenBucket
  #count = 0

  constructor(config: ClientConfig) {
    this.#config = config
    this.#tokens = new TokenBucket(config.retryTokens)
  }

  /** Calls that were sent again. */
  get count(): number {
    return this.#count
  }

  /** May the call that failed so be sent again? It counts as a retry then. */
  allows(task: ClientTask, error: RpcError): boolean {
    if (!this.#may(task, error)) return false
    this.#count++
    return true
  }

  /** May a call that a server sent elsewhere follow it there? It counts as a retry then. */
  allowsRedirect(task: ClientTask): boolean {
    if (!task.repeatable || task.retries >= this.#config.retryLimit) return false
    this.#count++
    return true
  }

  /** A call was answered. */
  success(): void {
    this.#tokens.success()
  }

  #may(task: ClientTask, error: RpcError): boolean {
    const { retry, retryLimit } = this.#config
    // What a server gave up, not this end: here the call's own time is over.
    const late = retry === 'razor' && error.code === 'rpc_timeout'
    if (!(late || isMendable(error)) || !task.repeatable) return false
    // No server has seen it: this is not a second try but the first.
    if (task.seq === 0) return true
    if (retry === 'never' || task.retries >= retryLimit) return false
    const again = task.request.idempotent === true || retry === 'razor'
    if (error.executed !== 'no' && (task.streams || !again)) return false
    // Whoever takes its leave in order wants its calls to go elsewhere.
    return error.code === 'rpc_draining' || this.#tokens.take(error.cause)
  }
}
