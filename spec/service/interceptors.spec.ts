/**
 * Interceptors see every call of a client, or of a server: the place for logs, metrics, retries and checks of one's own.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { catchError, finalize, firstValueFrom, map, of, retry, tap, throwError } from 'rxjs'
import {
  CallRefused,
  type ClientInterceptor,
  implement,
  isUserError,
  RpcError,
  type ServerInterceptor,
  service,
  unary,
} from '../../lib/node/index.ts'
import { failure, inBothVersions } from '../support/serve.ts'

const Calculator = service('Calculator', {
  div: unary<[number, number], number>(),
  read: unary<void, number>({ action: 2, blob: 'both' }),
})
const calculator = implement(Calculator, {
  div: ([a, b], { fail }) => {
    if (b === 0) throw fail('divide by zero')
    return a / b
  },
  read: (_, { blob }) => ({ value: blob.length, blob }),
})

/** Writes down where a call passes, on its way in and out. */
function client(name: string, log: string[]): ClientInterceptor {
  return (request, next) => {
    log.push(`${name} > ${request.action}`)
    return next(request).pipe(
      tap({ next: () => log.push(`${name} <`), error: () => log.push(`${name} !`) }),
      finalize(() => log.push(`${name} .`)),
    )
  }
}

function server(name: string, log: string[]): ServerInterceptor {
  return (call, next) => {
    log.push(`${name} > ${call.action}`)
    return next(call).pipe(tap({ next: () => log.push(`${name} <`), error: () => log.push(`${name} !`) }))
  }
}

inBothVersions('interceptors of a client', serve => {
  it('stand around each call, the first one outermost', async t => {
    const log: string[] = []
    const { client: served } = await serve(t, {
      services: [calculator],
      client: { interceptors: [client('a', log), client('b', log)] },
    })
    assert.equal(await firstValueFrom(served.use(Calculator).div([6, 3])), 2)
    assert.deepEqual(log.slice(0, 4), ['a > Calculator.div', 'b > Calculator.div', 'b <', 'a <'])
    assert.deepEqual(log.slice(4).sort(), ['a .', 'b .'])
  })

  it('are asked once a subscription, not once a call', async t => {
    const log: string[] = []
    const { client: served } = await serve(t, {
      services: [calculator],
      client: { interceptors: [client('a', log)] },
    })
    const call = served.use(Calculator).div([1, 1])
    assert.deepEqual(log, [])
    await firstValueFrom(call)
    await firstValueFrom(call)
    assert.equal(log.filter(line => line === 'a > Calculator.div').length, 2)
  })

  it('see errors, and may send a call again', async t => {
    let runs = 0
    const { client: served } = await serve(t, {
      services: [
        implement(Calculator, {
          div: () => {
            if (++runs < 3) throw new Error('not yet')
            return runs
          },
          read: () => ({ value: 0, blob: new Uint8Array() }),
        }),
      ],
      client: { interceptors: [(request, next) => next(request).pipe(retry(5))] },
    })
    assert.equal(await firstValueFrom(served.use(Calculator).div([1, 1])), 3)
  })

  it('may change the request and the answer, or answer themselves', async t => {
    const { client: served, server: behind } = await serve(t, {
      services: [calculator],
      client: {
        interceptors: [
          (request, next) => (request.action === 2 ? of({ value: -1, blob: new Uint8Array() }) : next(request)),
          (request, next) => next({ ...request, input: [100, 10] }).pipe(map(answer => (answer as number) + 1)),
        ],
      },
    })
    const blob = new Uint8Array(1)
    assert.equal((await firstValueFrom(served.use(Calculator).read(undefined, { blob }))).value, -1)
    assert.equal(behind.stats().connections, 0)
    assert.equal(await firstValueFrom(served.use(Calculator).div([1, 1])), 11)
  })

  it('that make a request into what is none fail the call with a TypeError, and nothing leaves', async t => {
    const { client: served, server: behind } = await serve(t, {
      services: [calculator],
      client: { interceptors: [(request, next) => next({ ...request, action: 0 })] },
    })
    await assert.rejects(firstValueFrom(served.use(Calculator).div([4, 2])), {
      name: 'TypeError',
      message: 'a numeric action is an integer from 1 to 2147483647, not 0',
    })
    assert.equal(behind.stats().connections, 0)
  })

  it('that throw fail the call, and no other', async t => {
    const { client: served } = await serve(t, {
      services: [calculator],
      client: {
        interceptors: [
          (request, next) => {
            if (request.action === 2) throw new RpcError('rpc_unauthenticated', 'no token', { executed: 'no' })
            return next(request)
          },
        ],
      },
    })
    const error = await failure(served.use(Calculator).read(undefined, { blob: new Uint8Array() }))
    assert.equal(error.code, 'rpc_unauthenticated')
    assert.equal(await firstValueFrom(served.use(Calculator).div([4, 2])), 2)
  })

  it('let unsubscribing pass through', async t => {
    const log: string[] = []
    const { client: served } = await serve(t, {
      dispatch: () => new Promise(() => {}),
      client: { interceptors: [client('a', log)] },
    })
    served.use(Calculator).div([1, 1]).subscribe({ error: assert.fail }).unsubscribe()
    assert.deepEqual(log, ['a > Calculator.div', 'a .'])
  })
})

inBothVersions('interceptors of a server', serve => {
  it('stand around each call, the first one outermost, numbers and blobs included', async t => {
    const log: string[] = []
    const { client: served } = await serve(t, {
      services: [calculator],
      interceptors: [server('a', log), server('b', log)],
    })
    assert.equal(await firstValueFrom(served.use(Calculator).div([6, 3])), 2)
    const blob = Uint8Array.of(1, 2)
    assert.deepEqual(await firstValueFrom(served.use(Calculator).read(undefined, { blob })), { value: 2, blob })
    assert.deepEqual(log, ['a > Calculator.div', 'b > Calculator.div', 'b <', 'a <', 'a > 2', 'b > 2', 'b <', 'a <'])
  })

  it('see what a handler fails with, and calls that nobody answers', async t => {
    const seen: unknown[] = []
    const { client: served } = await serve(t, {
      services: [calculator],
      interceptors: [
        (call, next) =>
          next(call).pipe(
            catchError(error => {
              seen.push(RpcError.from(error).code)
              return throwError(() => error)
            }),
          ),
      ],
    })
    const error = await failure(served.use(Calculator).div([1, 0]))
    assert.ok(isUserError(Calculator.methods.div, error))
    assert.equal(error.value, 'divide by zero')
    assert.equal((await failure(served.call({ action: 'Nobody.here' }))).code, 'rpc_service_notfound')
    assert.deepEqual(seen, ['user', 'rpc_service_notfound'])
  })

  it('may turn a call down: its handler does not run', async t => {
    let runs = 0
    const { client: served } = await serve(t, {
      dispatch: () => ++runs,
      interceptors: [
        () => {
          throw new CallRefused('rpc_method_notfound', 'not for you')
        },
      ],
    })
    const error = await failure(served.call({ action: 'A.b' }))
    assert.deepEqual([error.code, error.executed], ['rpc_method_notfound', 'no'])
    assert.equal(runs, 0)
  })

  it('see the value of a handler, whichever way it answers', async t => {
    const answers = [5, Promise.resolve(5), of(5), Promise.resolve(of(5))]
    const seen: unknown[] = []
    const { client: served } = await serve(t, {
      dispatch: ({ input }) => answers[input as number],
      interceptors: [(call, next) => next(call).pipe(tap(value => seen.push(value)))],
    })
    for (const input of answers.keys()) {
      assert.equal((await firstValueFrom(served.call({ action: 1, input }))).value, 5)
    }
    assert.deepEqual(seen, [5, 5, 5, 5])
  })

  it('that throw what is no refusal give no secret away', async t => {
    const { client: served, logged } = await serve(t, {
      services: [calculator],
      interceptors: [
        () => {
          throw new Error('the token was 1234')
        },
      ],
    })
    const error = await failure(served.use(Calculator).div([1, 1]))
    assert.equal(error.code, 'rpc_internal_err')
    assert.doesNotMatch(error.message, /1234/)
    assert.match(String(logged[0]?.error?.message), /1234/)
  })
})
