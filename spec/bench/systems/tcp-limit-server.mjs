/**
 * `tcp limit`, the server: razor v1 frames by hand; the answers to a chunk leave in one write, items a slab at a time.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { answerBlob, answerUnary, item } from '../requests.mjs'
import { runServer } from '../worker.mjs'
import {
  actionBytes,
  FrameWriter,
  frameReader,
  packr,
  REQUEST_HEAD_BYTES,
  requestBytes,
  seqOf,
} from './tcp-limit-frames.mjs'

const METHODS = new Map([
  ['Bench.unary', answerUnary],
  ['Bench.blob', answerBlob],
])

/** Above this a stream waits until what it has sent has left. */
const MOST_BUFFERED_BYTES = 1024 * 1024
/** Items of a stream in one turn of the event loop. */
const ITEMS_A_TURN = 1024

function serveSocket(socket) {
  const writer = new FrameWriter(socket)
  let nextItem = 0
  let streaming = false

  function push() {
    for (let sent = 0; streaming && sent < ITEMS_A_TURN; sent++) writer.response(0, item(nextItem++))
    writer.flush()
    if (!streaming) return
    if (socket.writableLength > MOST_BUFFERED_BYTES) socket.once('drain', push)
    else setImmediate(push)
  }

  const methods = new Map([
    ...METHODS,
    [
      'Bench.stream',
      () => {
        nextItem = 0
        streaming = true
        setImmediate(push)
        return null
      },
    ],
    [
      'Bench.stop',
      () => {
        streaming = false
        return null
      },
    ],
  ])

  const read = frameReader(REQUEST_HEAD_BYTES, requestBytes, (chunk, view, at) => {
    const messageAt = at + REQUEST_HEAD_BYTES + actionBytes(view, at)
    const blobAt = messageAt + view.getUint32(at + 24, true)
    const blobBytes = view.getUint32(at + 28, true)
    const handler = methods.get(chunk.latin1Slice(at + REQUEST_HEAD_BYTES, messageAt))
    if (handler === undefined) return writer.failure(seqOf(view, at), 'rpc_method_notfound')
    const body = packr.unpack(chunk, { start: messageAt, end: blobAt })
    const blob = blobBytes === 0 ? undefined : chunk.subarray(blobAt, blobAt + blobBytes)
    writer.response(seqOf(view, at), handler(body, blob))
  })
  socket.on('error', error => console.error(`tcp limit server: ${error.message}`))
  socket.on('data', chunk => {
    read(chunk)
    writer.flush()
  })
}

runServer(async () => {
  const server = createServer({ noDelay: true }, serveSocket).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: `tcp://127.0.0.1:${server.address().port}`, close: () => server.close() }
})
