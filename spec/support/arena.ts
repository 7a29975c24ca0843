/**
 * Where the specs of bad input are fought: our server against a raw client, or our client against a raw server, each with a
 * witness that goes on calling on a connection of its own. At the end everything is closed, and nothing may be left.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { firstValueFrom, NEVER, Observable, Subject } from 'rxjs'
import {
  type Client,
  type ConnectOptions,
  connect,
  type Dispatch,
  dispatchTable,
  ReplyWithBlob,
  RpcError,
  RpcServer,
  type RpcServerOptions,
  type ServerCall,
} from '../../lib/node/index.ts'
import { expectNoLeaks } from './leaks.ts'
import { type Logged, loggerTo } from './logged.ts'
import { ONE_LINK } from './one-link.ts'
import { type RawResponse, response } from './raw-frames.ts'
import type { RawPeer } from './raw-peer.ts'
import { type RawServer, TRANSPORTS, type Transport } from './transports.ts'
import { downHello, pong, UP, ups } from './v2-frames.ts'

const MOST_MS = 30_000

/** Of the protocol. */
export type Version = 1 | 2
/** For specs of what is the same in both. */
export const BOTH_VERSIONS: readonly Version[] = [1, 2]

/** What `server.stats()` says where nothing is going on. */
export const NOTHING_LEFT: Readonly<Record<string, number>> = {
  connections: 0,
  calls: 0,
  streams: 0,
  dropped: 0,
  heldBytes: 0,
}

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** What became of a call. */
export class Outcome<T = unknown> {
  readonly values: T[] = []
  error: RpcError | undefined
  ends = 0
  readonly over: Promise<this>
  readonly unsubscribe: () => void

  constructor(call$: Observable<T>) {
    let settle: () => void
    this.over = new Promise(resolve => {
      settle = () => resolve(this)
    })
    const end = (error?: RpcError): void => {
      this.ends++
      this.error = error
      settle()
    }
    const subscription = call$.subscribe({
      next: value => this.values.push(value),
      error: end,
      complete: () => end(),
    })
    this.unsubscribe = () => subscription.unsubscribe()
  }

  /** Waits for the end, which must be this error; gives it. */
  async failsWith(code: string, message: RegExp, executed?: string): Promise<RpcError> {
    await this.over
    assert.ok(RpcError.is(this.error), `ended with ${String(this.error ?? this.values)}`)
    assert.equal(this.error.code, code, this.error.message)
    assert.match(this.error.message, message)
    if (executed !== undefined) assert.equal(this.error.executed, executed, this.error.message)
    assert.equal(this.ends, 1)
    return this.error
  }

  /** Waits for the end, which must be one value; gives it. */
  async answers(): Promise<T> {
    await this.over
    if (this.error !== undefined) throw this.error
    assert.deepEqual([this.values.length, this.ends], [1, 1])
    return this.values[0]!
  }
}

/** Subscribes to a call. */
export function follow<T>(call$: Observable<T>): Outcome<T> {
  return new Outcome(call$)
}

/** The handlers of the specs' server, and what happened to them. */
export class Lab {
  /** Actions that were run, in order. */
  readonly ran: (number | string)[] = []
  /** Inputs of those that decode them. */
  readonly inputs: unknown[] = []
  /** Handlers of `Lab.hold` that run now, oldest first; `next` answers. */
  readonly held: Subject<unknown>[] = []
  /** Teardowns of `Lab.hold`. */
  tornDown = 0
  aborted = 0

  /** Runs when `Lab.hold` was called. */
  readonly heldOne$: Subject<void> = new Subject<void>()

  readonly dispatch: Dispatch = dispatchTable(
    new Map<number | string, Dispatch>([
      ['Lab.witness', call => call.input],
      ['Lab.echo', call => this.#input(call)],
      ['Lab.blob', call => new ReplyWithBlob(this.#input(call), call.blob)],
      ['Lab.hold', call => this.#hold(call)],
      ['Lab.never', call => this.#ran(call) && NEVER],
      [7, call => this.#ran(call) && call.input],
    ]),
  )

  /** Resolves when that many calls are held. */
  async holds(count: number): Promise<void> {
    while (this.held.length < count) await firstValueFrom(this.heldOne$)
  }

  #ran(call: ServerCall): true {
    this.ran.push(call.action)
    return true
  }

  #input(call: ServerCall): unknown {
    const { input } = call
    this.#ran(call)
    this.inputs.push(input)
    return input
  }

  #hold(call: ServerCall): Observable<unknown> {
    this.#ran(call)
    call.signal.addEventListener('abort', () => this.aborted++)
    return new Observable(subscriber => {
      const answer = new Subject<unknown>()
      this.held.push(answer)
      subscriber.add(answer.subscribe(subscriber))
      subscriber.add(() => {
        this.tornDown++
        this.held.splice(this.held.indexOf(answer), 1)
      })
      this.heldOne$.next()
    })
  }
}

/** Calls and calls, until it is stopped; every answer must be right. */
class Witness {
  calls = 0
  /** Its first call was answered. */
  readonly first: Promise<void>
  readonly #done: Promise<void>
  #stopped = false

  constructor(client: Client) {
    let answered: () => void
    this.first = new Promise(resolve => {
      answered = resolve
    })
    this.#done = this.#run(client, () => answered())
    // Its failure is reported by `stop`.
    this.#done.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
    assert.notEqual(this.calls, 0)
  }

  async #run(client: Client, answered: () => void): Promise<void> {
    do {
      const { value } = await firstValueFrom(client.call({ action: 'Lab.witness', input: this.calls }))
      assert.equal(value, this.calls)
      this.calls++
      answered()
      await turn()
    } while (!this.#stopped)
  }
}

/** Our server, a raw client, and what it takes to judge. */
export interface ServerArena {
  readonly transport: Transport
  readonly address: string
  readonly server: RpcServer
  readonly lab: Lab
  readonly log: Logged[]
  readonly witness: { readonly calls: number }
  /** What the clients of ours speak, where their options do not say otherwise. The server speaks both. */
  readonly version: Version
  /** One more raw client: it offers nothing by itself, so it has a connection of version 1. */
  raw(): Promise<RawPeer>
  /** One more client of ours. */
  client(options?: ConnectOptions): Client
  /** The messages of the log. */
  readonly logged: string
}

/** Our client, a raw server, and what it takes to judge. */
export interface ClientArena {
  readonly transport: Transport
  readonly client: Client
  readonly raw: RawServer
  readonly version: Version
  /** The client's connection of that number, from 0, when the two ends have agreed. */
  agreed(index: number): Promise<RawPeer>
  /** An answer in the version that was agreed on. */
  answer(fields: RawResponse): Uint8Array
  readonly log: Logged[]
  readonly logged: string
}

export interface Circumstances<O> {
  readonly on?: readonly Transport[]
  /** It is run once for each. Default of specs with our server: 2, the default of our clients; of those with a raw server: 1. */
  readonly versions?: readonly Version[]
  readonly options?: O
}

type Scenario<A> = (arena: A) => Promise<void>

function declare(
  name: string,
  on: readonly Transport[],
  versions: readonly Version[],
  run: (transport: Transport, version: Version) => Promise<void>,
): void {
  for (const version of versions) {
    const suffix = versions.length > 1 ? `, version ${version}` : ''
    for (const transport of on) {
      it(`${name}, over ${transport.name}${suffix}`, { timeout: MOST_MS }, () => run(transport, version))
    }
  }
}

/** Does for a raw server what has to come first in version 2. */
async function agree(peer: RawPeer): Promise<RawPeer> {
  await peer.until(() => ups(peer.received).length > 0)
  peer.send(pong(ups(peer.received)[0]!.seq))
  await peer.until(() => ups(peer.received).some(frame => frame.ver === 2 && frame.kind === UP.hello))
  peer.send(downHello())
  return peer
}

/** Runs a scenario against our server on each transport. */
export function atServer(
  name: string,
  scenario: Scenario<ServerArena>,
  { on = TRANSPORTS, options = {}, versions = [2] }: Circumstances<RpcServerOptions> = {},
): void {
  declare(name, on, versions, async (transport, version) => {
    const lab = new Lab()
    const log: Logged[] = []
    const server = new RpcServer({ dispatch: lab.dispatch, logger: loggerTo(entry => log.push(entry)), ...options })
    const { address } = await server.listen(transport.listenAt())
    const other = connect(address, { version, ...ONE_LINK })
    let accepted = 0
    let connections = 0
    const counting = server.connections$.subscribe(count => {
      if (count > connections) accepted++
      connections = count
    })
    const witness = new Witness(other)
    await witness.first
    const clients: Client[] = [other]
    const peers: RawPeer[] = []
    const arena: ServerArena = {
      transport,
      address,
      server,
      lab,
      log,
      witness,
      version,
      raw: async () => {
        const before = accepted
        const peer = await transport.dialRaw(address)
        peers.push(peer)
        while (accepted === before) await turn()
        return peer
      },
      client: clientOptions => {
        const client = connect(address, { version, ...ONE_LINK, ...clientOptions })
        clients.push(client)
        return client
      },
      get logged() {
        return log.map(entry => entry.message).join('\n')
      },
    }
    const close = async (): Promise<void> => {
      try {
        await witness.stop()
      } finally {
        for (const peer of peers) peer.reset()
        await Promise.all(clients.map(client => client.close({ waitMs: 0 })))
        await server.close({ waitMs: 0 })
        counting.unsubscribe()
      }
      for (const client of clients) assertIdle(client)
      assert.deepEqual(server.stats(), NOTHING_LEFT)
      assert.equal(lab.held.length, 0, 'handlers that still run')
      await expectNoLeaks()
    }
    await both(() => scenario(arena), close)
  })
}

/** Runs a scenario against our client on each transport. */
export function atClient(
  name: string,
  scenario: Scenario<ClientArena>,
  { on = TRANSPORTS, options = {}, versions = [1] }: Circumstances<ConnectOptions> = {},
): void {
  declare(name, on, versions, async (transport, version) => {
    const raw = await transport.serveRaw()
    const log: Logged[] = []
    const client = connect(raw.address, {
      version,
      logger: loggerTo(entry => log.push(entry)),
      ...ONE_LINK,
      ...options,
    })
    const lab = new Lab()
    const server = new RpcServer({ dispatch: lab.dispatch })
    const { address } = await server.listen(transport.listenAt())
    const other = connect(address, ONE_LINK)
    const witness = new Witness(other)
    const close = async (): Promise<void> => {
      try {
        await witness.stop()
      } finally {
        await Promise.all([client, other].map(each => each.close({ waitMs: 0 })))
        await Promise.all([raw.close(), server.close({ waitMs: 0 })])
      }
      assertIdle(client)
      await expectNoLeaks()
    }
    const arena: ClientArena = {
      transport,
      client,
      raw,
      version,
      agreed: async index => {
        const peer = await raw.peer(index)
        return version === 1 ? peer : agree(peer)
      },
      answer: fields => response({ ver: version, ...fields }),
      log,
      get logged() {
        return log.map(entry => entry.message).join('\n')
      },
    }
    await both(() => scenario(arena), close)
  })
}

export function assertIdle(client: Client): void {
  const { holdings } = client
  const { waiting, inFlight } = client.stats()
  assert.deepEqual([waiting, inFlight], [0, 0], 'calls that are left')
  assert.deepEqual(holdings, { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 })
}

/** Runs both; the first error counts. */
async function both(first: () => Promise<void>, second: () => Promise<void>): Promise<void> {
  let failure: unknown
  try {
    await first()
  } catch (error) {
    failure = error ?? new Error('failed with nothing')
  }
  try {
    await second()
  } catch (error) {
    failure ??= error
  }
  if (failure !== undefined) throw failure
}
