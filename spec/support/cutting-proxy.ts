/**
 * A proxy in front of a server on a socket that passes exactly so many bytes of a direction, and then drops the connection.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { newPath, type Transport } from './transports.ts'

/** Where the next connection is cut. */
export interface Cut {
  readonly direction: 'up' | 'down'
  /** Bytes of that direction that still pass. */
  readonly after: number
  /** A reset instead of an end in order; on a Unix socket there is none. */
  readonly reset: boolean
}

export interface CuttingProxy {
  readonly address: string
  /** For the next connection; `undefined` cuts none. */
  cut: Cut | undefined
  /** Bytes that passed on the last connection. */
  readonly passed: { up: number; down: number }
  /** Connections that came. */
  readonly connections: number
  /** Drops all connections. */
  drop(): void
  close(): Promise<void>
}

/** A proxy in front of `address`. */
export async function cuttingProxy(transport: Transport, address: string): Promise<CuttingProxy> {
  const url = new URL(address)
  const isUnix = transport.name === 'unix'
  const target = isUnix ? { path: address.slice('unix://'.length) } : { host: url.hostname, port: Number(url.port) }
  const sockets = new Set<Socket>()
  const proxy = { cut: undefined as Cut | undefined, passed: { up: 0, down: 0 }, connections: 0 }

  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, near => {
    const far = connect({ ...target, allowHalfOpen: true, noDelay: true })
    const { cut } = proxy
    const passed = { up: 0, down: 0 }
    proxy.connections++
    proxy.passed = passed
    const drop = (): void => {
      for (const socket of [near, far]) {
        if (cut?.reset === true && !isUnix && !socket.connecting) socket.resetAndDestroy()
        else socket.destroy()
      }
    }
    const pass = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
      sockets.add(from)
      from.on('error', drop)
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('end', () => to.end())
      from.on('data', (chunk: Buffer) => {
        const left = cut?.direction === direction ? cut.after - passed[direction] : Number.POSITIVE_INFINITY
        passed[direction] += Math.min(left, chunk.length)
        if (left > chunk.length) {
          to.write(chunk)
          return
        }
        from.pause()
        to.write(chunk.subarray(0, left), drop)
      })
    }
    pass(near, far, 'up')
    pass(far, near, 'down')
    if (cut?.after === 0) drop()
  })
  const path = newPath()
  server.listen(isUnix ? { path } : { host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const own = isUnix
    ? `unix://${path}`
    : `${url.protocol}//127.0.0.1:${(server.address() as AddressInfo).port}${url.pathname}`
  return Object.assign(proxy, {
    address: own,
    drop: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}
