/**
 * How a command that serves ends: in order at the first signal, at once at the next.
 */
import { firstValueFrom, switchMap } from 'rxjs'
import type { Terminal } from './terminal.ts'

/** A server, a gateway. */
interface Closable {
  close(options?: { readonly waitMs?: number }): Promise<void>
}

/**
 * Resolves when `server` is closed. Signals count from the call on, so it comes before the line that says what they do. `waiting` is
 * asked at the first one, for what stands behind "stopping".
 */
export function closedBySignal({ signals$, err }: Terminal, server: Closable, waiting: () => string): Promise<void> {
  const closed$ = signals$.pipe(
    switchMap((_, before) => {
      if (before > 0) return server.close({ waitMs: 0 })
      err.write(`\nstopping${waiting()}\n`)
      return server.close()
    }),
  )
  return firstValueFrom(closed$)
}
