/**
 * One shared source, many subscribers: each item is encoded once, and a slow subscriber is nobody else's trouble (C11).
 */
import assert from 'node:assert/strict'
import { Observable, Subject, share } from 'rxjs'
import { type Codec, implement, msgpack, service, stream } from '../../lib/node/index.ts'
import { follow } from '../support/arena.ts'
import { liveBufferBytes } from '../support/memory-use.ts'
import { until, withServer } from '../support/stage.ts'
import { memory, tcp, unix, ws } from '../support/transports.ts'
import { DOWN, pack, upRequest } from '../support/v2-frames.ts'

interface Quote {
  readonly n: number
  readonly text: string
}
const Market = service('Market', {
  quotes: stream<void, Quote>({ overflow: 'latest' }),
  texts: stream<void, string>({ overflow: 'latest' }),
  bytes: stream<void, Uint8Array>({ overflow: 'latest' }),
})

class CountingCodec implements Codec {
  readonly name = 'counting'
  encodes = 0
  readonly #inner = msgpack()
  encode(value: unknown): Uint8Array {
    this.encodes++
    return this.#inner.encode(value)
  }
  encodeInto(value: unknown, target: Uint8Array, offset: number): number | Uint8Array {
    this.encodes++
    return this.#inner.encodeInto(value, target, offset)
  }
  decode(bytes: Uint8Array): unknown {
    return this.#inner.decode(bytes)
  }
}

const codec = new CountingCodec()
let sources = 0
const quotes$ = new Subject<Quote>()
const shared$ = new Observable<Quote>(out => {
  sources++
  out.add(quotes$.subscribe(out))
  out.add(() => sources--)
}).pipe(share())
const services = [
  implement(Market, {
    quotes: () => shared$,
    texts: () => new Subject<string>(),
    bytes: () => new Subject<Uint8Array>(),
  }),
]

withServer(
  'encodes each item once for all subscribers of a shared source, on one connection or many',
  () => ({
    run: async stage => {
      const clients = Array.from({ length: 5 }, () => stage.client())
      const subscribers = clients.flatMap(client =>
        Array.from({ length: 40 }, () => follow(client.use(Market).quotes())),
      )
      await until(() => stage.server.stats().calls === 200)
      assert.equal(sources, 1)
      // From the first turn on, when it is not known yet that the source is shared, an item costs two at most.
      quotes$.next({ n: 0, text: 'first' })
      await until(() => subscribers.every(({ values }) => values.length === 1))
      const before = codec.encodes
      for (let n = 1; n <= 100; n++) {
        quotes$.next({ n, text: `quote ${n}` })
        if (n % 7 === 0) await new Promise(setImmediate)
      }
      await until(() => subscribers.every(({ values }) => values.length === 101))
      for (const { values } of subscribers) {
        assert.deepEqual(
          values.map(({ n }) => n),
          Array.from({ length: 101 }, (_, n) => n),
        )
      }
      assert.ok(codec.encodes - before <= 130, `${codec.encodes - before} encodes of 100 items`)
      for (const subscriber of subscribers) subscriber.unsubscribe()
      await until(() => stage.server.stats().calls === 0)
      assert.equal(sources, 0)
      for (const client of clients) await until(() => client.stats().inFlight === 0)
    },
  }),
  { options: { services, codec } },
)

withServer('sends an object that was changed as it is, though it is the same object', () => ({
  handlers: {
    'S.same': () =>
      new Observable(out => {
        const item = { n: 0 }
        for (; item.n < 5; item.n++) out.next(item)
        out.complete()
      }),
  },
  run: async stage => {
    const client = stage.client()
    const calls = Array.from({ length: 3 }, () => follow(client.call<{ n: number }>({ action: 'S.same', window: 9 })))
    for (const call of calls) {
      await call.over
      assert.deepEqual(
        call.values.map(({ n }) => n),
        [0, 1, 2, 3, 4],
      )
    }
  },
}))

const ITEM = 4096
const ITEMS = 8000
withServer(
  'holds no subscriber back for 20 slow ones, and grows no memory for them',
  () => ({
    run: async stage => {
      const fast = stage.client()
      const slowClient = stage.client()
      const stalled = await Promise.all(Array.from({ length: 10 }, () => stage.raw()))
      for (const caller of stalled) {
        caller.send(upRequest(2, { action: 'Market.quotes', window: 4, msg: pack(null) }))
      }
      const slow = Array.from({ length: 10 }, () => {
        const got: number[] = []
        const request = { action: 'Market.quotes', window: 4, pace: { done: () => {} } }
        const call = slowClient.call<Quote>(request).subscribe({ next: ({ n }) => got.push(n) })
        return { got, call, pace: request.pace }
      })
      let got = 0
      let last = -1
      const quick = fast
        .use(Market)
        .quotes()
        .subscribe({
          next: ({ n }) => {
            assert.equal(n, last + 1)
            last = n
            got++
          },
          error: assert.fail,
        })
      await until(() => stage.server.stats().calls === 21)
      const text = 'x'.repeat(ITEM)
      const before = liveBufferBytes()
      for (let n = 0; n < ITEMS; n += 100) {
        for (let k = n; k < n + 100; k++) quotes$.next({ n: k, text })
        await until(() => got === n + 100)
      }
      const grown = liveBufferBytes() - before
      assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes of buffers for ${ITEMS * ITEM} bytes of items`)
      assert.ok(slow.every(({ got: few }) => few.length === 4))
      assert.ok(stalled.every(caller => caller.of(2).filter(({ kind }) => kind === DOWN.next).length === 4))
      for (const { pace } of slow) for (let i = 0; i < 4; i++) pace.done()
      await until(() => slow.every(({ got: few }) => few.length === 5 && few[4] === ITEMS - 1))
      assert.equal(stage.server.stats().dropped, 20 * (ITEMS - 5))
      for (const { call } of slow) call.unsubscribe()
      quick.unsubscribe()
      await until(() => fast.stats().inFlight === 0 && slowClient.stats().inFlight === 0)
    },
  }),
  { options: { services }, on: [memory, tcp, unix, ws] },
)
