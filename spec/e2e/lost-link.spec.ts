/**
 * Links that end before the answers came, and what the next call does.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catchError, firstValueFrom, retry, timer } from 'rxjs'
import { connect, RpcError, RpcServer } from '../../lib/node/index.ts'
import { assertIdle, atClient, atServer, BOTH_VERSIONS, follow, Lab, turn } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { ONE_LINK } from '../support/one-link.ts'
import { SOCKETS, TRANSPORTS, tcp } from '../support/transports.ts'

describe('a call whose connection is lost', () => {
  for (const way of ['finish', 'reset'] as const) {
    atClient(
      `fails with rpc_io_err, executed maybe, and the next one dials anew, after ${way}`,
      async ({ client, raw, agreed, answer }) => {
        const calls = Array.from({ length: 5 }, () => follow(client.call({ action: 'Lab.hold' })))
        const peer = await agreed(0)
        await peer.wasAsked(5)
        peer[way]()
        for (const call of calls) {
          const error = await call.failsWith('rpc_io_err', /Lab.hold: lost its connection: /, 'maybe')
          assert.equal(error.address, raw.address)
        }
        const next = follow(client.call({ action: 'Lab.echo' }))
        const second = await agreed(1)
        const [asked] = await second.wasAsked(1)
        second.send(answer({ seq: asked!.seq, msg: Uint8Array.of(1) }))
        await next.answers()
      },
      { versions: BOTH_VERSIONS },
    )
  }

  atClient(
    'is sent over the next connection where it still waits for a slot',
    async ({ client, agreed, answer }) => {
      const [sent, waiting] = [follow(client.call({ action: 'a' })), follow(client.call({ action: 'b' }))]
      const peer = await agreed(0)
      await peer.wasAsked(1)
      assert.deepEqual([client.stats().inFlight, client.stats().waiting], [1, 1])
      peer.reset()
      await sent.failsWith('rpc_io_err', /a: lost/, 'maybe')
      const second = await agreed(1)
      const [asked] = await second.wasAsked(1)
      second.send(answer({ seq: asked!.seq, msg: Uint8Array.of(1) }))
      await waiting.answers()
    },
    { options: { thresholds: 1 }, versions: BOTH_VERSIONS },
  )

  atClient(
    'is sent over another connection where it waited behind the high-water mark',
    async ({ client, agreed, answer }) => {
      const first = follow(client.call({ action: 'Lab.first' }))
      const peer = await agreed(0)
      await peer.wasAsked(1)
      peer.pause()
      // More than the system takes: the rest stays here.
      const blob = new Uint8Array(15 * 1024 * 1024)
      const large = follow(client.call({ action: 'Lab.large', blob }))
      const behind = follow(client.call({ action: 'Lab.behind' }))
      await turn()
      peer.reset()
      await first.failsWith('rpc_io_err', /Lab.first/, 'maybe')
      // The large one moves, too, where its last byte had not left.
      const next = await agreed(1)
      for (let i = 1, action: unknown; action !== 'Lab.behind'; i++) {
        const asked = (await next.wasAsked(i))[i - 1]!
        action = asked.action
        next.send(answer({ seq: asked.seq, msg: Uint8Array.of(3) }))
      }
      await large.over
      await behind.answers()
    },
    { options: { maxWaitingBytes: 64 * 1024 * 1024, retry: 'safe' }, versions: BOTH_VERSIONS },
  )

  atClient(
    'may be sent again from within its error, on a new connection',
    async ({ client, raw, agreed, answer }) => {
      const again = follow(
        client.call({ action: 'Lab.one' }).pipe(catchError(() => client.call({ action: 'Lab.two' }))),
      )
      const retried = follow(client.call({ action: 'Lab.three' }).pipe(retry(1)))
      const first = await agreed(0)
      await first.wasAsked(2)
      first.reset()
      const second = await agreed(1)
      const asked = await second.wasAsked(2)
      assert.deepEqual(asked.map(each => each.action).sort(), ['Lab.three', 'Lab.two'])
      for (const { seq } of asked) second.send(answer({ seq, msg: Uint8Array.of(3) }))
      await again.answers()
      await retried.answers()
      assert.equal(raw.peers.length, 2)
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'stops its handler at the server, whose answer goes nowhere',
    async ({ lab, server, client }) => {
      const caller = client()
      const call = follow(caller.call({ action: 'Lab.hold' }))
      await lab.holds(1)
      const closing = caller.close({ waitMs: 0 })
      await call.failsWith('rpc_canceled', /this end closed the connection/, 'maybe')
      await closing
      const [answer] = lab.held
      // Over TCP and Unix sockets this was a half-close, which still gets its answer.
      answer?.next('nobody hears this')
      while (server.stats().connections > 1) await turn()
      assert.equal(lab.tornDown, 1)
    },
    { versions: BOTH_VERSIONS },
  )

  for (const [transport, version] of TRANSPORTS.flatMap(
    each =>
      [
        [each, 1],
        [each, 2],
      ] as const,
  )) {
    it(`fails at once when its server goes, and comes through when it is back, over ${transport.name}, version ${version}`, async () => {
      const lab = new Lab()
      const first = new RpcServer({ dispatch: lab.dispatch })
      const { address } = await first.listen(transport.listenAt())
      const client = connect(address, { version, ...ONE_LINK })
      const call = follow(client.call({ action: 'Lab.hold' }))
      await lab.holds(1)
      await first.close({ waitMs: 0 })
      const error = await call.failsWith('rpc_io_err', /rpc_draining/, 'maybe')
      assert.ok(RpcError.is(error.cause, 'rpc_draining'), String(error.cause))
      await follow(client.call({ action: 'Lab.echo' })).failsWith('rpc_unreachable', /./, 'no')

      const second = new RpcServer({ dispatch: lab.dispatch })
      await second.listen(address)
      assert.equal((await follow(client.call({ action: 'Lab.echo', input: 'back' })).answers()).value, 'back')
      await client.close()
      await second.close()
      assertIdle(client)
      await expectNoLeaks()
    })
  }
})

describe('a call that cannot reach its server', () => {
  for (const transport of TRANSPORTS) {
    it(`fails with rpc_unreachable, executed no, and the reason, over ${transport.name}`, async () => {
      const address = await transport.nobody()
      const client = connect(address)
      const error = await follow(client.call({ action: 'Lab.echo' })).failsWith('rpc_unreachable', /Lab.echo/, 'no')
      assert.match(error.message, /ECONNREFUSED|ENOENT|nobody listens/)
      assert.deepEqual([error.action, error.address], ['Lab.echo', address])
      const pinged = await follow(client.ping()).failsWith('rpc_unreachable', /./, 'no')
      assert.match(pinged.message, /ECONNREFUSED|ENOENT|nobody listens/)
      assertIdle(client)
      await client.close()
      await expectNoLeaks()
    })
  }

  it('waits no longer than connectTimeoutMs for a server that accepts and does not upgrade', async () => {
    const silent = await tcp.serveRaw()
    const client = connect(silent.address.replace('tcp:', 'ws:'), { connectTimeoutMs: 30 })
    await follow(client.call({ action: 'Lab.echo' })).failsWith(
      'rpc_unreachable',
      /no connection to ws:\/\/.* within connectTimeoutMs 30/,
      'no',
    )
    await client.close()
    await silent.close()
    await expectNoLeaks()
  })

  for (const transport of SOCKETS) {
    it(`comes through by retry once somebody listens, over ${transport.name}`, async () => {
      const address = await transport.nobody()
      const client = connect(address)
      const lab = new Lab()
      const server = new RpcServer({ dispatch: lab.dispatch })
      let tries = 0
      const answer = firstValueFrom(
        client.call({ action: 'Lab.echo', input: 1 }).pipe(
          retry({
            delay: () => {
              if (++tries === 2) void server.listen(address)
              return timer(5)
            },
          }),
        ),
      )
      assert.equal((await answer).value, 1)
      await client.close()
      await server.close()
      await expectNoLeaks()
    })
  }
})
