/**
 * A client for the length of one command.
 */
import { defer, finalize, type Observable } from 'rxjs'
import { type Client, clientOf } from '../connect.ts'
import { parseTcp, parseUnix } from '../node/addresses.ts'
import { connect } from '../node/connect.ts'
import { tcpDialer, unixDialer } from '../node/tcp.ts'
import { nodeWebSocketDialer } from '../node/websocket.ts'
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
    const client = recorder === undefined ? connect(address) : clientOf(recordedDialer(recorder, dialer), {})
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
  try {
    if (address.startsWith('tcp:')) {
      if (parseTcp(address).port === 0) throw new Error(`${address} has port 0, which is for listening`)
      return tcpDialer(address)
    }
    if (address.startsWith('unix:')) {
      parseUnix(address)
      return unixDialer(address)
    }
    if (/^wss?:/.test(address)) {
      if (!URL.canParse(address))
        throw new Error(
          `${JSON.stringify(address)} is no WebSocket address: expected ws://host:port/path, the port up to 65535`,
        )
      return nodeWebSocketDialer(address)
    }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; give the address that the server prints when it starts`)
  }
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
