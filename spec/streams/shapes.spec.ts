/**
 * The life of every shape of call, end to end on every transport: items, order, ends and errors of either side.
 */
import assert from 'node:assert/strict'
import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  firstValueFrom,
  interval,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  reduce,
  retry,
  Subject,
  switchMap,
  take,
  tap,
  throwError,
  toArray,
} from 'rxjs'
import {
  type Client,
  duplex,
  implement,
  pacedMap,
  type RpcError,
  type ServerCall,
  service,
  stream,
  unary,
  upload,
} from '../../lib/node/index.ts'
import { follow, turn } from '../support/arena.ts'
import { type ServerStage, until, withServer } from '../support/stage.ts'
import { memory, tcp } from '../support/transports.ts'
import { DOWN, pack, upRequest } from '../support/v2-frames.ts'

const MIB = 1024 * 1024

const Shop = service('Shop', {
  echo: unary<unknown, unknown>(),
  items: stream<string, unknown>(),
  count: stream<number, number>({ window: 16 }),
  sum: upload<void, number, number>(),
  all: upload<void, unknown, unknown[]>(),
  twice: duplex<void, unknown, unknown>({ window: 8 }),
  fails: stream<number, number, 'empty' | 'full'>(),
  failsUp: upload<number, number, number, 'empty' | 'full'>(),
  failsBoth: duplex<number, number, number, 'empty' | 'full'>(),
  coded: stream<void, number, { why: string }>({ errors: 'coded' }),
  errno: upload<void, number, void, number>({ errors: 'errno' }),
})
type Handlers = Parameters<typeof implement<(typeof Shop)['methods']>>[1]

const SOURCES: Readonly<Record<string, () => Observable<unknown> | Iterable<unknown> | AsyncIterable<unknown>>> = {
  observable: () => of(1, 'two', null, { three: [3] }),
  array: () => [1, 'two', null, { three: [3] }],
  generator: function* () {
    yield* [1, 'two', null, { three: [3] }]
  },
  asyncGenerator: async function* () {
    for (const item of [1, 'two', null, { three: [3] }]) {
      await turn()
      yield item
    }
  },
  bytes: () => [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(70_000).fill(5)],
  none: () => [],
  empty: () => EMPTY,
  units: () => [undefined, null],
}

const handlers: Handlers = {
  echo: input => input,
  items: name => SOURCES[name]!(),
  count: n => range(0, n).pipe(mergeMap(i => [i])),
  sum: (_, { items$ }) => items$.pipe(reduce((sum, n) => sum + n, 0)),
  all: (_, { items$ }) => items$.pipe(toArray()),
  twice: async function* (_, { items$ }) {
    for await (const item of items$) {
      yield item
      yield item
    }
  },
  fails: (n, { fail }) =>
    concat(
      range(0, n),
      throwError(() => fail('full')),
    ),
  failsUp: (n, { items$, fail }) =>
    items$.pipe(
      tap(item => {
        if (item === n) throw fail('full')
      }),
      reduce(sum => sum + 1, 0),
    ),
  failsBoth: async function* (n, { items$, fail }) {
    for await (const item of items$) {
      if (item === n) throw fail('full')
      yield item
    }
  },
  coded: (_, { fail }) => throwError(() => fail({ why: 'so' })),
  errno: async (_, { items$, fail }) => {
    await lastValueFrom(items$)
    throw fail(28)
  },
}
const options = { services: [implement(Shop, handlers)] }

const collect = <T>(items$: Observable<T>): Promise<T[]> => lastValueFrom(items$.pipe(toArray()))

withServer(
  'carries items of every sort down, up, and both ways',
  () => ({
    run: async stage => {
      const shop = stage.client().use(Shop)
      for (const [name, source] of Object.entries(SOURCES)) {
        const items: unknown[] = []
        const given = source()
        if (given instanceof Observable) items.push(...(await collect(given)))
        else for await (const item of given) items.push(item)
        const expected = items.map(item => item ?? null)
        const read = (got: unknown[]): unknown[] => got.map(item => item ?? null)
        assert.deepEqual(read(await collect(shop.items(name))), expected, name)
        assert.deepEqual(read((await firstValueFrom(shop.all(undefined, source()))) as unknown[]), expected, name)
        const twice = expected.flatMap(item => [item, item])
        assert.deepEqual(read(await collect(shop.twice(undefined, source()))), twice, name)
      }
    },
  }),
  { options },
)

withServer(
  'keeps the order of many items through small windows, down, up and both ways',
  () => ({
    run: async stage => {
      const shop = stage.client().use(Shop)
      const numbers = Array.from({ length: 2000 }, (_, i) => i)
      const [up, both] = await Promise.all([
        firstValueFrom(shop.all(undefined, numbers)),
        collect(shop.twice(undefined, numbers)),
      ])
      assert.deepEqual(up, numbers)
      assert.deepEqual(
        both,
        numbers.flatMap(n => [n, n]),
      )
      assert.equal(await firstValueFrom(shop.sum(undefined, numbers)), 1_999_000)
    },
  }),
  { options },
)

withServer(
  'carries items of 16 MiB both ways',
  () => ({
    run: async stage => {
      const shop = stage.client().use(Shop)
      const big = new Uint8Array(16 * MIB)
      for (let i = 0; i < big.length; i += 4096) big[i] = i / 4096
      const got = (await collect(shop.twice(undefined, [big, Uint8Array.of(7)]))) as Uint8Array[]
      assert.deepEqual(
        got.map(item => item.length),
        [16 * MIB, 16 * MIB, 1, 1],
      )
      assert.ok(Buffer.from(got[1]!).equals(big))
    },
  }),
  { options },
)

withServer(
  "delivers the handler's error behind the items that came before it",
  () => ({
    run: async stage => {
      const shop = stage.client().use(Shop)
      const down = follow(shop.fails(3))
      const error = await down.failsWith('user', /full/, 'yes')
      assert.deepEqual([down.values, (error as RpcError & { value: unknown }).value], [[0, 1, 2], 'full'])
      const up = follow(shop.failsUp(2, [1, 2, 3]))
      assert.equal(((await up.failsWith('user', /full/, 'yes')) as { value?: unknown }).value, 'full')
      const both = follow(shop.failsBoth(2, [0, 1, 2, 3]))
      await both.failsWith('user', /full/, 'yes')
      assert.deepEqual(both.values, [0, 1])
      const coded = await follow(shop.coded()).failsWith('user', /coded/, 'yes')
      assert.deepEqual((coded as { value?: unknown }).value, { why: 'so' })
      const errno = await follow(shop.errno(undefined, [1])).failsWith('user', /errno 28/, 'yes')
      assert.equal((errno as { value?: unknown }).value, 28)
    },
  }),
  { options },
)

withServer("hands the error of the caller's source to items$, where the handler decides", () => ({
  handlers: {
    'S.pass': call => call.items$,
    'S.rescue': call =>
      new Observable(out =>
        call.items$.subscribe({
          next: i => out.next(i),
          error: (e: RpcError) => {
            out.next([e.code, e.message])
            out.complete()
          },
        }),
      ),
  },
  run: async stage => {
    const client = stage.client()
    const source = (): Observable<number> =>
      concat(
        of(1),
        throwError(() => new Error('disk is full')),
      )
    const passed = follow(client.call({ action: 'S.pass', items: source() }))
    assert.equal(((await passed.answers()) as { value: unknown }).value, 1)
    const both = follow(client.call({ action: 'S.pass', items: source(), window: 4 }))
    await both.failsWith('rpc_canceled', /disk is full/, 'yes')
    assert.deepEqual(both.values, [1])
    const rescued = await collect(client.call({ action: 'S.rescue', items: source(), window: 4 }))
    assert.equal(rescued[0], 1)
    assert.match(String((rescued[1] as unknown as unknown[])[1]), /disk is full/)
    const pulled = function* (): Generator<number> {
      yield 1
      throw new Error('broken pipe')
    }
    const generator = await collect(client.call({ action: 'S.rescue', items: pulled(), window: 4 }))
    assert.match(String((generator[1] as unknown as unknown[])[1]), /broken pipe/)
  },
}))

withServer('lets a handler answer without its items, and tears the source down', () => {
  let torn = 0
  const source$ = defer(() => interval(1)).pipe(finalize(() => torn++))
  return {
    handlers: {
      'S.ignores': () => 'no thanks',
      'S.first': call => call.items$.pipe(take(3), toArray()),
      'S.early': call => {
        const answer = new Subject<string>()
        call.items$.pipe(take(1)).subscribe({ complete: () => setImmediate(() => answer.next('later')) })
        return answer
      },
    },
    run: async stage => {
      const client = stage.client()
      const value = (action: string): Promise<unknown> =>
        firstValueFrom(client.call({ action, items: source$ }).pipe(map(reply => reply.value)))
      assert.equal(await value('S.ignores'), 'no thanks')
      assert.deepEqual(await value('S.first'), [0, 1, 2])
      assert.equal(await value('S.early'), 'later')
      await until(() => torn === 3)
    },
  }
})

withServer('runs the teardown and aborts the signal of whatever shape is unsubscribed, then frees the slot', () => {
  let torn = 0
  let aborted = 0
  let began = 0
  const begin = (call: ServerCall): void => {
    began++
    call.signal.addEventListener('abort', () => aborted++)
  }
  const never = (call: ServerCall): Observable<never> =>
    new Observable(() => {
      begin(call)
      return () => torn++
    })
  const pulled = async function* (call: ServerCall): AsyncGenerator<number> {
    begin(call)
    try {
      for (;;) {
        yield 1
        await turn()
      }
    } finally {
      torn++
    }
  }
  const withItems = (call: ServerCall): Observable<unknown> =>
    new Observable(out => {
      begin(call)
      call.items$.subscribe({ error: () => {} })
      out.add(() => torn++)
    })
  return {
    handlers: { 'S.never': never, 'S.pulled': pulled, 'S.items': withItems },
    run: async stage => {
      const client = stage.client()
      for (const request of [
        { action: 'S.never' },
        { action: 'S.never', window: 4 },
        { action: 'S.pulled', window: 4 },
        { action: 'S.items', items: interval(1) },
        { action: 'S.items', items: NEVER, window: 4 },
      ]) {
        const before = { torn, aborted, began }
        const call = follow(client.call(request))
        await until(() => began === before.began + 1)
        call.unsubscribe()
        await until(() => torn === before.torn + 1 && aborted === before.aborted + 1)
        await until(() => client.stats().inFlight === 0 && stage.server.stats().calls === 0)
        assert.equal(call.ends, 0)
      }
    },
  }
})

withServer('holds the slot of a call that was unsubscribed until its Promise has settled, of every shape', () => {
  const settle: ((value: unknown) => void)[] = []
  let aborted = 0
  const slow = (call: ServerCall): Promise<unknown> => {
    call.signal.addEventListener('abort', () => aborted++)
    return new Promise(resolve => settle.push(resolve))
  }
  let returned = 0
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => {}),
      return: () => {
        returned++
        return Promise.resolve({ done: true as const, value: undefined })
      },
    }),
  }
  return {
    handlers: { 'S.slow': slow },
    run: async stage => {
      const client = stage.client()
      const requests = [
        { action: 'S.slow' },
        { action: 'S.slow', window: 4 },
        { action: 'S.slow', items: NEVER },
        { action: 'S.slow', items: NEVER, window: 4 },
      ]
      for (const [i, request] of requests.entries()) {
        const call = follow(client.call(request))
        await until(() => settle.length === i + 1)
        call.unsubscribe()
        await until(() => aborted === i + 1)
        await new Promise(resolve => setTimeout(resolve, 5))
        assert.deepEqual([stage.server.stats().calls, client.stats().inFlight], [1, 1], JSON.stringify(request))
        settle[i]!(request.window === undefined ? 'late' : source)
        await until(() => client.stats().inFlight === 0)
        assert.equal(stage.server.stats().calls, 0)
      }
      assert.equal(returned, 2, 'a source that comes too late is let go of')
    },
  }
})

withServer('gives an item to `next` before the call after it, and no item after the end', () => ({
  handlers: { 'S.count': call => range(0, call.input as number) },
  run: async stage => {
    const client = stage.client()
    const seen: number[] = []
    await new Promise<void>((resolve, reject) => {
      client
        .call<number>({ action: 'S.count', input: 100, window: 4096 })
        .pipe(take(10))
        .subscribe({ next: item => seen.push(item), complete: resolve, error: reject })
    })
    for (let i = 0; i < 20; i++) await turn()
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  },
}))

withServer('tells a handler its deadline, which an inner call inherits', () => {
  const seen: { deadline: number; began: number }[] = []
  let client: Client | undefined
  return {
    handlers: {
      'S.inner': call => {
        seen.push({ deadline: call.deadline, began: Date.now() })
        return NEVER
      },
      'S.outer': call => client!.call({ action: 'S.inner', deadline: call.deadline }).pipe(catchError(() => NEVER)),
      'S.stream': call =>
        client!.call({ action: 'S.inner', window: 4, deadline: call.deadline }).pipe(catchError(() => NEVER)),
      'S.deadline': call => [call.deadline],
    },
    run: async stage => {
      client = stage.client({ tickMs: 20 })
      const outer = follow(client.call({ action: 'S.outer', timeoutMs: 80 }))
      await outer.failsWith('rpc_timeout', /within 80 ms/)
      const { deadline, began } = seen[0]!
      assert.ok(deadline - began <= 81 && deadline > began, `${deadline - began} ms were left`)
      const inner = follow(client.call({ action: 'S.stream', window: 4, timeoutMs: 60 }))
      await inner.failsWith('rpc_timeout', /within 60 ms/)
      const unlimited = await collect(client.call({ action: 'S.deadline', window: 4 }))
      assert.deepEqual(unlimited, [Number.POSITIVE_INFINITY])
      const chained = follow(client.call({ action: 'S.stream', window: 4 }))
      await until(() => seen.length === 3)
      assert.equal(seen[2]!.deadline, Number.POSITIVE_INFINITY)
      chained.unsubscribe()
      await until(() => client!.stats().inFlight === 0)
    },
  }
})

withServer(
  'counts the deadline of a call from its beginning, whenever the handler asks',
  () => ({
    handlers: {
      'S.late': async call => {
        const began = Date.now()
        await new Promise(resolve => setTimeout(resolve, 30))
        return call.deadline - began
      },
    },
    run: async stage => {
      const client = stage.client()
      const left = await firstValueFrom(client.call({ action: 'S.late', timeoutMs: 10_000 }))
      assert.ok(Number(left.value) <= 10_001, `${left.value} ms`)
    },
  }),
  { on: [memory] },
)

withServer('carries headers to handlers of every shape, those of the proxy and those of the call', () => {
  return {
    handlers: {
      'S.one': call => call.headers,
      'S.many': call => [call.headers],
      'S.up': call => call.items$.pipe(map(() => call.headers)),
    },
    run: async stage => {
      const client = stage.client()
      const headers = { trace: '1', größe: 'ü'.repeat(50) }
      const [one] = await collect(client.call({ action: 'S.one', headers }).pipe(map(({ value }) => value)))
      assert.deepEqual(one, headers)
      assert.deepEqual(await collect(client.call({ action: 'S.many', headers, window: 1 })), [headers])
      assert.deepEqual(await collect(client.call({ action: 'S.up', headers, items: [1], window: 1 })), [headers])
      const [none] = await collect(client.call({ action: 'S.one' }).pipe(map(({ value }) => value)))
      assert.deepEqual(none, {})
    },
  }
})

withServer('tells a pushing handler when an item is wanted', () => {
  const told: boolean[][] = []
  return {
    handlers: {
      'S.clock': call => {
        const mine: boolean[] = []
        told.push(mine)
        let n = 0
        return call.demand$.pipe(
          tap(wanted => mine.push(wanted)),
          switchMap(wanted => (wanted ? interval(1).pipe(map(() => n++)) : EMPTY)),
        )
      },
    },
    run: async stage => {
      const client = stage.client()
      const got: number[] = []
      const pace = { done: () => {} }
      const clock = client.call<number>({ action: 'S.clock', window: 4, pace }).subscribe(item => got.push(item))
      await until(() => told[0]?.length === 2)
      await until(() => got.length === 4)
      assert.deepEqual(
        [told[0], got],
        [
          [true, false],
          [0, 1, 2, 3],
        ],
      )
      for (let i = 0; i < 4; i++) pace.done()
      await until(() => got.length === 8)
      await until(() => told[0]!.length === 4)
      assert.deepEqual(
        [told[0], got],
        [
          [true, false, true, false],
          [0, 1, 2, 3, 4, 5, 6, 7],
        ],
      )
      clock.unsubscribe()
      assert.equal(stage.server.stats().dropped, 0)
      await until(() => client.stats().inFlight === 0)
    },
  }
})

withServer('fails a second subscription to items$, and lets the first go on', () => ({
  handlers: {
    'S.two': call => {
      const second = new Subject<string>()
      const sum$ = call.items$.pipe(reduce((sum, n) => sum + Number(n), 0))
      call.items$.subscribe({ error: (error: Error) => second.next(error.message) })
      return sum$.pipe(map(sum => sum))
    },
    'S.tells': call => {
      const first = call.items$.subscribe({ error: () => {} })
      return new Observable(out => {
        call.items$.subscribe({ error: (error: Error) => out.next([error.name, error.message]) })
        out.add(first)
      })
    },
  },
  run: async stage => {
    const client = stage.client()
    const told = await firstValueFrom(client.call({ action: 'S.tells', items: [1, 2] }))
    assert.deepEqual((told.value as string[])[0], 'TypeError')
    assert.match((told.value as string[])[1]!, /one subscriber already/)
  },
}))

withServer(
  'shows every shape to the interceptors of both sides, and leaves its credit alone',
  () => {
    const seen: string[] = []
    return {
      run: async stage => {
        const client = stage.client({
          interceptors: [
            (request, next) => {
              seen.push(`client ${String(request.action)}`)
              return next({ ...request, headers: { ...request.headers, via: 'one' } }).pipe(
                finalize(() => seen.push(`client end ${String(request.action)}`)),
              )
            },
          ],
        })
        const shop = client.use(Shop)
        assert.deepEqual(await collect(shop.count(5)), [0, 1, 2, 3, 4])
        assert.equal(await firstValueFrom(shop.sum(undefined, [1, 2])), 3)
        assert.deepEqual(await collect(shop.twice(undefined, [1])), [1, 1])
        assert.equal(await firstValueFrom(shop.echo('x')), 'x')
        let open = 0
        let most = 0
        const paced$ = shop.items('generator').pipe(
          pacedMap(item => {
            most = Math.max(most, ++open)
            return of(item).pipe(finalize(() => open--))
          }),
          toArray(),
        )
        assert.deepEqual((await lastValueFrom(paced$)).length, 4)
        assert.deepEqual(seen.slice(0, 2), ['client Shop.count', 'client end Shop.count'])
        assert.equal(seen.length, 10)
        assert.deepEqual([...serverSeen], ['stream one', 'upload one', 'duplex one', 'unary one'])
      },
    }
  },
  {
    options: {
      ...options,
      interceptors: [
        (call, next) => {
          serverSeen.add(`${call.shape} ${call.headers['via']}`)
          return next(call)
        },
      ],
    },
  },
)
const serverSeen = new Set<string>()

withServer('hands a loop one item at a time, and cancels when it is left', () => {
  let pulled = 0
  let torn = 0
  return {
    handlers: {
      'S.numbers': function* () {
        try {
          for (;;) yield pulled++
        } finally {
          torn++
        }
      } as never,
    },
    run: async stage => {
      const Numbers = service('S', { numbers: stream<void, number>({ window: 4 }) })
      const client = stage.client()
      const got: number[] = []
      for await (const n of client.use(Numbers).numbers()) {
        got.push(n)
        await turn()
        assert.ok(pulled <= n + 5, `${pulled} pulled while ${n} is in hand`)
        if (n === 20) break
      }
      assert.equal(got.length, 21)
      await until(() => torn === 1 && client.stats().inFlight === 0)
      const later = pulled
      await assert.rejects(async () => {
        for await (const n of client.use(Numbers).numbers()) if (n > later + 3) throw new Error('enough')
      }, /enough/)
      await until(() => torn === 2 && client.stats().inFlight === 0)
    },
  }
})

withServer('keeps no more than its concurrency of inner Observables open, and no more than a window of items', () => {
  let pulled = 0
  return {
    handlers: {
      'S.numbers': function* () {
        while (pulled < 500) yield pulled++
      } as never,
    },
    run: async stage => {
      const Numbers = service('S', { numbers: stream<void, number>({ window: 8 }) })
      const client = stage.client()
      let open = 0
      let most = 0
      let begun = 0
      const work = (n: number): Observable<number> =>
        new Observable(out => {
          begun++
          most = Math.max(most, ++open)
          assert.ok(pulled <= begun + 8, `${pulled} pulled, ${begun} begun`)
          setImmediate(() => {
            open--
            out.next(n)
            out.complete()
          })
        })
      const got = await lastValueFrom(client.use(Numbers).numbers().pipe(pacedMap(work, 3), toArray()))
      assert.deepEqual([got.length, new Set(got).size, most], [500, 500, 3])
    },
  }
})

withServer('sends a call again for each subscription, also of a retry', () => {
  let runs = 0
  return {
    handlers: {
      'S.flaky': call =>
        defer(() => {
          const run = ++runs
          return concat(of(`run ${run}`), run < 3 ? throwError(() => call.fail('again')) : EMPTY)
        }),
    },
    run: async stage => {
      const client = stage.client()
      const got = await collect(client.call({ action: 'S.flaky', window: 4 }).pipe(retry(5)))
      assert.deepEqual(got, ['run 1', 'run 2', 'run 3'])
    },
  }
})

withServer(
  'carries calls of all shapes at the same time over one connection',
  () => ({
    run: async stage => many(stage),
  }),
  { options },
)

async function many(stage: ServerStage): Promise<void> {
  const client = stage.client()
  const shop = client.use(Shop)
  const jobs: Promise<void>[] = []
  for (let i = 0; i < 60; i++) {
    const numbers = Array.from({ length: i * 3 }, (_, k) => k)
    jobs.push(
      firstValueFrom(shop.echo(i)).then(got => assert.equal(got, i)),
      collect(shop.twice(undefined, numbers)).then(got => assert.equal(got.length, i * 6)),
      firstValueFrom(shop.sum(undefined, numbers)).then(got =>
        assert.equal(
          got,
          numbers.reduce((a, b) => a + b, 0),
        ),
      ),
      collect(shop.items('asyncGenerator')).then(got => assert.equal(got.length, 4)),
    )
  }
  await Promise.all(jobs)
  assert.equal(stage.server.stats().connections, 1)
}

withServer('ends a call with items when its time is over, at both ends', () => {
  let torn = 0
  return {
    handlers: {
      'S.items': call =>
        new Observable(out => {
          call.items$.subscribe({ error: () => {} })
          out.add(() => torn++)
        }),
      'S.stream': () => interval(1).pipe(finalize(() => torn++)),
    },
    run: async stage => {
      const client = stage.client({ tickMs: 20 })
      await follow(client.call({ action: 'S.stream', window: 4096, timeoutMs: 30 })).failsWith('rpc_timeout', /30 ms/)
      await follow(client.call({ action: 'S.items', items: NEVER, timeoutMs: 30 })).failsWith('rpc_timeout', /30 ms/)
      await follow(client.call({ action: 'S.items', items: NEVER, window: 4, timeoutMs: 30 })).failsWith(
        'rpc_timeout',
        /30/,
      )
      await until(() => torn === 3 && client.stats().inFlight === 0)
    },
  }
})

withServer(
  'fails a call with rpc_canceled when its signal aborts, and cancels it',
  () => {
    let torn = 0
    return {
      handlers: { 'S.stream': () => interval(1).pipe(finalize(() => torn++)) },
      run: async stage => {
        const client = stage.client()
        const abort = new AbortController()
        const call = follow(client.call({ action: 'S.stream', window: 4096, signal: abort.signal }))
        await until(() => call.values.length > 3)
        abort.abort(new Error('stop'))
        await call.failsWith('rpc_canceled', /aborted/)
        await until(() => torn === 1 && client.stats().inFlight === 0)
        await follow(client.call({ action: 'S.stream', window: 1, signal: abort.signal })).failsWith(
          'rpc_canceled',
          /./,
          'no',
        )
      },
    }
  },
  { on: [memory, tcp] },
)

withServer('lets calls take turns, 64 KiB or one item each', () => ({
  handlers: {
    'S.bytes': call => {
      const [count, size] = call.input as [number, number]
      return Array.from({ length: count }, () => new Uint8Array(size))
    },
  },
  run: async stage => {
    const caller = await stage.raw()
    const loads = [
      [60, 16_384],
      [60, 16_384],
      [200, 1000],
      [6, 200_000],
    ] as const
    const bytes = loads.reduce((sum, [count, size]) => sum + count * size, 0)
    const requests = loads.map((load, i) => upRequest(i + 2, { action: 'S.bytes', window: 4096, msg: pack(load) }))
    caller.send(...requests)
    await caller.peer.until(() => caller.peer.bytes > bytes)
    await Promise.all(loads.map((_, i) => caller.terminal(i + 2)))
    const items = caller.downs.filter(({ kind }) => kind === DOWN.next)
    assert.equal(items.length, 326)
    const lastOf = loads.map((_, i) => items.map(({ seq }) => seq).lastIndexOf(i + 2)).sort((a, b) => a - b)
    // Behind this one only one call is left.
    const contended = items.slice(0, lastOf.at(-2)! + 1)
    let run = 0
    let seq = 0
    for (const item of contended) {
      if (item.seq !== seq) run = 0
      seq = item.seq
      // Twice where the link was behind, and is not any more: once for that, once for its turn.
      assert.ok(run < 2 * Math.max(65_536, item.blob.length), `call ${seq} had ${run} bytes, and its turn goes on`)
      run += item.blob.length
    }
  },
}))
