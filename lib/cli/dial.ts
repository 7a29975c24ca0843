/**
 * A client for the length of one command.
 */
import { defer, finalize, type Observable } from 'rxjs'
import { type Client, clientOf } from '../connect.ts'
import { dialerAt } from '../node/dialers.ts'
import type { Dialer } from '../transport/link.ts'
import { recordedDialer } from './capture/recorded-link.ts'
import type { Recorder } from './capture/recorder.ts'
import { reportFailure, UsageError } from './failure.ts'
import type { Terminal } from './terminal.ts'

/**
 * Runs `use` with a client of `address`, and closes the client when that is over. With a recorder, its connections are recorded.
 * A bad address is a {@link UsageError}.
 */
export function withClient<T>(
  terminal: Terminal,
  address: string,
  recorder: Recorder | undefined,
  use: (client: Client) => Observable<T>,
): Observable<T> {
  return defer(() => {
    const dialer = dialerOf(address)
    const client = clientOf(recorder === undefined ? dialer : recordedDialer(recorder, dialer), {})
    return use(client).pipe(
      finalize(() => {
        const closed = client.close({ waitMs: 0 }).catch((error: unknown) => reportFailure(terminal, error))
        recorder?.awaits(closed)
      }),
    )
  })
}

/** What dials an address that a command line can give. */
function dialerOf(address: string): Dialer {
  let dialer: Dialer | undefined
  try {
    dialer = dialerAt(address)
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; give the address that the server prints when it starts`)
  }
  if (dialer !== undefined) return dialer
  const known = 'known are tcp://host:port, unix:///path, ws://host:port/path and wss://host:port/path'
  throw new UsageError(`cannot dial ${address}: ${known}`)
}

/** What `make` returns; a `TypeError`, which is how the library turns down what it is given, becomes a {@link UsageError}. */
export function refusing<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message) : error
  }
}
