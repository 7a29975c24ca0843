/**
 * A terminal that a spec looks at: what was written, signals that it sends, and a clock that stands still unless told.
 */
import { BehaviorSubject, EMPTY, filter, firstValueFrom, type Observable, Subject } from 'rxjs'
import type { Output, Terminal } from '../../lib/cli/terminal.ts'

/** A pipe unless told otherwise. */
export class FakeTerminal implements Terminal {
  readonly out: FakeOutput
  readonly err: FakeOutput
  readonly colour: boolean
  readonly program = 'razor'
  readonly signals$: Subject<NodeJS.Signals> = new Subject()
  /** How often it was told to end soon. */
  endings = 0
  /** What the clock shows next, and by how much it then goes on. */
  time = 0
  step = 0

  constructor(options: { readonly isTerminal?: boolean; readonly colour?: boolean } = {}) {
    this.out = new FakeOutput(options.isTerminal ?? false)
    this.err = new FakeOutput(options.isTerminal ?? false)
    this.colour = options.colour ?? false
  }

  endSoon(): void {
    this.endings++
  }

  now(): number {
    const time = this.time
    this.time += this.step
    return time
  }
}

/** A terminal whose reader sends SIGINT in the very moment that it reads what that does. */
export function hasty(): FakeTerminal {
  const terminal = new FakeTerminal()
  const { out } = terminal
  const write = out.write.bind(out)
  out.write = text => {
    write(text)
    if (text.includes('Ctrl-C')) terminal.signals$.next('SIGINT')
  }
  return terminal
}

/** What was written to stdout or stderr. */
export class FakeOutput implements Output {
  readonly isTerminal: boolean
  /** What a reader that lags behind does: completes when it has caught up. */
  behind: Observable<never> = EMPTY
  readonly #text = new BehaviorSubject('')

  constructor(isTerminal: boolean) {
    this.isTerminal = isTerminal
  }

  get text(): string {
    return this.#text.value
  }

  write(text: string): void {
    this.#text.next(this.#text.value + text)
  }

  drained(): Observable<never> {
    return this.behind
  }

  /** Resolves to what `pattern` finds, as soon as it does. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    return pattern.exec(await firstValueFrom(this.#text.pipe(filter(text => pattern.test(text)))))!
  }
}
