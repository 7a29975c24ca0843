/**
 * Handlers: who may be one, what they get, how they answer, and what becomes of what they throw.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concat, EMPTY, firstValueFrom, NEVER, Observable, of, throwError, timer } from 'rxjs'
import {
  CallRefused,
  type HandlerAnswer,
  type HandlerCall,
  type Handlers,
  implement,
  RpcError,
  service,
  unary,
} from '../../lib/node/index.ts'
import { failure, serve } from '../support/serve.ts'

const Asking = service('Asking', { ask: unary<unknown, unknown>() })

/** A service of one handler. */
function asking(ask: (input: unknown, call: HandlerCall<string>) => HandlerAnswer<unknown>) {
  return { services: [implement(Asking, { ask })] }
}

describe('implement', () => {
  const Two = service('Two', { a: unary<void, number>(), b: unary<void, number>() })

  it('refuses a missing handler, and names it', () => {
    const handlers = { a: () => 1 } as unknown as Handlers<typeof Two.methods>
    assert.throws(() => implement(Two, handlers), { name: 'TypeError', message: 'Two has no handler for b' })
  })

  it('refuses a handler that is no function', () => {
    const handlers = { a: () => 1, b: 2 } as unknown as Handlers<typeof Two.methods>
    assert.throws(() => implement(Two, handlers), { name: 'TypeError', message: 'Two has no handler for b' })
  })

  it('takes no method that every object has for a handler', () => {
    const Text = service('Text', { toString: unary<void, string>() })
    const handlers = {} as unknown as Handlers<typeof Text.methods>
    assert.throws(() => implement(Text, handlers), { name: 'TypeError', message: 'Text has no handler for toString' })
  })

  it('takes an instance of a class, whose methods find it as this', async t => {
    class Counter {
      #count = 0
      a(): number {
        return ++this.#count
      }
      b(): Observable<number> {
        return of(this.#count * 10)
      }
    }
    const { client } = await serve(t, { services: [implement(Two, new Counter())] })
    const two = client.use(Two)
    assert.equal(await firstValueFrom(two.a()), 1)
    assert.equal(await firstValueFrom(two.a()), 2)
    assert.equal(await firstValueFrom(two.b()), 20)
  })

  it('takes a handler that a class inherits', async t => {
    class Base {
      a(): number {
        return this.b() + 1
      }
      b(): number {
        return 0
      }
    }
    class Derived extends Base {
      override b(): number {
        return 5
      }
    }
    const { client } = await serve(t, { services: [implement(Two, new Derived())] })
    assert.equal(await firstValueFrom(client.use(Two).a()), 6)
  })
})

describe('a handler', () => {
  it('gets its argument and its call, taken apart or whole', async t => {
    const seen: unknown[] = []
    const { client } = await serve(t, {
      ...asking((input, { signal, deadline, peer, fail }) => {
        seen.push(input, signal.aborted, Number.isFinite(deadline), peer.transport, peer.clientId, typeof fail)
        return undefined
      }),
      client: { clientId: 2n ** 63n },
    })
    assert.equal(await firstValueFrom(client.use(Asking).ask({ a: [1, 'x', null] })), undefined)
    assert.deepEqual(seen, [{ a: [1, 'x', null] }, false, true, 'memory', 2n ** 63n, 'function'])
  })

  it('gets null where a void argument was given: unit has one form on the wire', async t => {
    const seen: unknown[] = []
    const { client } = await serve(
      t,
      asking(input => void seen.push(input)),
    )
    await firstValueFrom(client.use(Asking).ask(undefined))
    assert.deepEqual(seen, [null])
  })

  it('answers with a value, a Promise of one, or an Observable whose first value counts', async t => {
    const answers: HandlerAnswer<unknown>[] = [
      7,
      Promise.resolve(7),
      of(7),
      of(7, 8, 9),
      concat(of(7), NEVER),
      concat(
        of(7),
        throwError(() => new Error('too late')),
      ),
      Promise.resolve(of(7)),
      timer(0),
    ]
    const { client, logged } = await serve(
      t,
      asking(at => answers[at as number]),
    )
    const got: unknown[] = []
    for (const at of answers.keys()) got.push(await firstValueFrom(client.use(Asking).ask(at)))
    assert.deepEqual(got, [7, 7, 7, 7, 7, 7, 7, 0])
    assert.deepEqual(logged, [])
  })

  it('answers with an array as one value', async t => {
    const { client } = await serve(
      t,
      asking(() => [1, 2, 3]),
    )
    assert.deepEqual(await firstValueFrom(client.use(Asking).ask(0)), [1, 2, 3])
  })

  it('answers void with undefined, and with null where it says null', async t => {
    const answers = [undefined, null, Promise.resolve(), EMPTY]
    const { client } = await serve(
      t,
      asking(at => answers[at as number]),
    )
    const got: unknown[] = []
    for (const at of answers.keys()) got.push(await firstValueFrom(client.use(Asking).ask(at)))
    assert.deepEqual(got, [undefined, null, undefined, undefined])
  })

  it('has its Observable torn down when the first value answered', async t => {
    let tornDown = 0
    const source = new Observable<number>(out => {
      out.next(1)
      return () => void tornDown++
    })
    const { client } = await serve(
      t,
      asking(() => source),
    )
    await firstValueFrom(client.use(Asking).ask(0))
    assert.equal(tornDown, 1)
  })

  it('that throws an ordinary error tells the caller no more than rpc_internal_err, and the log everything', async t => {
    const throws = [
      () => {
        throw new Error('the password is 1234')
      },
      () => Promise.reject(new Error('the password is 1234')),
      () => throwError(() => new Error('the password is 1234')),
    ]
    const { client, logged } = await serve(
      t,
      asking(at => throws[at as number]!()),
    )
    for (const at of throws.keys()) {
      const error = await failure(client.use(Asking).ask(at))
      assert.equal(error.code, 'rpc_internal_err')
      assert.equal(error.executed, 'yes')
      assert.doesNotMatch(error.message, /1234/)
    }
    assert.equal(logged.length, throws.length)
    for (const { level, action, error } of logged) {
      assert.deepEqual({ level, action }, { level: 'error', action: 'Asking.ask' })
      assert.match(String(error?.message), /1234/)
    }
  })

  it('that throws what is no error is answered all the same', async t => {
    const thrown = [null, undefined, 0, 'text', Symbol('s'), {}]
    const { client } = await serve(
      t,
      asking(at => {
        throw thrown[at as number]
      }),
    )
    for (const at of thrown.keys()) {
      assert.equal((await failure(client.use(Asking).ask(at))).code, 'rpc_internal_err', String(at))
    }
  })

  it('may turn a call down with a code of the library', async t => {
    const { client } = await serve(
      t,
      asking(() => {
        throw new CallRefused('rpc_decode', 'no such argument')
      }),
    )
    assert.equal((await failure(client.use(Asking).ask(0))).code, 'rpc_decode')
  })

  it('that answers with what cannot be encoded fails that call with rpc_encode, logged', async t => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    const answers = [() => 1, Symbol('s'), cycle]
    const { client, logged } = await serve(
      t,
      asking(at => answers[at as number]),
    )
    for (const at of answers.keys()) {
      assert.equal((await failure(client.use(Asking).ask(at))).code, 'rpc_encode', String(at))
    }
    assert.equal(logged.length, answers.length)
    for (const { error, action } of logged) {
      assert.deepEqual([error?.code, action], ['rpc_encode', 'Asking.ask'])
    }
  })

  it('has its signal aborted when the connection is gone', async t => {
    let running = (): void => {}
    const began = new Promise<void>(resolve => {
      running = resolve
    })
    let aborted = (_reason: unknown): void => {}
    const reason = new Promise(resolve => {
      aborted = resolve
    })
    const { client } = await serve(t, {
      ...asking((_, { signal }) => {
        signal.addEventListener('abort', () => aborted(signal.reason))
        running()
        return NEVER
      }),
      // A closed WebSocket is closed in both directions; the others may be closed in one.
      listenAt: 'ws://127.0.0.1:0',
    })
    const ended = failure(client.use(Asking).ask(0))
    await began
    await client.close({ waitMs: 0 })
    assert.ok(RpcError.is(await reason))
    assert.equal((await ended).code, 'rpc_canceled')
  })

  it('has its signal aborted in version 1 when it has run for maxCallMs, and its caller is told', async t => {
    const seen: unknown[] = []
    const { client, logged } = await serve(t, {
      ...asking((_, { signal }) => {
        signal.addEventListener('abort', () => seen.push(RpcError.from(signal.reason).code))
        return NEVER
      }),
      maxCallMs: 20,
      tickMs: 10,
      client: { version: 1 },
    })
    assert.equal((await failure(client.use(Asking).ask(0))).code, 'rpc_timeout')
    assert.deepEqual(seen, ['rpc_timeout'])
    assert.match(String(logged[0]?.error?.message), /Asking\.ask ran for more than 20 ms/)
  })

  it('has its signal aborted in version 2 when its caller has gone, or waits no longer', async t => {
    const seen: unknown[] = []
    let began = (): void => {}
    const { client, server } = await serve(
      t,
      asking((_, { signal }) => {
        signal.addEventListener('abort', () => seen.push(RpcError.from(signal.reason).code))
        began()
        return NEVER
      }),
    )
    const running = new Promise<void>(resolve => {
      began = resolve
    })
    const call = client.use(Asking).ask(0).subscribe()
    await running
    call.unsubscribe()
    while (server.stats().calls > 0) await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(seen, ['rpc_canceled'])
    assert.equal((await failure(client.use(Asking).ask(0, { timeoutMs: 20 }))).code, 'rpc_timeout')
    while (server.stats().calls > 0) await new Promise(resolve => setImmediate(resolve))
    assert.equal(seen.length, 2)
    assert.match(String(seen[1]), /^rpc_(timeout|canceled)$/)
  })
})
