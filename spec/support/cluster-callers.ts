/**
 * Clients of several servers, ours and those of the Rust crates, that count who answered.
 */
import {
  catchError,
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  range,
  reduce,
} from 'rxjs'
import { connect, RpcError, UserError } from '../../lib/node/index.ts'
import { Cluster, elsewhere } from './cluster.ts'
import { err, ok } from './rust-answers.ts'
import { startRustClient } from './rust-peer.ts'
import { Echo } from './rust-services.ts'

/** How calls ended: answers by the name of the server, errors by their code or the text of the handler. */
export interface Tally {
  readonly servers: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
}

/** How a client of several servers chooses one. */
export type RouteName = 'round-robin' | 'leader'

/** A client of several servers. */
export interface ClusterCaller {
  /** Makes so many calls of ClusterService, `window` at a time. */
  run(method: 'ask' | 'lead', calls: number, window: number): Promise<Tally>
  /** Has `EchoService.err_internal` fail with a code; what the call ends with. */
  refusal(code: string): Promise<string>
  /** Resolves once it is connected to all its servers, or at once where it cannot tell. */
  connected(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a client. It retries up to three times what the Rust crates retry, and goes where a redirect sends it. Its calls time
 * out after `timeoutSec`, by default 20.
 */
export type OpenCaller = (addresses: readonly string[], route: RouteName, timeoutSec?: number) => Promise<ClusterCaller>

/** `FailoverPool` of the crates. */
export const openRustCaller: OpenCaller = async (addresses, route, timeoutSec = 20) => {
  const mode = route === 'leader' ? 'failover-leader' : 'failover-any'
  const rust = await startRustClient(addresses, { mode, taskTimeoutSec: timeoutSec })
  return {
    run: async (method, calls, window) => ok(await rust.command({ run: { method, calls, window } })) as Tally,
    refusal: async code => err(await rust.command({ call: 'EchoService.err_internal', args: code }))[1],
    connected: () => Promise.resolve(),
    close: () => rust.kill(),
  }
}

/** Our client of several addresses. */
export const openOurCaller: OpenCaller = async (addresses, route, timeoutSec = 20) => {
  const client = connect(addresses, {
    route,
    retry: 'razor',
    retryLimit: 3,
    shouldFailover: elsewhere,
    taskTimeoutMs: timeoutSec * 1000,
  })
  const cluster = client.use(Cluster)
  const ended = (call: Observable<unknown>): Observable<string> =>
    call.pipe(
      map(() => 'answered'),
      catchError((error: unknown) => of(textOf(error))),
    )
  return {
    run: (method, calls, window) =>
      lastValueFrom(
        range(0, calls).pipe(
          mergeMap(
            n =>
              cluster[method](n).pipe(
                map(asked => (asked.n === n ? { server: asked.server } : { error: `the answer of call ${asked.n}` })),
                catchError((error: unknown) => of({ error: textOf(error) })),
              ),
            window,
          ),
          reduce<{ server: string } | { error: string }, Tally>(
            ({ servers, errors }, end) =>
              'server' in end
                ? { servers: oneMore(servers, end.server), errors }
                : { servers, errors: oneMore(errors, end.error) },
            { servers: {}, errors: {} },
          ),
        ),
      ),
    refusal: code => lastValueFrom(ended(client.use(Echo).err_internal(code))),
    connected: async () => {
      const all = (): boolean => client.stats().addresses.every(({ state }) => state === 'ready')
      await firstValueFrom(merge(client.status$, client.events$).pipe(filter(all)))
    },
    close: () => client.close({ waitMs: 0 }),
  }
}

function textOf(error: unknown): string {
  if (error instanceof UserError) return String(error.value)
  return RpcError.from(error).code
}

function oneMore(counts: Readonly<Record<string, number>>, name: string): Record<string, number> {
  return { ...counts, [name]: (counts[name] ?? 0) + 1 }
}
