/**
 * `ws floor`, the server: ws and msgpackr by hand, one message per answer. No compression; ws sets TCP_NODELAY itself.
 */
import { once } from 'node:events'
import { Packr } from 'msgpackr'
import { WebSocketServer } from 'ws'
import { answerBlob, answerUnary } from '../requests.mjs'
import { runServer } from '../worker.mjs'

const METHODS = new Map([
  ['unary', answerUnary],
  ['blob', body => answerBlob(body, body.blob)],
])

runServer(async () => {
  const packr = new Packr({ useRecords: false })
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('connection', socket => {
    socket.on('error', error => console.error(`ws floor server: ${error.message}`))
    socket.on('message', data => {
      const [seq, method, body] = packr.unpack(data)
      const handler = METHODS.get(method)
      socket.send(packr.pack(handler ? [seq, null, handler(body)] : [seq, `no method ${method}`]))
    })
  })
  await once(server, 'listening')
  return { address: `ws://127.0.0.1:${server.address().port}`, close: () => server.close() }
})
