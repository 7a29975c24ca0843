/**
 * A Node process of a spec's own: what it prints, and how it ends.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BehaviorSubject, filter, firstValueFrom } from 'rxjs'

/** What a process has printed in the end, and its exit code. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A running process. */
export interface Child {
  readonly pid: number
  /** Resolves to what `pattern` finds in its output, as soon as it does; rejects when the process ends without. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<Ended>
}

/** Starts `node` with `words` in `folder`. */
export function startNode(folder: string, ...words: readonly string[]): Child {
  const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const out = new BehaviorSubject('')
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => out.next(out.value + text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = once(child, 'close').then(([code]): Ended => {
    out.complete()
    return { code, out: out.value, err }
  })
  return {
    pid: child.pid!,
    until: async pattern => {
      const found = firstValueFrom(out.pipe(filter(text => pattern.test(text))))
      const text = await found.catch(() => {
        throw new Error(`no ${pattern} in: ${out.value}${err}`)
      })
      return pattern.exec(text)!
    },
    signal: name => {
      child.kill(name)
    },
    ended,
  }
}
