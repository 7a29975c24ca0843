/**
 * `razor ws` and `razor tcp`, the server: this library with its defaults. The first argument is the transport.
 */
import { implement, RpcServer } from '../../../dist/node/index.js'
import { answerBlob, answerUnary } from '../requests.mjs'
import { runServer } from '../worker.mjs'
import { Bench } from './razor-contract.mjs'

const [transport] = process.argv.slice(2)

runServer(async () => {
  const handlers = implement(Bench, {
    unary: body => answerUnary(body),
    blob: (body, { blob }) => answerBlob(body, blob),
  })
  const server = new RpcServer({ services: [handlers] })
  const { address } = await server.listen(`${transport}://127.0.0.1:0`)
  return { address, close: () => server.close() }
})
