/**
 * `ws floor`, the client: ws and msgpackr by hand, one message per call, callbacks in a Map by seq. Items come under seq 0.
 */
import { once } from 'node:events'
import { Packr } from 'msgpackr'
import { WebSocket } from 'ws'
import { callbackLoop } from '../callback-loop.mjs'
import { fanOutLoop, SUBSCRIBERS, streamLoop } from '../item-loops.mjs'
import { BLOB } from '../requests.mjs'
import { runClient } from '../worker.mjs'

const packr = new Packr({ useRecords: false })

class Connection {
  #socket
  #pending = new Map()
  #lastSeq = 0
  /** Takes the items; there is one subscriber at a time. */
  take

  static async open(address) {
    const connection = new Connection()
    connection.#socket = new WebSocket(address, { perMessageDeflate: false })
    await once(connection.#socket, 'open')
    connection.#socket.on('message', data => connection.#receive(data))
    return connection
  }

  call(method, body, done) {
    const seq = ++this.#lastSeq
    this.#pending.set(seq, done)
    this.#socket.send(packr.pack([seq, method, body]))
  }

  ask(method, body) {
    return new Promise((resolve, reject) => {
      this.call(method, body, (error, answer) => (error ? reject(new Error(error)) : resolve(answer)))
    })
  }

  close() {
    this.#socket.close()
  }

  #receive(data) {
    const [seq, error, answer] = packr.unpack(data)
    if (seq === 0) return this.take(answer)
    const done = this.#pending.get(seq)
    this.#pending.delete(seq)
    done(error, answer)
  }
}

runClient(async address => {
  const connection = await Connection.open(address)
  let subscribers = []

  const feed = {
    subscribe: async (index, take) => {
      const subscriber = subscribers[index]
      subscriber.take = take
      await subscriber.ask('join')
      return () => subscriber.ask('leave')
    },
    start: burst => connection.ask('start', burst),
    taken: count => connection.ask('taken', count),
    stop: () => connection.ask('stop'),
  }

  return {
    loads: {
      unary: options => callbackLoop((body, done) => connection.call('unary', body, done), options),
      blob: options =>
        callbackLoop(({ id, path }, done) => connection.call('blob', { id, path, blob: BLOB }, done), options),
      stream: options =>
        streamLoop((take, fail) => {
          connection.take = take
          connection.ask('stream').catch(fail)
          return () => connection.ask('stopStream')
        }, options),
      'fan-out': async options => {
        if (subscribers.length === 0) {
          subscribers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => Connection.open(address)))
        }
        return fanOutLoop(feed, options)
      },
    },
    close: () => {
      for (const each of [connection, ...subscribers]) each.close()
    },
  }
})
