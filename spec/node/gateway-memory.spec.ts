/**
 * What goes through a gateway stays nowhere in it: the resident memory of a real `razor gateway` process, from idle before its first
 * connection, while 64 MiB pass again and again, each way, and while one end does not read.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { firstValueFrom } from 'rxjs'
import { connect, implement, RpcServer, service, unary } from '../../lib/node/index.ts'
import { type Child, startNode } from '../support/child.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { pattern } from '../support/link-duties.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { tcp, ws } from '../support/transports.ts'

const MIB = 1024 * 1024
/** Over idle. */
const MOST_GROWTH = 32 * MIB
const folder = fileURLToPath(new URL('../../', import.meta.url))

const Blobs = service('Blobs', { back: unary<void, void>({ blob: 'both' }) })

/** Resident memory of a process in bytes: `VmRSS` now, `VmHWM` the most it ever was. */
function resident(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** Sends 64 MiB in pieces of `bytes`. */
async function send(from: RawPeer, to: RawPeer, bytes: number, total = 64 * MIB): Promise<void> {
  const had = to.bytes
  const piece = pattern(bytes)
  for (let sent = 0; sent < total; sent += bytes) from.send(piece)
  await to.until(() => to.bytes === had + total)
  to.chunks.length = 0
}

/** Resolves once the process neither reads nor writes any more. */
async function still(pid: number): Promise<void> {
  // The gateway is another process: what it does shows in how much it has read and written.
  const done = (): string => readFileSync(`/proc/${pid}/io`, 'utf8')
  let last = ''
  for (let same = 0; same < 10; same++) {
    await new Promise(resolve => setTimeout(resolve, 50))
    if (done() !== last) same = 0
    last = done()
  }
}

describe('a gateway process', { skip: existsSync('/proc/self/io') ? false : 'needs /proc' }, () => {
  const server = new RpcServer({
    services: [implement(Blobs, { back: (_, { blob }) => ({ value: undefined, blob }) })],
  })
  let gateway: Child
  let address = ''
  let idle = 0
  let raw: Awaited<ReturnType<typeof tcp.serveRaw>>

  const expectGrowth = (): void => {
    const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
    const peak = resident(gateway.pid, 'VmHWM')
    assert.ok(peak - idle <= MOST_GROWTH, `the gateway had ${mib(idle)} idle, and then up to ${mib(peak)}`)
  }

  before(async () => {
    raw = await tcp.serveRaw()
    const { address: target } = await server.listen('tcp://127.0.0.1:0')
    const words = ['gateway', '--listen', 'ws://127.0.0.1:0', '--to', raw.address, `/api=${target}`]
    gateway = startNode(folder, '--import', 'tsx', 'lib/cli/main.ts', ...words)
    address = (await gateway.until(/listening at (\S+)\/ .*Ctrl-C/s))[1]!
    await still(gateway.pid)
    idle = resident(gateway.pid, 'VmRSS')
  })

  after(async () => {
    gateway.signal('SIGTERM')
    await gateway.untilErr(/stopping/)
    // Cuts what a spec that failed left open.
    gateway.signal('SIGTERM')
    await gateway.ended
    await raw.close()
    await server.close({ waitMs: 0 })
    await expectNoLeaks()
  })

  const sizes: [text: string, bytes: number][] = [
    ['64 KiB', 64 * 1024],
    ['1 KiB', 1024],
    ['1 MiB', MIB],
  ]
  for (const [index, [text, bytes]] of sizes.entries()) {
    it(`carries 64 MiB each way in messages of ${text}, within 32 MiB of idle`, { timeout: 60_000 }, async () => {
      const near = await ws.dialRaw(address)
      const far = await raw.peer(index)
      await send(near, far, bytes)
      expectGrowth()
      await send(far, near, bytes)
      expectGrowth()
      near.finish()
      await far.ended()
    })
  }

  it('carries calls with 64 MiB of blobs of 1 MiB each way in the same memory', { timeout: 60_000 }, async () => {
    const client = connect(`${address}/api`)
    const blobs = client.use(Blobs)
    const blob = pattern(MIB)
    for (let call = 0; call < 64; call++) await firstValueFrom(blobs.back(undefined, { blob }))
    expectGrowth()
    await client.close()
  })

  it('holds a server back whose client does not read, in the same memory', {
    timeout: 60_000,
  }, async () => {
    const near = await ws.dialRaw(address)
    const far = await raw.peer(sizes.length)
    await send(far, near, 64 * 1024, MIB)
    near.pause()
    near.onBytes = () => {
      near.chunks.length = 0
    }
    const piece = pattern(64 * 1024)
    const had = near.bytes
    for (let sent = 0; sent < 16 * 256; sent++) far.send(piece)
    await still(gateway.pid)
    assert.ok(near.bytes - had <= MIB)
    expectGrowth()
    near.resume()
    await near.until(() => near.bytes === had + 256 * MIB)
    expectGrowth()
    near.finish()
    await far.ended()
  })
})
