/**
 * `razor ws` and `razor tcp`, the server: this library with its defaults. The first argument is the transport.
 */
import { Subject, share } from 'rxjs'
import { implement, RpcServer } from '../../../dist/node/index.js'
import { Feed } from '../feed.mjs'
import { answerBlob, answerUnary, item } from '../requests.mjs'
import { runServer } from '../worker.mjs'
import { Bench } from './razor-contract.mjs'

const [transport] = process.argv.slice(2)

runServer(async () => {
  const emitted = new Subject()
  const feed = new Feed(next => emitted.next(next))
  const feed$ = emitted.pipe(share())
  const handlers = implement(Bench, {
    unary: body => answerUnary(body),
    blob: (body, { blob }) => answerBlob(body, blob),
    *items() {
      for (let i = 0; ; i++) yield item(i)
    },
    feed: () => feed$,
    start: burst => feed.start(burst),
    taken: count => feed.taken(count),
    stop: () => feed.stop(),
  })
  const server = new RpcServer({ services: [handlers] })
  const { address } = await server.listen(`${transport}://127.0.0.1:0`)
  return { address, close: () => server.close() }
})
