/**
 * `tcp limit`, the client: razor v1 frames by hand, callbacks in a Map by seq, the calls of a turn in one write. Items
 * come under seq 0.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { callbackLoop } from '../callback-loop.mjs'
import { streamLoop } from '../item-loops.mjs'
import { BLOB } from '../requests.mjs'
import { runClient } from '../worker.mjs'
import { FrameWriter, frameReader, packr, RESPONSE_HEAD_BYTES, responseBytes, seqOf } from './tcp-limit-frames.mjs'

const UNARY = Buffer.from('Bench.unary')
const BLOB_ACTION = Buffer.from('Bench.blob')
const STREAM = Buffer.from('Bench.stream')
const STOP = Buffer.from('Bench.stop')

runClient(async address => {
  const { hostname, port } = new URL(address)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  const writer = new FrameWriter(socket)
  const pending = new Map()
  let lastSeq = 0
  let flushing = false
  let takeItem

  const read = frameReader(RESPONSE_HEAD_BYTES, responseBytes, (chunk, view, at) => {
    const seq = seqOf(view, at)
    const messageAt = at + RESPONSE_HEAD_BYTES
    const blobAt = messageAt + view.getUint32(at + 4, true)
    if (seq === 0) return takeItem(packr.unpack(chunk, { start: messageAt, end: blobAt }))
    const done = pending.get(seq)
    pending.delete(seq)
    if (view.getUint8(at + 3) === 0) return done(null, packr.unpack(chunk, { start: messageAt, end: blobAt }))
    done(chunk.toString('utf8', blobAt, blobAt + view.getUint32(at + 16, true)))
  })
  socket.on('data', read)

  function flush() {
    flushing = false
    writer.flush()
  }

  function call(action, body, blob, done) {
    const seq = ++lastSeq
    pending.set(seq, done)
    writer.request(seq, action, body, blob)
    if (flushing) return
    flushing = true
    setImmediate(flush)
  }

  function ask(action) {
    return new Promise((resolve, reject) => {
      call(action, null, undefined, error => (error ? reject(new Error(error)) : resolve()))
    })
  }

  return {
    loads: {
      unary: options => callbackLoop((body, done) => call(UNARY, body, undefined, done), options),
      blob: options => callbackLoop((body, done) => call(BLOB_ACTION, body, BLOB, done), options),
      stream: options =>
        streamLoop((take, fail) => {
          takeItem = take
          ask(STREAM).catch(fail)
          return () => ask(STOP)
        }, options),
    },
    close: () => socket.end(),
  }
})
