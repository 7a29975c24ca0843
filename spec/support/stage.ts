/**
 * A stage for specs of version 2: our server and our clients, or either of them against a raw peer that speaks version 2. At the
 * end everything is closed, and nothing may be left.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  type Client,
  type ConnectOptions,
  connect,
  type Dispatch,
  RpcServer,
  type RpcServerOptions,
} from '../../lib/node/index.ts'
import { turn } from './arena.ts'
import { expectNoLeaks } from './leaks.ts'
import { type Logged, loggerTo } from './logged.ts'
import { ONE_LINK } from './one-link.ts'
import type { PeerEnd, RawPeer } from './raw-peer.ts'
import { TRANSPORTS, type Transport } from './transports.ts'
import { DOWN, downHello, downs, offer, pong, type SeenDown, type SeenUp, UP, upHello, ups } from './v2-frames.ts'

const MOST_MS = 30_000
/** Turns that a socket takes to shut down. */
const SHUTDOWN_TURNS = 20

/** Waits, turn by turn, until `condition` holds. The bound only fails a hang. */
export async function until(condition: () => boolean, what = 'what was waited for'): Promise<void> {
  const end = performance.now() + MOST_MS / 3
  while (!condition()) {
    if (performance.now() > end) assert.fail(`${what} has not come: ${condition}`)
    await turn()
  }
}

/** Fails a hang while there still is time to close everything. */
async function inTime(scenario: Promise<void>, mostMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the scenario hangs')), mostMs / 2)
  })
  try {
    await Promise.race([scenario, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Lets a raw peer go. A socket that has ended ends by itself: one that is reset while it shuts down is never closed by Node 20. */
async function letGo(peer: RawPeer): Promise<void> {
  if (peer.end === undefined) peer.reset()
  else for (let i = 0; i < SHUTDOWN_TURNS; i++) await turn()
}

/** What ends with the scenario. */
class Closing {
  readonly #acts: (() => unknown)[] = []

  add(act: () => unknown): void {
    this.#acts.unshift(act)
  }

  async run(scenario: () => Promise<void>, mostMs: number): Promise<void> {
    let failure: unknown
    const keep = (error: unknown): void => {
      failure ??= error ?? new Error('failed with nothing')
    }
    await inTime(scenario(), mostMs).catch(keep)
    for (const act of this.#acts) {
      try {
        await act()
      } catch (error) {
        keep(error)
      }
    }
    await expectNoLeaks().catch(keep)
    if (failure !== undefined) throw failure
  }
}

/** A raw client that has come to terms with our server. */
export class RawCaller {
  readonly peer: RawPeer

  constructor(peer: RawPeer) {
    this.peer = peer
  }

  /** All frames that came, the pong and the HELLO among them. */
  get downs(): SeenDown[] {
    return downs(this.peer.received)
  }

  send(...frames: Uint8Array[]): void {
    this.peer.send(Buffer.concat(frames))
  }

  /** Those of one seq. */
  of(seq: number): SeenDown[] {
    return this.downs.filter(frame => frame.seq === seq)
  }

  /** Resolves to the first `count` frames of one seq. */
  async got(seq: number, count = 1): Promise<SeenDown[]> {
    await this.peer.until(() => this.of(seq).length >= count)
    return this.of(seq)
  }

  /** Resolves to the terminal of a call. */
  async terminal(seq: number): Promise<SeenDown> {
    const isTerminal = (frame: SeenDown): boolean => frame.kind <= DOWN.error
    await this.peer.until(() => this.of(seq).some(isTerminal))
    return this.of(seq).find(isTerminal)!
  }

  /** The connection must be closed, with this text in band, and with this code where there are codes. */
  async isClosed(code: number, text: string): Promise<void> {
    const end: PeerEnd = await this.peer.ended()
    const last = this.downs.at(-1)
    assert.deepEqual([last?.kind, last?.seq, last?.text.split(': ', 1)[0]], [DOWN.error, 0, text])
    assert.equal(end.how, 'finished')
    if (end.code !== undefined) assert.deepEqual([end.code, end.reason], [code, text])
  }

  /** The connection lives: a ping is answered, and so is everything before it. */
  async lives(seq: number): Promise<void> {
    this.send(offer(seq))
    await this.got(seq)
  }
}

/** A raw server of one connection, which has come to terms with our client. */
export class RawCallee {
  readonly peer: RawPeer

  constructor(peer: RawPeer) {
    this.peer = peer
  }

  /** All frames that came, the offer and the HELLO among them. */
  get ups(): SeenUp[] {
    return ups(this.peer.received)
  }

  send(...frames: Uint8Array[]): void {
    this.peer.send(Buffer.concat(frames))
  }

  /** Those of one kind of version 2, of one seq where that is given. */
  of(kind: number, seq?: number): SeenUp[] {
    return this.ups.filter(frame => frame.ver === 2 && frame.kind === kind && (seq === undefined || frame.seq === seq))
  }

  /** Resolves to the first `count` frames of that kind. */
  async got(kind: number, count = 1, seq?: number): Promise<SeenUp[]> {
    await this.peer.until(() => this.of(kind, seq).length >= count)
    return this.of(kind, seq)
  }

  /** Our client must have let go: because of a breach, with this code where there are codes. */
  async isClosed(code: number, text: string): Promise<void> {
    const end: PeerEnd = await this.peer.ended()
    assert.equal(end.how, 'finished')
    if (end.code !== undefined) assert.deepEqual([end.code, end.reason], [code, text])
  }
}

/** Comes to terms with our server. */
export async function callerOf(peer: RawPeer, hello: unknown = {}): Promise<RawCaller> {
  const caller = new RawCaller(peer)
  caller.send(offer())
  await caller.got(1)
  caller.send(upHello(hello))
  await caller.got(0)
  return caller
}

/** Comes to terms with our client. */
export async function calleeOf(peer: RawPeer, limits: object = {}): Promise<RawCallee> {
  const callee = new RawCallee(peer)
  await peer.until(() => callee.ups.length >= 1)
  callee.send(pong(callee.ups[0]!.seq, { v: 2, ...limits }))
  await callee.got(UP.hello)
  callee.send(downHello())
  return callee
}

/** Handlers by action. */
export type Handlers = Readonly<Record<string, Dispatch>>

/** Our server, and whoever calls it. */
export interface ServerStage {
  readonly transport: Transport
  readonly address: string
  readonly server: RpcServer
  readonly log: Logged[]
  /** One more client of ours. */
  client(options?: ConnectOptions): Client
  /** One more raw client, which has come to terms. */
  raw(hello?: unknown): Promise<RawCaller>
  /** One more raw client, which has said nothing. */
  dial(): Promise<RawPeer>
}

/** How a stage is set. */
export interface Setting<O> {
  readonly on?: readonly Transport[]
  readonly options?: O
  /** The time that only fails a hang; half of it is the scenario's. Default 30 s. */
  readonly mostMs?: number
}

type ServerScenario = (stage: ServerStage) => Promise<void>

/** A spec of our server, on each transport. `set` gives its handlers, anew for each. */
export function withServer(
  name: string,
  set: () => { readonly handlers?: Handlers; readonly run: ServerScenario },
  { on = TRANSPORTS, options = {}, mostMs = MOST_MS }: Setting<RpcServerOptions> = {},
): void {
  for (const transport of on) {
    it(`${name}, over ${transport.name}`, { timeout: mostMs }, async () => {
      const { handlers = {}, run } = set()
      const closing = new Closing()
      await closing.run(async () => {
        const log: Logged[] = []
        const server = new RpcServer({
          dispatch: call => handlers[call.action]!(call),
          logger: loggerTo(entry => log.push(entry)),
          ...options,
        })
        const { address } = await server.listen(transport.listenAt())
        closing.add(() => assert.equal(server.stats().calls, 0, 'calls that still run'))
        closing.add(() => server.close({ waitMs: 0 }))
        const client = (clientOptions?: ConnectOptions): Client => {
          const one = connect(address, { ...ONE_LINK, ...clientOptions })
          closing.add(async () => {
            await one.close({ waitMs: 0 })
            const { waiting, inFlight } = one.stats()
            assert.deepEqual([waiting, inFlight], [0, 0], 'calls that are left')
          })
          return one
        }
        const dial = async (): Promise<RawPeer> => {
          const peer = await transport.dialRaw(address)
          closing.add(() => letGo(peer))
          return peer
        }
        const raw = async (hello?: unknown): Promise<RawCaller> => callerOf(await dial(), hello)
        await run({ transport, address, server, log, client, raw, dial })
      }, mostMs)
    })
  }
}

/** Our client, and the raw server that it calls. */
export interface ClientStage {
  readonly transport: Transport
  readonly client: Client
  readonly log: Logged[]
  /** The connection of that number, from 0, before anything was said. */
  peer(index: number): Promise<RawPeer>
  /** The same when it has come to terms. */
  callee(index?: number, limits?: object): Promise<RawCallee>
}

/** A spec of our client, on each transport. */
export function withClient(
  name: string,
  run: (stage: ClientStage) => Promise<void>,
  { on = TRANSPORTS, options = {}, mostMs = MOST_MS }: Setting<ConnectOptions> = {},
): void {
  for (const transport of on) {
    it(`${name}, over ${transport.name}`, { timeout: mostMs }, async () => {
      const closing = new Closing()
      await closing.run(async () => {
        const server = await transport.serveRaw()
        closing.add(() => server.close())
        closing.add(() => Promise.all(server.peers.map(letGo)))
        const log: Logged[] = []
        const client = connect(server.address, { logger: loggerTo(entry => log.push(entry)), ...ONE_LINK, ...options })
        closing.add(async () => {
          await client.close({ waitMs: 0 })
          const { waiting, inFlight } = client.stats()
          assert.deepEqual([waiting, inFlight], [0, 0], 'calls that are left')
        })
        const peer = (index: number): Promise<RawPeer> => server.peer(index)
        const callee = async (index = 0, limits: object = {}): Promise<RawCallee> => calleeOf(await peer(index), limits)
        await run({ transport, client, log, peer, callee })
      }, mostMs)
    })
  }
}
