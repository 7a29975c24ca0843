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

  constructor(config: ClientConfig) {
    this.#config = config
    this.#tokens = new TokenBucket(config.retryTokens)
  }

  /** May the call that failed so be sent again? */
  allows(task: ClientTask, error: RpcError): boolean {
    const { retry, retryLimit } = this.#config
    // What a server gave up, not this end: here the call's own time is over.
    const late = retry === 'razor' && error.code === 'rpc_timeout'
    if (!(late || isMendable(error)) || !task.repeatable) return false
    // No server has seen it: this is not a second try but the first.
    if (task.seq === 0) return true
    if (retry === 'never' || task.retries >= retryLimit) return false
    const again = task.request.idempotent === true || retry === 'razor'
    if (error.executed !== 'no' && (task.streams || !again)) return false
    return isFree(task, error) || this.#tokens.has(error.cause)
  }

  /** May a call that a server sent elsewhere follow it there? */
  allowsRedirect(task: ClientTask): boolean {
    return task.repeatable && task.retries < this.#config.retryLimit
  }

  /** The call that failed so is sent again now. */
  spend(task: ClientTask, error: RpcError): void {
    if (!isFree(task, error)) this.#tokens.take(error.cause)
  }

  /** A call was answered. */
  success(): void {
    this.#tokens.success()
  }
}

/** Whoever sends a call elsewhere, or takes its leave in order, wants it to be sent again; what was not sent costs no server anything. */
function isFree(task: ClientTask, error: RpcError): boolean {
  return task.seq === 0 || error.code === 'rpc_draining' || error.code === 'user'
}
