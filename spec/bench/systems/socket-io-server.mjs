/**
 * `socket.io`, the server: Socket.IO 4 with its defaults, only WebSockets. It is here for the fan-out: a room is its shared
 * source.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { Feed } from '../feed.mjs'
import { runServer } from '../worker.mjs'

runServer(async () => {
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'], serveClient: false })
  const feed = new Feed(next => io.to('feed').emit('item', next))
  io.on('connection', socket => {
    socket.on('join', done => {
      socket.join('feed')
      done()
    })
    socket.on('leave', done => {
      socket.leave('feed')
      done()
    })
    socket.on('start', burst => feed.start(burst))
    socket.on('taken', count => feed.taken(count))
    socket.on('stop', done => {
      feed.stop()
      done()
    })
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return { address: `http://127.0.0.1:${http.address().port}`, close: () => io.close() }
})
