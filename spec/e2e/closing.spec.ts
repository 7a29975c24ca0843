/**
 * Ends that are meant: a client that closes, a server that drains.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { connect, RpcServer } from '../../lib/node/index.ts'
import { assertIdle, atServer, BOTH_VERSIONS, follow, Lab, NOTHING_LEFT, turn } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { request } from '../support/raw-frames.ts'
import { TRANSPORTS } from '../support/transports.ts'

describe('a client that closes', () => {
  atServer(
    'waits for its answers, takes no further calls, and is gone for the server',
    async ({ lab, server, client }) => {
      const caller = client()
      const call = follow(caller.call({ action: 'Lab.hold' }))
      await lab.holds(1)
      let closed = false
      const closing = caller.close().then(() => {
        closed = true
      })
      await follow(caller.call({ action: 'Lab.echo' })).failsWith('rpc_unreachable', /the client of .* is closed/, 'no')
      await follow(caller.ping()).failsWith('rpc_unreachable', /is closed/, 'no')
      for (let i = 0; i < 5; i++) await turn()
      assert.equal(closed, false)
      lab.held[0]!.next('in time')
      assert.equal((await call.answers()).value, 'in time')
      await closing
      while (server.stats().connections > 1) await turn()
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'gives up after waitMs what is not answered',
    async ({ lab, client }) => {
      const caller = client()
      const call = follow(caller.call({ action: 'Lab.hold' }))
      await lab.holds(1)
      await caller.close({ waitMs: 5 })
      await call.failsWith('rpc_canceled', /this end closed the connection/, 'maybe')
      lab.held[0]?.next(null)
      assertIdle(caller)
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'may close before it was ever used, and twice',
    async ({ client }) => {
      const caller = client()
      await caller.close()
      await Promise.all([caller.close(), caller.close()])
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'sends what waits for a slot before it goes',
    async ({ lab, client }) => {
      const caller = client({ thresholds: 1 })
      const calls = [1, 2, 3].map(input => follow(caller.call({ action: 'Lab.echo', input })))
      await caller.close()
      for (const call of calls) await call.answers()
      assert.deepEqual(lab.inputs, [1, 2, 3])
    },
    { versions: BOTH_VERSIONS },
  )
})

describe('a server that closes', () => {
  for (const transport of TRANSPORTS) {
    it(`answers the calls of version 1 that run, says rpc_draining, and accepts nobody, over ${transport.name}`, async () => {
      const lab = new Lab()
      const server = new RpcServer({ dispatch: lab.dispatch })
      const { address } = await server.listen(transport.listenAt())
      const peer = await transport.dialRaw(address)
      const idle = await transport.dialRaw(address)
      peer.send(request({ seq: 1, action: 'Lab.hold' }), request({ seq: 2, action: 'Lab.hold' }))
      await lab.holds(2)
      const closing = server.close()
      const text = (each: { blob: Buffer }): string => each.blob.toString()
      const idleEnd = await idle.ended()
      assert.deepEqual(idle.answers.map(text), ['rpc_draining'])
      if (transport.name === 'ws') assert.deepEqual([idleEnd.code, idleEnd.reason], [4491, 'rpc_draining'])
      peer.send(request({ seq: 3, action: 'Lab.echo' }))
      await turn()
      lab.held[1]!.next(2)
      lab.held[0]!.next(1)
      await peer.ended()
      await closing
      assert.deepEqual(
        peer.answers.map(each => Number(each.seq)),
        [2, 1, 0],
      )
      assert.deepEqual(text(peer.answers[2]!), 'rpc_draining')
      assert.deepEqual(lab.inputs, [])
      await assert.rejects(server.listen(transport.listenAt()), /the server is closed/)
      await assert.rejects(transport.dialRaw(address))
      assert.deepEqual(server.stats(), NOTHING_LEFT)
      await expectNoLeaks()
    })

    for (const version of BOTH_VERSIONS) {
      it(`stops after waitMs what still runs, over ${transport.name}, version ${version}`, async () => {
        const lab = new Lab()
        const server = new RpcServer({ dispatch: lab.dispatch })
        const { address } = await server.listen(transport.listenAt())
        const client = connect(address, { version })
        const call = follow(client.call({ action: 'Lab.hold' }))
        await lab.holds(1)
        await server.close({ waitMs: 5 })
        await call.failsWith('rpc_io_err', /rpc_draining/, 'maybe')
        assert.deepEqual([lab.tornDown, lab.aborted], [1, 1])
        assert.deepEqual(server.stats(), NOTHING_LEFT)
        await client.close()
        await expectNoLeaks()
      })
    }

    it(`runs no call of version 1 that was read and waited for a place, over ${transport.name}`, async () => {
      const lab = new Lab()
      const server = new RpcServer({ dispatch: lab.dispatch, maxCalls: 2 })
      const { address } = await server.listen(transport.listenAt())
      const [one, other] = [await transport.dialRaw(address), await transport.dialRaw(address)]
      one.send(request({ seq: 1, action: 'Lab.hold' }))
      await lab.holds(1)
      other.send(request({ seq: 1, action: 'Lab.hold' }))
      await lab.holds(2)
      one.send(request({ seq: 2, action: 'Lab.echo' }))
      for (let i = 0; i < 10; i++) await turn()
      const closing = server.close()
      lab.held[1]!.next('the other one')
      await other.ended()
      lab.held[0]!.next('the first one')
      await one.ended()
      await closing
      assert.deepEqual(lab.ran, ['Lab.hold', 'Lab.hold'])
      assert.deepEqual(
        one.answers.map(each => Number(each.seq)),
        [1, 0],
      )
      await expectNoLeaks()
    })

    for (const version of BOTH_VERSIONS) {
      it(`answers the very call that closes it, over ${transport.name}, version ${version}`, async () => {
        for (const answer of ['bye', Promise.resolve('bye')]) {
          const server = new RpcServer({
            dispatch: () => {
              void server.close()
              return answer
            },
          })
          const { address } = await server.listen(transport.listenAt())
          const client = connect(address, { version })
          assert.equal((await follow(client.call({ action: 'Host.shutdown' })).answers()).value, 'bye')
          await client.close()
          await server.close()
          assert.deepEqual(server.stats(), NOTHING_LEFT)
        }
        await expectNoLeaks()
      })
    }
  }
})
