/** Listening sockets, and which of them another process can have. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { ListeningSocket, openSockets } from '../../lib/node/sockets.ts'
import { expectNoLeaks } from '../support/leaks.ts'

describe('a listening socket', () => {
  it('tells its file descriptor while it listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = new ListeningSocket({ server, address: 'tcp://127.0.0.1:0', bound: 'tcp://127.0.0.1:1' })
    assert.deepEqual([socket.fd > 2, openSockets()], [true, [socket]])
    socket.close()
    assert.throws(() => socket.fd, /^Error: cannot hand over tcp:\/\/127\.0\.0\.1:0: /)
    assert.deepEqual(openSockets(), [])
    await expectNoLeaks()
  })

  it('says what is wrong where Node does not tell it, and names Windows there', t => {
    const socket = new ListeningSocket({ server: createServer(), address: 'tcp://a:1', bound: 'tcp://a:1' })
    t.after(() => socket.close())
    for (const [platform, message] of [
      [
        'linux',
        `cannot hand over tcp://a:1: Node ${process.version} tells no file descriptor of it; a worker of node:cluster has none`,
      ],
      ['win32', 'cannot hand over tcp://a:1: on Windows a socket cannot be handed over so'],
    ] as const) {
      const real = Object.getOwnPropertyDescriptor(process, 'platform')!
      Object.defineProperty(process, 'platform', { ...real, value: platform })
      try {
        assert.throws(() => socket.fd, { message })
      } finally {
        Object.defineProperty(process, 'platform', real)
      }
    }
  })
})
