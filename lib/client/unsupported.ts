/**
 * What a connection of version 1 cannot carry.
 */
import type { ClientTask } from './task.ts'

/** Does the call need version 2? */
export function needsV2(task: ClientTask): boolean {
  return task.streams || task.request.headers !== undefined
}

/** Fails a call that does. It never ran. */
export function refuseV1(task: ClientTask): void {
  const what = task.streams ? 'streams' : 'headers'
  task.refuse('rpc_unsupported', `${what} need version 2 of the protocol, the server speaks version 1`)
}
