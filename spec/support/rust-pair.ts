/**
 * One of our ends and one of the Rust peer's, joined for the length of a spec; afterwards nothing is left.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientOf } from '../../lib/connect.ts'
import type { Client, ConnectOptions, RpcServerOptions } from '../../lib/node/index.ts'
import { RpcServer, tcpDialer, tcpListener, unixDialer, unixListener } from '../../lib/node/index.ts'
import { expectNoLeaks } from './leaks.ts'
import { type Logged, loggerTo } from './logged.ts'
import { ONE_LINK } from './one-link.ts'
import {
  type RustClient,
  type RustClientOptions,
  type RustServer,
  rustPeer,
  startRustClient,
  startRustServer,
} from './rust-peer.ts'
import { type RustProxies, rustProxies, rustServices } from './rust-services.ts'
import { WireWatch } from './wire-watch.ts'

/** What the Rust peers speak over. */
export type RustTransport = 'tcp' | 'unix'
export const RUST_TRANSPORTS: readonly RustTransport[] = ['tcp', 'unix']

/** Why specs with a Rust peer are skipped, or `false`. Throws where skipping is not allowed. */
export function withoutRust(): string | false {
  const { available, why } = rustPeer()
  return available ? false : why
}

/** Our clients of a Rust server. */
export interface ToRust extends RustProxies {
  readonly rust: RustServer
  readonly watch: WireWatch
  /** The client of the file actions, which Rust serves elsewhere. */
  readonly filesClient: Client
  /** One more client of the server's services. */
  another(options?: ConnectOptions): Client
}

/** Runs `body` with our clients of a new Rust server. Checks what they wrote, and that nothing is left of either. */
export async function withRustServer(
  transport: RustTransport,
  body: (ends: ToRust) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  const rust = await startRustServer(transport)
  const watch = new WireWatch()
  const clients: Client[] = []
  const open = (address: string, own: ConnectOptions): Client => {
    const dialer = transport === 'tcp' ? tcpDialer(address) : unixDialer(address)
    const client = clientOf(watch.dialer(dialer), { ...ONE_LINK, ...own })
    clients.push(client)
    return client
  }
  try {
    const client = open(rust.address, options)
    const filesClient = open(rust.fsAddress, options)
    const another = (own: ConnectOptions = options): Client => open(rust.address, own)
    await body({ ...rustProxies(client, filesClient), rust, watch, filesClient, another })
  } finally {
    await Promise.all(clients.map(client => client.close({ waitMs: 0 })))
    await rust.kill()
  }
  watch.check()
  await expectNoLeaks()
}

/** A server of ours, with the services of the Rust peer. */
export interface OurServer {
  readonly server: RpcServer
  readonly address: string
  readonly watch: WireWatch
  readonly logged: Logged[]
  close(): Promise<void>
}

/** Starts a server of ours; `options.services` stand in for those of the peer. */
export async function startOurServer(transport: RustTransport, options: RpcServerOptions = {}): Promise<OurServer> {
  const folder = transport === 'unix' ? mkdtempSync(join(tmpdir(), 'razor-spec-')) : undefined
  const watch = new WireWatch()
  const logged: Logged[] = []
  const server = new RpcServer({ ...rustServices, logger: loggerTo(entry => logged.push(entry)), ...options })
  const listener = folder === undefined ? tcpListener('tcp://127.0.0.1:0') : unixListener(`unix://${folder}/s`)
  const { address } = await server.listen(watch.listener(listener))
  const close = async (): Promise<void> => {
    await server.close({ waitMs: 0 })
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  return { server, address, watch, logged, close }
}

/** A Rust client of a server of ours. */
export interface FromRust extends OurServer {
  readonly rust: RustClient
}

/** Runs `body` with a Rust client of a new server of ours. Checks what the server wrote, and that nothing is left of either. */
export async function withRustClient(
  transport: RustTransport,
  mode: NonNullable<RustClientOptions['mode']>,
  body: (ends: FromRust) => Promise<void>,
  options: RpcServerOptions = {},
  clientOptions: RustClientOptions = {},
): Promise<void> {
  const ours = await startOurServer(transport, options)
  try {
    const rust = await startRustClient(ours.address, { ...clientOptions, mode })
    try {
      await body({ ...ours, rust })
    } finally {
      await rust.kill()
    }
  } finally {
    await ours.close()
  }
  ours.watch.check()
  await expectNoLeaks()
}
