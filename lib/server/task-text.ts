/**
 * A call of a server as a line for logs and debuggers. Rust: the `Debug` of its tasks.
 */
import type { U64 } from '../protocol/bytes.ts'

/** What the line tells of a call. */
export interface Described {
  readonly action: number | string
  readonly seq: U64
  readonly stopping: boolean
  readonly over: boolean
}

/** A name that needs no quotes: clients choose theirs, and may mean to garble a log. */
const PLAIN = /^[\w.:/-]+$/

/** `Host.load #12 from tcp://127.0.0.1:50312, running 130 ms`; an action without a name is `action 3`. `ms` is since it came. */
export function taskText({ action, seq, stopping, over }: Described, address: string, ms: number): string {
  const name = typeof action === 'number' ? `action ${action}` : PLAIN.test(action) ? action : JSON.stringify(action)
  const state = over ? 'over' : `${stopping ? 'stopping after' : 'running'} ${ms} ms`
  return `${name} #${seq} from ${address}, ${state}`
}
