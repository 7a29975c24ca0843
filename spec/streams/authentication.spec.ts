/**
 * Who a client is: its token, what becomes of it, and what a client may do before that is decided.
 */
import assert from 'node:assert/strict'
import { firstValueFrom } from 'rxjs'
import { CallRefused, type Credentials, type RpcServerOptions, type ServerCall } from '../../lib/node/index.ts'
import { follow } from '../support/arena.ts'
import { request } from '../support/raw-frames.ts'
import { RawCaller, until, withServer } from '../support/stage.ts'
import { memory, tcp } from '../support/transports.ts'
import { offer, pack, unpack, upHello, upRequest } from '../support/v2-frames.ts'

const ran: unknown[] = []
const dispatch = (call: ServerCall): unknown => {
  ran.push(call.action)
  const { principal, clientId } = call.peer
  const who = { principal: principal ?? null, clientId }
  return call.shape === 'unary' ? who : [who]
}
const known: Readonly<Record<string, string>> = { 'token-of-ann': 'ann', 'token-of-bob': 'bob' }
const asked: Credentials[] = []
const authenticate = (credentials: Credentials): unknown => {
  asked.push(credentials)
  const { token } = credentials
  if (token === 'banned') throw new CallRefused('rpc_forbidden', 'banned for good')
  const name = known[token ?? '']
  if (name === undefined) throw new Error(`no such token: ${token}`)
  return { name }
}
const later = async (credentials: Credentials): Promise<unknown> => {
  await new Promise(setImmediate)
  return authenticate(credentials)
}
const both: readonly RpcServerOptions[] = [
  { dispatch, authenticate },
  { dispatch, authenticate: later },
]

for (const [i, options] of both.entries()) {
  const how = i === 0 ? 'at once' : 'by a Promise'

  withServer(
    `lets clients in ${how} by their tokens, and names the principal to every call`,
    () => ({
      run: async stage => {
        for (const [token, name] of Object.entries(known)) {
          const client = stage.client({ token: () => token, meta: { app: 'spec' }, clientId: 7 })
          const who = { principal: { name }, clientId: 7 }
          assert.deepEqual((await firstValueFrom(client.call({ action: 'S.who' }))).value, who)
          assert.deepEqual(await firstValueFrom(client.call({ action: 'S.who', window: 1 })), who)
          const { token: told, meta, address } = asked.at(-1)!
          assert.deepEqual([told, meta], [token, { app: 'spec' }])
          assert.match(address, new RegExp(`^${stage.transport.name}:`))
        }
      },
    }),
    { options },
  )

  for (const [token, code, close] of [
    ['wrong', 'rpc_unauthenticated', 4401],
    [undefined, 'rpc_unauthenticated', 4401],
    ['banned', 'rpc_forbidden', 4403],
  ] as const) {
    withServer(
      `turns a client away ${how} whose token is ${token ?? 'not there'}, with ${code}, and runs none of its calls`,
      () => ({
        run: async stage => {
          ran.length = 0
          const client = stage.client(token === undefined ? {} : { token: () => token })
          const calls = [
            follow(client.call({ action: 'S.who' })),
            follow(client.call({ action: 'S.who', window: 1 })),
            follow(client.call({ action: 'S.who', items: [1] })),
          ]
          for (const call of calls) await call.failsWith(code, /./, 'no')
          const peer = await stage.dial()
          const raw = new RawCaller(peer)
          raw.send(offer())
          await raw.got(1)
          raw.send(upHello(token === undefined ? {} : { token }), upRequest(2), upRequest(3, { window: 1 }))
          await raw.isClosed(close, code)
          assert.deepEqual(ran, [])
        },
      }),
      { options },
    )
  }

  withServer(
    `reads what stands behind HELLO only when the client was let in ${how}`,
    () => ({
      run: async stage => {
        const raw = new RawCaller(await stage.dial())
        raw.send(offer())
        await raw.got(1)
        raw.send(upHello({ token: 'token-of-ann' }), upRequest(2), upRequest(3, { window: 1 }))
        assert.deepEqual(unpack((await raw.terminal(2)).msg), { principal: { name: 'ann' }, clientId: 0 })
        assert.deepEqual(
          raw.downs.slice(0, 3).map(({ seq, kind }) => [seq, kind]),
          [
            [1, 0],
            [0, 7],
            [2, 0],
          ],
        )
      },
    }),
    { options },
  )
}

withServer(
  'asks for a token anew for each connection, so one that was turned away may come back',
  () => ({
    run: async stage => {
      const tokens = ['stale', 'token-of-ann']
      const client = stage.client({ token: () => tokens.shift()! })
      await follow(client.call({ action: 'S.who' })).failsWith('rpc_unauthenticated', /./, 'no')
      const { value } = await firstValueFrom(client.call({ action: 'S.who' }))
      assert.deepEqual(value, { principal: { name: 'ann' }, clientId: 0 })
      assert.equal(tokens.length, 0)
    },
  }),
  { options: both[0]! },
)

withServer(
  'answers a call of version 1 rpc_unauthenticated, runs nothing, and goes on',
  () => ({
    run: async stage => {
      ran.length = 0
      const peer = await stage.dial()
      const raw = new RawCaller(peer)
      raw.send(request({ seq: 1 }), request({ seq: 2, msg: new Uint8Array(100_000) }))
      const refused = [await raw.terminal(1), await raw.terminal(2)]
      assert.deepEqual(
        refused.map(({ ver, text }) => [ver, text]),
        [
          [1, 'rpc_unauthenticated'],
          [1, 'rpc_unauthenticated'],
        ],
      )
      const client = stage.client({ version: 1, token: () => 'token-of-ann' })
      const call = follow(client.call({ action: 'S.who' }))
      await call.over
      assert.match(call.error!.message, /rpc_unauthenticated/)
      assert.deepEqual(ran, [])
    },
  }),
  { options: both[0]! },
)

for (const [what, say] of [
  ['says nothing', []],
  ['offers, and says no more', [offer()]],
  ['only pings', [offer(), request({ action: 0, seq: 2, msg: new Uint8Array(0) })]],
  ['calls in version 1', [request({ seq: 1 })]],
] as const) {
  withServer(
    `closes the connection of a client that ${what} in time`,
    () => ({
      run: async stage => {
        const raw = new RawCaller(await stage.dial())
        raw.send(...say)
        await raw.isClosed(4401, 'rpc_unauthenticated')
        assert.match(stage.log.at(-1)!.message, /has not said who it is within authTimeoutMs 30/)
      },
    }),
    { options: { ...both[0]!, authTimeoutMs: 30 }, on: [memory, tcp] },
  )
}

{
  let decide: ((principal: unknown) => void) | undefined
  const options = {
    dispatch,
    authenticate: () =>
      new Promise(resolve => {
        decide = resolve
      }),
  }
  withServer(
    'lets nobody in who has gone meanwhile',
    () => ({
      run: async stage => {
        ran.length = 0
        decide = undefined
        const raw = new RawCaller(await stage.dial())
        raw.send(offer())
        await raw.got(1)
        raw.send(upHello(), upRequest(2))
        await until(() => decide !== undefined)
        raw.peer.reset()
        await until(() => stage.server.stats().connections === 0)
        decide!('somebody')
        for (let i = 0; i < 10; i++) await new Promise(setImmediate)
        assert.deepEqual(ran, [])
      },
    }),
    { options, on: [memory, tcp] },
  )
}

withServer('lets everybody in where nothing decides, and names no principal', () => ({
  handlers: { 'S.who': dispatch },
  run: async stage => {
    const raw = await stage.raw({ token: 'whatever' })
    raw.send(upRequest(2, { action: 'S.who', msg: pack(null) }))
    assert.deepEqual(unpack((await raw.terminal(2)).msg), { principal: null, clientId: 0 })
  },
}))
