/**
 * Pools over real sockets: more connections while they are wanted, a server that is gone and comes back at its address, one that
 * accepts and says nothing, turns that come out even.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { filter, firstValueFrom, lastValueFrom, mergeMap, range, toArray } from 'rxjs'
import { connect, RpcServer } from '../../lib/node/index.ts'
import { assertIdle, follow, Lab } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { SOCKETS, tcp } from '../support/transports.ts'

const hold = { action: 'Lab.hold' } as const

async function serveAt(
  address: string,
): Promise<{ readonly server: RpcServer; readonly lab: Lab; readonly address: string }> {
  const lab = new Lab()
  const server = new RpcServer({ dispatch: lab.dispatch })
  return { server, lab, address: (await server.listen(address)).address }
}

describe('a pool', () => {
  for (const transport of SOCKETS) {
    it(`has more connections while calls want them, and closes all of them, over ${transport.name}`, async () => {
      const { server, lab, address } = await serveAt(transport.listenAt())
      const client = connect(address, { thresholds: 2, maxConnections: 3 })
      const calls = Array.from({ length: 8 }, () => follow(client.call(hold)))
      await lab.holds(6)
      assert.deepEqual([client.stats().connections, client.stats().inFlight, client.stats().waiting], [3, 6, 2])
      assert.equal(server.stats().connections, 3)
      while (lab.ran.length < 8 || lab.held.length > 0) {
        lab.held[0]?.next('ok')
        await new Promise(resolve => setImmediate(resolve))
      }
      for (const call of calls) await call.answers()
      assertIdle(client)
      await client.close()
      await firstValueFrom(server.connections$.pipe(filter(count => count === 0)))
      await server.close()
      await expectNoLeaks()
    })

    it(`finds its server again that was gone, without a call, over ${transport.name}`, async () => {
      const first = await serveAt(transport.listenAt())
      const client = connect(first.address, { backoffFirstMs: 20, backoffMaxMs: 50 })
      await lastValueFrom(client.prewarm(2), { defaultValue: undefined })
      const down = firstValueFrom(client.events$.pipe(filter(({ type }) => type === 'unreachable')))
      await first.server.close({ waitMs: 0 })
      await down
      await follow(client.call({ action: 'Lab.echo' })).failsWith(
        'rpc_unreachable',
        /is down after \d+ failed attempts/,
        'no',
      )
      const second = await serveAt(first.address)
      await firstValueFrom(client.status$.pipe(filter(({ state }) => state === 'ready')))
      await follow(client.call({ action: 'Lab.echo', input: 1 })).answers()
      await client.close()
      await second.server.close()
      await expectNoLeaks()
    })
  }

  it('moves the calls that wait to a new connection when theirs is lost, and fails those that were sent', async () => {
    const raw = await tcp.serveRaw()
    const client = connect(raw.address, { version: 1, thresholds: 1, maxConnections: 1 })
    const [sent, waiting] = [follow(client.call({ action: 'Lab.a' })), follow(client.call({ action: 'Lab.b' }))]
    const peer = await raw.peer(0)
    await peer.wasAsked(1)
    peer.reset()
    await sent.failsWith('rpc_io_err', /Lab.a: lost/, 'maybe')
    const [asked] = await (await raw.peer(1)).wasAsked(1)
    assert.equal(asked!.action, 'Lab.b')
    waiting.unsubscribe()
    await client.close({ waitMs: 0 })
    await raw.close()
    await expectNoLeaks()
  })

  it('fails its calls after connectTimeoutMs where it is accepted and told nothing', async () => {
    const raw = await tcp.serveRaw()
    const client = connect(raw.address, { connectTimeoutMs: 50 })
    await follow(client.call({ action: 'Lab.a' })).failsWith(
      'rpc_unreachable',
      /did not answer the offer within connectTimeoutMs 50/,
      'no',
    )
    await client.close()
    await raw.close()
    await expectNoLeaks()
  })
})

describe('a client of five addresses', () => {
  it('gives each of them a fifth of 5,000 calls', async () => {
    const servers = await Promise.all(Array.from({ length: 5 }, () => serveAt(tcp.listenAt())))
    const client = connect(servers.map(({ address }) => address))
    const calls$ = range(0, 5_000).pipe(
      mergeMap(input => client.call({ action: 'Lab.echo', input }), 100),
      toArray(),
    )
    assert.equal((await lastValueFrom(calls$)).length, 5_000)
    assert.deepEqual(
      servers.map(({ lab }) => lab.ran.length),
      [1_000, 1_000, 1_000, 1_000, 1_000],
    )
    await client.close()
    for (const { server } of servers) await server.close()
    await expectNoLeaks()
  })
})
