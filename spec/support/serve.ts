/**
 * A server and a client of it for one spec, closed when the spec ends.
 */
import { describe, type TestContext } from 'node:test'
import { firstValueFrom, type Observable } from 'rxjs'
import {
  type Client,
  type ConnectOptions,
  connect,
  RpcError,
  RpcServer,
  type RpcServerOptions,
} from '../../lib/node/index.ts'
import { type Logged, loggerTo } from './logged.ts'
import { ONE_LINK } from './one-link.ts'

export interface Served {
  readonly server: RpcServer
  readonly client: Client
  /** What the client dials. */
  readonly address: string
  /** What the server logged so far. */
  readonly logged: readonly Logged[]
}

let names = 0

/** Serves at `listenAt`, by default under a fresh name in this process, and connects a client. */
export async function serve(
  t: TestContext,
  options: RpcServerOptions & { readonly listenAt?: string; readonly client?: ConnectOptions },
): Promise<Served> {
  const { listenAt = `memory:served-${++names}`, client: clientOptions, ...serverOptions } = options
  const logged: Logged[] = []
  const server = new RpcServer({ logger: loggerTo(entry => logged.push(entry)), ...serverOptions })
  const { address } = await server.listen(listenAt)
  const client = connect(address, { ...ONE_LINK, ...clientOptions })
  t.after(async () => {
    await client.close({ waitMs: 0 })
    await server.close({ waitMs: 0 })
  })
  return { server, client, address, logged }
}

/** Declares the specs of `body` for both versions of the protocol; what it is given serves in that version. */
export function inBothVersions(name: string, body: (serveIn: typeof serve) => void): void {
  for (const version of [1, 2] as const) {
    describe(`${name}, version ${version}`, () => {
      body((t, options) => serve(t, { ...options, client: { version, ...options.client } }))
    })
  }
}

/** The error that a call ends with; rejects where it emits instead. */
export function failure(call: Observable<unknown>): Promise<RpcError> {
  return firstValueFrom(call).then(
    value => {
      throw new Error(`no error but ${String(value)}`)
    },
    (error: unknown) => {
      if (!RpcError.is(error)) throw error
      return error
    },
  )
}
