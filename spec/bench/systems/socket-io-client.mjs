/**
 * `socket.io`, the client: a connection of its own for each subscriber of the fan-out.
 */
import { once } from 'node:events'
import { io } from 'socket.io-client'
import { fanOutLoop, SUBSCRIBERS } from '../item-loops.mjs'
import { runClient } from '../worker.mjs'

async function open(address) {
  const socket = io(address, { transports: ['websocket'], forceNew: true })
  await once(socket, 'connect')
  return socket
}

runClient(async address => {
  const control = await open(address)
  let subscribers = []
  const feed = {
    subscribe: async (index, take) => {
      const socket = subscribers[index]
      socket.on('item', take)
      await socket.emitWithAck('join')
      return async () => {
        await socket.emitWithAck('leave')
        socket.off('item', take)
      }
    },
    start: burst => control.emit('start', burst),
    taken: count => control.emit('taken', count),
    stop: () => control.emitWithAck('stop'),
  }
  return {
    loads: {
      'fan-out': async options => {
        if (subscribers.length === 0) {
          subscribers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => open(address)))
        }
        return fanOutLoop(feed, options)
      },
    },
    close: () => {
      for (const each of [control, ...subscribers]) each.disconnect()
    },
  }
})
