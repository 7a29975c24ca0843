/**
 * Streams that are subscribed to again, over real connections: which ends they outlive, and which not.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concat, NEVER, type Observable, of } from 'rxjs'
import {
  type Client,
  connect,
  Gap,
  implement,
  RpcError,
  RpcServer,
  resubscribe,
  service,
  stream,
} from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { TRANSPORTS, type Transport } from '../support/transports.ts'

const Feed = service('Feed', { serial: stream<void, number>() })
const SOON = { firstMs: 10, maxMs: 20 }
const MOST_MS = 30_000

/** Servers at one address, one after the other, whose stream has the number of the subscription, and then goes on for ever. */
class Served {
  readonly client: Client
  readonly #address: string
  #server: RpcServer
  #serial = 0

  private constructor(server: RpcServer, address: string) {
    this.#server = server
    this.#address = address
    this.client = connect(address, { backoffFirstMs: 10, backoffMaxMs: 20 })
  }

  static async at(transport: Transport): Promise<Served> {
    const server = new RpcServer({ services: [implement(Feed, { serial: () => served.#items() })] })
    const { address } = await server.listen(transport.listenAt())
    const served: Served = new Served(server, address)
    return served
  }

  #items(): Observable<number> {
    return concat(of(++this.#serial), NEVER)
  }

  stop(graceMs?: number): Promise<void> {
    return this.#server.close(graceMs === undefined ? { waitMs: 0 } : { graceMs })
  }

  async startAgain(): Promise<void> {
    this.#server = new RpcServer({ services: [implement(Feed, { serial: () => this.#items() })] })
    await this.#server.listen(this.#address)
  }

  async end(): Promise<void> {
    await this.client.close({ waitMs: 0 })
    await this.stop()
    await expectNoLeaks()
  }
}

/** The next of `items` that is no gap, and the codes of the gaps before it. */
async function next(items: AsyncIterator<number | Gap>): Promise<{ item: number; codes: string[] }> {
  const codes: string[] = []
  for (;;) {
    const { value, done } = await items.next()
    assert.ok(done !== true, 'it has ended')
    if (!Gap.is(value)) return { item: value, codes }
    codes.push(RpcError.is(value.error) ? value.error.code : String(value.error))
  }
}

/** Nothing but gaps comes any more, and then the end of a client that is closed. */
function endsAfterGaps(items: AsyncIterator<number | Gap>): Promise<void> {
  const rest = async (): Promise<void> => {
    for (;;) assert.ok(Gap.is((await items.next()).value))
  }
  return assert.rejects(rest, (error: unknown) => RpcError.is(error, 'rpc_unreachable', 'rpc_canceled'))
}

for (const transport of TRANSPORTS) {
  describe(`a stream that is subscribed to again, over ${transport.name}`, { timeout: MOST_MS }, () => {
    for (const [way, graceMs, code] of [
      ['that drains', 0, /^rpc_canceled$/],
      ['that is stopped at once', undefined, /^rpc_(io_err|canceled|draining)$/],
    ] as const) {
      it(`outlives a server ${way}, with a gap for each attempt`, async () => {
        const served = await Served.at(transport)
        const items = served.client.use(Feed).serial().pipe(resubscribe(SOON))[Symbol.asyncIterator]()
        assert.deepEqual(await next(items), { item: 1, codes: [] })
        const second = next(items)
        await served.stop(graceMs)
        await served.startAgain()
        const { item, codes } = await second
        assert.equal(item, 2)
        assert.match(codes[0]!, code)
        for (const each of codes.slice(1)) assert.match(each, /^rpc_(unreachable|io_err|draining)$/)
        await items.return!()
        await served.end()
      })
    }

    it('ends with its client, at the latest with the next attempt', async () => {
      const served = await Served.at(transport)
      const items = served.client.use(Feed).serial().pipe(resubscribe(SOON))[Symbol.asyncIterator]()
      await next(items)
      const end = endsAfterGaps(items)
      await served.client.close()
      await end
      await served.end()
    })

    it('ends with its client while it waits, with the next attempt', async () => {
      const served = await Served.at(transport)
      const items = served.client.use(Feed).serial().pipe(resubscribe(SOON))[Symbol.asyncIterator]()
      await next(items)
      const gap = items.next()
      await served.stop()
      assert.ok(Gap.is((await gap).value))
      const end = endsAfterGaps(items)
      await served.client.close()
      await end
      await served.end()
    })

    it('ends when its signal aborts', async () => {
      const served = await Served.at(transport)
      const aborting = new AbortController()
      const { signal } = aborting
      const items = served.client
        .use(Feed)
        .serial(undefined, { signal })
        .pipe(resubscribe(SOON))
        [Symbol.asyncIterator]()
      await next(items)
      const end = assert.rejects(items.next(), error => RpcError.is(error, 'rpc_canceled'))
      aborting.abort()
      await end
      await served.end()
    })
  })
}
