/**
 * The dashboard's own log: a real file, with a line for each thing that happens, and few of those that happen all the time.
 */
import { appendFile, truncate } from 'node:fs/promises'
import { bufferTime, concatMap, filter, map, merge, type Observable, Subject, tap } from 'rxjs'
import type { ServerCall, ServerInterceptor } from '../../server/dispatch.ts'

/** The file starts anew above this. */
const MOST_BYTES = 1024 * 1024
/** How often calls are written down, and how many lines they get each time. */
const CALLS_EVERY_MS = 500
const MOST_CALLS = 3
/** Calls that are kept meanwhile: one more has them written down at once. */
const MOST_KEPT = 1_000

/** Lines that go into a file. */
export class Journal {
  readonly #lines = new Subject<string>()
  readonly #calls = new Subject<string>()
  readonly #now: () => Date
  readonly #done: Promise<void>

  /** Writes to `file` until it is closed; `failed` hears of what keeps it from that. */
  constructor(file: string, failed: (error: unknown) => void, now: () => Date = () => new Date()) {
    this.#now = now
    let bytes = 0
    const write = async (text: string): Promise<void> => {
      try {
        if (bytes > MOST_BYTES) {
          await truncate(file)
          bytes = 0
        }
        await appendFile(file, text)
        bytes += Buffer.byteLength(text)
      } catch (error) {
        failed(error)
      }
    }
    const texts$ = merge(
      this.#lines,
      this.#calls.pipe(
        bufferTime(CALLS_EVERY_MS, undefined, MOST_KEPT),
        filter(calls => calls.length > 0),
        map(summary),
      ),
    )
    this.#done = new Promise(resolve => {
      texts$.pipe(concatMap(text => write(text))).subscribe({
        error: error => {
          failed(error)
          resolve()
        },
        complete: resolve,
      })
    })
  }

  /** Writes a line down at once. */
  note(text: string): void {
    this.#lines.next(this.#stamped(text))
  }

  /** Sees the calls of server `number`, and writes down how they went. */
  interceptor(number: number): ServerInterceptor {
    return (call, next) => {
      const started = performance.now()
      const wrote = (how: string): void => {
        const took = isStream(call) ? '' : ` in ${(performance.now() - started).toFixed(2)} ms`
        this.#calls.next(this.#stamped(`server ${number}  ${String(call.action)} ${how}${took}`))
      }
      const answer$: Observable<unknown> = next(call)
      return answer$.pipe(
        tap({
          // The first value answers, and nobody waits for the end.
          next: () => wrote(isStream(call) ? 'began' : 'answered'),
          error: (error: unknown) => wrote(`failed: ${error instanceof Error ? error.message : String(error)}`),
        }),
      )
    }
  }

  /** Resolves when all is written. */
  close(): Promise<void> {
    this.#calls.complete()
    this.#lines.complete()
    return this.#done
  }

  #stamped(text: string): string {
    return `${this.#now().toISOString()}  ${text.replaceAll(/\p{Cc}+/gu, ' ')}\n`
  }
}

function isStream({ shape }: ServerCall): boolean {
  return shape === 'stream' || shape === 'duplex'
}

function summary(calls: readonly string[]): string {
  const more = calls.length - MOST_CALLS
  const text = calls.slice(0, MOST_CALLS).join('')
  return more > 0 ? `${text}${' '.repeat(26)}... and ${more} calls more\n` : text
}
