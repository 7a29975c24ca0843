/**
 * The proxy of a contract: a function a method, the argument first, the options last.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstValueFrom, NEVER } from 'rxjs'
import { implement, service, type U64, unary } from '../../lib/node/index.ts'
import { failure, serve } from '../support/serve.ts'

const Host = service('Host', {
  echo: unary<unknown, unknown>(),
  seek: unary<{ inode: U64; offset: U64 }, { offset: U64 }>({ action: 4 }),
  hang: unary<void, void>(),
  wait: unary<number, number>(),
})
const host = implement(Host, {
  echo: value => value,
  seek: ({ offset }) => ({ offset }),
  hang: () => NEVER,
  wait: n => n,
})

describe('a proxy', () => {
  it('has the methods of its contract, and nothing else', async t => {
    const { client } = await serve(t, { services: [host] })
    assert.deepEqual(Object.keys(client.use(Host)), ['echo', 'seek', 'hang', 'wait'])
  })

  it('has methods that stand alone', async t => {
    const { client } = await serve(t, { services: [host] })
    const { echo } = client.use(Host)
    assert.equal(await firstValueFrom(echo('x')), 'x')
  })

  it('carries every kind of value there and back', async t => {
    const { client } = await serve(t, { services: [host], listenAt: 'tcp://127.0.0.1:0' })
    const values = [
      0,
      -1,
      1.5,
      2 ** 53 - 1,
      2n ** 64n - 1n,
      -(2n ** 63n),
      'ä',
      '',
      true,
      null,
      [],
      [1, [2]],
      { a: { b: 1 } },
    ]
    values.push(Uint8Array.of(1, 2) as never, new Date(5) as never)
    for (const value of values) assert.deepEqual(await firstValueFrom(client.use(Host).echo(value)), value)
  })

  it('carries 64-bit numbers exactly, and those that a number holds as numbers', async t => {
    const { client } = await serve(t, { services: [host] })
    const { seek } = client.use(Host)
    const large = 2n ** 64n - 1n
    assert.equal((await firstValueFrom(seek({ inode: 1, offset: large }))).offset, large)
    assert.equal((await firstValueFrom(seek({ inode: 1, offset: 5n }))).offset, 5)
  })

  it('goes by the contract alone: two proxies, or one after another, are the same', async t => {
    const { client } = await serve(t, { services: [host] })
    assert.equal(await firstValueFrom(client.use(Host).echo(1)), 1)
    assert.equal(await firstValueFrom(client.use(Host).echo(2)), 2)
  })
})

describe('the options of a call', () => {
  it('give it a timeout, from the subscription on', async t => {
    const { client } = await serve(t, { services: [host], client: { tickMs: 20 } })
    const error = await failure(client.use(Host).hang(undefined, { timeoutMs: 5 }))
    assert.deepEqual([error.code, error.action], ['rpc_timeout', 'Host.hang'])
    assert.match(error.message, /Host\.hang was not answered within 5 ms/)
  })

  it('with a timeout of 0 or less fail it at once, unsent', async t => {
    const { client, server } = await serve(t, { services: [host] })
    for (const timeoutMs of [0, -1, Number.NEGATIVE_INFINITY]) {
      const error = await failure(client.use(Host).hang(undefined, { timeoutMs }))
      assert.deepEqual([error.code, error.executed], ['rpc_timeout', 'no'])
    }
    assert.equal(server.stats().calls, 0)
  })

  it('with a timeout that is no number are a TypeError where the call is made', async t => {
    const { client } = await serve(t, { services: [host] })
    assert.throws(() => client.use(Host).hang(undefined, { timeoutMs: Number.NaN }), TypeError)
    assert.throws(() => client.use(Host).hang(undefined, { timeoutMs: '5' as unknown as number }), TypeError)
  })

  it('with a signal let it be aborted: before, it is not sent; after, its answer is dropped', async t => {
    const { client, server } = await serve(t, { services: [host] })
    const before = await failure(client.use(Host).wait(1, { signal: AbortSignal.abort('changed my mind') }))
    assert.deepEqual([before.code, before.executed, before.cause], ['rpc_canceled', 'no', 'changed my mind'])
    assert.equal(server.stats().calls, 0)

    const aborter = new AbortController()
    const after = failure(client.use(Host).hang(undefined, { signal: aborter.signal }))
    aborter.abort()
    const { code, action } = await after
    assert.deepEqual([code, action], ['rpc_canceled', 'Host.hang'])
    assert.equal(await firstValueFrom(client.use(Host).wait(2)), 2)
  })

  it('hold a signal no longer than the call runs', async t => {
    const { client } = await serve(t, { services: [host] })
    let listeners = 0
    const aborter = new AbortController()
    const { signal } = aborter
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    await firstValueFrom(client.use(Host).wait(1, { signal }))
    assert.equal(listeners, 0)
    aborter.abort()
  })
})
