/**
 * What a server does when there is too much of anything: it pauses a connection of version 1, and it closes what does not get on.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defer, EMPTY, map, Observable, of, Subject, timer } from 'rxjs'
import { type Bound, type Link, type Listener, ReplyWithBlob, RpcServer } from '../../lib/node/index.ts'
import { atServer, BOTH_VERSIONS, follow, turn, type Version } from '../support/arena.ts'
import { concat } from '../support/hex.ts'
import { answers, ping, request } from '../support/raw-frames.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { callerOf } from '../support/stage.ts'
import { memory, SOCKETS } from '../support/transports.ts'
import { upRequest } from '../support/v2-frames.ts'
import { virtually } from '../support/virtual.ts'

const when = (entry: string | undefined): number => Number.parseInt(entry ?? 'NaN', 10)
const holds = (count: number, fields: object = {}): Uint8Array =>
  concat(Array.from({ length: count }, (_, i) => request({ seq: i + 1, action: 'Lab.hold', ...fields })))

/** Lets some turns pass in which something forbidden might happen. */
async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** A raw client that has come to terms where there is something to agree on, and its calls, that many in one piece. */
async function caller(
  peer: RawPeer,
  version: Version,
): Promise<{ peer: RawPeer; calls: (count: number, action: string) => Uint8Array }> {
  if (version === 2) await callerOf(peer)
  const call = (seq: number, action: string): Uint8Array =>
    version === 1 ? request({ seq, action }) : upRequest(seq, { action })
  return { peer, calls: (count, action) => concat(Array.from({ length: count }, (_, i) => call(i + 2, action))) }
}

describe('a server', () => {
  atServer(
    'runs no more than maxCalls at once on all its connections of version 1, and the rest as slots come back',
    async ({ lab, raw }) => {
      const peers = await Promise.all([raw(), raw(), raw()])
      for (const peer of peers) peer.send(holds(10))
      let answered = 0
      while (answered < 30) {
        await lab.holds(1)
        await turns(3)
        assert.ok(lab.held.length <= 5, `${lab.held.length} at once`)
        lab.held[0]!.next(1)
        answered++
      }
      for (const peer of peers) await peer.answered(10)
      assert.equal(lab.ran.length, 30)
    },
    { options: { maxCalls: 5 }, on: SOCKETS, versions: [1] },
  )

  atServer(
    'reads no further while handlers hold maxHeldBytes of a connection of version 1',
    async ({ lab, raw }) => {
      const [full, other] = await Promise.all([raw(), raw()])
      full.send(holds(6, { blob: new Uint8Array(1000) }))
      await lab.holds(3)
      await turns()
      assert.equal(lab.ran.length, 3)
      other.send(holds(1))
      await lab.holds(4)
      while (lab.ran.length < 7 || lab.held.length > 0) {
        lab.held[0]?.next(1)
        await turn()
      }
      await full.answered(6)
      await other.answered(1)
    },
    { options: { maxHeldBytes: 2500 } },
  )

  const release = new Subject<void>()
  const answer = new ReplyWithBlob(null, new Uint8Array(256 * 1024))
  let ran = 0
  atServer(
    'starts no further call above the high-water mark while a client does not read, and goes on when it does',
    async ({ raw, version }) => {
      ran = 0
      const { peer, calls } = await caller(await raw(), version)
      const before = peer.bytes
      peer.pause()
      const many = 400
      peer.send(calls(many, 'Big.answer'))
      for (let still = 0, last = -1; still < 50; still++) {
        if (ran !== last) still = 0
        last = ran
        await turn()
      }
      assert.ok(ran > 0 && ran < many / 2, `${ran} of ${many} were started`)
      peer.resume()
      await peer.until(() => peer.bytes - before === many * (20 + 1 + answer.blob.length))
      assert.equal(ran, many)
    },
    {
      versions: BOTH_VERSIONS,
      options: {
        dispatch: call => {
          if (call.action === 'Lab.witness') return call.input
          ran++
          return answer
        },
      },
    },
  )

  atServer(
    'closes with 4490 a connection whose client never reads, and tears its handlers down',
    async ({ raw, server, log, version }) => {
      const { peer, calls } = await caller(await raw(), version)
      peer.pause()
      peer.send(calls(400, 'Big.answer'))
      while (server.stats().connections > 1) await turn()
      assert.match(log.map(entry => entry.message).join(), /none of \d+ unsent bytes left within drainTimeoutMs 60/)
      peer.resume()
      await peer.ended()
    },
    {
      versions: BOTH_VERSIONS,
      options: {
        tickMs: 20,
        drainTimeoutMs: 60,
        dispatch: call => (call.action === 'Lab.witness' ? call.input : answer),
      },
    },
  )

  atServer(
    'closes at once with 4490 above maxUnsentBytes',
    async ({ raw, server, log, version }) => {
      const { peer, calls } = await caller(await raw(), version)
      peer.pause()
      peer.send(calls(64, 'Lab.later'))
      while (server.stats().calls < 64) await turn()
      release.next()
      while (server.stats().connections > 1) await turn()
      assert.match(log.map(entry => entry.message).join(), /unsent bytes are over maxUnsentBytes 2097152/)
      peer.resume()
      await peer.ended()
    },
    {
      versions: BOTH_VERSIONS,
      options: {
        maxUnsentBytes: 2 * 1024 * 1024,
        dispatch: call =>
          call.action === 'Lab.witness'
            ? call.input
            : new Observable(subscriber => release.subscribe(() => subscriber.next(answer))),
      },
    },
  )
  it(
    'closes with 4408 a connection that is silent for 120 s, and not one that pings',
    virtually(({ at, end, server, rawClient, log }) => {
      const { address } = server()
      const [quiet, live] = [rawClient(address), rawClient(address)]
      for (let i = 1; i < 10; i++) at(25_000 * i, () => live.send(ping(i)))
      at(240_000, () => assert.equal(live.end, undefined))
      end(241_000)
      return () => {
        assert.ok(when(log[0]) >= 120_000 && when(log[0]) <= 122_000, log[0])
        assert.match(log.join(), /^\d+ no byte came for 120000 ms/)
        assert.deepEqual(
          quiet.answers.map(each => each.blob.toString()),
          ['rpc_timeout'],
        )
        assert.equal(live.answers.length >= 9, true)
      }
    }),
  )

  it(
    'counts the deadline of a call from when it came, however late its handler asks for it',
    virtually(({ end, server, client, record }) => {
      const { address } = server({ dispatch: call => timer(7_000).pipe(map(() => call.deadline)) })
      const seen = record(defer(() => client(address).call({ action: 'Late.asks', timeoutMs: 10_000 })))
      end(8_000)
      return () => assert.match(JSON.stringify(seen), /7000 next.*10000/)
    }),
  )

  it(
    'closes with 4408 a frame without progress for 5 s, and one that trickles beyond 30 s and 1 s a 64 KiB (A5)',
    virtually(({ at, end, server, rawClient, log }) => {
      const { address } = server()
      const [stops, trickles] = [rawClient(address), rawClient(address)]
      stops.send(request({ msgBytes: 100 }))
      trickles.send(request({ blobBytes: 10 * 64 * 1024 }))
      for (let i = 1; i < 60; i++) at(1000 * i + 500, () => trickles.send(Uint8Array.of(i)))
      end(70_000)
      return () => {
        assert.ok(when(log[0]) >= 5000 && when(log[0]) <= 7000, log[0])
        assert.match(log[0]!, /41 of 140 bytes of a frame came, and none in readTimeoutMs 5000/)
        assert.ok(when(log[1]) >= 40_000 && when(log[1]) <= 42_000, log[1])
        assert.match(log[1]!, /bytes of a frame came within 400\d\d ms/)
        assert.deepEqual(
          [stops, trickles].map(peer => peer.answers[0]!.blob.toString()),
          ['rpc_timeout', 'rpc_timeout'],
        )
      }
    }),
  )

  for (const tickMs of [1000, 100]) {
    it(
      `takes 100 pings in each second, with a tick of ${tickMs} ms too, and closes with 4429 above (A14)`,
      virtually(({ at, end, server, rawClient, log }) => {
        const { address } = server({ tickMs })
        const [good, bad] = [rawClient(address), rawClient(address)]
        let seq = 0
        for (let second = 0; second < 5; second++) {
          at(1000 * second + 10, () => {
            for (let i = 0; i < 90; i++) good.send(ping(++seq))
          })
        }
        for (let i = 0; i < 300; i++) at(i * 4 + 3, () => bad.send(ping(i + 1)))
        end(6000)
        return () => {
          assert.equal(good.answers.length, 450)
          assert.match(log.join(), /pings came within a second, maxPingsPerSecond is 100/)
          assert.equal(bad.answers.at(-1)!.blob.toString(), 'rpc_busy')
          assert.ok(bad.answers.length <= 202, `${bad.answers.length} answers`)
        }
      }),
    )
  }

  it(
    'answers rpc_timeout after maxCallMs in version 1, tears the handler down, and drops what it still says (C13)',
    virtually(({ end, server, client, record }) => {
      const { address, lab } = server()
      const seen = record(client(address).call({ action: 'Lab.hold', timeoutMs: 200_000 }))
      end(100_000)
      return () => {
        assert.match(seen.join(), /^9[01]\d{3} error rpc_timeout yes: Lab.hold was answered with rpc_timeout$/)
        assert.deepEqual([lab.tornDown, lab.aborted], [1, 1])
      }
    }, 1),
  )

  it(
    'lets a call of version 2 run for as long as its caller waits, whatever maxCallMs says, and tears it down then (C13)',
    virtually(({ at, end, server, client, record }) => {
      const { address, lab } = server()
      const short = record(client(address).call({ action: 'Lab.hold', timeoutMs: 30_000 }))
      const long = record(client(address).call({ action: 'Lab.hold', timeoutMs: 150_000 }))
      at(29_999, () => assert.equal(lab.tornDown, 0))
      at(31_000, () => assert.equal(lab.tornDown, 1))
      at(149_999, () => assert.equal(lab.tornDown, 1))
      end(152_000)
      return () => {
        assert.match(short.join(), /^30\d{3} error rpc_timeout /)
        assert.match(long.join(), /^150\d{3} error rpc_timeout /)
        assert.deepEqual([lab.tornDown, lab.aborted], [2, 2])
      }
    }),
  )

  it('counts the connections of all its addresses against maxServerConnections', async () => {
    const server = new RpcServer({ maxServerConnections: 1 })
    const [a, b] = await Promise.all([server.listen('memory:limit-a'), server.listen('memory:limit-b')])
    const first = await memory.dialRaw(a.address)
    const second = await memory.dialRaw(b.address)
    await second.ended()
    assert.deepEqual(
      second.answers.map(each => [each.seq, each.blob.toString()]),
      [[0n, 'rpc_busy']],
    )
    first.reset()
    await server.close()
  })

  atServer(
    'tells a connection too many rpc_busy and closes it with 4429, and has room when one has gone',
    async ({ raw, logged, server, log }) => {
      const first = await raw()
      const second = await raw()
      const end = await second.ended()
      assert.deepEqual(
        second.answers.map(each => each.blob.toString()),
        ['rpc_busy'],
      )
      if (end.code !== undefined) assert.equal(end.code, 4429)
      assert.equal(logged, '')
      assert.match(log.map(entry => entry.message).join(), /2 connections are open, maxServerConnections is 2/)
      first.reset()
      while (server.stats().connections > 1) await turn()
      const third = await raw()
      third.send(request())
      await third.answered(1)
    },
    { options: { maxServerConnections: 2 } },
  )

  it('writes the answers of the turn in which the last bytes and the end of a client came together (A24)', async () => {
    const sent: Uint8Array[] = []
    const links = new Subject<Link>()
    const link: Link = {
      address: 'memory:scripted',
      transport: 'memory',
      chunks$: of(concat([request({ seq: 1 }), request({ seq: 2 })])),
      unsentBytes: 0,
      drained$: EMPTY,
      pause: () => undefined,
      resume: () => undefined,
      send: bytes => sent.push(bytes.slice()),
      close: () => sent.push(new TextEncoder().encode('closed')),
      destroy: () => undefined,
    }
    const listener: Listener = { listen: () => of<Bound>({ address: 'memory:scripted', links$: links }) }
    const server = new RpcServer({ dispatch: call => call.input })
    await server.listen(listener)
    links.next(link)
    assert.equal(Buffer.from(sent.at(-1)!).toString(), 'closed')
    assert.deepEqual(
      answers(Buffer.concat(sent.slice(0, -1))).map(each => each.seq),
      [1n, 2n],
    )
    await server.close()
  })

  atServer(
    'tells the handler who called, and when its time is over',
    async ({ client, version }) => {
      const seen = await follow(client({ clientId: 2n ** 64n - 1n }).call({ action: 'Who.calls' })).answers()
      const { transport, clientId, left } = seen.value as { transport: string; clientId: bigint; left: number }
      assert.ok(['memory', 'tcp', 'unix', 'ws'].includes(transport), transport)
      assert.equal(clientId, 2n ** 64n - 1n)
      assert.equal(left, version === 1 ? 90_000 : 20_000)
    },
    {
      versions: BOTH_VERSIONS,
      options: {
        dispatch: call =>
          call.action === 'Lab.witness'
            ? call.input
            : {
                transport: call.peer.transport,
                clientId: call.peer.clientId,
                left: Math.round((call.deadline - Date.now()) / 1000) * 1000,
              },
      },
    },
  )
})
