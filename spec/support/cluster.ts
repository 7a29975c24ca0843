/**
 * Servers of which one leads, and which a spec can crash and start again: ours and those of the Rust peer
 * (`interop/peer/src/cluster.rs`), with the same service.
 */
import { fileURLToPath } from 'node:url'
import { BehaviorSubject, filter, NEVER, type Observable, of } from 'rxjs'
import {
  type Contract,
  connect,
  type Implementation,
  implement,
  RpcServer,
  type ServiceClient,
  service,
  type UserError,
  unary,
} from '../../lib/node/index.ts'
import { startNode } from './child.ts'
import { startRustServer } from './rust-peer.ts'

/** Who answered, and its argument. */
export interface Asked {
  readonly server: string
  readonly n: number
}

/** `ClusterService` of `interop/peer/src/api.rs`. */
export const Cluster = service('ClusterService', {
  /** Any server answers. */
  ask: unary<number, Asked>(),
  /** Only the leader answers; another one sends the caller to the leader. */
  lead: unary<number, Asked>(),
  /** Whom to follow from now on: an address as Rust writes it, the empty text for a leader not known, or null to lead. */
  follow: unary<string | null, void>(),
  /** Answers once so many `ask` and `lead` calls have come in all, with their number by then. */
  taken: unary<number, number>(),
  /** From now on `ask` and `lead` are taken and never answered. How many have come before. */
  hold: unary<void, number>(),
})

/** What stands before the address in the text of a user error that sends its caller elsewhere. */
const REDIRECT = 'redirect_'

/** What a server of the cluster does; without `leader` it leads. */
export function clusterMember(name: string, leader: string | null = null): Implementation {
  const taken$ = new BehaviorSubject(0)
  let holding = false
  let follows = leader
  const take = (n: number): Observable<Asked> => {
    taken$.next(taken$.value + 1)
    return holding ? NEVER : of({ server: name, n })
  }
  return implement(Cluster, {
    ask: n => take(n),
    lead: (n, { fail }) => {
      const asked = take(n)
      if (follows !== null && !holding) throw fail(`${REDIRECT}${follows}`)
      return asked
    },
    follow: to => {
      follows = to
    },
    taken: n => taken$.pipe(filter(count => count >= n)),
    hold: () => {
      holding = true
      return taken$.value
    },
  })
}

/** An address as the Rust crates want it, from a URL. */
export function rustAddress(url: string): string {
  return url.replace(/^(tcp|unix):\/\//, '')
}

/** Where an error of the service sends its caller: what `should_failover` of the Rust peer answers to it. */
export function elsewhere({ value }: UserError): string | 'next' | undefined {
  if (typeof value !== 'string' || !value.startsWith(REDIRECT)) return undefined
  const address = value.slice(REDIRECT.length)
  if (address === '') return 'next'
  return address.startsWith('/') ? `unix://${address}` : `tcp://${address}`
}

/** Typed calls of the service. */
export type ClusterClient = typeof Cluster extends Contract<infer M> ? ServiceClient<M> : never

/** A server of the cluster. */
export interface Member {
  readonly address: string
  /** Calls to this very server. */
  readonly control: ClusterClient
  /** Ends it without a word. */
  crash(): Promise<void>
}

/** Starts a server that calls itself `name` at `address`, by default at a free port. It follows `leader`, or leads. */
export type StartMember = (name: string, address?: string, leader?: string) => Promise<Member>

const folder = fileURLToPath(new URL('../../', import.meta.url))

/** A server of ours in a process of its own. */
export const startOurMember: StartMember = async (name, address = 'tcp://127.0.0.1:0', leader) => {
  const words = leader === undefined ? [name, address] : [name, address, rustAddress(leader)]
  const child = startNode(folder, '--import', 'tsx', 'spec/support/cluster-server.ts', ...words)
  const [, listening] = await child.until(/^listening at (\S+)\n/)
  return member(listening!, async () => {
    child.signal('SIGKILL')
    await child.ended
  })
}

/** A server of ours in this process, where none is to crash. */
export const serveOurMember: StartMember = async (name, listenAt = 'tcp://127.0.0.1:0', leader) => {
  const follows = leader === undefined ? null : rustAddress(leader)
  const server = new RpcServer({ services: [clusterMember(name, follows)] })
  const { address } = await server.listen(listenAt)
  return member(address, () => server.close({ waitMs: 0 }))
}

/** A server of the Rust crates, always in a process of its own. */
export const startRustMember: StartMember = async (name, address, leader) => {
  const server = await startRustServer('tcp', {
    name,
    ...(address === undefined ? {} : { address }),
    ...(leader === undefined ? {} : { leader }),
  })
  return member(server.address, () => server.kill())
}

function member(address: string, kill: () => Promise<void>): Member {
  const client = connect(address)
  const crash = async (): Promise<void> => {
    await client.close({ waitMs: 0 })
    await kill()
  }
  return { address, control: client.use(Cluster), crash }
}
