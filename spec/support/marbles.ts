/**
 * Marble diagrams in virtual time, compared by `assert.deepEqual`. Inside, timers and `asyncScheduler.now()` are virtual.
 */
import assert from 'node:assert/strict'
import { type RunHelpers, TestScheduler } from 'rxjs/testing'

/** Runs `diagrams` and then compares: use it as the body of a spec. */
export function marbles(diagrams: (helpers: RunHelpers) => void): () => void {
  return () => new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(diagrams)
}
