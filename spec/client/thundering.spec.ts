/**
 * A server that comes back is not run over by those that waited for it: a thousand clients, each with its own pool, in virtual time.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asyncScheduler, defer, interval, of, takeUntil, throwError, timer } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import type { ClientConfig } from '../../lib/client/config.ts'
import { ConnPool } from '../../lib/client/pool.ts'
import { factsOf } from '../../lib/connect.ts'
import { type Dialer, type Link, memoryPair, RpcError } from '../../lib/index.ts'

const CLIENTS = 1_000
const SECOND = 1_000

/** A server that is there or not, and counts who comes. */
class Herded {
  readonly dialer: Dialer = { address: 'memory:herded', dial: () => defer(() => this.#accept()) }
  /** Dials by the second in which they came. */
  readonly dials: number[] = []
  up = true
  #links: Link[] = []

  #accept(): ReturnType<Dialer['dial']> {
    const second = Math.floor(asyncScheduler.now() / SECOND)
    this.dials[second] = (this.dials[second] ?? 0) + 1
    if (!this.up) return throwError(() => new RpcError('rpc_unreachable', 'nobody is there', { executed: 'no' }))
    const [near, far] = memoryPair()
    far.chunks$.subscribe({ error: assert.fail })
    this.#links.push(far)
    return of(near)
  }

  /** All clients lose it at the same instant. */
  fall(): void {
    this.up = false
    for (const link of this.#links.splice(0)) link.destroy()
  }

  /** The most dials in a second, and their mean, of the seconds from `first` to before `end`. */
  perSecond(first: number, end: number): { readonly peak: number; readonly mean: number } {
    const counts = Array.from({ length: end - first }, (_, i) => this.dials[first + i] ?? 0)
    return { peak: Math.max(...counts), mean: counts.reduce((sum, count) => sum + count) / counts.length }
  }
}

/** Numbers of [0, 1), the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** What happens, in virtual time, to a server whose clients are all connected; in the end they are closed. */
function herd(
  story: (server: Herded, pools: readonly ConnPool[], at: (second: number, act: () => void) => void) => void,
): void {
  new TestScheduler(() => {}).run(() => {
    const server = new Herded()
    const facts = factsOf({ version: 1, tickMs: 10 * SECOND } satisfies Partial<ClientConfig>)
    const pools = Array.from({ length: CLIENTS }, (_, i) => {
      const pool = new ConnPool(server.dialer, facts, { random: seeded(i + 1) })
      pool.prewarm().subscribe({ error: assert.fail })
      return pool
    })
    story(server, pools, (second, act) => asyncScheduler.schedule(act, second * SECOND))
  })
}

const closeAll = (pools: readonly ConnPool[]): void => {
  for (const pool of pools) pool.close(0).catch(assert.fail)
}

const ready = (pools: readonly ConnPool[]): number => pools.filter(({ status }) => status.state === 'ready').length

describe('a thousand clients that lose one server for a minute', () => {
  const LOST = 2
  const BACK = LOST + 60

  it('dial evenly: from the fifth second on no second sees more than three times the mean', () => {
    let judged = false
    herd((server, pools, at) => {
      at(LOST, () => {
        assert.equal(ready(pools), CLIENTS)
        server.fall()
      })
      at(BACK, () => {
        server.up = true
      })
      at(BACK + 31, () => {
        const outage = server.perSecond(LOST + 5, BACK)
        const { peak } = server.perSecond(LOST + 5, BACK + 31)
        assert.ok(outage.mean > 20, `they dial: ${outage.mean} a second`)
        assert.ok(peak <= 3 * outage.mean, `${peak} in one second, ${outage.mean} in the mean`)
        assert.equal(ready(pools), CLIENTS, 'all are back within the longest pause')
        judged = true
        closeAll(pools)
      })
    })
    assert.ok(judged)
  })

  it('dial no more often for the calls that are made meanwhile', () => {
    const dials = [false, true].map(calling => {
      let sum = 0
      herd((server, pools, at) => {
        at(LOST, () => server.fall())
        if (calling) {
          for (const pool of pools) {
            interval(10 * SECOND)
              .pipe(takeUntil(timer((BACK - 1) * SECOND)))
              .subscribe({
                next: () =>
                  pool.call({ action: 1 }).subscribe({ next: () => assert.fail('answered'), error: () => {} }),
                error: assert.fail,
              })
          }
        }
        at(BACK, () => {
          sum = server.perSecond(LOST + 5, BACK).mean
          closeAll(pools)
        })
      })
      return sum
    })
    assert.ok(dials[1]! <= dials[0]! * 1.1, `${dials[1]} a second with calls, ${dials[0]} without`)
  })
})

describe('a thousand clients of a server that comes for five seconds in twenty', () => {
  it('dial evenly all the same: it has not recovered by coming', () => {
    let judged = false
    herd((server, pools, at) => {
      for (let fall = 2; fall < 160; fall += 20) {
        at(fall, () => server.fall())
        at(fall + 15, () => {
          server.up = true
        })
      }
      at(160, () => {
        // Once each of them has lost it several times.
        const { peak, mean } = server.perSecond(60, 160)
        assert.ok(peak <= 3 * mean, `${peak} in one second, ${mean} in the mean`)
        judged = true
        closeAll(pools)
      })
    })
    assert.ok(judged)
  })
})
