/**
 * `ws floor`, the client: ws and msgpackr by hand, one message per call, callbacks in a Map by seq.
 */
import { once } from 'node:events'
import { Packr } from 'msgpackr'
import { WebSocket } from 'ws'
import { callbackLoop } from '../callback-loop.mjs'
import { BLOB } from '../requests.mjs'
import { runClient } from '../worker.mjs'

runClient(async address => {
  const packr = new Packr({ useRecords: false })
  const pending = new Map()
  let lastSeq = 0
  const socket = new WebSocket(address, { perMessageDeflate: false })
  await once(socket, 'open')

  socket.on('message', data => {
    const [seq, error, answer] = packr.unpack(data)
    const done = pending.get(seq)
    pending.delete(seq)
    done(error, answer)
  })

  function call(method, body, done) {
    const seq = ++lastSeq
    pending.set(seq, done)
    socket.send(packr.pack([seq, method, body]))
  }

  return {
    loads: {
      unary: options => callbackLoop((body, done) => call('unary', body, done), options),
      blob: options => callbackLoop(({ id, path }, done) => call('blob', { id, path, blob: BLOB }, done), options),
    },
    close: () => socket.close(),
  }
})
