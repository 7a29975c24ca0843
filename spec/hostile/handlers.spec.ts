/**
 * Handlers that do what handlers should not: the caller gets one end, the log the whole story, and the server goes on.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { EMPTY, finalize, Observable, of, Subject, take, throwError, timer } from 'rxjs'
import {
  CallRefused,
  type Dispatch,
  dispatchTable,
  ReplyWithBlob,
  RpcError,
  type ServerInterceptor,
  UserError,
} from '../../lib/node/index.ts'
import { atServer, BOTH_VERSIONS, follow, turn } from '../support/arena.ts'
import { request } from '../support/raw-frames.ts'
import { callerOf } from '../support/stage.ts'
import { upRequest } from '../support/v2-frames.ts'

const SECRET = 'password hunter2'

/** A server with one more action, `Bad.act`; the witness's stays. */
function withHandler(act: Dispatch): { readonly dispatch: Dispatch } {
  return {
    dispatch: dispatchTable(
      new Map<number | string, Dispatch>([
        ['Lab.witness', call => call.input],
        ['Lab.echo', call => call.input],
        ['Bad.act', act],
      ]),
    ),
  }
}

interface Expected {
  readonly code?: string
  readonly logged?: RegExp
  readonly value?: unknown
}

/** Calls the handler, looks at the one end, and calls something else on the same connection. */
function handler(what: string, act: Dispatch, { code, logged, value }: Expected): void {
  atServer(
    `${what} (C13)`,
    async arena => {
      const client = arena.client()
      const other = follow(client.call({ action: 'Lab.echo', input: 1 }))
      const call = follow(client.call({ action: 'Bad.act' }))
      if (code === undefined) assert.deepEqual((await call.answers()).value, value)
      else await call.failsWith(code, /Bad.act/, 'yes')
      await other.answers()
      await follow(client.call({ action: 'Lab.echo', input: 2 })).answers()
      for (let i = 0; i < 5; i++) await turn()
      assert.equal(call.ends, 1)
      if (logged === undefined) assert.equal(arena.logged, '')
      else assert.match(arena.logged, logged)
    },
    { options: withHandler(act), versions: BOTH_VERSIONS },
  )
}

function fails(what: string, act: Dispatch, logged: RegExp): void {
  handler(`tells the caller of a handler that ${what} rpc_internal_err`, act, { code: 'rpc_internal_err', logged })
}

const unreadable = Object.create(Error.prototype, {
  message: {
    get: () => {
      throw new Error('no message for you')
    },
  },
}) as Error

describe('a handler', () => {
  fails(
    'throws an Error',
    () => {
      throw new Error('broken pipe to the database')
    },
    /broken pipe to the database/,
  )
  fails(
    'throws null',
    () => {
      throw null
    },
    /unknown error/,
  )
  fails(
    'throws undefined',
    () => {
      throw undefined
    },
    /unknown error/,
  )
  fails('rejects', () => Promise.reject(new Error('rejected late')), /rejected late/)
  fails('rejects with null', () => Promise.reject(null), /unknown error/)
  fails('errors as an Observable', () => throwError(() => new Error('errored late')), /errored late/)
  fails(
    'throws within its subscription',
    () =>
      new Observable(() => {
        throw new Error('at subscription')
      }),
    /at subscription/,
  )
  fails('rejects after a while', () => turn().then(() => Promise.reject(new Error('a turn later'))), /a turn later/)
  fails(
    'throws an error whose message cannot be read',
    () => {
      throw unreadable
    },
    /cannot be read/,
  )
  fails('rejects with an error whose message cannot be read', () => Promise.reject(unreadable), /cannot be read/)
  fails(
    'fails with a text that has no form as text',
    call => {
      call.errors = 'text'
      return Promise.reject(call.fail(Object.create(null)))
    },
    /cannot be read/,
  )
  fails(
    'fails with an errno out of range',
    call => throwError(() => call.fail(2 ** 31)),
    /errno 2147483648 is no integer/,
  )
  fails(
    'fails with a reserved text',
    call => throwError(() => call.fail('rpc_timeout')),
    /begins with the reserved rpc_/,
  )
  fails(
    'answers with something whose then throws',
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is the point
      get then() {
        throw new Error('no then for you')
      },
    }),
    /no then for you/,
  )

  fails(
    'settles to something that cannot be looked at',
    async () => ({
      get lift() {
        throw new Error('no look at me')
      },
    }),
    /no look at me/,
  )

  handler('that emits nothing answers unit', () => EMPTY, { value: undefined })
  handler('that emits twice answers once, with the first', () => of('first', 'second'), { value: 'first' })
  handler(
    'that emits, errors and completes after its answer is not heard any more',
    () =>
      new Observable<string>(subscriber => {
        subscriber.next('only')
        subscriber.next('more')
        subscriber.error(new Error('too late'))
        subscriber.complete()
      }),
    { value: 'only' },
  )
  handler(
    'that throws after its answer is not heard any more',
    () =>
      new Observable<string>(subscriber => {
        subscriber.next('only')
        throw new Error('too late')
      }),
    { value: 'only' },
  )
  handler(
    'that throws in its teardown has answered all the same',
    () =>
      new Observable<string>(subscriber => {
        subscriber.next('answer')
        return () => {
          throw new Error('in the teardown')
        }
      }),
    { value: 'answer', logged: /after its end: .*in the teardown/s },
  )
  handler(
    'that throws in its teardown, later, has answered all the same',
    () =>
      timer(1).pipe(
        finalize(() => {
          throw new Error('in the late teardown')
        }),
      ),
    { value: 0, logged: /in the late teardown/ },
  )
  handler('whose Promise settles to an Observable answers its first value', async () => of(7, 8) as unknown, {
    value: 7,
  })

  atServer(
    'that never ends is answered rpc_timeout after maxCallMs, and torn down (C13)',
    async arena => {
      const call = follow(arena.client().call({ action: 'Lab.hold' }))
      await call.failsWith('rpc_timeout', /Lab.hold was answered with rpc_timeout/, 'yes')
      assert.deepEqual([arena.lab.tornDown, arena.lab.aborted, arena.server.stats().calls <= 1], [1, 1, true])
      assert.match(arena.logged, /Lab.hold ran for more than 30 ms/)
    },
    { options: { maxCallMs: 30, tickMs: 10 }, versions: [1] },
  )

  const late = new Subject<string>()
  atServer(
    'whose Promise rejects after maxCallMs only makes a line in the log (C13)',
    async arena => {
      const call = follow(arena.client().call({ action: 'Bad.act' }))
      await call.failsWith('rpc_timeout', /rpc_timeout/)
      late.next('now')
      await turn()
      assert.match(arena.logged, /the handler of Bad.act after its end: rejected too late/)
      assert.equal(call.ends, 1)
    },
    {
      versions: [1],
      options: {
        maxCallMs: 20,
        tickMs: 10,
        ...withHandler(
          () =>
            new Promise((_, reject) => {
              late.pipe(take(1)).subscribe(() => reject(new Error('rejected too late')))
            }),
        ),
      },
    },
  )

  const stopsEarly: ServerInterceptor = (call, next) =>
    next(call).pipe(
      finalize(() => {
        if (call.action === 'Bad.act') throw new Error('in the teardown of an interceptor')
      }),
    )
  atServer(
    'under an interceptor that throws in its teardown has answered all the same (C13)',
    async arena => {
      assert.equal((await follow(arena.client().call({ action: 'Bad.act' })).answers()).value, 0)
      assert.match(arena.logged, /in the teardown of an interceptor/)
    },
    { options: { interceptors: [stopsEarly], ...withHandler(() => timer(1)) } },
  )
})

describe('what a caller is told of a failure', () => {
  const cyclic = new Error(SECRET)
  cyclic.cause = cyclic
  for (const [what, act] of [
    ['an error', () => throwError(() => new Error(SECRET))],
    ['a thrown text', () => throwError(() => SECRET)],
    ['an error whose cause is itself', () => throwError(() => cyclic)],
    ['an RpcError', () => throwError(() => new RpcError('rpc_forbidden', SECRET))],
    [
      'the error of a call that the handler made itself',
      () => throwError(() => new UserError(SECRET, SECRET, { action: 'Other.call' })),
    ],
    [
      'the cause of a user error',
      (call: { fail(value: unknown): unknown }) =>
        throwError(() => Object.assign(call.fail('plain') as Error, { cause: SECRET, stack: SECRET })),
    ],
    ['the message of a refusal', () => throwError(() => new CallRefused('rpc_internal_err', SECRET))],
  ] as const) {
    atServer(
      `has nothing of ${what} but that it happened (C15)`,
      async arena => {
        const peer = await arena.raw()
        peer.send(request({ action: 'Bad.act' }))
        const [answer] = await peer.answered(1)
        const caller = await callerOf(await arena.raw())
        caller.send(upRequest(2, { action: 'Bad.act' }))
        const { text } = await caller.terminal(2)
        for (const told of [answer!.blob.toString(), text])
          assert.ok(['rpc_internal_err', 'plain'].includes(told), told)
        for (const each of [peer, caller.peer]) assert.equal(each.received.includes('hunter2'), false)
      },
      { options: withHandler(act as Dispatch) },
    )
  }

  for (const [what, text, expected] of [
    ['10 MB of text', 'x'.repeat(10_000_000), 'x'.repeat(1024)],
    ['two-byte letters', `a${'ß'.repeat(1024)}`, `a${'ß'.repeat(511)}`],
    ['four-byte letters', `abc${'😀'.repeat(1024)}`, `abc${'😀'.repeat(255)}`],
    ['text of just the limit', 'y'.repeat(1024), 'y'.repeat(1024)],
  ] as const) {
    atServer(
      `is at most 1 KiB of ${what}, cut at a code point (C15)`,
      async arena => {
        const error = await follow(arena.client().call({ action: 'Bad.act' })).failsWith('user', /Bad.act failed/)
        assert.equal((error as UserError).value, expected)
      },
      { options: withHandler(call => throwError(() => call.fail(text))) },
    )
  }
})

describe('an answer that cannot be sent', () => {
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  const throwing = {
    get secret() {
      throw new Error('from a getter')
    },
  }
  for (const [what, value, logged] of [
    ['a cycle', cycle, /the answer of Bad.act: .*(cycle|circular|itself)/i],
    ['a function', { call: () => 1 }, /the answer of Bad.act: .*function/],
    ['a getter that throws', throwing, /from a getter/],
    ['an integer beyond 64 bits', 2n ** 64n, /bigint/],
  ] as const) {
    atServer(
      `because of ${what} is rpc_encode for its call, and the connection is kept (B20)`,
      async arena => {
        const client = arena.client()
        const call = follow(client.call({ action: 'Bad.act' }))
        const next = follow(client.call({ action: 'Lab.echo', input: 5 }))
        await call.failsWith('rpc_encode', /Bad.act was answered with rpc_encode/, 'yes')
        assert.equal((await next.answers()).value, 5)
        assert.match(arena.logged, logged)
      },
      { options: withHandler(() => value), versions: BOTH_VERSIONS },
    )
  }

  for (const [what, value, message] of [
    ['a message over its limit', 'z'.repeat(1024 * 1024), /message of 1048581 bytes is over maxMessageBytes 1048576/],
    [
      'a blob over its limit',
      new ReplyWithBlob(1, new Uint8Array(16 * 1024 * 1024 + 1)),
      /blob of 16777217 bytes is over maxBlobBytes 16777216/,
    ],
  ] as const) {
    atServer(
      `because of ${what} is rpc_too_large for its call, rpc_encode in version 1, and the connection is kept`,
      async arena => {
        const client = arena.client()
        const call = follow(client.call({ action: 'Bad.act' }))
        const next = follow(client.call({ action: 'Lab.echo', input: 5 }))
        if (arena.version === 1) await call.failsWith('rpc_encode', /Bad.act was answered with rpc_encode$/, 'yes')
        else await call.failsWith('rpc_too_large', message, 'yes')
        assert.equal((await next.answers()).value, 5)
        assert.match(arena.logged, message)
      },
      { options: withHandler(() => value), versions: BOTH_VERSIONS },
    )
  }

  atServer(
    'because the coded error has no form is rpc_encode (B20)',
    async arena => {
      await follow(arena.client().call({ action: 'Bad.act' })).failsWith('rpc_encode', /rpc_encode/)
    },
    { options: withHandler(call => throwError(() => call.fail({ act: () => 1 }))) },
  )
})
