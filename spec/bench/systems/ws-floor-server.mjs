/**
 * `ws floor`, the server: ws and msgpackr by hand, one message per answer and per item. No compression; ws sets TCP_NODELAY
 * itself.
 */
import { once } from 'node:events'
import { Packr } from 'msgpackr'
import { WebSocketServer } from 'ws'
import { Feed } from '../feed.mjs'
import { answerBlob, answerUnary, item } from '../requests.mjs'
import { runServer } from '../worker.mjs'

/** Above this a stream waits until what it has sent has left. */
const MOST_BUFFERED_BYTES = 1024 * 1024
/** Items of a stream in one turn of the event loop: without such a number it would never read that it is to stop. */
const ITEMS_A_TURN = 256

const packr = new Packr({ useRecords: false })
const itemBytes = i => packr.pack([0, null, i])

/** Sends items without end; returns how to stop it. */
function streamTo(socket) {
  let i = 0
  let stopped = false
  function push() {
    for (let sent = 1; !stopped; sent++) {
      const bytes = itemBytes(item(i++))
      if (socket.bufferedAmount > MOST_BUFFERED_BYTES) return socket.send(bytes, push)
      socket.send(bytes)
      if (sent === ITEMS_A_TURN) return setImmediate(push)
    }
  }
  push()
  return () => {
    stopped = true
  }
}

runServer(async () => {
  const joined = new Set()
  const streams = new Map()
  const feed = new Feed(next => {
    const bytes = itemBytes(next)
    for (const socket of joined) socket.send(bytes)
  })
  const methods = new Map([
    ['unary', answerUnary],
    ['blob', body => answerBlob(body, body.blob)],
    ['stream', (_, socket) => void streams.set(socket, streamTo(socket))],
    ['stopStream', (_, socket) => streams.get(socket)()],
    ['join', (_, socket) => void joined.add(socket)],
    ['leave', (_, socket) => joined.delete(socket)],
    ['start', burst => feed.start(burst)],
    ['taken', count => feed.taken(count)],
    ['stop', () => feed.stop()],
  ])
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('connection', socket => {
    socket.on('error', error => console.error(`ws floor server: ${error.message}`))
    socket.on('close', () => joined.delete(socket))
    socket.on('message', data => {
      const [seq, method, body] = packr.unpack(data)
      const handler = methods.get(method)
      socket.send(packr.pack(handler ? [seq, null, handler(body, socket)] : [seq, `no method ${method}`]))
    })
  })
  await once(server, 'listening')
  return { address: `ws://127.0.0.1:${server.address().port}`, close: () => server.close() }
})
