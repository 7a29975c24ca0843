/**
 * A client's clocks, in virtual time over memory: timeouts, pings, dead links, and who holds a slot for how long.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NEVER } from 'rxjs'
import { clientOf } from '../../lib/connect.ts'
import { BOTH_VERSIONS } from '../support/arena.ts'
import { countsOf } from '../support/counts.ts'
import { ONE_LINK } from '../support/one-link.ts'
import { response } from '../support/raw-frames.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { virtually } from '../support/virtual.ts'

const silent = (): void => undefined
const H24 = 24 * 60 * 60 * 1000

/** The virtual millisecond of an entry. */
const when = (entry: string | undefined): number => Number.parseInt(entry ?? 'NaN', 10)

for (const version of BOTH_VERSIONS) {
  /** Whose clock is first makes no difference: the server's may be, in version 2, where it knows how long its caller waits. */
  const timedOut = (ms: number, action = 'Lab.never'): RegExp =>
    new RegExp(
      version === 1
        ? `error rpc_timeout maybe: ${action} was not answered within ${ms} ms$`
        : `error rpc_timeout (maybe: ${action} was not answered within ${ms} ms|yes: ${action} was answered with rpc_timeout)$`,
    )

  describe(`the timeout of a call of version ${version}`, () => {
    for (const [timeoutMs, tick] of [
      [1, 50],
      [49, 50],
      [50, 50],
      [1234, 50],
      [4999, 50],
      [5000, 1000],
      [5001, 1000],
      [20_000, 1000],
      [54_000, 1000],
    ] as const) {
      for (const start of [0, 1, 333, 999]) {
        it(
          `of ${timeoutMs} ms, begun at ${start} ms, passes in [T, T + ${tick})`,
          virtually(({ at, end, client, server, record }) => {
            const caller = client(server().address)
            record(caller.call({ action: 'Lab.echo' }))
            let seen: string[] = []
            at(start, () => {
              seen = record(caller.call({ action: 'Lab.never', timeoutMs }))
            })
            end(start + timeoutMs + 2000)
            return () => {
              const ms = when(seen[0])
              assert.ok(ms >= start + timeoutMs && ms < start + timeoutMs + tick, `ended at ${ms}`)
              assert.match(seen[0]!, timedOut(timeoutMs))
              assert.equal(seen.length, 1)
            }
          }, version),
        )
      }
    }

    it(
      'is taskTimeoutMs where the call has none of its own',
      virtually(({ end, client, server, record }) => {
        const seen = record(client(server().address, { taskTimeoutMs: 7000 }).call({ action: 'Lab.never' }))
        end(9000)
        return () => {
          assert.match(seen.join(), timedOut(7000))
          assert.ok(when(seen[0]) >= 7000 && when(seen[0]) < 8000, seen[0])
        }
      }, version),
    )

    for (const timeoutMs of [0, -1, -Infinity]) {
      it(
        `of ${timeoutMs} ms fails at once, and nothing is sent or dialled (C16)`,
        virtually(({ client, rawServer, record }) => {
          const peers: RawPeer[] = []
          const caller = client(rawServer(peer => peers.push(peer)))
          const seen = record(caller.call({ action: 'Lab.call', timeoutMs }))
          for (const peer of peers) peer.reset()
          return () => {
            assert.match(seen.join(), /^0 error rpc_timeout no: Lab.call was not sent within -?(0|1|Infinity) ms$/)
            for (const peer of peers) assert.equal(version === 1 ? peer.bytes : peer.asked.length, 0)
          }
        }, version),
      )
    }

    for (const timeoutMs of [Infinity, H24 + 1, 2 ** 31, Number.MAX_VALUE]) {
      it(
        `of ${timeoutMs} ms is cut to 24 hours (C16)`,
        virtually(({ end, client, server, record }) => {
          const quiet = { tickMs: 60_000, pingIntervalMs: 3 * H24, deadAfterMs: 3 * H24 }
          const { address } = server({ tickMs: 60_000, maxCallMs: 2 * H24, idleTimeoutMs: 3 * H24 })
          const seen = record(client(address, quiet).call({ action: 'Lab.never', timeoutMs }))
          end(H24 + 120_000)
          return () => {
            assert.match(seen.join(), timedOut(H24))
            assert.ok(when(seen[0]) >= H24 && when(seen[0]) < H24 + 60_000, seen[0])
          }
        }, version),
      )
    }

    it('of NaN, and of what is no number, is a TypeError at the call (C16)', () => {
      const client = clientOf({ address: 'memory:none', dial: () => NEVER }, {})
      for (const timeoutMs of [Number.NaN, '5' as unknown as number]) {
        assert.throws(() => client.call({ action: 'Lab.call', timeoutMs }), {
          name: 'TypeError',
          message: `timeoutMs must be a number of milliseconds, not ${timeoutMs}`,
        })
      }
    })

    it(
      'runs while the call waits for a slot, and then nothing was sent',
      virtually(({ at, end, client, server, record }) => {
        const { address, lab } = server()
        const caller = client(address, { thresholds: 1 })
        const first = record(caller.call({ action: 'Lab.hold', timeoutMs: 10_000 }))
        const second = record(caller.call({ action: 'Lab.echo', timeoutMs: 100 }))
        at(5000, () => lab.held[0]!.next('late'))
        end(6000)
        return () => {
          assert.match(second.join(), /^1\d\d error rpc_timeout no: Lab.echo was not sent within 100 ms$/)
          assert.equal(first.length, 2)
          assert.deepEqual(lab.inputs, [])
        }
      }, version),
    )

    it(
      'runs while the client dials, which stops after connectTimeoutMs',
      virtually(({ record }) => {
        const client = clientOf({ address: 'memory:far', dial: () => NEVER }, { ...ONE_LINK, connectTimeoutMs: 3000 })
        const short = record(client.call({ action: 'Lab.short', timeoutMs: 1000 }))
        const long = record(client.call({ action: 'Lab.long' }))
        return () => {
          assert.match(short.join(), /^10\d\d error rpc_timeout no: Lab.short was not sent within 1000 ms$/)
          assert.match(
            long.join(),
            /^3000 error rpc_unreachable no: .*no connection to memory:far within connectTimeoutMs 3000/,
          )
          assert.deepEqual(countsOf(client.stats()), { waiting: 0, inFlight: 0, lateAnswers: 0 })
        }
      }, version),
    )
  })
}

describe('a timeout that passes', () => {
  it(
    'frees the slot for the next call in version 1, and its late answer is dropped and counted',
    virtually(({ at, end, client, server, record }) => {
      const { address, lab } = server()
      const caller = client(address, { thresholds: 1 })
      record(caller.call({ action: 'Lab.hold', timeoutMs: 1000 }))
      const next = record(caller.call({ action: 'Lab.echo', input: 'next' }))
      let late = -1
      at(3000, () => {
        lab.held[0]!.next('late')
        at(0, () => {
          late = caller.stats().lateAnswers
        })
      })
      end(4000)
      return () => {
        assert.match(next[0]!, /^10\d\d next .*"next"/)
        assert.equal(late, 1)
      }
    }, 1),
  )

  it(
    'stops the handler in version 2, whose end frees the slot for the next call',
    virtually(({ end, client, server, record }) => {
      const { address, lab } = server()
      const caller = client(address, { thresholds: 1 })
      record(caller.call({ action: 'Lab.hold', timeoutMs: 1000 }))
      const next = record(caller.call({ action: 'Lab.echo', input: 'next' }))
      end(4000)
      return () => {
        assert.match(next[0]!, /^10\d\d next .*"next"/)
        assert.deepEqual([lab.tornDown, lab.aborted, caller.stats().lateAnswers], [1, 1, 0])
      }
    }),
  )
})

describe('a call that is given up', () => {
  for (const version of BOTH_VERSIONS) {
    it(
      `while it waits is forgotten, and never sent, in version ${version}`,
      virtually(({ at, end, client, server }) => {
        const { address, lab } = server()
        const caller = client(address, { thresholds: 1 })
        caller.call({ action: 'Lab.hold' }).subscribe()
        const waiting = caller.call({ action: 'Lab.echo' }).subscribe()
        at(1, () => {
          assert.equal(caller.stats().waiting, 1)
          waiting.unsubscribe()
          assert.equal(caller.stats().waiting, 0)
        })
        at(100, () => lab.held[0]!.next(1))
        end(200)
        return () => assert.deepEqual(lab.ran, ['Lab.hold'])
      }, version),
    )
  }

  it(
    'after it was sent keeps its slot until the answer comes in version 1, which is dropped without a count',
    virtually(({ at, end, client, server, record }) => {
      const { address, lab } = server()
      const caller = client(address, { thresholds: 1 })
      const sent = caller.call({ action: 'Lab.hold' }).subscribe()
      const next = record(caller.call({ action: 'Lab.echo', input: 'next' }))
      at(10, () => sent.unsubscribe())
      at(20, () => assert.deepEqual([caller.stats().inFlight, caller.stats().waiting, lab.tornDown], [1, 1, 0]))
      at(500, () => lab.held[0]!.next(1))
      end(900)
      return () => {
        assert.equal(when(next[0]), 500)
        assert.equal(caller.stats().lateAnswers, 0)
      }
    }, 1),
  )

  it(
    'after it was sent stops its handler in version 2, whose end frees the slot',
    virtually(({ at, end, client, server, record }) => {
      const { address, lab } = server()
      const caller = client(address, { thresholds: 1 })
      const sent = caller.call({ action: 'Lab.hold' }).subscribe()
      const next = record(caller.call({ action: 'Lab.echo', input: 'next' }))
      at(10, () => sent.unsubscribe())
      at(20, () => assert.deepEqual([caller.stats().inFlight, caller.stats().waiting, lab.tornDown], [0, 0, 1]))
      end(900)
      return () => {
        assert.equal(when(next[0]), 10)
        assert.equal(caller.stats().lateAnswers, 0)
      }
    }),
  )

  it(
    'after it was sent keeps its slot until its deadline at the latest in version 1',
    virtually(({ at, end, client, server, record }) => {
      const caller = client(server().address, { thresholds: 1 })
      const sent = caller.call({ action: 'Lab.never', timeoutMs: 2000 }).subscribe()
      const next = record(caller.call({ action: 'Lab.echo' }))
      at(10, () => sent.unsubscribe())
      end(3000)
      return () => assert.ok(when(next[0]) >= 2000 && when(next[0]) < 2050, next[0])
    }, 1),
  )

  it(
    'by its signal before it begins fails at once, and nothing is sent',
    virtually(({ at, end, client, server, record }) => {
      const { address, lab } = server()
      const caller = client(address)
      const seen = record(caller.call({ action: 'Lab.echo', signal: AbortSignal.abort('no more') }))
      at(1, silent)
      end(10)
      return () => {
        assert.deepEqual(seen, ['0 error rpc_canceled no: Lab.echo was aborted by its signal'])
        assert.deepEqual(lab.ran, [])
      }
    }),
  )

  it(
    'by its signal later fails at once, executed maybe, and its slot stays taken until the answer in version 1',
    virtually(({ at, end, client, server, record }) => {
      const { address, lab } = server()
      const caller = client(address, { thresholds: 1 })
      const aborter = new AbortController()
      const { signal } = aborter
      const sent = record(caller.call({ action: 'Lab.hold', signal }))
      const waiting = record(caller.call({ action: 'Lab.echo', signal }))
      const next = record(caller.call({ action: 'Lab.echo', input: 'next' }))
      at(40, () => aborter.abort())
      at(90, () => lab.held[0]!.next(1))
      end(100)
      return () => {
        assert.deepEqual(sent, ['40 error rpc_canceled maybe: Lab.hold was aborted by its signal'])
        assert.deepEqual(waiting, ['40 error rpc_canceled no: Lab.echo was aborted by its signal'])
        assert.equal(when(next[0]), 90)
      }
    }, 1),
  )
})

/** A raw server that answers each ping. */
function ponging(peer: RawPeer, pings: bigint[]): void {
  let answered = 0
  const look = (): void => {
    const { asked } = peer
    for (; answered < asked.length; answered++) {
      if (asked[answered]!.action !== 0) continue
      pings.push(asked[answered]!.seq)
      peer.send(response({ seq: asked[answered]!.seq }))
    }
  }
  peer.onBytes = look
}

describe('the heartbeat of a client of version 1', () => {
  it(
    'pings after 25 s of silence, and as often as it lasts, with seqs of its own',
    virtually(({ end, now, client, rawServer, record }) => {
      const pings: bigint[] = []
      const times: number[] = []
      const caller = client(
        rawServer(peer => {
          ponging(peer, {
            push: (seq: bigint) => {
              pings.push(seq)
              times.push(now())
            },
          } as bigint[])
        }),
      )
      record(caller.call({ action: 'Lab.call', timeoutMs: 300_000 }))
      end(130_000)
      return () => {
        assert.deepEqual(pings, [2n, 3n, 4n, 5n, 6n].slice(0, pings.length))
        assert.ok(times.length >= 4, `pings at ${times}`)
        for (const [i, ms] of times.entries()) {
          const since = ms - (times[i - 1] ?? 0)
          assert.ok(since >= 25_000 && since <= 27_000, `pings at ${times}`)
        }
      }
    }, 1),
  )

  it(
    'gives a half-open link up after 55 s without a byte: its calls fail, and the next one dials (D1)',
    virtually(({ at, end, client, rawServer, record, log }) => {
      const peers: RawPeer[] = []
      const caller = client(rawServer(peer => peers.push(peer)))
      const seen = record(caller.call({ action: 'Lab.call', timeoutMs: 300_000 }))
      at(60_000, () => record(caller.call({ action: 'Lab.next' })))
      end(61_000)
      return () => {
        const ms = when(seen[0])
        assert.ok(ms >= 55_000 && ms <= 57_000, seen[0])
        assert.match(seen.join(), /rpc_io_err maybe: Lab.call: lost its connection: .*no byte came for 55000 ms/)
        assert.match(log.join(), /no byte came for 55000 ms/)
        assert.equal(peers.length, 2)
        assert.ok(
          peers[0]!.asked.some(each => each.action === 0),
          'no ping was sent',
        )
      }
    }, 1),
  )

  it(
    'takes any byte for life, and a stalled frame for none (A5)',
    virtually(({ at, end, client, rawServer, record }) => {
      const caller = client(
        rawServer(peer => {
          const answer = response({ seq: 1, msg: Uint8Array.of(0x92, 1, 2) })
          for (let i = 0; i < 20; i++) at(1000 + 4000 * i, () => peer.send(answer.subarray(i, i + 1)))
        }),
      )
      const seen = record(caller.call({ action: 'Lab.call', timeoutMs: 300_000 }))
      end(100_000)
      return () =>
        assert.match(seen.join(), /^3\d{4} error rpc_io_err maybe: .*of 2\d bytes of a frame came within 30\d\d\d ms/)
    }, 1),
  )

  it(
    'gives up a server that takes no bytes within writeTimeoutMs',
    virtually(({ end, client, rawServer, record }) => {
      const caller = client(rawServer(peer => peer.pause()))
      const seen = record(caller.call({ action: 'Lab.call', blob: new Uint8Array(100_000), timeoutMs: 60_000 }))
      end(30_000)
      return () =>
        assert.match(seen.join(), /^[5-7]\d{3} error rpc_io_err no: .*none of 100\d+ unsent bytes left within/)
    }, 1),
  )
})
