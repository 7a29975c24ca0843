/**
 * The server of a run: in this process, or a process of its own to which things happen.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { type Child, startNode } from '../child.ts'
import { chaosServer } from './contract.ts'
import type { Dice } from './dice.ts'
import { MemoryLedger, readLedger, type ServerEntry } from './ledger.ts'

/** What happens to a server that is a process: it is gone at once, stands still for a while, or takes its leave in order. */
export type ProcessFault = 'kill' | 'freeze' | 'drain'

/** A server of a run. */
export interface Backend {
  readonly address: string
  /** Times at which something happened to it. */
  readonly faultsMs: readonly number[]
  /** What it wrote; when it is closed. */
  readonly entries: () => readonly ServerEntry[]
  /** Rejects where anything is left of a call or a connection. */
  readonly close: () => Promise<void>
}

/** What is waited for at most until a server is idle. It only bounds a failure. */
const MOST_MS = 5_000
const POLL_MS = 20
/** A process lives, or stands still, so long. */
const LIFE_MS = [200, 600] as const
const FROZEN_MS = [100, 1_200] as const
const SCRIPT = fileURLToPath(new URL('server-process.ts', import.meta.url))
/** What stands at the top of a bundle, for the packages in it that are no modules. */
const REQUIRE =
  "import { createRequire as requireOf } from 'node:module'; globalThis.require = requireOf(import.meta.url)"

let bundle: string | undefined

/** The server process as one file: it is started again and again, and must be back soon. */
function script(): string {
  if (bundle !== undefined) return bundle
  const folder = mkdtempSync(join(tmpdir(), 'razor-chaos-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  bundle = join(folder, 'server-process.mjs')
  const external = ['bufferutil', 'utf-8-validate', 'msgpackr-extract', 'systeminformation']
  const banner = { js: REQUIRE }
  buildSync({ entryPoints: [SCRIPT], outfile: bundle, bundle: true, platform: 'node', format: 'esm', external, banner })
  return bundle
}

/** A server in this process. */
export async function inside(name: string, listenAt: string): Promise<Backend> {
  const ledger = new MemoryLedger()
  const server = chaosServer(ledger)
  const { address } = await server.listen(listenAt)
  return {
    address,
    faultsMs: [],
    entries: () => ledger.entries,
    close: async () => {
      await server.close({ waitMs: 0 })
      const until = performance.now() + MOST_MS
      while (server.stats().calls + server.stats().connections > 0 && performance.now() < until) {
        await new Promise(resolve => setTimeout(resolve, POLL_MS))
      }
      const { connections, calls, heldBytes } = server.stats()
      assert.deepEqual(
        { connections, calls, heldBytes },
        { connections: 0, calls: 0, heldBytes: 0 },
        `${name}: the server`,
      )
    },
  }
}

/** Things happen to one of several servers at a time, so that another is there. */
export class Turns {
  #last: Promise<void> = Promise.resolve()

  /** Runs it when all before it are over. */
  take(act: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(act)
    return this.#last
  }
}

/** A server that is a process; for `durationMs` something happens to it again and again. */
export async function outside(
  listenAt: string,
  fault: ProcessFault,
  durationMs: number,
  dice: Dice,
  turns: Turns,
): Promise<Backend> {
  const folder = mkdtempSync(join(tmpdir(), 'razor-chaos-'))
  const path = join(folder, 'ledger')
  const faultsMs: number[] = []
  let child: Child
  let address = listenAt
  const begin = async (): Promise<void> => {
    child = startNode(folder, script(), path, address)
    address = (await child.until(/serving at (\S+)\n/))[1]!
  }
  await begin()
  const sleep = (ms: number): Promise<unknown> => new Promise(resolve => setTimeout(resolve, ms))
  const until = performance.now() + durationMs
  const happens = async (): Promise<void> => {
    if (performance.now() >= until) return
    faultsMs.push(performance.now())
    if (fault === 'freeze') {
      child.signal('SIGSTOP')
      await sleep(dice.between(...FROZEN_MS))
      child.signal('SIGCONT')
      return
    }
    child.signal(fault === 'kill' ? 'SIGKILL' : 'SIGTERM')
    await child.ended
    await begin()
  }
  const trouble = async (): Promise<void> => {
    while (performance.now() < until) {
      await turns.take(async () => {
        await sleep(dice.between(...LIFE_MS))
        await happens()
      })
    }
  }
  const troubled = trouble()
  return {
    address,
    faultsMs,
    entries: () => {
      const entries = readLedger(path)
      rmSync(folder, { recursive: true, force: true })
      return entries
    },
    close: async () => {
      try {
        await troubled
      } finally {
        child.signal('SIGKILL')
        await child.ended
      }
    },
  }
}
