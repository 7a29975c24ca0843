/**
 * What a client refuses before it sends it: its window, its queue, and the sizes of a request.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstValueFrom } from 'rxjs'
import { connect } from '../../lib/node/index.ts'
import { atClient, atServer, BOTH_VERSIONS, follow, turn } from '../support/arena.ts'

const MIB = 1024 * 1024

describe('a client', () => {
  atServer(
    'keeps as many calls in flight as its window has slots, and the others waiting',
    async ({ lab, client }) => {
      const caller = client({ thresholds: 2 })
      const calls = Array.from({ length: 5 }, (_, i) => follow(caller.call({ action: 'Lab.hold', input: i })))
      await lab.holds(2)
      for (let i = 0; i < 5; i++) await turn()
      assert.deepEqual([lab.ran.length, caller.stats().inFlight, caller.stats().waiting], [2, 2, 3])
      lab.held[0]!.next('a slot comes back')
      await lab.holds(2)
      assert.deepEqual([lab.ran.length, caller.stats().inFlight, caller.stats().waiting], [3, 2, 2])
      while (lab.held.length > 0 || lab.ran.length < 5) {
        lab.held[0]?.next('and another')
        await turn()
      }
      for (const call of calls) await call.answers()
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'answers a ping while its window is full',
    async ({ lab, client }) => {
      const caller = client({ thresholds: 1 })
      const call = follow(caller.call({ action: 'Lab.hold' }))
      await lab.holds(1)
      await firstValueFrom(caller.ping(), { defaultValue: 'pong' })
      lab.held[0]!.next(1)
      await call.answers()
    },
    { versions: BOTH_VERSIONS },
  )

  atClient(
    'lets maxWaitingCalls wait, and fails the rest with rpc_overflow, executed no',
    async ({ client, agreed }) => {
      const calls = Array.from({ length: 6 }, () => follow(client.call({ action: 'Lab.call' })))
      const peer = await agreed(0)
      await peer.wasAsked(1)
      const more = [1, 2, 3].map(() => follow(client.call({ action: 'Lab.more' })))
      const refused = [...calls, ...more].filter(each => each.ends > 0)
      for (const call of refused) {
        await call.failsWith('rpc_overflow', /4 calls wait already, maxWaitingCalls is 4/, 'no')
      }
      assert.ok(refused.length >= 4, `${refused.length} were refused`)
      assert.equal(client.stats().waiting <= 4, true)
    },
    { options: { thresholds: 1, maxWaitingCalls: 4 }, versions: BOTH_VERSIONS },
  )

  atClient(
    'lets calls of maxWaitingBytes wait, and fails the rest with rpc_overflow, executed no',
    async ({ client, agreed, answer }) => {
      const blob = new Uint8Array(1000)
      const first = follow(client.call({ action: 'Lab.first' }))
      const peer = await agreed(0)
      await peer.wasAsked(1)
      const waiting = [1, 2, 3].map(() => follow(client.call({ action: 'Lab.waits', blob })))
      await follow(client.call({ action: 'Lab.call', blob })).failsWith(
        'rpc_overflow',
        /waiting calls hold 3003 bytes, maxWaitingBytes is 2500/,
        'no',
      )
      // What leaves the queue makes room.
      waiting[0]!.unsubscribe()
      const next = follow(client.call({ action: 'Lab.waits', blob }))
      assert.equal(client.stats().waiting, 3)
      for (let count = 1; count <= 4; count++) {
        const { seq } = (await peer.wasAsked(count)).at(-1)!
        peer.send(answer({ seq, msg: Uint8Array.of(1) }))
        if (count === 1) await first.answers()
      }
      for (const call of [waiting[1]!, waiting[2]!, next]) await call.answers()
    },
    { options: { thresholds: 1, maxWaitingBytes: 2500 }, versions: BOTH_VERSIONS },
  )

  for (const [what, request, code, message] of [
    ['a function', { input: () => 1 }, 'rpc_encode', /function/],
    ['an integer beyond 64 bits', { input: 2n ** 64n }, 'rpc_encode', /bigint/],
    [
      'a message over its limit',
      { input: 'x'.repeat(MIB) },
      'rpc_too_large',
      /message of 1048581 bytes is over maxMessageBytes 1048576/,
    ],
    [
      'a blob over its limit',
      { blob: new Uint8Array(16 * MIB + 1) },
      'rpc_too_large',
      /blob of 16777217 bytes is over maxBlobBytes 16777216/,
    ],
    [
      'a name over its limit',
      { action: 'ß'.repeat(129) },
      'rpc_too_large',
      /action name of 258 bytes is over maxActionBytes 256/,
    ],
  ] as const) {
    for (const state of ['with no connection yet', 'with a connection', 'with a full window'] as const) {
      atServer(
        `fails the call of ${what}, ${state}, and no other`,
        async ({ lab, client }) => {
          const caller = client(state === 'with a full window' ? { thresholds: 1 } : {})
          const before = state === 'with no connection yet' ? undefined : follow(caller.call({ action: 'Lab.hold' }))
          if (before !== undefined) await lab.holds(1)
          const bad = follow(caller.call({ action: 'Lab.echo', ...request }))
          const after = follow(caller.call({ action: 'Lab.echo', input: 'after' }))
          const error = await bad.failsWith(code, message, 'no')
          assert.equal(error.action, 'action' in request ? request.action : 'Lab.echo')
          lab.held[0]?.next('before')
          await before?.answers()
          assert.equal((await after.answers()).value, 'after')
          assert.deepEqual(lab.inputs, ['after'])
        },
        { versions: BOTH_VERSIONS },
      )
    }
  }

  it('refuses actions that are none with a TypeError at the call', async () => {
    const client = connect('memory:none')
    for (const action of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
      assert.throws(() => client.call({ action }), {
        name: 'TypeError',
        message: `a numeric action is an integer from 1 to 2147483647, not ${action}`,
      })
    }
    await client.close()
  })

  it('refuses addresses and options that are none with a TypeError', () => {
    assert.throws(() => connect('http://127.0.0.1:1'), /cannot dial http:/)
    assert.throws(
      () => connect('memory:x', { clientId: -1 }),
      /clientId must be an integer from 0 to 2\^64 - 1, not -1/,
    )
  })
})
