/**
 * What goes through a gateway stays nowhere in it: the resident memory of a real `razor gateway` process while 64 MiB pass again and
 * again, and while one end does not read. Buffers that were let go of stay resident until V8 collects them, so the first 64 MiB show
 * how much of that there is, and what follows must not add to it.
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
const MOST_GROWTH = 32 * MIB
/** What a cold process may grow by until V8 collects. */
const MOST_GARBAGE = 80 * MIB
const folder = fileURLToPath(new URL('../../', import.meta.url))

const Blobs = service('Blobs', { back: unary<void, void>({ blob: 'both' }) })

/** The most resident memory that a process ever had, in bytes. */
function most(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

function expectGrowth(pid: number, before: number, bound: number): void {
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
  const now = most(pid)
  assert.ok(now - before < bound, `the gateway grew from ${mib(before)} to ${mib(now)}`)
}

async function send(from: RawPeer, to: RawPeer, megabytes: number): Promise<void> {
  const had = to.bytes
  const piece = pattern(64 * 1024)
  for (let sent = 0; sent < 16 * megabytes; sent++) from.send(piece)
  await to.until(() => to.bytes === had + megabytes * MIB)
  to.chunks.length = 0
}

/** Resolves once nothing more of what `from` was given leaves it, or `to` got it all. */
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
  /** After the first 64 MiB. */
  let warm = 0
  let raw: Awaited<ReturnType<typeof tcp.serveRaw>>

  before(async () => {
    raw = await tcp.serveRaw()
    const { address: target } = await server.listen('tcp://127.0.0.1:0')
    const words = ['gateway', '--listen', 'ws://127.0.0.1:0', '--to', raw.address, `/api=${target}`]
    gateway = startNode(folder, '--import', 'tsx', 'lib/cli/main.ts', ...words)
    address = (await gateway.until(/listening at (\S+)\/ .*Ctrl-C/s))[1]!
  })

  after(async () => {
    gateway.signal('SIGTERM')
    gateway.signal('SIGTERM')
    await gateway.ended
    await raw.close()
    await server.close({ waitMs: 0 })
    await expectNoLeaks()
  })

  it('carries 64 MiB each way, and the same once more in no more memory', { timeout: 60_000 }, async () => {
    const near = await ws.dialRaw(address)
    const far = await raw.peer(0)
    const cold = most(gateway.pid)
    await send(near, far, 64)
    await send(far, near, 64)
    expectGrowth(gateway.pid, cold, MOST_GARBAGE)
    warm = most(gateway.pid)
    await send(near, far, 64)
    await send(far, near, 64)
    expectGrowth(gateway.pid, warm, MOST_GROWTH)
    near.finish()
    await far.ended()
  })

  it('carries 64 MiB of blobs of 1 MiB each way in the same memory', { timeout: 60_000 }, async () => {
    const client = connect(`${address}/api`)
    const blobs = client.use(Blobs)
    const blob = pattern(MIB)
    for (let call = 0; call < 64; call++) await firstValueFrom(blobs.back(undefined, { blob }))
    expectGrowth(gateway.pid, warm, MOST_GROWTH)
    await client.close()
  })

  it('holds a server back whose client does not read, in the same memory', {
    timeout: 60_000,
  }, async () => {
    const near = await ws.dialRaw(address)
    const far = await raw.peer(1)
    await send(far, near, 1)
    near.pause()
    near.onBytes = () => {
      near.chunks.length = 0
    }
    const piece = pattern(64 * 1024)
    const had = near.bytes
    for (let sent = 0; sent < 16 * 256; sent++) far.send(piece)
    await still(gateway.pid)
    assert.ok(near.bytes - had <= MIB)
    expectGrowth(gateway.pid, warm, MOST_GROWTH)
    near.resume()
    await near.until(() => near.bytes === had + 256 * MIB)
    near.finish()
    await far.ended()
  })
})
