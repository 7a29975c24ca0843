/**
 * A program that hands over to a new process of itself (`restartable-program.ts`), and what a spec does with it. What it is to do
 * stands in a file, which may change before the next process reads it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { service, stream, unary, upload } from '../../lib/node/index.ts'
import { type Child, type Ended, startNode } from './child.ts'

/** What the program is to do. */
export interface Plan {
  readonly version: number
  readonly listen: readonly string[]
  /** Where a plain HTTP server listens, too. */
  readonly http?: string
  /** Default: none. */
  readonly fault?: undefined | 'exits' | 'closes and exits' | 'crashes' | 'is ready at SIGHUP' | 'chatters'
  readonly pidFile?: string
  readonly command?: readonly [string, ...string[]]
  readonly readyTimeoutMs?: number
  readonly graceMs?: number
}

/** Who answers. */
export interface Answer {
  readonly version: number
  readonly pid: number
  /** How many files and sockets it has open. */
  readonly open: number
}

export const Restartable = service('Restartable', {
  who: unary<void, Answer>({ idempotent: true }),
  /** Adds up its items; answers with the sum, and the version that did it. */
  sum: upload<void, number, { sum: number; version: number }>(),
  /** Its version, and no end. */
  forever: stream<void, number>(),
})

const PLAN = 'plan.json'
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Processes that follow each other. */
export class Restarting {
  readonly folder: string
  readonly #child: Child
  #plan: Plan
  #pid: number

  private constructor(folder: string, child: Child, plan: Plan) {
    this.folder = folder
    this.#child = child
    this.#plan = plan
    this.#pid = child.pid
  }

  /** Starts the program in a folder of its own, with the plan for that folder; ends what is left of it when the spec ends. */
  static async start(t: TestContext, planFor: (folder: string) => Omit<Plan, 'version'>): Promise<Restarting> {
    const folder = mkdtempSync(join(tmpdir(), 'razor-restart-'))
    const plan = { version: 1, ...planFor(folder) }
    write(folder, plan)
    const child = startNode(ROOT, ...programIn(folder).slice(1))
    const restarting = new Restarting(folder, child, plan)
    t.after(async () => {
      const pids = [...child.printed.matchAll(/^(\d+): |handing over to pid (\d+)/gm)].map(([, by, to]) =>
        Number(by ?? to),
      )
      for (const pid of new Set([child.pid, ...pids])) signal(pid, 'SIGKILL')
      await child.ended
      rmSync(folder, { recursive: true })
    })
    await restarting.says(child.pid, 'serving as pid')
    return restarting
  }

  /** The process that serves. */
  get pid(): number {
    return this.#pid
  }

  /** Where a process listens, in the order of its plan. */
  async addresses(pid: number = this.pid): Promise<string[]> {
    const text = await this.#child.until(new RegExp(`^[\\s\\S]*${pid}: serving as pid`))
    return [...text[0].matchAll(new RegExp(`^${pid}: listening at (\\S+)$`, 'gm'))].map(([, address]) => address!)
  }

  /** What the next process is to do differently. */
  change(change: Partial<Plan>): void {
    this.#plan = { ...this.#plan, ...change }
    write(this.folder, this.#plan)
  }

  /** Signals the process that serves. */
  signal(name: NodeJS.Signals): void {
    signal(this.#pid, name)
  }

  /** Resolves to what `pattern` finds in what the processes print, as soon as it does. */
  prints(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#child.until(pattern)
  }

  /** Resolves to what `pattern` finds in a line of that process, as soon as it does. */
  says(pid: number, pattern: string): Promise<RegExpExecArray> {
    return this.prints(new RegExp(`^${pid}: .*${pattern}`, 'm'))
  }

  /** Starts the next process with SIGUSR2; resolves to its number when it serves. */
  async restart(): Promise<number> {
    const before = this.#pid
    signal(before, 'SIGUSR2')
    const [, after] = await this.says(before, 'pid (\\d+) is ready; draining')
    this.#pid = Number(after)
    return this.#pid
  }

  /** Resolves when the last process is over, to all that they printed. */
  get over(): Promise<Ended> {
    return this.#child.ended
  }
}

/** The command line of the program, with the plan in `folder`. */
export function programIn(folder: string): [string, ...string[]] {
  return [process.execPath, '--import', 'tsx', 'spec/support/restartable-program.ts', join(folder, PLAN)]
}

/** Signals a process; does nothing where it is gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function write(folder: string, plan: Plan): void {
  writeFileSync(join(folder, PLAN), JSON.stringify(plan))
}
