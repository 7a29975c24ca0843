/** A server with many connections does not tell them all at once that it goes; all of it in virtual time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { map } from 'rxjs'
import { BURST, BURST_MS, spread } from '../../lib/server/spread.ts'
import { marbles } from '../support/marbles.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { DOWN, downs, offer, unpack, upHello, upRequest } from '../support/v2-frames.ts'
import { virtually, type World } from '../support/virtual.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('a spread of items', () => {
  it(
    'is one burst, at once, of up to 100',
    marbles(({ expectObservable }) => {
      for (const count of [0, 1, 100]) {
        const { bursts$, overMs } = spread(numbers(count), 5_000)
        expectObservable(bursts$.pipe(map(({ length }) => length))).toBe('(n|)', { n: count })
        assert.equal(overMs, 0)
      }
    }),
  )

  it(
    'is a burst of 100 every 100 ms',
    marbles(({ expectObservable }) => {
      const { bursts$, overMs } = spread(numbers(300), 5_000)
      expectObservable(bursts$.pipe(map(burst => [burst[0], burst.length]))).toBe('a 99ms b 99ms (c|)', {
        a: [0, 100],
        b: [100, 100],
        c: [200, 100],
      })
      assert.equal(overMs, 200)
    }),
  )

  it(
    'is larger bursts where they would take too long, and one where there is no time',
    marbles(({ expectObservable }) => {
      const { bursts$, overMs } = spread(numbers(1_000), 100)
      expectObservable(bursts$.pipe(map(({ length }) => length))).toBe('a 99ms (a|)', { a: 500 })
      assert.equal(overMs, 100)
      for (const mostMs of [99, 0, -1]) {
        const { bursts$: one$ } = spread(numbers(1_000), mostMs)
        expectObservable(one$.pipe(map(({ length }) => length))).toBe('(a|)', { a: 1_000 })
      }
    }),
  )

  it('gives each item once, in order, in bursts of one size, and is over in time', () => {
    const counts = fc.integer({ min: 0, max: 20_000 })
    const times = fc.integer({ min: 0, max: 60_000 })
    fc.assert(
      fc.property(counts, times, (count, mostMs) => {
        const seen: (readonly number[])[] = []
        let overMs = 0
        marbles(({ flush }) => {
          const spreading = spread(numbers(count), mostMs)
          overMs = spreading.overMs
          spreading.bursts$.subscribe({ next: burst => seen.push(burst), error: assert.fail })
          flush()
        })()
        assert.deepEqual(seen.flat(), numbers(count))
        assert.equal(overMs, (seen.length - 1) * BURST_MS)
        assert.ok(overMs <= mostMs)
        const sizes = seen.slice(0, -1).map(({ length }) => length)
        assert.ok(sizes.every(size => size === sizes[0] && size >= BURST))
        assert.ok(seen.length === 1 || seen.at(-1)!.length > 0)
      }),
      { numRuns: 50 },
    )
  })
})

/**
 * So many raw clients, and how many of them saw their end when. It is looked for right after each 50 ms: a raw peer tells its end by
 * a promise, which is not of virtual time.
 */
function clients(world: World, address: string, count: number, greet: (peer: RawPeer) => void) {
  const ends: Record<number, number> = {}
  let over = 0
  const peers = numbers(count).map(() => {
    const peer = world.rawClient(address)
    greet(peer)
    return peer
  })
  for (let ms = 1_000; ms <= 2_500; ms += 50) {
    world.at(ms + 1, () => {
      const now = peers.filter(peer => peer.end !== undefined).length
      if (now > over) ends[ms] = now - over
      over = now
    })
  }
  return { peers, ends }
}

const agree = (peer: RawPeer): void => peer.send(offer(), upHello())
const goAwayOf = (peer: RawPeer) => {
  const frame = downs(peer.received).find(({ kind, ver }) => ver === 2 && kind === DOWN.goAway)
  return frame && (unpack(frame.msg) as { graceMs: number })
}

describe('a server with many connections that closes', () => {
  for (const [name, greet] of [
    ['1', () => undefined],
    ['2', agree],
  ] as const) {
    it(
      `lets the idle ones of version ${name} go in bursts`,
      virtually(world => {
        const { address, server } = world.server()
        const { ends } = clients(world, address, 1_000, greet)
        world.at(1_000, () => void server.close())
        world.end(3_000)
        return () => assert.deepEqual(ends, Object.fromEntries(numbers(10).map(i => [1_000 + 100 * i, 100])))
      }),
    )
  }

  it(
    'tells those that it cuts before their turn which of their calls it has taken',
    virtually(world => {
      const { address, server } = world.server()
      const { peers } = clients(world, address, 1_000, agree)
      const last = peers.at(-1)!
      world.at(500, () => last.send(upRequest(2, { action: 'Lab.never' })))
      world.at(1_000, () => void server.close({ waitMs: 400 }))
      // With more time for the bursts; the first one still cuts what is left.
      world.at(1_050, () => void server.close())
      world.end(3_000)
      return () => {
        const goodbye = downs(last.received).filter(({ kind, seq }) => kind === DOWN.goAway || seq === 0)
        assert.deepEqual(
          goodbye.map(({ kind, seq }) => [kind, seq]),
          [
            [DOWN.hello, 0],
            [DOWN.goAway, 2],
            [DOWN.error, 0],
          ],
        )
      }
    }),
  )

  it(
    'goes on taking calls of those that it has not told yet',
    virtually(world => {
      const { address, server, lab } = world.server()
      const { peers } = clients(world, address, 150, agree)
      world.at(1_000, () => void server.close())
      const call = upRequest(2, { action: 'Lab.echo' })
      world.at(1_050, () => {
        peers[0]!.send(call)
        peers[149]!.send(call)
      })
      world.end(3_000)
      return () => {
        const answered = [0, 149].map(i => downs(peers[i]!.received).some(({ seq }) => seq === 2))
        assert.deepEqual(answered, [false, true])
        assert.deepEqual(lab.ran, ['Lab.echo'])
      }
    }),
  )

  it(
    'gives each of them the same time for its streams, and is over with them after graceMs',
    virtually(world => {
      const { address, server } = world.server()
      const greet = (peer: RawPeer): void => {
        agree(peer)
        peer.send(upRequest(2, { action: 'Lab.never', window: 1 }))
      }
      const { peers, ends } = clients(world, address, 250, greet)
      world.at(1_000, () => void server.close({ graceMs: 1_000 }))
      world.end(3_000)
      return () => {
        assert.deepEqual(ends, { 1800: 100, 1900: 100, 2000: 50 })
        assert.deepEqual([...new Set(peers.map(peer => goAwayOf(peer)?.graceMs))], [800])
      }
    }),
  )

  it(
    'takes half of graceMs for it at most',
    virtually(world => {
      const { address, server } = world.server()
      const { ends } = clients(world, address, 1_000, () => undefined)
      world.at(1_000, () => void server.close({ graceMs: 400 }))
      world.end(3_000)
      return () => assert.deepEqual(ends, { 1000: 334, 1100: 334, 1200: 332 })
    }),
  )

  it(
    'is gone after waitMs, spread or not',
    virtually(world => {
      const { address, server } = world.server()
      const { ends } = clients(world, address, 1_000, () => undefined)
      world.at(1_000, () => void server.close({ graceMs: 60_000, waitMs: 250 }))
      world.end(3_000)
      return () => assert.deepEqual(ends, { 1000: 500, 1100: 500 })
    }),
  )

  it(
    'hurries up when it is closed again',
    virtually(world => {
      const { address, server } = world.server()
      const { ends } = clients(world, address, 1_000, () => undefined)
      world.at(1_000, () => void server.close())
      world.at(1_150, () => void server.close({ graceMs: 0 }))
      world.end(3_000)
      return () => assert.deepEqual(ends, { 1000: 100, 1100: 100, 1150: 800 })
    }),
  )

  it(
    'tells nobody twice that has gone meanwhile',
    virtually(world => {
      const { address, server } = world.server()
      const { peers } = clients(world, address, 250, agree)
      world.at(1_000, () => void server.close())
      world.at(1_050, () => {
        for (const peer of peers.slice(200)) peer.reset()
      })
      world.end(3_000)
      return () => {
        assert.deepEqual(peers.slice(200).filter(goAwayOf), [])
        assert.equal(peers.filter(goAwayOf).length, 200)
        assert.equal(server.stats().connections, 0)
      }
    }),
  )
})
