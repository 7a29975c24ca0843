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
  /** What it has printed so far. */
  readonly printed: string
  /** What it has written to stderr so far. */
  readonly complained: string
  /** Resolves to what `pattern` finds in its output, as soon as it does; rejects when the process ends without. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  /** The same of what it writes to stderr. */
  untilErr(pattern: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  /** It is over, and so are all that have its output. */
  readonly ended: Promise<Ended>
}

/** Starts `node` with `words` in `folder`. */
export function startNode(folder: string, ...words: readonly string[]): Child {
  const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const out = new BehaviorSubject('')
  const err = new BehaviorSubject('')
  child.stdout.setEncoding('utf8').on('data', (text: string) => out.next(out.value + text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => err.next(err.value + text))
  const ended = once(child, 'close').then(([code]): Ended => {
    out.complete()
    err.complete()
    return { code, out: out.value, err: err.value }
  })
  const until = async (text$: BehaviorSubject<string>, pattern: RegExp): Promise<RegExpExecArray> => {
    const found = firstValueFrom(text$.pipe(filter(text => pattern.test(text))))
    const text = await found.catch(() => {
      throw new Error(`no ${pattern} in: ${out.value}${err.value}`)
    })
    return pattern.exec(text)!
  }
  return {
    pid: child.pid!,
    get printed() {
      return out.value
    },
    get complained() {
      return err.value
    },
    until: pattern => until(out, pattern),
    untilErr: pattern => until(err, pattern),
    signal: name => {
      child.kill(name)
    },
    ended,
  }
}
