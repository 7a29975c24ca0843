/**
 * The life of calls that go well, and of handlers' own errors, on every transport.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { delay, filter, firstValueFrom, map, merge, of, tap, toArray } from 'rxjs'
import {
  type ClientInterceptor,
  catchUserError,
  connect,
  implement,
  isUserError,
  RpcServer,
  type ServerInterceptor,
  service,
  type UserError,
  unary,
} from '../../lib/node/index.ts'
import { assertIdle, atServer, BOTH_VERSIONS, follow, NOTHING_LEFT, turn } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { TRANSPORTS } from '../support/transports.ts'

const MIB = 1024 * 1024

const Shop = service('Shop', {
  add: unary<[number, number], number>(),
  nothing: unary<void, void>(),
  slow: unary<number, number>(),
  text: unary<void, number, 'sold out'>(),
  errno: unary<void, number, number>({ errors: 'errno' }),
  coded: unary<void, number, { readonly left: number }>({ errors: 'coded' }),
  store: unary<string, number>({ blob: 'request' }),
  load: unary<number, string>({ blob: 'response' }),
  turn: unary<string, string>({ blob: 'both', action: 9 }),
})

const pattern = (bytes: number): Uint8Array => new Uint8Array(bytes).map((_, i) => i * 31 + (i >> 8))

const shop = implement(Shop, {
  add: ([a, b]) => a + b,
  nothing: () => undefined,
  slow: ms => of(ms).pipe(delay(ms)),
  text: (_, { fail }) => {
    throw fail('sold out')
  },
  errno: async (_, { fail }) => {
    throw fail(28)
  },
  coded: (_, { fail }) => {
    throw fail({ left: 3 })
  },
  store: (_, { blob }) => blob.length,
  load: bytes => ({ value: 'here', blob: pattern(bytes) }),
  turn: (name, { blob }) => ({ value: name, blob: Uint8Array.from([...blob].reverse()) }),
})

describe('a client and a server', () => {
  for (const [transport, version] of TRANSPORTS.flatMap(
    each =>
      [
        [each, 1],
        [each, 2],
      ] as const,
  )) {
    it(`carry values, units, all shapes of errors and blobs, over ${transport.name}, version ${version}`, async () => {
      const server = new RpcServer({ services: [shop] })
      const { address } = await server.listen(transport.listenAt())
      const client = connect(address, { version })
      const host = client.use(Shop)
      assert.equal(await firstValueFrom(host.add([1, 2])), 3)
      assert.equal(await firstValueFrom(host.nothing()), undefined)

      const text = await follow(host.text()).failsWith('user', /Shop.text failed: sold out/, 'yes')
      assert.equal((text as UserError).value, 'sold out')
      assert.deepEqual([text.action, text.address], ['Shop.text', address])
      assert.deepEqual([isUserError(Shop.methods.text, text), isUserError(Shop.methods.errno, text)], [true, false])
      assert.equal(((await follow(host.errno()).failsWith('user', /errno 28/)) as UserError).value, 28)
      assert.equal(await firstValueFrom(host.coded().pipe(catchUserError(error => of(-error.left)))), -3)

      for (const bytes of [0, 1, 4095, 65_536, 16 * MIB]) {
        assert.equal(await firstValueFrom(host.store('x', { blob: pattern(bytes) })), bytes)
        const loaded = await firstValueFrom(host.load(bytes))
        assert.equal(loaded.value, 'here')
        assert.equal(Buffer.compare(loaded.blob, pattern(bytes)), 0)
      }
      const turned = await firstValueFrom(host.turn('both', { blob: Uint8Array.of(1, 2, 3) }))
      assert.deepEqual([turned.value, [...turned.blob]], ['both', [3, 2, 1]])

      await client.close()
      await server.close()
      assertIdle(client)
      assert.deepEqual(server.stats(), NOTHING_LEFT)
      await expectNoLeaks()
    })
  }

  atServer(
    'answer calls in whatever order their handlers end',
    async ({ lab, client }) => {
      const caller = client()
      const seen: string[] = []
      const calls = ['a', 'b', 'c'].map(name =>
        follow(caller.call({ action: 'Lab.hold', input: name }).pipe(tap(reply => seen.push(String(reply.value))))),
      )
      await lab.holds(3)
      assert.equal(caller.stats().inFlight, 3)
      for (const [held, name] of [...lab.held].map((each, i) => [each, 'abc'[i]] as const).reverse()) held.next(name)
      for (const call of calls) await call.answers()
      assert.deepEqual(seen, ['c', 'b', 'a'])
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'carry a thousand calls at once over one connection',
    async ({ server, client }) => {
      const caller = client()
      const calls = Array.from({ length: 1000 }, (_, i) => caller.call({ action: 'Lab.echo', input: i }))
      const all = await firstValueFrom(
        merge(...calls).pipe(
          map(reply => reply.value as number),
          toArray(),
        ),
      )
      assert.deepEqual(
        all.sort((a, b) => a - b),
        Array.from({ length: 1000 }, (_, i) => i),
      )
      assert.equal(server.stats().connections, 2)
    },
    { versions: BOTH_VERSIONS },
  )

  atServer(
    'send a call once for each subscription, and none without one',
    async ({ lab, client }) => {
      const call$ = client().call({ action: 'Lab.echo', input: 'cold' })
      await turn()
      assert.deepEqual(lab.inputs, [])
      await follow(call$).answers()
      await follow(call$).answers()
      assert.deepEqual(lab.inputs, ['cold', 'cold'])
    },
    { versions: BOTH_VERSIONS },
  )

  const order: string[] = []
  const note =
    (name: string): ServerInterceptor =>
    (call, next) => {
      if (call.action !== 'Lab.echo') return next(call)
      order.push(`${name} in`)
      return next(call).pipe(tap(() => order.push(`${name} out`)))
    }
  atServer(
    'let interceptors see every call, the first one outermost, on both sides',
    async ({ client }) => {
      order.length = 0
      const interceptor =
        (name: string): ClientInterceptor =>
        (request, next) => {
          order.push(`${name} in`)
          return next(request).pipe(tap(() => order.push(`${name} out`)))
        }
      const caller = client({ interceptors: [interceptor('client 1'), interceptor('client 2')] })
      await follow(caller.call({ action: 'Lab.echo' })).answers()
      const inwards = ['client 1', 'client 2', 'server 1', 'server 2']
      assert.deepEqual(order, [...inwards.map(name => `${name} in`), ...inwards.reverse().map(name => `${name} out`)])
    },
    { options: { interceptors: [note('server 1'), note('server 2')] }, versions: BOTH_VERSIONS },
  )

  it('meet at several addresses of one server at once, which counts connections and calls', async () => {
    const server = new RpcServer({ services: [shop] })
    const counts: number[] = []
    const counting = server.connections$.subscribe(count => counts.push(count))
    const listening = await Promise.all(TRANSPORTS.map(transport => server.listen(transport.listenAt())))
    const clients = listening.map(({ address }) => connect(address))
    for (const client of clients) assert.equal(await firstValueFrom(client.use(Shop).add([20, 22])), 42)
    assert.deepEqual(server.stats(), { ...NOTHING_LEFT, connections: 4 })
    const slow = clients.map(client => follow(client.use(Shop).slow(5)))
    while (server.stats().calls < 4) await turn()
    for (const call of slow) assert.equal(await call.answers(), 5)

    // An address that is given up takes no more; its connections live on.
    for (const each of listening) each.close()
    for (const client of clients) assert.equal(await firstValueFrom(client.use(Shop).add([1, 1])), 2)
    const newcomer = connect(listening[0]!.address)
    await follow(newcomer.use(Shop).add([1, 1])).failsWith('rpc_unreachable', /memory:/, 'no')
    await newcomer.close()

    await Promise.all(clients.map(client => client.close()))
    await firstValueFrom(server.connections$.pipe(filter(count => count === 0)))
    await server.close()
    counting.unsubscribe()
    assert.deepEqual(counts, [0, 1, 2, 3, 4, 3, 2, 1, 0])
    await expectNoLeaks()
  })
})
