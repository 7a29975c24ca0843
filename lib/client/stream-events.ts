/**
 * What a connection tells the pool that it belongs to, and what takes the place of one where it belongs to none.
 */
import { type RpcCode, RpcError } from '../error.ts'
import { Backlog } from './backlog.ts'
import type { ClientFacts } from './config.ts'
import type { ClientTask } from './task.ts'

/** What becomes of the calls of a connection. */
export interface TasksEvents {
  /** A call failed: `true` where it is sent again, and so is not over. */
  again(task: ClientTask, error: RpcError): boolean
  /** A call got its answer. */
  answered(): void
}

/** What becomes of a connection. */
export interface StreamEvents extends TasksEvents {
  /** What waits for any connection of the pool. */
  readonly backlog: Backlog
  /** Nobody else sends what waits. */
  readonly alone: boolean
  /** The ends have agreed: it takes calls. Called at most once. */
  agreed(): void
  /** It takes no further calls, and why; those that are out go on. Called at most once. */
  leaving(reason: RpcError): void
  /** It is over, and why; its calls hear of it next. Called once. */
  lost(reason: RpcError): void
}

/** Reasons that a call may have for never having been sent; any other is a matter of the connection. */
const NOT_SENT: readonly RpcCode[] = [
  'rpc_unreachable',
  'rpc_draining',
  'rpc_canceled',
  'rpc_unauthenticated',
  'rpc_forbidden',
  'rpc_internal_err',
]

/** For a connection that stands for itself: its calls are sent once, and what waits at its end never is. */
export function standAlone(facts: ClientFacts): StreamEvents {
  const backlog = new Backlog(facts)
  const fail = (reason: RpcError): void => {
    const { message, cause } = reason
    backlog.fail(RpcError.is(reason, ...NOT_SENT) ? reason.code : 'rpc_io_err', message, cause ?? reason)
  }
  const watching = backlog.watch(error => fail(RpcError.from(error)))
  return {
    backlog,
    alone: true,
    again: () => false,
    answered: () => undefined,
    agreed: () => undefined,
    leaving: fail,
    lost: reason => {
      watching.unsubscribe()
      fail(reason)
    },
  }
}
