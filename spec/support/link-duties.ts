/**
 * The duties of `lib/transport/link.ts` as one table of specs, run against every transport.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { EMPTY, firstValueFrom, type Subscription } from 'rxjs'
import { RpcError } from '../../lib/error.ts'
import type { Bound, Dialer, Link, Listener } from '../../lib/transport/link.ts'
import { expectNoLeaks } from './leaks.ts'
import { Tap } from './tap.ts'

const MIB = 1024 * 1024

/** How a transport is put to the test. */
export interface Wiring {
  readonly name: string
  /** A listener at a new address, or at one that was bound before. */
  listener(address?: string): Listener
  dialer(address: string): Dialer
  /** An address at which nobody listens. */
  nobody(): Promise<string> | string
  /** Can reading be paused? Not over a browser's WebSocket. */
  readonly pauses: boolean
}

/** A listener with one accepted link, and both its ends. */
export interface Opened {
  readonly server: Subscription
  readonly address: string
  readonly near: Tap
  readonly far: Tap
}

/** Subscribes to `listener` and gives what it bound; `onLink` gets each accepted link. */
export function bind(listener: Listener, onLink: ((link: Link) => void) | undefined): Promise<[Subscription, Bound]> {
  return new Promise((resolve, reject) => {
    const server: Subscription = listener.listen().subscribe({
      next: bound => {
        if (onLink !== undefined) bound.links$.subscribe({ next: onLink, error: reject })
        queueMicrotask(() => resolve([server, bound]))
      },
      error: reject,
    })
  })
}

/** Dials and taps the link in the same turn. */
export function dial(dialer: Dialer): Promise<Tap> {
  return new Promise((resolve, reject) => {
    dialer.dial().subscribe({ next: link => resolve(new Tap(link)), error: reject })
  })
}

export async function openPair(wiring: Wiring): Promise<Opened> {
  let take: (tap: Tap) => void
  const accepted = new Promise<Tap>(resolve => {
    take = resolve
  })
  const [server, bound] = await bind(wiring.listener(), link => take(new Tap(link).closing()))
  const near = await dial(wiring.dialer(bound.address))
  return { server, address: bound.address, near, far: await accepted }
}

async function letGo({ server, near, far }: Opened): Promise<void> {
  server.unsubscribe()
  near.link.close()
  far.link.close()
  await expectNoLeaks()
}

/** Bytes in which no run repeats soon, so that anything lost, doubled or moved shows. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 12_345
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes.writeUInt32LE(state, at)
  }
  return bytes
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Sends 32 MiB to an end that is paused, and resolves when the system takes no more of them. */
async function stuff(from: Link, megabytes = 32): Promise<Buffer> {
  const bytes = pattern(megabytes * MIB)
  for (let at = 0; at < bytes.length; at += MIB) from.send(bytes.subarray(at, at + MIB))
  let last = -1
  for (let same = 0; same < 50; same++) {
    if (from.unsentBytes !== last) same = 0
    last = from.unsentBytes
    await turn()
  }
  return bytes
}

export function linkDuties(wiring: Wiring): void {
  describe(`a ${wiring.name} link`, () => {
    it('carries bytes both ways, in order, however they are sliced', async () => {
      const pair = await openPair(wiring)
      const slices = fc.array(fc.tuple(fc.uint8Array({ maxLength: 3_000 }), fc.boolean()), { maxLength: 60 })
      await fc.assert(
        fc.asyncProperty(slices, slices, async (up, down) => {
          const [sentUp, sentDown] = [up, down].map(each => Buffer.concat(each.map(([bytes]) => bytes))) as [
            Buffer,
            Buffer,
          ]
          pair.far.chunks.length = pair.near.chunks.length = pair.far.bytes = pair.near.bytes = 0
          for (const [bytes, corked] of up) pair.near.link.send(bytes, corked)
          for (const [bytes, corked] of down) pair.far.link.send(bytes, corked)
          await pair.far.until(() => pair.far.bytes >= sentUp.length)
          await pair.near.until(() => pair.near.bytes >= sentDown.length)
          assert.ok(pair.far.received().equals(sentUp))
          assert.ok(pair.near.received().equals(sentDown))
        }),
        { numRuns: 25 },
      )
      await letGo(pair)
    })

    it('carries 16 MiB each way at once, in chunks that do not change afterwards', async () => {
      const pair = await openPair(wiring)
      const bytes = pattern(16 * MIB)
      pair.near.link.send(bytes)
      pair.far.link.send(bytes)
      await pair.far.until(() => pair.far.bytes >= bytes.length)
      await pair.near.until(() => pair.near.bytes >= bytes.length)
      assert.ok(pair.far.received().equals(bytes))
      assert.ok(pair.near.received().equals(bytes))
      await letGo(pair)
    })

    it('sends what was corked at the latest with the end of the turn', async () => {
      const pair = await openPair(wiring)
      pair.near.link.send(Buffer.from('alone'), true)
      await pair.far.until(() => pair.far.bytes === 5)
      await letGo(pair)
    })

    it('gives chunks$ to one subscriber', async () => {
      const pair = await openPair(wiring)
      await assert.rejects(firstValueFrom(pair.near.link.chunks$), /one subscriber/)
      assert.deepEqual(pair.near.ends, [])
      await letGo(pair)
    })

    it('names its far end and its transport', async () => {
      const pair = await openPair(wiring)
      assert.equal(pair.near.link.address, pair.address)
      const scheme = pair.address.slice(0, pair.address.indexOf(':') + 1)
      assert.ok(pair.far.link.address.startsWith(scheme), pair.far.link.address)
      assert.equal(`${pair.near.link.transport}:`, scheme)
      await letGo(pair)
    })

    it('emits drained$ after what was sent has left', async () => {
      const pair = await openPair(wiring)
      pair.near.link.send(pattern(4 * MIB))
      await pair.near.until(() => pair.near.drains > 0)
      assert.equal(pair.near.link.unsentBytes, 0)
      await letGo(pair)
    })

    if (wiring.pauses) {
      it('holds bytes back while paused, where the sender sees them as unsent, and lets them through afterwards', async () => {
        const pair = await openPair(wiring)
        pair.far.link.pause()
        const bytes = await stuff(pair.near.link)
        assert.ok(pair.far.bytes <= MIB, `${pair.far.bytes} bytes came while paused`)
        assert.ok(pair.near.link.unsentBytes > 8 * MIB, `only ${pair.near.link.unsentBytes} bytes show as unsent`)
        assert.equal(pair.near.drains, 0)
        pair.far.link.resume()
        await pair.near.until(() => pair.near.drains > 0)
        assert.equal(pair.near.link.unsentBytes, 0)
        await pair.far.until(() => pair.far.bytes >= bytes.length)
        assert.ok(pair.far.received().equals(bytes))
        await letGo(pair)
      })

      it('is dropped by destroy with what is unsent', async () => {
        const pair = await openPair(wiring)
        pair.far.link.pause()
        const bytes = await stuff(pair.near.link)
        pair.near.link.destroy()
        pair.near.link.destroy()
        assert.deepEqual(pair.near.ends, ['complete'])
        assert.equal(pair.near.link.unsentBytes, 0)
        pair.far.link.resume()
        await pair.far.ended()
        assert.ok(pair.far.bytes < bytes.length)
        await pair.near.until(() => pair.near.drainedCompleted)
        await letGo(pair)
      })

      it('fails once with rpc_io_err when the far end vanishes', async () => {
        const pair = await openPair(wiring)
        pair.far.link.pause()
        pair.near.link.send(pattern(MIB))
        pair.far.link.destroy()
        const end = await pair.near.ended()
        assert.ok(RpcError.is(end, 'rpc_io_err'), String(end))
        assert.ok(end.message.includes(pair.address), end.message)
        await pair.near.until(() => pair.near.drainedCompleted)
        pair.near.link.send(pattern(10))
        assert.equal(pair.near.link.unsentBytes, 0)
        assert.equal(pair.near.ends.length, 1)
        await letGo(pair)
      })
    }

    it('delivers what was sent before close, then completes the far end', async () => {
      const pair = await openPair(wiring)
      const bytes = pattern(4 * MIB)
      pair.near.link.send(bytes)
      pair.near.link.close(4400, 'rpc_protocol')
      pair.near.link.close()
      pair.near.link.send(pattern(100))
      assert.deepEqual(pair.near.ends, ['complete'])
      assert.equal(await pair.far.ended(), 'complete')
      assert.ok(pair.far.received().equals(bytes))
      pair.far.link.close()
      await pair.near.until(() => pair.near.drainedCompleted)
      await pair.far.until(() => pair.far.drainedCompleted)
      await letGo(pair)
    })

    it('drops what comes after close', async () => {
      const pair = await openPair(wiring)
      pair.near.link.close()
      pair.far.link.send(pattern(1000))
      await pair.far.ended()
      assert.equal(pair.near.bytes, 0)
      await letGo(pair)
    })

    it('is destroyed when chunks$ is unsubscribed', async () => {
      const pair = await openPair(wiring)
      pair.near.subscription.unsubscribe()
      await pair.far.ended()
      await pair.near.until(() => pair.near.drainedCompleted)
      pair.far.link.close()
      pair.server.unsubscribe()
      await expectNoLeaks()
    })

    it('may be closed and destroyed from inside next', async () => {
      const pair = await openPair(wiring)
      const closing = wiring.dialer(pair.address)
      const link = await new Promise<Link>((resolve, reject) => {
        closing.dial().subscribe({ next: resolve, error: reject })
      })
      const ended = new Promise<number>((resolve, reject) => {
        let chunks = 0
        link.chunks$.subscribe({
          next: () => {
            chunks++
            link.close()
            link.destroy()
          },
          error: reject,
          complete: () => resolve(chunks),
        })
      })
      link.destroy()
      assert.equal(await ended, 0)
      pair.far.link.send(pattern(10))
      await pair.near.until(() => pair.near.bytes === 10)
      await letGo(pair)
    })
  })

  describe(`a ${wiring.name} dialer`, () => {
    it('fails with rpc_unreachable, executed no, where nobody listens, and says so', async () => {
      const address = await wiring.nobody()
      const error = await dial(wiring.dialer(address)).then(
        () => assert.fail('got through'),
        error => error,
      )
      assert.ok(RpcError.is(error, 'rpc_unreachable'), String(error))
      assert.equal(error.executed, 'no')
      assert.ok(error.message.includes(address), error.message)
      assert.match(error.message, /ECONNREFUSED|ENOENT|nobody listens/)
      await expectNoLeaks()
    })

    it('dials once for each subscription', async () => {
      const pair = await openPair(wiring)
      const dialer = wiring.dialer(pair.address)
      const taps = [await dial(dialer), await dial(dialer)]
      assert.notEqual(taps[0]!.link, taps[1]!.link)
      for (const tap of taps) tap.link.close()
      await letGo(pair)
    })

    it('leaves nothing open when it is unsubscribed early, after however many turns', async () => {
      const far: Tap[] = []
      const [server, bound] = await bind(wiring.listener(), link => far.push(new Tap(link)))
      for (let turns = 0; turns < 8; turns++) {
        const near: Link[] = []
        const dialling = wiring
          .dialer(bound.address)
          .dial()
          .subscribe({ next: link => near.push(link), error: assert.fail })
        for (let at = 0; at < turns; at++) await turn()
        dialling.unsubscribe()
        for (const link of near) link.destroy()
      }
      server.unsubscribe()
      for (const tap of far) await tap.ended()
      for (const tap of far) tap.link.close()
      await expectNoLeaks()
    })
  })

  describe(`a ${wiring.name} listener`, () => {
    it('frees its address when it is unsubscribed, and its links live on', async () => {
      const pair = await openPair(wiring)
      pair.server.unsubscribe()
      await assert.rejects(dial(wiring.dialer(pair.address)))
      const taps: Tap[] = []
      const [again] = await bind(wiring.listener(pair.address), link => taps.push(new Tap(link).closing()))
      const second = await dial(wiring.dialer(pair.address))
      second.link.send(pattern(4))
      pair.near.link.send(pattern(8))
      await pair.far.until(() => pair.far.bytes === 8)
      await second.until(() => taps.length === 1)
      await taps[0]!.until(() => taps[0]!.bytes === 4)
      again.unsubscribe()
      second.link.close()
      taps[0]!.link.close()
      await letGo(pair)
    })

    it('completes links$ when it is unsubscribed', async () => {
      const [server, bound] = await bind(wiring.listener(), undefined)
      const links = firstValueFrom(bound.links$, { defaultValue: EMPTY })
      server.unsubscribe()
      assert.equal(await links, EMPTY)
      await expectNoLeaks()
    })

    it('destroys a link that nobody takes', async () => {
      const [server, bound] = await bind(wiring.listener(), undefined)
      const near = await dial(wiring.dialer(bound.address))
      await near.ended()
      near.link.close()
      server.unsubscribe()
      await expectNoLeaks()
    })

    it('fails to bind an address that is taken, and names it', async () => {
      const pair = await openPair(wiring)
      await assert.rejects(bind(wiring.listener(pair.address), undefined), (error: Error) => {
        assert.ok(error.message.includes(pair.address), error.message)
        assert.match(error.message, /EADDRINUSE|taken/)
        return true
      })
      pair.near.link.send(pattern(4))
      await pair.far.until(() => pair.far.bytes === 4)
      await letGo(pair)
    })

    it('leaves nothing open when it is unsubscribed before it is bound', async () => {
      wiring.listener().listen().subscribe({ error: assert.fail }).unsubscribe()
      await expectNoLeaks()
    })
  })
}
