/** Clients of two servers, one of which crashes, comes back, or sends its callers to the other, with Rust at either end. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defer, filter, first, firstValueFrom, repeat } from 'rxjs'
import { type RpcCode, RpcServer } from '../../lib/node/index.ts'
import {
  clusterMember,
  type Member,
  rustAddress,
  type StartMember,
  serveOurMember,
  startOurMember,
  startRustMember,
} from '../support/cluster.ts'
import {
  type ClusterCaller,
  type OpenCaller,
  openOurCaller,
  openRustCaller,
  type Tally,
} from '../support/cluster-callers.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { type OurServer, startOurServer, withoutRust } from '../support/rust-pair.ts'
import { rustServices, WIRE_CODES } from '../support/rust-services.ts'

const skip = withoutRust()

/** Calls at a time. */
const WINDOW = 32

/** A client of several servers, and how it differs from the other one where both retry as the Rust crates do. */
interface Kind {
  readonly who: string
  readonly open: OpenCaller
  /** After which errors a call is sent again. */
  readonly retried: readonly RpcCode[]
  /** Of two servers that send a call to each other, how often each gets it. */
  readonly circle: readonly [first: number, second: number]
  /** It calls a server again that was away. */
  readonly returns: boolean
}

const RUST: Kind = {
  who: 'a Rust failover pool',
  open: openRustCaller,
  retried: ['rpc_unreachable', 'rpc_io_err', 'rpc_timeout'],
  circle: [2, 1],
  returns: false,
}

const OURS: Kind = {
  who: 'our client',
  open: openOurCaller,
  retried: ['rpc_unreachable', 'rpc_io_err', 'rpc_timeout'],
  circle: [2, 2],
  returns: true,
}

/** A client, and servers of the other end's. */
interface Pair {
  readonly what: string
  readonly kind: Kind
  /** Starts a server that may be killed. */
  readonly start: StartMember
  /** Starts one that need not. */
  readonly serve: StartMember
}

const PAIRS: readonly Pair[] = [
  { what: `${RUST.who} of our servers`, kind: RUST, start: startOurMember, serve: serveOurMember },
  { what: `${OURS.who} of Rust servers`, kind: OURS, start: startRustMember, serve: startRustMember },
]

/** Starts servers and a client of them. */
interface Stage {
  /** A server that may be killed. */
  member(...words: Parameters<StartMember>): Promise<Member>
  /** Two of these, named a and b. */
  members(): Promise<readonly [Member, Member]>
  /** Two servers, named a and b, that go only where they are told to. */
  served(): Promise<readonly [Member, Member]>
  caller(...words: Parameters<OpenCaller>): Promise<ClusterCaller>
}

/** A spec that starts things: they are ended with it, the last one first, and nothing is left. */
function staged({ start, serve, kind }: Pair, body: (stage: Stage) => Promise<void>): () => Promise<void> {
  return async () => {
    const ends: (() => Promise<void>)[] = []
    const ending = async (started: Promise<Member>): Promise<Member> => {
      const member = await started
      ends.unshift(() => member.crash())
      return member
    }
    try {
      await body({
        member: (...words) => ending(start(...words)),
        members: () => Promise.all([ending(start('a')), ending(start('b'))]),
        served: () => Promise.all([ending(serve('a')), ending(serve('b'))]),
        caller: async (...words) => {
          const caller = await kind.open(...words)
          ends.unshift(() => caller.close())
          return caller
        },
      })
    } finally {
      for (const end of ends) await end()
    }
    await expectNoLeaks()
  }
}

/** Has a server hold what comes; resolves to what resolves when it holds a call of each caller. */
async function holding({ control }: Member): Promise<() => Promise<number>> {
  const before = await firstValueFrom(control.hold())
  return () => firstValueFrom(control.taken(before + WINDOW))
}

/** Makes one call after another until the end of one is right. */
async function until(caller: ClusterCaller, right: (tally: Tally) => boolean): Promise<void> {
  await firstValueFrom(defer(() => caller.run('ask', 1, 1)).pipe(repeat({ delay: 20 }), first(right)))
}

/** Has one server send the calls for the leader to the other. */
async function follow(follower: Member, leader: Member): Promise<void> {
  await firstValueFrom(follower.control.follow(rustAddress(leader.address)))
}

for (const pair of PAIRS) {
  const { what, kind } = pair
  describe(what, { skip }, () => {
    it(
      'answers 5,000 of 5,000 calls in turn while one server is killed and comes back',
      staged(pair, async stage => {
        const [a, b] = await stage.members()
        const caller = await stage.caller([a.address, b.address], 'round-robin')
        assert.deepEqual(await caller.run('ask', 1000, WINDOW), { servers: { a: 500, b: 500 }, errors: {} })
        const answering = caller.run('ask', 1000, WINDOW)
        await firstValueFrom(a.control.taken(600))
        await a.crash()
        const { servers, errors } = await answering
        assert.equal(servers['a']! + servers['b']!, 1000)
        assert.deepEqual(errors, {})
        await stage.member('a again', a.address)
        const after = await caller.run('ask', 3000, WINDOW)
        assert.equal((after.servers['a again'] ?? 0) + after.servers['b']!, 3000)
        assert.deepEqual(after.errors, {})
        if (kind.returns) await until(caller, ({ servers }) => servers['a again'] === 1)
        else assert.deepEqual(after.servers, { b: 3000 })
      }),
    )

    it(
      'asks the other server what the one that went away was asked and never answered',
      staged(pair, async stage => {
        const [a, b] = await stage.served()
        const caller = await stage.caller([a.address, b.address], 'round-robin')
        await caller.run('ask', 100, WINDOW)
        const held = await holding(a)
        const asking = caller.run('ask', 400, WINDOW)
        await held()
        await a.crash()
        assert.deepEqual(await asking, { servers: { b: 400 }, errors: {} })
      }),
    )

    // Here a call's own time is over by then; Rust gives each try a whole one.
    if (kind === RUST) {
      it(
        'asks the other server what the first one does not answer in time',
        staged(pair, async stage => {
          const [a, b] = await stage.served()
          await firstValueFrom(a.control.hold())
          const caller = await stage.caller([a.address, b.address], 'leader', 1)
          assert.deepEqual(await caller.run('ask', WINDOW, WINDOW), { servers: { b: WINDOW }, errors: {} })
          assert.equal(await firstValueFrom(a.control.taken(0)), WINDOW)
        }),
      )
    }

    it(
      'answers 5,000 of 5,000 calls to a leader that is killed, succeeded, and appointed anew',
      staged(pair, async stage => {
        const [a, b] = await stage.members()
        await follow(b, a)
        const caller = await stage.caller([b.address, a.address], 'leader')
        assert.deepEqual(await caller.run('lead', 1000, WINDOW), { servers: { a: 1000 }, errors: {} })
        const held = await holding(a)
        const leading = caller.run('lead', 1000, WINDOW)
        await held()
        await firstValueFrom(b.control.follow(null))
        await a.crash()
        assert.deepEqual(await leading, { servers: { b: 1000 }, errors: {} })
        const again = await stage.member('a again', a.address, b.address)
        assert.deepEqual(await caller.run('lead', 1000, WINDOW), { servers: { b: 1000 }, errors: {} })
        await caller.connected()
        await firstValueFrom(again.control.follow(null))
        await follow(b, again)
        assert.deepEqual(await caller.run('lead', 2000, WINDOW), { servers: { 'a again': 2000 }, errors: {} })
      }),
    )

    it(
      'follows a redirect to an address it was not given, and stays there',
      staged(pair, async stage => {
        const [a, b] = await stage.served()
        await follow(b, a)
        const caller = await stage.caller([b.address], 'leader')
        assert.deepEqual(await caller.run('lead', 100, 1), { servers: { a: 100 }, errors: {} })
        assert.equal(await firstValueFrom(b.control.taken(0)), 1)
      }),
    )

    it(
      'asks the next server where a redirect names none',
      staged(pair, async stage => {
        const [a, b] = await stage.served()
        await firstValueFrom(a.control.follow(''))
        const caller = await stage.caller([a.address, b.address], 'leader')
        assert.deepEqual(await caller.run('lead', 10, 1), { servers: { b: 10 }, errors: {} })
      }),
    )

    it(
      'fails with the redirect itself when servers send a call in a circle',
      staged(pair, async stage => {
        const [a, b] = await stage.served()
        await follow(a, b)
        await follow(b, a)
        const caller = await stage.caller([a.address, b.address], 'leader')
        const { servers, errors } = await caller.run('lead', 1, 1)
        assert.deepEqual([servers, Object.values(errors)], [{}, [1]])
        assert.match(Object.keys(errors)[0]!, /^redirect/)
        const taken = await Promise.all([a, b].map(({ control }) => firstValueFrom(control.taken(0))))
        assert.deepEqual(taken, kind.circle)
      }),
    )
  })
}

/** As a server of the Rust peer that has no name. */
const PEER = { services: [...rustServices.services, clusterMember('peer')] }

/** Two servers of ours in this process, and a client of both. */
interface Two {
  readonly caller: ClusterCaller
  readonly servers: readonly OurServer[]
  /** Stops both, and serves anew at the same addresses. */
  restart(): Promise<readonly RpcServer[]>
}

async function ourTwo(kind: Kind, body: (two: Two) => Promise<void>): Promise<void> {
  const servers = await Promise.all([1, 2].map(() => startOurServer('tcp', PEER)))
  const again = servers.map(() => new RpcServer(PEER))
  const addresses = servers.map(({ address }) => address)
  const caller = await kind.open(addresses, 'round-robin')
  const restart = async (): Promise<readonly RpcServer[]> => {
    for (const { server } of servers) await server.close({ waitMs: 0 })
    for (const [at, server] of again.entries()) await server.listen(addresses[at]!)
    return again
  }
  try {
    await body({ caller, servers, restart })
  } finally {
    await caller.close()
    for (const server of [...servers.map(({ server }) => server), ...again]) await server.close({ waitMs: 0 })
  }
  // What version 2 writes is no concern of a Rust peer.
  if (kind === RUST) for (const { watch } of servers) watch.check()
  await expectNoLeaks()
}

for (const kind of [RUST, OURS]) {
  describe(`${kind.who} of two of our servers`, { skip }, () => {
    it(`sends a call four times, by turns, while the answer is one of ${kind.retried.length} codes, else once`, () =>
      ourTwo(kind, async ({ caller, servers }) => {
        const requests = (): number[] =>
          servers.map(
            ({ watch }) => watch.requests.filter(({ action }) => action === 'EchoService.err_internal').length,
          )
        const sent: [code: RpcCode, requests: number[]][] = []
        for (const code of WIRE_CODES) {
          const before = requests()
          assert.equal(await caller.refusal(code), code)
          const more = requests().map((count, at) => count - before[at]!)
          sent.push([code, more.sort()])
        }
        assert.deepEqual(
          sent,
          WIRE_CODES.map(code => [code, kind.retried.includes(code) ? [2, 2] : [0, 1]]),
        )
      }))
  })
}

/** Ten calls that all were answered. */
const TEN: Tally = { servers: { peer: 10 }, errors: {} }

describe('where both of two servers were away', { skip }, () => {
  it(`${RUST.who} is connected to them again, and yet calls neither`, () =>
    ourTwo(RUST, async ({ caller, restart }) => {
      assert.deepEqual(await caller.run('ask', 10, 1), TEN)
      for (const { connections$ } of await restart()) {
        await firstValueFrom(connections$.pipe(filter(count => count > 0)))
      }
      assert.deepEqual(await caller.run('ask', 10, 1), { servers: {}, errors: { rpc_unreachable: 10 } })
    }))

  it(`${OURS.who} calls them again`, () =>
    ourTwo(OURS, async ({ caller, restart }) => {
      assert.deepEqual(await caller.run('ask', 10, 1), TEN)
      await restart()
      await until(caller, ({ servers }) => servers['peer'] === 1)
      assert.deepEqual(await caller.run('ask', 10, 1), TEN)
    }))
})
