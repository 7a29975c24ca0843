/**
 * What a connection counts, read from its parts when somebody asks.
 */
import type { ClientConnection } from './connection.ts'
import type { ClientStats } from './stats.ts'
import type { Tasks } from './tasks.ts'

/** What one connection counts, where `waiting` calls wait for it. */
export function statsOf(
  tasks: Tasks,
  connection: ClientConnection | undefined,
  waiting: number,
  roundTripMs: number | undefined,
): ClientStats {
  let credit = 0
  for (const task of tasks.routes.values()) credit += task.creditGiven
  return {
    connections: connection === undefined ? 0 : 1,
    waiting: waiting,
    inFlight: tasks.routes.size,
    credit,
    unsentBytes: connection?.unsentBytes ?? 0,
    roundTripMs,
    lateAnswers: tasks.idleFrames,
    retries: 0,
  }
}
