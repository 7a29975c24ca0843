/**
 * A handler's own errors: as a number, a text, or a coded value, as the contract says; and what never reaches a caller.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { catchError, EMPTY, firstValueFrom, lastValueFrom, map, of, toArray } from 'rxjs'
import {
  catchUserError,
  connect,
  type Errno,
  implement,
  isUserError,
  RpcError,
  service,
  type U64,
  UserError,
  unary,
} from '../../lib/node/index.ts'
import { failure, inBothVersions } from '../support/serve.ts'

type FsError = { readonly code: 'denied'; readonly path: string; readonly inode: U64 }

const Failing = service('Failing', {
  errno: unary<number, void, Errno>({ errors: 'errno' }),
  text: unary<string, void>(),
  union: unary<'late' | 'early', void, 'late' | 'early'>(),
  coded: unary<FsError, void, FsError>({ errors: 'coded' }),
  codedAny: unary<unknown, void, unknown>({ errors: 'coded' }),
  other: unary<void, void, 'late' | 'early'>(),
})
const failing = implement(Failing, {
  errno: (n, { fail }) => {
    throw fail(n)
  },
  text: async (text, { fail }) => {
    throw fail(text)
  },
  union: (text, { fail }) => {
    throw fail(text)
  },
  coded: (error, { fail }) => {
    throw fail(error)
  },
  codedAny: (error, { fail }) => {
    throw fail(error)
  },
  other: (_, { fail }) => {
    throw fail('late')
  },
})

for (const listenAt of [undefined, 'tcp://127.0.0.1:0']) {
  inBothVersions(`a user error (${listenAt === undefined ? 'memory' : 'tcp'})`, serve => {
    const where = listenAt === undefined ? {} : { listenAt }

    it('arrives as the number, text or value that the handler chose, with the action and that it ran', async t => {
      const { client } = await serve(t, { services: [failing], ...where })
      const calls = client.use(Failing)
      const value = async (call: ReturnType<(typeof calls)[keyof typeof calls]>): Promise<unknown> => {
        const error = await failure(call)
        assert.ok(error instanceof UserError)
        assert.deepEqual([error.code, error.executed], ['user', 'yes'])
        assert.match(String(error.action), /^Failing\./)
        return error.value
      }
      assert.equal(await value(calls.errno(2)), 2)
      assert.equal(await value(calls.text('divide by zero')), 'divide by zero')
      assert.equal(await value(calls.text('')), '')
      assert.equal(await value(calls.union('early')), 'early')
      const denied = { code: 'denied', path: '/x', inode: 2n ** 64n - 1n } as const
      assert.deepEqual(await value(calls.coded(denied)), denied)
    })

    it('that is coded may be any value: a text, a number, even a code of the library', async t => {
      const { client } = await serve(t, { services: [failing], ...where })
      for (const given of [
        'late',
        'rpc_timeout',
        '',
        0,
        17,
        -1.5,
        2n ** 60n,
        null,
        true,
        [1, [2]],
        { a: { b: 'c' } },
      ]) {
        const error = await failure(client.use(Failing).codedAny(given))
        assert.ok(error instanceof UserError, String(given))
        assert.deepEqual(error.value, given)
      }
    })
  })
}

inBothVersions('an errno', serve => {
  it('is an integer from 0 to 1,048,575; all else is rpc_internal_err, logged', async t => {
    const { client, logged } = await serve(t, { services: [failing] })
    for (const errno of [0, 1, 1_048_575]) {
      assert.equal(((await failure(client.use(Failing).errno(errno))) as UserError).value, errno)
    }
    assert.equal(logged.length, 0)
    const wrong = [-1, 1.5, 1_048_576, Number.NaN, Number.POSITIVE_INFINITY]
    for (const errno of wrong) assert.equal((await failure(client.use(Failing).errno(errno))).code, 'rpc_internal_err')
    assert.equal(logged.length, wrong.length)
  })
})

inBothVersions('an error text', serve => {
  it('may not begin with the reserved rpc_: such a one is rpc_internal_err, logged', async t => {
    const { client, logged } = await serve(t, { services: [failing] })
    for (const text of ['rpc_timeout', 'rpc_mine', 'rpc_']) {
      const error = await failure(client.use(Failing).text(text))
      assert.deepEqual([error.code, error.executed], ['rpc_internal_err', 'yes'])
    }
    assert.equal(logged.length, 3)
    assert.match(String(logged[1]!.error?.message), /rpc_mine/)
    assert.equal(((await failure(client.use(Failing).text('rpc'))) as UserError).value, 'rpc')
  })

  it('is cut to maxErrorTextBytes at a code point', async t => {
    const { client } = await serve(t, { services: [failing], maxErrorTextBytes: 8 })
    assert.equal(((await failure(client.use(Failing).text('äöüßé'))) as UserError).value, 'äöüß')
    assert.equal(((await failure(client.use(Failing).text('abcäöüß'))) as UserError).value, 'abcäö')
    assert.equal(((await failure(client.use(Failing).text('abc😀😀'))) as UserError).value, 'abc😀')
  })
})

inBothVersions('a coded error', serve => {
  it('that cannot be encoded is rpc_encode, logged', async t => {
    const Broken = service('Broken', { a: unary<void, void, unknown>({ errors: 'coded' }) })
    const { client, logged } = await serve(t, {
      services: [
        implement(Broken, {
          a: (_, { fail }) => {
            throw fail(() => 1)
          },
        }),
      ],
    })
    assert.equal((await failure(client.use(Broken).a())).code, 'rpc_encode')
    assert.equal(logged.length, 1)
  })

  it('that the client cannot decode is rpc_decode, and the call did run', async t => {
    // The server sends text where this client's contract expects a coded value.
    const Coded = service('Failing', { text: unary<string, void, unknown>({ errors: 'coded' }) })
    const { client } = await serve(t, { services: [failing] })
    const error = await failure(client.use(Coded).text('not MessagePack'))
    assert.deepEqual([error.code, error.executed], ['rpc_decode', 'yes'])
  })
})

inBothVersions('catchUserError', serve => {
  it('catches what the handler chose, and hands over the value and the whole error', async t => {
    const { client } = await serve(t, { services: [failing] })
    const seen: unknown[] = []
    const values = client
      .use(Failing)
      .errno(5)
      .pipe(
        catchUserError((errno, error) => {
          seen.push(errno, error.action)
          return of('a', 'b')
        }),
        toArray(),
      )
    assert.deepEqual(await lastValueFrom(values), ['a', 'b'])
    assert.deepEqual(seen, [5, 'Failing.errno'])
  })

  it('lets every other error pass', async t => {
    const { client } = await serve(t, { services: [] })
    const error = await failure(
      client
        .use(Failing)
        .errno(5)
        .pipe(catchUserError(() => EMPTY)),
    )
    assert.equal(error.code, 'rpc_service_notfound')
  })

  it('lets a value pass, and an error that its own selector throws', async t => {
    const Fine = service('Fine', { a: unary<void, number>() })
    const { client } = await serve(t, { services: [failing, implement(Fine, { a: () => 1 })] })
    assert.equal(
      await firstValueFrom(
        client
          .use(Fine)
          .a()
          .pipe(catchUserError(() => of(2))),
      ),
      1,
    )
    const thrown = new RpcError('rpc_canceled', 'by the selector')
    const call = client
      .use(Failing)
      .errno(5)
      .pipe(
        catchUserError(() => {
          throw thrown
        }),
      )
    assert.equal(await failure(call), thrown)
  })
})

inBothVersions('isUserError', serve => {
  it('tells the errors of one method from all others, behind any operator', async t => {
    const { client } = await serve(t, { services: [failing] })
    const { errno, union, other } = Failing.methods
    const about = async (error: unknown): Promise<boolean[]> =>
      [errno, union, other].map(method => isUserError(method, error))
    const caught = client
      .use(Failing)
      .union('late')
      .pipe(
        map(() => 'no error'),
        catchError(error => about(error)),
      )
    assert.deepEqual(await firstValueFrom(caught), [false, true, false])
    assert.deepEqual(await about(new UserError('late', 'made here')), [false, false, false])
    assert.deepEqual(await about(new RpcError('rpc_timeout', 'late', { action: 'Failing.union' })), [
      false,
      false,
      false,
    ])
    assert.deepEqual(await about(undefined), [false, false, false])
  })
})

inBothVersions('an error of a server behind the server', serve => {
  it('does not leak to the caller: a nested user error is rpc_internal_err, logged', async t => {
    const inner = await serve(t, { services: [failing] })
    const Outer = service('Outer', { ask: unary<void, void>(), own: unary<void, void>() })
    const behind = connect(inner.address)
    t.after(() => behind.close({ waitMs: 0 }))
    const outer = await serve(t, {
      services: [
        implement(Outer, {
          ask: () => behind.use(Failing).text('the secret of the inner server'),
          own: (_, { fail }) =>
            behind
              .use(Failing)
              .text('the secret of the inner server')
              .pipe(
                catchUserError(() => {
                  throw fail('try again')
                }),
              ),
        }),
      ],
    })
    const error = await failure(outer.client.use(Outer).ask())
    assert.equal(error.code, 'rpc_internal_err')
    assert.doesNotMatch(error.message, /secret/)
    assert.match(String(outer.logged[0]?.error?.message), /secret/)
    assert.equal(((await failure(outer.client.use(Outer).own())) as UserError).value, 'try again')
  })

  it('is not taken for an error of this call: a nested code is rpc_internal_err, too', async t => {
    const Outer = service('Outer', { ask: unary<void, void>() })
    const behind = connect('memory:nobody-listens-here')
    t.after(() => behind.close({ waitMs: 0 }))
    const outer = await serve(t, { services: [implement(Outer, { ask: () => behind.use(Failing).text('x') })] })
    const error = await failure(outer.client.use(Outer).ask())
    assert.deepEqual([error.code, error.executed], ['rpc_internal_err', 'yes'])
  })
})
