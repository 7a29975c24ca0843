/**
 * The leak check that ends a spec: nothing that keeps the process alive is left beyond what it had when this file was loaded.
 */
import assert from 'node:assert/strict'

/** What comes and goes by itself and holds nothing open. */
const PASSING = new Set(['Immediate', 'TickObject', 'CloseReq'])

/** How long what was let go of may take to go, lingering sockets included. It only bounds a failure. */
const MOST_MS = 8_000
const POLL_MS = 5
const TURNS = 50

// Made on first use otherwise, and then taken for leaks.
void process.stdout
void process.stderr
let baseline = count()

function count(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (!PASSING.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

function extra(): string[] {
  const more: string[] = []
  for (const [kind, number] of count()) {
    const over = number - (baseline.get(kind) ?? 0)
    if (over > 0) more.push(`${over} ${kind}`)
  }
  return more
}

/**
 * Resolves once no socket, server, timer, pipe or request is active beyond those at the start; fails with their names and
 * numbers if that does not happen. Looks after single turns of the event loop first, then every few milliseconds.
 */
export async function expectNoLeaks(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    if (extra().length === 0) return
    await new Promise(resolve => setImmediate(resolve))
  }
  const until = performance.now() + MOST_MS
  while (extra().length > 0 && performance.now() < until) await new Promise(resolve => setTimeout(resolve, POLL_MS))
  const left = extra()
  // So that one leak fails one spec.
  baseline = count()
  assert.deepEqual(left, [], 'left open')
}
