/**
 * Rules of version 2 that PROTOCOL.md states, held by raw peers that test one rule each.
 */
import assert from 'node:assert/strict'
import { concat as join, NEVER, Observable, of, throwError } from 'rxjs'
import { CallRefused, type ServerCall } from '../../lib/node/index.ts'
import { follow } from '../support/arena.ts'
import { request } from '../support/raw-frames.ts'
import { RawCaller, until, withClient, withServer } from '../support/stage.ts'
import {
  DOWN,
  downDone,
  downHello,
  downNext,
  offer,
  pack,
  UP,
  upCancel,
  upComplete,
  upCredit,
  upError,
  upHello,
  upNext,
  upRequest,
} from '../support/v2-frames.ts'

const HALVES = [
  ['an item', upNext(2, 1)],
  ['a COMPLETE', upComplete(2)],
  ['an ERROR', upError(2, 'no')],
] as const

for (const [what, frame] of HALVES) {
  withServer(`closes with 4420 at ${what} for a call whose client has no half`, () => ({
    handlers: { 'S.hold': () => NEVER },
    run: async stage => {
      const unary = await stage.raw()
      unary.send(upRequest(2, { action: 'S.hold' }), frame)
      await unary.isClosed(4420, 'rpc_flow')
    },
  }))
}

withServer('drops a CREDIT for a unary call', () => ({
  handlers: { 'S.hold': () => NEVER },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.hold' }), upCredit(2, 1, 9))
    await caller.lives(3)
    caller.send(upCancel(2))
    await caller.terminal(2)
  },
}))

withServer('sends the error of a source behind the items that wait for credit', () => ({
  handlers: {
    'S.fails': call =>
      join(
        of(1, 2),
        throwError(() => call.fail('oops')),
      ),
  },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.fails', window: 1 }))
    await caller.lives(3)
    assert.deepEqual(
      caller.of(2).map(({ kind }) => kind),
      [DOWN.next],
    )
    caller.send(upCredit(2, 1, 1))
    assert.equal((await caller.terminal(2)).text, 'oops')
    assert.deepEqual(
      caller.of(2).map(({ kind }) => kind),
      [DOWN.next, DOWN.next, DOWN.error],
    )
  },
}))

withServer('says nothing but the terminal when a call with items is stopped', () => ({
  handlers: { 'S.edit': (call: ServerCall) => new Observable(out => call.items$.subscribe(out)) },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.edit', window: 1, open: true }))
    await caller.got(2)
    caller.send(upCancel(2))
    await caller.terminal(2)
    await caller.lives(3)
    assert.deepEqual(
      caller.of(2).map(({ kind }) => kind),
      [DOWN.credit, DOWN.error],
    )
  },
}))

withServer('keeps an encoded error within what HELLO takes', () => ({
  handlers: {
    'S.fails': call => {
      call.errors = 'coded'
      throw call.fail({ text: 'x'.repeat(3000) })
    },
  },
  run: async stage => {
    const caller = await stage.raw({ msg: 2000 })
    caller.send(upRequest(2, { action: 'S.fails' }))
    assert.equal((await caller.terminal(2)).text, 'rpc_encode')
  },
}))

withServer('takes nil in a HELLO for a key that is absent', () => ({
  run: async stage => {
    const caller = await stage.raw({ token: null, meta: null, msg: null, blob: null })
    await caller.lives(2)
  },
}))

withServer(
  'counts calls of version 1 on a connection of version 2 like those of version 2',
  () => {
    let ran = 0
    return {
      handlers: {
        'S.hold': () => {
          ran++
          return NEVER
        },
      },
      run: async stage => {
        const caller = await stage.raw()
        for (const seq of [2, 3, 4]) caller.send(request({ action: 'S.hold', seq }))
        const refused = await caller.terminal(4)
        assert.deepEqual([refused.ver, refused.text, ran], [1, 'rpc_busy', 2])
      },
    }
  },
  { options: { maxCallsPerConnection: 2 } },
)

withServer(
  'answers a call of version 1 that finds no room rpc_busy on a connection of version 2',
  () => ({
    handlers: { 'S.hold': () => NEVER },
    run: async stage => {
      const caller = await stage.raw()
      const msg = pack('x'.repeat(3000))
      caller.send(request({ action: 'S.hold', seq: 2, msg }), request({ action: 'S.hold', seq: 3, msg }))
      const refused = await caller.terminal(3)
      assert.deepEqual([refused.ver, refused.text], [1, 'rpc_busy'])
    },
  }),
  { options: { maxHeldBytes: 5000 } },
)

withServer(
  'answers calls of version 1 before the client is let in, and lets it in afterwards',
  () => ({
    handlers: { 'S.echo': call => call.input },
    run: async stage => {
      const caller = new RawCaller(await stage.dial())
      caller.send(offer(), request({ action: 'S.echo', seq: 2 }))
      const refused = await caller.terminal(2)
      assert.deepEqual([refused.ver, refused.text], [1, 'rpc_unauthenticated'])
      caller.send(upHello({ token: 'abc' }), upRequest(3))
      assert.equal((await caller.terminal(3)).kind, DOWN.done)
    },
  }),
  {
    options: {
      authenticate: ({ token }) => {
        if (token !== 'abc') throw new CallRefused('rpc_forbidden', 'not abc')
        return token
      },
    },
  },
)

withClient('goes on behind a call with headers whose argument cannot be encoded', async stage => {
  const { client } = stage
  const first = follow(client.call({ action: 'S.echo' }))
  const callee = await stage.callee()
  const [sent] = await callee.got(UP.request)
  callee.send(downDone(sent!.seq))
  await first.answers()
  await follow(client.call({ action: 'S.echo', headers: { a: 'b' }, input: () => {} })).failsWith(
    'rpc_encode',
    /./,
    'no',
  )
  const next = follow(client.call({ action: 'S.echo' }))
  const [, second] = await callee.got(UP.request, 2)
  assert.deepEqual(callee.of(UP.headers), [])
  callee.send(downDone(second!.seq))
  await next.answers()
})

for (const part of ['message', 'blob'] as const) {
  withClient(`never sends a ${part} over the pong's limit, though the call came before the pong`, async stage => {
    const large = new Uint8Array(3000)
    const call = part === 'blob' ? { action: 'S.echo', blob: large } : { action: 'S.echo', input: large }
    const early = follow(stage.client.call(call))
    const peer = await stage.peer(0)
    await peer.until(() => peer.bytes >= 32)
    const callee = await stage.callee(0, { msg: 2000, blob: 2000 })
    await early.failsWith('rpc_too_large', /over max/, 'no')
    await follow(stage.client.call(call)).failsWith('rpc_too_large', /over max/, 'no')
    assert.deepEqual(callee.of(UP.request), [])
  })
}

withClient('closes with 4400 at a HELLO with a seq', async stage => {
  const call = follow(stage.client.call({ action: 'S.echo' }))
  const callee = await stage.callee()
  await callee.got(UP.request)
  const hello = Uint8Array.from(downHello())
  hello[8] = 2
  callee.send(hello)
  await call.failsWith('rpc_io_err', /./)
  await callee.isClosed(4400, 'rpc_protocol')
})

withClient('says that a call ran where an item of it had come when the link was lost', async stage => {
  const call = follow(stage.client.call({ action: 'S.stream', window: 4 }))
  const callee = await stage.callee()
  const [sent] = await callee.got(UP.request)
  callee.send(downNext(sent!.seq, 1))
  await until(() => call.values.length === 1)
  callee.peer.reset()
  await call.failsWith('rpc_io_err', /./, 'yes')
})
