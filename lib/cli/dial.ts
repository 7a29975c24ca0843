/**
 * A client for the length of one command.
 */
import { defer, finalize, type Observable } from 'rxjs'
import type { Client } from '../connect.ts'
import { connect } from '../node/connect.ts'
import { reportFailure, UsageError } from './failure.ts'
import type { Terminal } from './terminal.ts'

/** Runs `use` with a client of `address`, and closes the client when that is over. A bad address is a {@link UsageError}. */
export function withClient<T>(
  terminal: Terminal,
  address: string,
  use: (client: Client) => Observable<T>,
): Observable<T> {
  return defer(() => {
    const client = refusing(() => connect(address))
    return use(client).pipe(
      finalize(() => {
        client.close({ waitMs: 0 }).catch((error: unknown) => reportFailure(terminal, error))
      }),
    )
  })
}

/** What `make` returns; a `TypeError`, which is how the library turns down what it is given, becomes a {@link UsageError}. */
export function refusing<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message) : error
  }
}
