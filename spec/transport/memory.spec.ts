/** Links inside one process, also in virtual time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { map } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { RpcError } from '../../lib/error.ts'
import { memoryDialer, memoryListener, memoryPair } from '../../lib/transport/memory.ts'
import { linkDuties } from '../support/link-duties.ts'
import { Tap } from '../support/tap.ts'

let names = 0

linkDuties({
  name: 'memory',
  listener: address => memoryListener(address ?? `memory:name-${++names}`),
  dialer: address => memoryDialer(address),
  nobody: () => 'memory:nobody',
  pauses: true,
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('a memory pair', () => {
  it('delivers inside send', () => {
    const [a, b] = memoryPair()
    const tap = new Tap(b)
    a.send(bytes(1, 2))
    assert.deepEqual(tap.chunks, [bytes(1, 2)])
    assert.equal(a.unsentBytes, 0)
    assert.equal(new Tap(a).drains, 0)
  })

  it('delivers an answer sent during a delivery after it, not inside it', () => {
    const [a, b] = memoryPair()
    const log: string[] = []
    a.chunks$.subscribe({ next: chunk => log.push(`a got ${chunk}`), error: assert.fail })
    b.chunks$.subscribe({
      next: chunk => {
        log.push(`b got ${chunk}`)
        b.send(bytes(9))
        log.push('b sent')
      },
      error: assert.fail,
    })
    a.send(bytes(1))
    assert.deepEqual(log, ['b got 1', 'b sent', 'a got 9'])
  })

  it('answers a million times without a deeper stack', () => {
    const [a, b] = memoryPair()
    let left = 1_000_000
    for (const end of [a, b]) {
      end.chunks$.subscribe({ next: chunk => left-- > 0 && end.send(chunk), error: assert.fail })
    }
    a.send(bytes(1))
    assert.equal(left, -1)
  })

  it('holds what was sent until chunks$ is subscribed', () => {
    const [a, b] = memoryPair()
    a.send(bytes(1, 2, 3))
    assert.equal(a.unsentBytes, 3)
    const tap = new Tap(b)
    assert.equal(tap.bytes, 3)
    assert.equal(a.unsentBytes, 0)
  })

  it('stops in the middle when it is paused from inside next, and counts exactly', () => {
    const [a, b] = memoryPair()
    const near = new Tap(a)
    const got: number[] = []
    b.pause()
    b.chunks$.subscribe({
      next: chunk => {
        got.push(chunk[0]!)
        b.pause()
      },
      error: assert.fail,
    })
    for (let value = 0; value < 3_000; value++) a.send(bytes(value & 255, 0))
    assert.deepEqual(got, [])
    for (let taken = 1; taken < 3_000; taken++) {
      b.resume()
      assert.equal(a.unsentBytes, 2 * (3_000 - taken))
    }
    assert.equal(near.drains, 0)
    b.resume()
    assert.equal(near.drains, 1)
    assert.deepEqual(got.slice(-2), [2_998 & 255, 2_999 & 255])
  })

  it('completes a paused end only after it took what was sent', () => {
    const [a, b] = memoryPair()
    const far = new Tap(b)
    const near = new Tap(a)
    b.pause()
    a.send(bytes(1))
    a.close()
    assert.deepEqual(far.ends, [])
    assert.equal(near.drainedCompleted, false)
    b.resume()
    assert.deepEqual([far.bytes, far.ends, near.drainedCompleted], [1, ['complete'], true])
  })

  it('tells a paused end at once that the far end is gone', () => {
    const [a, b] = memoryPair()
    const far = new Tap(b)
    b.pause()
    a.send(bytes(1))
    a.destroy()
    assert.equal(far.bytes, 0)
    assert.ok(RpcError.is(far.ends[0], 'rpc_io_err'))
    assert.equal(far.drainedCompleted, true)
  })

  it('lets the end that was told to finish still be closed by the other, without a second end', () => {
    const [a, b] = memoryPair()
    const taps = [new Tap(a), new Tap(b)]
    a.close()
    b.send(bytes(1))
    b.close()
    a.destroy()
    b.destroy()
    assert.deepEqual(
      taps.map(tap => [tap.ends, tap.drainedCompleted, tap.bytes]),
      [
        [['complete'], true, 0],
        [['complete'], true, 0],
      ],
    )
  })

  it('runs in virtual time', () => {
    const scheduler = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected))
    scheduler.run(({ cold, expectObservable }) => {
      const [a, b] = memoryPair()
      cold('-a--b-|').subscribe({
        next: value => a.send(bytes(value.charCodeAt(0))),
        error: assert.fail,
        complete: () => a.close(),
      })
      expectObservable(b.chunks$.pipe(map(chunk => String.fromCharCode(chunk[0]!)))).toBe('-a--b-|')
    })
  })

  it('runs in virtual time on the scheduler that is given', () => {
    const scheduler = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected))
    scheduler.run(({ cold, expectObservable }) => {
      const [a, b] = memoryPair({ scheduler })
      const lost = new RpcError('rpc_io_err', 'memory:pair: connection lost: the far end dropped it')
      cold('-a--|').subscribe({
        next: value => a.send(bytes(value.charCodeAt(0))),
        error: assert.fail,
        complete: () => a.destroy(),
      })
      const seen$ = b.chunks$.pipe(map(chunk => String.fromCharCode(chunk[0]!)))
      expectObservable(seen$).toBe(
        '-a--#',
        undefined,
        new RpcError(lost.code, lost.message, { address: 'memory:pair' }),
      )
    })
  })
})

describe('memory addresses', () => {
  it('are memory:NAME, and anything else is refused with the expected form', async () => {
    for (const address of ['memory:', 'memory://', 'tcp://x:1', 'x']) {
      memoryDialer(address)
        .dial()
        .subscribe({
          next: () => assert.fail('got through'),
          error: error => {
            assert.ok(RpcError.is(error, 'rpc_unreachable'))
            assert.match(error.message, /expected memory:NAME/)
          },
        })
      memoryListener(address)
        .listen()
        .subscribe({
          next: () => assert.fail('bound'),
          error: error => assert.match(error.message, /expected memory:NAME/),
        })
    }
  })
})
