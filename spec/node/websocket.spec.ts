/** WebSockets on Node: the listener and the dialer over `ws`, and the browser's dialer against that listener. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { RpcError } from '../../lib/error.ts'
import { nodeWebSocketDialer } from '../../lib/node/websocket.ts'
import { type NodeWebSocketListenerOptions, webSocketListener } from '../../lib/node/websocket-listener.ts'
import { type WebSocketConstructor, webSocketDialer } from '../../lib/transport/websocket-client.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { bind, dial, linkDuties, openPair, pattern } from '../support/link-duties.ts'
import { Tap } from '../support/tap.ts'

async function nobody(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `ws://127.0.0.1:${port}/rpc`
}

const wiring = {
  name: 'WebSocket',
  listener: (address = 'ws://127.0.0.1:0/rpc') =>
    webSocketListener(address, { maxSocketMessageBytes: 64 * 1024 * 1024 }),
  dialer: (address: string) => nodeWebSocketDialer(address),
  nobody,
  pauses: true,
}

linkDuties(wiring)

linkDuties({
  ...wiring,
  name: "browser's WebSocket",
  dialer: address => webSocketDialer(address, { WebSocket: WebSocket as unknown as WebSocketConstructor }),
  pauses: false,
})

interface Served {
  readonly address: string
  /** The server's end of the next link. */
  next(): Promise<Tap>
  end(): void
}

async function serve(
  options?: NodeWebSocketListenerOptions,
  target: Parameters<typeof webSocketListener>[0] = 'ws://127.0.0.1:0/rpc',
): Promise<Served> {
  const taps: Tap[] = []
  const waiting: ((tap: Tap) => void)[] = []
  const [server, bound] = await bind(webSocketListener(target, options), link => {
    const tap = new Tap(link)
    const give = waiting.shift()
    if (give === undefined) taps.push(tap)
    else give(tap)
  })
  return {
    address: bound.address,
    next: () => {
      const tap = taps.shift()
      return tap === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(tap)
    },
    end: () => server.unsubscribe(),
  }
}

interface Closed {
  readonly code: number
  readonly reason: string
}

function closed(ws: WebSocket): Promise<Closed> {
  return new Promise(resolve => {
    ws.on('error', () => undefined)
    ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
}

async function bare(address: string, protocols: string[] = []): Promise<WebSocket> {
  const ws = new WebSocket(address, protocols, { perMessageDeflate: false })
  await once(ws, 'open')
  return ws
}

/** What an HTTP server answers to raw bytes, until it ends the connection. */
async function raw(address: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(address).port), '127.0.0.1')
  socket.on('error', () => undefined)
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(text)
  await new Promise(resolve => socket.once('close', resolve))
  return answer
}

const upgrade = (path: string, more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`

describe('a bare WebSocket client', () => {
  it('that sends a text message gets 4400, and the link fails (A18)', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const end = closed(ws)
    ws.send('héllo')
    const tap = await served.next()
    const error = await tap.ended()
    assert.ok(RpcError.is(error, 'rpc_io_err'))
    assert.match(
      error.message,
      /^ws:\/\/127\.0\.0\.1:\d+: connection lost: a text message of 5 characters came; every message must be binary$/,
    )
    assert.deepEqual(await end, { code: 4400, reason: 'rpc_protocol' })
    served.end()
    await expectNoLeaks()
  })

  it('may cut its bytes into messages and fragments as it likes (A18)', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const tap = await served.next()
    const bytes = pattern(3000)
    ws.send(bytes.subarray(0, 10))
    ws.send(Buffer.alloc(0))
    for (let at = 10; at < 2999; at++) ws.send(bytes.subarray(at, at + 1), { fin: at % 7 === 0 })
    ws.send(bytes.subarray(2999), { fin: true })
    await tap.until(() => tap.bytes === 3000)
    assert.ok(tap.received().equals(bytes))
    assert.ok(tap.chunks.every(chunk => chunk.length > 0))
    ws.close()
    assert.equal(await tap.ended(), 'complete')
    served.end()
    await expectNoLeaks()
  })

  for (const [name, flood] of [
    ['pings', (ws: WebSocket) => ws.ping()],
    ['pongs', (ws: WebSocket) => ws.pong()],
    ['empty messages', (ws: WebSocket) => ws.send(Buffer.alloc(0))],
  ] as const) {
    it(`that sends over 100 ${name} in a second gets 4429, and the link fails (A14)`, async () => {
      const served = await serve()
      const ws = await bare(served.address)
      const end = closed(ws)
      const tap = await served.next()
      for (let sent = 0; sent < 1_000; sent++) flood(ws)
      const error = await tap.ended()
      assert.ok(RpcError.is(error, 'rpc_io_err'))
      assert.match(error.message, /over maxPingsPerSecond 100/)
      assert.deepEqual(await end, { code: 4429, reason: 'rpc_busy' })
      assert.equal(tap.ends.length, 1)
      served.end()
      await expectNoLeaks()
    })
  }

  it('that pings a hundred times at once gets a hundred pongs (A14)', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const tap = await served.next()
    let pongs = 0
    const answered = new Promise<void>(resolve => {
      ws.on('pong', () => {
        if (++pongs === 100) resolve()
      })
    })
    for (let sent = 0; sent < 100; sent++) ws.ping()
    await answered
    assert.deepEqual(tap.ends, [])
    ws.close()
    await tap.ended()
    served.end()
    await expectNoLeaks()
  })

  it('that sends a message over the limit gets 1009, and the link fails', async () => {
    const served = await serve({ maxSocketMessageBytes: 1000 })
    const ws = await bare(served.address)
    const end = closed(ws)
    const tap = await served.next()
    ws.send(pattern(1000))
    ws.send(pattern(1004))
    const error = await tap.ended()
    assert.ok(RpcError.is(error, 'rpc_io_err'))
    assert.match(error.message, /Max payload size exceeded/)
    assert.equal(tap.bytes, 1000)
    assert.equal((await end).code, 1009)
    served.end()
    await expectNoLeaks()
  })

  it('that vanishes without a closing handshake makes the link fail (A24)', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const tap = await served.next()
    ws.terminate()
    const error = await tap.ended()
    assert.ok(RpcError.is(error, 'rpc_io_err'))
    assert.match(error.message, /closed with code 1006/)
    served.end()
    await expectNoLeaks()
  })

  it('that never reads gets what fits, and is cut off some time after the link was closed', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const tap = await served.next()
    ws.pause()
    tap.link.send(pattern(32 * 1024 * 1024))
    tap.link.close(4490, 'rpc_busy')
    await tap.until(() => tap.drainedCompleted)
    ws.terminate()
    served.end()
    await expectNoLeaks()
  })

  it('that never answers a close frame is cut off some time later', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const tap = await served.next()
    ws.pause()
    tap.link.close()
    await tap.until(() => tap.drainedCompleted)
    ws.terminate()
    served.end()
    await expectNoLeaks()
  })

  it('sees the code and the text of close, the text cut to 123 bytes at a code point', async () => {
    const served = await serve()
    const ws = await bare(served.address)
    const end = closed(ws)
    const tap = await served.next()
    tap.link.close(4500, 'é'.repeat(100))
    assert.deepEqual(await end, { code: 4500, reason: 'é'.repeat(61) })
    served.end()
    await expectNoLeaks()
  })
})

describe('an upgrade', () => {
  it('is refused with 400 when it offers other subprotocols only, and accepted when it offers none or ours among others', async () => {
    const served = await serve()
    const others = await raw(served.address, upgrade('/rpc', 'Sec-WebSocket-Protocol: chat, razor2\r\n'))
    assert.match(others, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(others, /the only subprotocol here is razor$/)
    for (const [offer, got] of [
      [[], ''],
      [['razor'], 'razor'],
      [['chat', 'razor'], 'razor'],
    ] as const) {
      const ws = await bare(served.address, [...offer])
      assert.equal(ws.protocol, got)
      assert.equal(ws.extensions, '')
      const tap = await served.next()
      tap.link.destroy()
      await closed(ws)
    }
    served.end()
    await expectNoLeaks()
  })

  it('is refused with 403 from pages of other origins than those that were given, and not without an Origin', async () => {
    const served = await serve({ origins: ['https://app.example', 'http://localhost:3000'] })
    for (const origin of [
      'https://evil.example',
      'https://app.example.evil.example',
      'https://app.example:444',
      'http://app.example',
      'https://APP.example',
      'https://app.example, https://app.example',
      'null',
      '',
    ]) {
      const answer = await raw(served.address, upgrade('/rpc', `Origin: ${origin}\r\n`))
      assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/, origin)
      assert.ok(answer.endsWith(`pages of ${origin} may not connect here`), answer)
    }
    for (const headers of [{ origin: 'https://app.example' }, { origin: 'http://localhost:3000' }, {}]) {
      const near = await dial(nodeWebSocketDialer(served.address, { headers }))
      near.link.close()
      assert.equal(await (await served.next()).ended(), 'complete')
    }
    served.end()
    await expectNoLeaks()
  })

  it('says whom it refused, to whoever listens for that, until it is closed', async () => {
    const seen: string[] = []
    const listener = webSocketListener('ws://127.0.0.1:0/rpc', { origins: [] })
    const [server, bound] = await bind(listener, link => link.destroy())
    bound.refused$?.subscribe({
      next: ({ address, message }) => seen.push(`${address.replace(/\d+$/, 'port')} ${message}`),
      error: assert.fail,
      complete: () => seen.push('complete'),
    })
    await raw(bound.address, upgrade('/rpc', 'Origin: https://evil.example\r\n'))
    server.unsubscribe()
    assert.deepEqual(seen, ['ws://127.0.0.1:port 403: pages of https://evil.example may not connect here', 'complete'])
    await expectNoLeaks()
  })

  it('is accepted from pages of the same machine, at any port, where loopback is among the origins', async () => {
    const served = await serve({ origins: ['loopback', 'https://app.example'] })
    const here = [
      'http://localhost:5173',
      'https://localhost',
      'http://a.localhost:1',
      'http://127.0.0.1:80',
      'http://[::1]:9',
    ]
    for (const origin of [...here, 'https://app.example']) {
      const near = await dial(nodeWebSocketDialer(served.address, { headers: { origin } }))
      near.link.close()
      assert.equal(await (await served.next()).ended(), 'complete')
    }
    const elsewhere = [
      'http://localhost.evil.example',
      'http://evil-localhost',
      'http://evil.example:19750',
      'http://127.0.0.1.evil.example',
      'http://evil.example/localhost',
      'http://localhost@evil.example',
      'http://128.0.0.1',
      'http://[::2]',
      'null',
      'loopback',
    ]
    for (const origin of elsewhere) {
      const answer = await raw(served.address, upgrade('/rpc', `Origin: ${origin}\r\n`))
      assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/, origin)
    }
    served.end()
    await expectNoLeaks()
  })

  it('is accepted from pages of every origin where none were given, and from no page where the list is empty', async () => {
    const headers = { origin: 'https://evil.example' }
    const open = await serve()
    const near = await dial(nodeWebSocketDialer(open.address, { headers }))
    near.link.destroy()
    await (await open.next()).ended()
    open.end()
    const closed = await serve({ origins: [] })
    assert.match(await raw(closed.address, upgrade('/rpc', `Origin: ${headers.origin}\r\n`)), /^HTTP\/1\.1 403 /)
    closed.end()
    await expectNoLeaks()
  })

  it('is refused with 404 at another path, and a plain request is answered 426', async () => {
    const served = await serve()
    assert.match(
      await raw(served.address, upgrade('/other')),
      /^HTTP\/1\.1 404 Not Found\r\n.*no WebSocket is served at \/other$/s,
    )
    assert.match(
      await raw(served.address, 'GET /rpc HTTP/1.1\r\nHost: x\r\n\r\n'),
      /^HTTP\/1\.1 426 Upgrade Required\r\n/,
    )
    assert.match(await raw(served.address, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\n/)
    served.end()
    await expectNoLeaks()
  })

  it('may have a query', async () => {
    const served = await serve()
    const ws = await bare(`${served.address}?token=1`)
    ws.terminate()
    await (await served.next()).ended()
    served.end()
    await expectNoLeaks()
  })

  it('that is slow, or never sent, ends with the connection closed (A23)', async () => {
    const served = await serve({ upgradeTimeoutMs: 200 })
    const half = upgrade('/rpc').slice(0, 40)
    assert.match(await raw(served.address, half), /^HTTP\/1\.1 408 /)
    assert.match(await raw(served.address, ''), /^(HTTP\/1\.1 408 |$)/)
    served.end()
    await expectNoLeaks()
  })

  it('that is under way when the listener ends is ended with it', async () => {
    const served = await serve()
    const answer = raw(served.address, upgrade('/rpc').slice(0, 40))
    const ws = await bare(served.address)
    served.end()
    assert.equal(await answer, '')
    const tap = await served.next()
    ws.send(Buffer.from('on'))
    await tap.until(() => tap.bytes === 2)
    ws.terminate()
    await tap.ended()
    await expectNoLeaks()
  })
})

describe("a listener on a user's HTTP server", () => {
  async function http(): Promise<Server> {
    const server = createServer((_request, response) => response.end('page'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  it('takes the upgrades of its path, several paths at once, answers 404 to the rest, and takes only its own listeners away', async () => {
    const server = await http()
    const before = server.eventNames().map(name => [name, server.listenerCount(name as string)])
    const a = await serve({}, { server, path: '/a' })
    const b = await serve({}, { server, path: '/b' })
    const { port } = server.address() as AddressInfo
    assert.equal(a.address, `ws://127.0.0.1:${port}/a`)
    for (const each of [a, b]) {
      const near = await dial(nodeWebSocketDialer(each.address))
      const far = await each.next()
      near.link.send(Buffer.from('hi'))
      await far.until(() => far.bytes === 2)
      near.link.close()
      await far.ended()
    }
    assert.match(await raw(a.address, upgrade('/c')), /^HTTP\/1\.1 404 /)
    await assert.rejects(
      serve({}, { server, path: '/a' }),
      /cannot listen at path \/a of the HTTP server: the path \/a .* taken/,
    )
    assert.match(await raw(a.address, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /page$/)
    a.end()
    assert.match(await raw(a.address, upgrade('/a')), /^HTTP\/1\.1 404 /)
    b.end()
    assert.deepEqual(
      server.eventNames().map(name => [name, server.listenerCount(name as string)]),
      before,
    )
    server.close()
    await once(server, 'close')
    await expectNoLeaks()
  })

  it('leaves upgrades of other paths to other listeners', async () => {
    const server = await http()
    const served = await serve({}, { server, path: '/rpc' })
    const other = new WebSocketServer({ noServer: true })
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (request.url === '/other') other.handleUpgrade(request, socket, head, ws => ws.close(1000, 'other'))
    })
    const { port } = server.address() as AddressInfo
    assert.deepEqual(await closed(new WebSocket(`ws://127.0.0.1:${port}/other`)), { code: 1000, reason: 'other' })
    const near = await dial(nodeWebSocketDialer(served.address))
    near.link.close()
    await (await served.next()).ended()
    served.end()
    server.close()
    await once(server, 'close')
    await expectNoLeaks()
  })

  it('completes when the server closes, and knows its address once the server listens', async () => {
    const server = createServer()
    let completed = false
    let address = (): string => ''
    webSocketListener({ server, path: '/rpc' })
      .listen()
      .subscribe({
        next: bound => {
          address = () => bound.address
        },
        error: assert.fail,
        complete: () => {
          completed = true
        },
      })
    assert.equal(address(), 'ws://not-listening/rpc')
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    assert.match(address(), /^ws:\/\/127\.0\.0\.1:\d+\/rpc$/)
    server.close()
    await once(server, 'close')
    assert.equal(completed, true)
    await expectNoLeaks()
  })
})

describe('a WebSocket dialer', () => {
  for (const [name, dialer] of [
    ['on Node', nodeWebSocketDialer],
    [
      'of a browser',
      (address: string, options = {}) =>
        webSocketDialer(address, { WebSocket: WebSocket as unknown as WebSocketConstructor, ...options }),
    ],
  ] as const) {
    it(`${name} says what is wrong with a server that does not speak razor, and reaches it with subprotocol none`, async () => {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => false })
      await once(server, 'listening')
      const address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
      const error = await dial(dialer(address)).catch(error => error)
      assert.ok(RpcError.is(error, 'rpc_unreachable'))
      assert.equal(error.executed, 'no')
      assert.match(error.message, /^cannot reach ws:.*subprotocol.*\{ subprotocol: 'none' \}$/)
      const tap = await dial(dialer(address, { subprotocol: 'none' }))
      tap.link.close()
      server.close()
      await once(server, 'close')
      await expectNoLeaks()
    })

    it(`${name} fails with rpc_unreachable at what is no WebSocket server`, async () => {
      const server = createServer((_request, response) => response.writeHead(403).end()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const error = await dial(dialer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`)).catch(
        error => error,
      )
      assert.ok(RpcError.is(error, 'rpc_unreachable'))
      assert.match(error.message, /Unexpected server response: 403/)
      server.close()
      await once(server, 'close')
      await expectNoLeaks()
    })

    it(`${name} refuses a bad URL`, async () => {
      for (const [url, message] of [
        ['nonsense', /no URL: expected ws:/],
        ['http://h/', /scheme is http:\/\/, expected ws/],
        ['ws://h/#part', /fragment #part/],
      ] as const) {
        const error = await dial(dialer(url)).catch(error => error)
        assert.ok(RpcError.is(error, 'rpc_unreachable'))
        assert.equal(error.executed, 'no')
        assert.match(error.message, message)
      }
      await expectNoLeaks()
    })

    it(`${name} stops a handshake that gets no answer when it is unsubscribed`, async () => {
      const sockets: Socket[] = []
      const silent = createTcpServer(socket => sockets.push(socket.on('error', () => undefined))).listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const dialling = dialer(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}`)
        .dial()
        .subscribe({ error: assert.fail })
      await once(silent, 'connection')
      dialling.unsubscribe()
      await new Promise(resolve => sockets[0]!.resume().once('close', resolve))
      silent.close()
      await expectNoLeaks()
    })
  }

  it('holds hostile servers to the same limits (A21)', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const [attack, message] of [
      [(ws: WebSocket) => ws.send('text'), /text message of 4/],
      [(ws: WebSocket) => ws.send(pattern(1004)), /Max payload size/],
      [(ws: WebSocket) => Array.from({ length: 11 }, () => ws.ping()), /maxPingsPerSecond 10:/],
      [(ws: WebSocket) => ws.close(1011, 'broken'), /closed with code 1011, "broken"/],
    ] as const) {
      server.once('connection', ws => {
        ws.on('error', () => undefined)
        attack(ws)
      })
      const tap = await dial(nodeWebSocketDialer(address, { maxSocketMessageBytes: 1000, maxPingsPerSecond: 10 }))
      const error = await tap.ended()
      assert.ok(RpcError.is(error, 'rpc_io_err'))
      assert.match(error.message, message)
      await tap.until(() => tap.drainedCompleted)
    }
    server.close()
    await once(server, 'close')
    await expectNoLeaks()
  })

  it('sends its headers', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const asked = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>
    const tap = await dial(
      nodeWebSocketDialer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers: { 'x-token': 't' } }),
    )
    const [, request] = await asked
    assert.equal(request.headers['x-token'], 't')
    tap.link.close()
    server.close()
    await once(server, 'close')
    await expectNoLeaks()
  })
})

describe('a WebSocket listener', () => {
  it('refuses addresses that are none', async () => {
    for (const address of ['http://127.0.0.1:0', 'nonsense']) {
      await assert.rejects(serve({}, address), /is no ws address: expected ws:\/\/host:port\/path/)
    }
    await assert.rejects(serve({}, 'wss://127.0.0.1:0'), /wss:.* needs a certificate and its key, \{ tls: /)
    await assert.rejects(serve({ tls: {} }, 'ws://127.0.0.1:0'), /a certificate is for wss:\/\//)
    await assert.rejects(
      serve({ tls: {} }, { server: createServer() }),
      /path \/ of .*: a certificate is given to that/,
    )
    await assert.rejects(serve({ origins: ['https://a.example/'] }), /"https:\/\/a\.example\/" is no origin: expected/)
    await expectNoLeaks()
  })

  it('takes a message as large as a frame of razor can be by default', async () => {
    const pair = await openPair({ ...wiring, listener: () => webSocketListener('ws://127.0.0.1:0') })
    const bytes = pattern(17 * 1024 * 1024)
    pair.near.link.send(bytes)
    await pair.far.until(() => pair.far.bytes === bytes.length)
    pair.near.link.close()
    pair.server.unsubscribe()
    await expectNoLeaks()
  })
})
