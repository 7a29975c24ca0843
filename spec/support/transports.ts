/**
 * Every transport as one row of a table: a place to listen, and raw peers for both ends. A spec that is run over this
 * table holds on each of them.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { memoryDialer, memoryListener } from '../../lib/transport/memory.ts'
import { linkPeer, type RawPeer, socketPeer, webSocketPeer } from './raw-peer.ts'

/** A server made of raw peers. */
export interface RawServer {
  readonly address: string
  /** All connections that came, oldest first. */
  readonly peers: RawPeer[]
  /** The connection of that number, from 0, now or when it comes. */
  peer(index: number): Promise<RawPeer>
  close(): Promise<void>
}

export interface Transport {
  readonly name: 'memory' | 'tcp' | 'unix' | 'ws'
  /** An address that a server may listen at. */
  listenAt(): string
  /** A raw client of that address. */
  dialRaw(address: string): Promise<RawPeer>
  /** A raw server at an address of its own, or at one that is given. */
  serveRaw(address?: string): Promise<RawServer>
  /** An address at which nobody listens. */
  nobody(): Promise<string>
}

const folder = mkdtempSync(join(tmpdir(), 'razor-spec-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let names = 0

/** A path for one more Unix socket. */
export const newPath = (): string => join(folder, `s${++names}`)

class Accepted {
  readonly peers: RawPeer[] = []
  #waiting: { readonly index: number; readonly take: (peer: RawPeer) => void }[] = []

  add(peer: RawPeer): void {
    this.peers.push(peer)
    for (const each of this.#waiting) if (each.index === this.peers.length - 1) each.take(peer)
  }

  peer(index: number): Promise<RawPeer> {
    const there = this.peers[index]
    return there === undefined
      ? new Promise(take => {
          this.#waiting.push({ index, take })
        })
      : Promise.resolve(there)
  }
}

async function closed(server: Server, peers: readonly RawPeer[]): Promise<void> {
  for (const peer of peers) peer.reset()
  server.close()
  await once(server, 'close')
}

function overSockets(
  name: 'tcp' | 'unix',
  listenAt: () => string,
  where: (address: string) => { host: string; port: number } | { path: string },
): Transport {
  const dialRaw = async (address: string): Promise<RawPeer> => {
    const socket = connect({ ...where(address), allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return socketPeer(socket)
  }
  const bound = (server: Server, address: string): string =>
    name === 'unix' ? address : `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    name,
    listenAt,
    dialRaw,
    serveRaw: async (address = listenAt()) => {
      const accepted = new Accepted()
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) =>
        accepted.add(socketPeer(socket)),
      )
      server.listen(where(address))
      await once(server, 'listening')
      return {
        address: bound(server, address),
        peers: accepted.peers,
        peer: index => accepted.peer(index),
        close: () => closed(server, accepted.peers),
      }
    },
    nobody: async () => {
      if (name === 'unix') return listenAt()
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = bound(server, '')
      await closed(server, [])
      return address
    },
  }
}

export const tcp: Transport = overSockets(
  'tcp',
  () => 'tcp://127.0.0.1:0',
  address => {
    const { hostname, port } = new URL(address)
    return { host: hostname, port: Number(port) }
  },
)

export const unix: Transport = overSockets(
  'unix',
  () => `unix://${newPath()}`,
  address => ({ path: address.slice('unix://'.length) }),
)

export const ws: Transport = {
  name: 'ws',
  listenAt: () => 'ws://127.0.0.1:0',
  dialRaw: async address => {
    const socket = new WebSocket(address, ['razor'], { perMessageDeflate: false })
    const peer = webSocketPeer(socket)
    await once(socket, 'open')
    return peer
  },
  serveRaw: async address => {
    const accepted = new Accepted()
    const port = address === undefined ? 0 : Number(new URL(address).port)
    const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false })
    server.on('connection', socket => accepted.add(webSocketPeer(socket)))
    await once(server, 'listening')
    return {
      address: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
      peers: accepted.peers,
      peer: index => accepted.peer(index),
      close: async () => {
        for (const peer of accepted.peers) peer.reset()
        await new Promise(resolve => server.close(resolve))
      },
    }
  },
  nobody: async () => (await tcp.nobody()).replace('tcp:', 'ws:'),
}

export const memory: Transport = {
  name: 'memory',
  listenAt: () => `memory:spec-${++names}`,
  dialRaw: address =>
    new Promise((resolve, reject) => {
      memoryDialer(address)
        .dial()
        .subscribe({ next: link => resolve(linkPeer(link)), error: reject })
    }),
  serveRaw: async (address = `memory:spec-${++names}`) => {
    const accepted = new Accepted()
    const listening = memoryListener(address)
      .listen()
      .subscribe(bound => bound.links$.subscribe(link => accepted.add(linkPeer(link))))
    return {
      address,
      peers: accepted.peers,
      peer: index => accepted.peer(index),
      close: async () => {
        for (const peer of accepted.peers) peer.reset()
        listening.unsubscribe()
      },
    }
  },
  nobody: async () => `memory:spec-${++names}`,
}

export const TRANSPORTS: readonly Transport[] = [memory, tcp, unix, ws]
/** Those whose ends are sockets of the system: what is lost there is lost for good. */
export const SOCKETS: readonly Transport[] = [tcp, unix, ws]
/** Those whose two directions end by themselves. */
export const HALF_CLOSING: readonly Transport[] = [tcp, unix]
