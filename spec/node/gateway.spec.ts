/** The gateway: every shape of call through it, how it ends, whom it turns away, and what it holds. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { filter, firstValueFrom, lastValueFrom, map, NEVER, Observable, of, range, reduce, toArray } from 'rxjs'
import { WebSocket } from 'ws'
import { clientOf } from '../../lib/connect.ts'
import { GATEWAY_DEFAULTS } from '../../lib/node/gateway-config.ts'
import {
  type Client,
  connect,
  duplex,
  Gateway,
  type GatewayOptions,
  implement,
  nodeWebSocketDialer,
  RpcServer,
  service,
  stream,
  unary,
  upload,
  webSocketListener,
} from '../../lib/node/index.ts'
import { Passages } from '../../lib/node/passages.ts'
import { turn } from '../support/arena.ts'
import { certificate, withoutOpenssl } from '../support/certificate.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { pattern } from '../support/link-duties.ts'
import { type Logged, loggerTo } from '../support/logged.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { failure } from '../support/serve.ts'
import { HALF_CLOSING, type RawServer, type Transport, tcp, ws } from '../support/transports.ts'

const MIB = 1024 * 1024
const ANYWHERE = 'ws://127.0.0.1:0'
const MOST_MS = 30_000

const Shop = service('Shop', {
  div: unary<[number, number], number>(),
  flip: unary<void, number>({ blob: 'both' }),
  count: stream<number, number>({ window: 16 }),
  sum: upload<void, number, number>(),
  twice: duplex<void, number, number>(),
  hang: unary(),
})

const shop = implement(Shop, {
  div: ([a, b], { fail }) => {
    if (b === 0) throw fail('divide by zero')
    return a / b
  },
  flip: (_, { blob }) => ({ value: blob.length, blob: blob.map(byte => 255 - byte) }),
  count: n => Array(n).keys(),
  sum: (_, { items$ }) => items$.pipe(reduce((sum, n) => sum + n, 0)),
  twice: (_, { items$ }) => items$.pipe(map(n => 2 * n)),
  hang: () => NEVER,
})

/** What a scenario has, closed behind it. */
class Stage {
  readonly logged: Logged[] = []
  readonly #closing: (() => unknown)[] = []
  /** The first gateway that was made. */
  gateway!: Gateway

  /** `close` runs at the end, what was added last first. */
  also(close: () => unknown): void {
    this.#closing.unshift(close)
  }

  /** A gateway that listens; gives its address. */
  async open(options: GatewayOptions, at: Parameters<Gateway['listen']>[0] = ANYWHERE): Promise<string> {
    const gateway = new Gateway({ logger: loggerTo(entry => this.logged.push(entry)), ...options })
    this.gateway ??= gateway
    this.also(() => gateway.close({ waitMs: 0 }))
    return (await gateway.listen(at)).address
  }

  async raw(transport: Transport): Promise<RawServer> {
    const server = await transport.serveRaw()
    this.also(() => server.close())
    return server
  }

  /** A raw client of a gateway before a raw server, and the server's end. */
  async pair(transport: Transport, options: Partial<GatewayOptions> = {}): Promise<{ near: RawPeer; far: RawPeer }> {
    const server = await this.raw(transport)
    const near = await this.dial(await this.open({ targets: server.address, ...options }))
    return { near, far: await server.peer(0) }
  }

  async dial(address: string): Promise<RawPeer> {
    const peer = await ws.dialRaw(address)
    this.also(() => peer.reset())
    return peer
  }

  async serve(at: string): Promise<string> {
    const server = new RpcServer({ services: [shop] })
    this.also(() => server.close({ waitMs: 0 }))
    return (await server.listen(at)).address
  }

  client(client: Client): Client {
    this.also(() => client.close({ waitMs: 0 }))
    return client
  }

  async gone(): Promise<void> {
    await firstValueFrom(this.gateway.connections$.pipe(filter(connections => connections === 0)))
  }

  async run(scenario: (stage: Stage) => Promise<void>): Promise<void> {
    try {
      await scenario(this)
    } finally {
      for (const close of this.#closing) await close()
    }
    await expectNoLeaks()
  }
}

function staged(name: string, scenario: (stage: Stage) => Promise<void>): void {
  it(name, { timeout: MOST_MS }, () => new Stage().run(scenario))
}

/** What the gateway answers to an upgrade that it refuses. */
function refused(address: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address, ['razor'], { headers, perMessageDeflate: false })
    socket.on('open', () => {
      socket.terminate()
      reject(new Error('the upgrade was accepted'))
    })
    socket.on('error', reject)
    socket.on('unexpected-response', (_, response) => {
      let text = ''
      response.setEncoding('utf8').on('data', part => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode!, text }))
    })
  })
}

/** Sends 64 MiB, and waits until the gateway takes no more of them; gives what was sent and what was taken. */
async function stuff(from: RawPeer, taken: () => number): Promise<{ bytes: Buffer; before: number }> {
  const bytes = pattern(64 * MIB)
  for (let at = 0; at < bytes.length; at += MIB) from.send(bytes.subarray(at, at + MIB))
  let last = -1
  for (let same = 0; same < 200; same++) {
    if (taken() !== last) same = 0
    last = taken()
    await turn()
  }
  return { bytes, before: last }
}

for (const transport of HALF_CLOSING) {
  describe(`a gateway to ${transport.name}`, () => {
    for (const version of [1, 2] as const) {
      staged(`carries every shape of call of version ${version}`, async stage => {
        const target = await stage.serve(transport.listenAt())
        const address = await stage.open({ targets: { '/api': target } })
        const calls = stage.client(connect(`${address}/api`, { version })).use(Shop)
        assert.equal(await firstValueFrom(calls.div([9, 2])), 4.5)
        assert.equal((await failure(calls.div([1, 0]))).code, 'user')
        const many = range(0, 500).pipe(map(n => firstValueFrom(calls.div([n, 2]))))
        assert.deepEqual(
          await Promise.all(await firstValueFrom(many.pipe(toArray()))),
          Array.from({ length: 500 }, (_, n) => n / 2),
        )
        for (const length of [0, 1, 65_535, 65_536, MIB, 16 * MIB]) {
          const blob = pattern(length)
          const answer = await firstValueFrom(calls.flip(undefined, { blob }))
          assert.equal(answer.value, length)
          assert.equal(
            Buffer.compare(
              answer.blob,
              blob.map(byte => 255 - byte),
            ),
            0,
            `${length} bytes`,
          )
        }
        assert.equal((await failure(calls.hang(undefined, { timeoutMs: 1 }))).code, 'rpc_timeout')
        if (version === 1) {
          assert.equal((await failure(calls.count(3))).code, 'rpc_unsupported')
          return
        }
        assert.equal(await lastValueFrom(calls.count(5000).pipe(reduce(sum => sum + 1, 0))), 5000)
        assert.equal(await firstValueFrom(calls.sum(undefined, range(0, 1000))), 499_500)
        const doubled = calls.twice(undefined, Array(2000).keys()).pipe(toArray())
        assert.deepEqual(
          await firstValueFrom(doubled),
          Array.from({ length: 2000 }, (_, n) => 2 * n),
        )
      })
    }

    staged('passes bytes unread, however they are sliced', async stage => {
      const { near, far } = await stage.pair(transport)
      const bytes = pattern(3 * MIB)
      for (let at = 0; at < 2000; at++) near.send(bytes.subarray(at, at + 1))
      near.send(bytes.subarray(2000))
      await far.until(() => far.bytes === bytes.length)
      assert.ok(far.received.equals(bytes))
      for (let at = 0; at < 2000; at++) far.send(bytes.subarray(at, at + 1))
      far.send(bytes.subarray(2000))
      await near.until(() => near.bytes === bytes.length)
      assert.ok(near.received.equals(bytes))
      const { bytesUp, bytesDown, opened, connections } = stage.gateway.stats()
      assert.deepEqual([bytesUp, bytesDown, opened, connections], [bytes.length, bytes.length, 1, 1])
    })

    staged('gives the server all that a client sent before it closed, and then the end', async stage => {
      const { near, far } = await stage.pair(transport)
      near.send(pattern(4 * MIB))
      near.finish()
      assert.equal((await far.ended()).how, 'finished')
      assert.equal(far.bytes, 4 * MIB)
      assert.equal((await near.ended()).code, 1000)
      await stage.gone()
      assert.match(stage.logged.at(-1)!.message, /^ended \/: the client finished; 4194304 B up, 0 B down$/)
    })

    staged('gives the client all that a server sent before it finished, and then close code 1000', async stage => {
      const { near, far } = await stage.pair(transport)
      far.send(pattern(4 * MIB))
      far.finish()
      assert.deepEqual(await near.ended(), { how: 'finished', code: 1000, reason: '' })
      assert.equal(near.bytes, 4 * MIB)
      await stage.gone()
    })

    staged('ends the connection to the server when the client is lost', async stage => {
      const { near, far } = await stage.pair(transport)
      near.send(pattern(10))
      await far.until(() => far.bytes === 10)
      near.reset()
      // A Unix socket knows no reset.
      assert.equal((await far.ended()).how, transport === tcp ? 'lost' : 'finished')
      await stage.gone()
      assert.match(stage.logged.at(-1)!.message, /the client is lost: .*closed with code 1006/)
    })

    staged('closes a client that sends a text message with 4400, as a server of ours does', async stage => {
      const { near, far } = await stage.pair(transport)
      near.sendText('hello')
      assert.deepEqual(await near.ended(), { how: 'finished', code: 4400, reason: 'rpc_protocol' })
      await far.ended()
      await stage.gone()
    })

    staged('stops reading a client whose server does not read', async stage => {
      const { near, far } = await stage.pair(transport)
      far.pause()
      const { bytes, before } = await stuff(near, () => stage.gateway.stats().bytesUp)
      // The system's buffers are in it, which grow to some MiB.
      assert.ok(before < 24 * MIB, `${before} bytes were taken`)
      far.resume()
      await far.until(() => far.bytes === bytes.length)
      assert.ok(far.received.equals(bytes))
    })

    staged(
      'stops reading a server whose client does not read, and still carries what the client sends',
      async stage => {
        const { near, far } = await stage.pair(transport)
        near.pause()
        const { bytes, before } = await stuff(far, () => stage.gateway.stats().bytesDown)
        assert.ok(before < 24 * MIB, `${before} bytes were taken`)
        near.send(pattern(8))
        await far.until(() => far.bytes === 8)
        near.resume()
        await near.until(() => near.bytes === bytes.length)
        assert.ok(near.received.equals(bytes))
      },
    )

    staged('refuses the upgrade with 502 while the server is not there, and finds it when it is', async stage => {
      const target = await transport.nobody()
      const address = await stage.open({ targets: target })
      assert.deepEqual(await refused(address), { status: 502, text: 'the server behind / cannot be reached' })
      assert.match(stage.logged[0]!.message, /^502 for \/: cannot reach .*(ECONNREFUSED|ENOENT)/)
      const calls = stage.client(connect(address)).use(Shop)
      const error = await failure(calls.div([1, 1]))
      assert.deepEqual([error.code, error.executed], ['rpc_unreachable', 'no'])
      await stage.serve(target)
      assert.equal(await firstValueFrom(stage.client(connect(address)).use(Shop).div([1, 1])), 1)
      assert.ok(stage.gateway.stats().refused >= 2)
    })
  })
}

describe('a gateway', () => {
  staged('tells a client whose server was reset so with close code 1014', async stage => {
    const { near, far } = await stage.pair(tcp)
    far.reset()
    assert.deepEqual(await near.ended(), {
      how: 'finished',
      code: 1014,
      reason: 'the server behind the gateway is lost',
    })
    await stage.gone()
    assert.match(stage.logged.at(-1)!.message, /the server is lost: .*ECONNRESET/)
  })

  staged('fails the calls of a client whose server was reset, with the reason', async stage => {
    const server = await stage.raw(tcp)
    const client = stage.client(connect(await stage.open({ targets: server.address }), { version: 1 }))
    const failed = failure(client.use(Shop).hang())
    const far = await server.peer(0)
    await far.wasAsked(1)
    far.reset()
    const error = await failed
    assert.equal(error.code, 'rpc_io_err')
    assert.match(
      `${error.message} ${(error.cause as Error | undefined)?.message}`,
      /the server behind the gateway is lost/,
    )
  })

  staged('has a target for each path, and answers 404 at others', async stage => {
    const [a, b] = [await stage.raw(tcp), await stage.raw(ws)]
    const address = await stage.open({ targets: { '/': a.address, '/b/c': b.address } })
    await stage.dial(`${address}/`)
    await stage.dial(`${address}/b/c?token=1`)
    await Promise.all([a.peer(0), b.peer(0)])
    assert.deepEqual(await refused(`${address}/b`), { status: 404, text: 'no WebSocket is served at /b' })
  })

  staged('lets in pages of the origins it was given, and programs that name none; others get 403', async stage => {
    const server = await stage.raw(tcp)
    const address = await stage.open({
      targets: server.address,
      origins: ['https://app.example', 'http://localhost:3000'],
    })
    const evil = { origin: 'https://evil.example' }
    assert.deepEqual(await refused(address, evil), {
      status: 403,
      text: 'pages of https://evil.example may not connect here',
    })
    for (const origin of ['https://app.example.evil.example', 'https://app.example:444', 'null', '']) {
      assert.equal((await refused(address, { origin })).status, 403, origin)
    }
    assert.equal(server.peers.length, 0)
    const page = new WebSocket(address, ['razor'], { headers: { origin: 'http://localhost:3000' } })
    stage.also(() => page.terminate())
    await once(page, 'open')
    await stage.dial(address)
  })

  staged(
    'refuses the upgrade with 400 where other subprotocols only are offered, and lets the server go',
    async stage => {
      const server = await stage.raw(tcp)
      const address = await stage.open({ targets: server.address })
      const socket = new WebSocket(address, ['chat'])
      const [, response] = await once(socket, 'unexpected-response')
      assert.equal(response.statusCode, 400)
      response.resume()
      assert.equal((await (await server.peer(0)).ended()).how, 'lost')
      await stage.gone()
      assert.deepEqual([stage.gateway.stats().opened, stage.gateway.stats().refused], [0, 1])
    },
  )

  staged(
    'refuses with 503 who is over its limit of connections, and lets the next one in when one has gone',
    async stage => {
      const server = await stage.raw(tcp)
      const address = await stage.open({ targets: server.address, maxServerConnections: 2 })
      const [first] = [await stage.dial(address), await stage.dial(address)]
      assert.deepEqual(await refused(address), {
        status: 503,
        text: '2 connections are open, maxServerConnections is 2',
      })
      first.finish()
      await firstValueFrom(stage.gateway.connections$.pipe(filter(connections => connections === 1)))
      await stage.dial(address)
    },
  )

  it('counts connections that are being dialled, by address too', async () => {
    const logged: string[] = []
    const passages = new Passages({
      config: { ...GATEWAY_DEFAULTS, maxPerAddress: 2 },
      origins: undefined,
      log: ({ message }) => logged.push(message),
    })
    const never = { address: 'tcp://10.0.0.9:1', dial: () => NEVER }
    const ask = (remoteAddress: string, remotePort: number): PassThrough => {
      const socket = new PassThrough()
      const request = { headers: {}, socket: { remoteAddress, remotePort } }
      passages.take('/', never, { request: request as any, socket, head: Buffer.alloc(0) })
      return socket
    }
    const first = ask('10.0.0.1', 1)
    ask('10.0.0.1', 2)
    assert.match(
      String(ask('10.0.0.1', 3).read()),
      /^HTTP\/1\.1 503 .*2 connections are open from 10\.0\.0\.1, maxPerAddress is 2$/s,
    )
    ask('10.0.0.2', 1)
    assert.equal(passages.stats().connections, 3)
    first.destroy()
    await once(first, 'close')
    assert.equal(passages.stats().connections, 2)
    passages.stop()
    assert.deepEqual(passages.stats(), { connections: 0, opened: 0, refused: 3, bytesUp: 0, bytesDown: 0 })
    await expectNoLeaks()
  })

  staged('refuses with 504 where the server does not accept in time, and stops dialling', async stage => {
    let dialling = 0
    const slow = {
      address: 'tcp://127.0.0.1:1',
      dial: () =>
        new Observable<never>(() => {
          dialling++
          return () => {
            dialling--
          }
        }),
    }
    const address = await stage.open({ targets: { '/': slow }, connectTimeoutMs: 50 })
    assert.deepEqual(await refused(address), {
      status: 504,
      text: 'the server behind / has not accepted within 50 ms',
    })
    assert.equal(dialling, 0)
  })

  staged('stops dialling for a client that has gone', async stage => {
    let dialling = 0
    const slow = {
      address: 'tcp://127.0.0.1:1',
      dial: () =>
        new Observable<never>(() => {
          dialling++
          return () => {
            dialling--
          }
        }),
    }
    const address = await stage.open({ targets: { '/': slow } })
    const socket = connectSocket(Number(new URL(address).port), '127.0.0.1')
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await firstValueFrom(stage.gateway.connections$.pipe(filter(connections => connections === 1)))
    assert.equal(dialling, 1)
    socket.resetAndDestroy()
    await stage.gone()
    assert.equal(dialling, 0)
  })

  staged('closes a connection without a byte with 4408 after the time, and no other', async stage => {
    const server = await stage.raw(tcp)
    const address = await stage.open({ targets: server.address, idleTimeoutMs: 400 })
    const silent = await stage.dial(address)
    const lively = await stage.dial(address)
    const [far] = await Promise.all([server.peer(0), server.peer(1)])
    const talking = setInterval(() => lively.send(pattern(1)), 50)
    stage.also(() => clearInterval(talking))
    assert.deepEqual(await silent.ended(), { how: 'finished', code: 4408, reason: 'rpc_timeout' })
    await far.ended()
    assert.equal(lively.end, undefined)
  })

  staged('lets open connections end by themselves when it closes, and refuses new ones', async stage => {
    const { near, far } = await stage.pair(tcp)
    const closing = stage.gateway.close()
    near.send(pattern(10))
    await far.until(() => far.bytes === 10)
    await assert.rejects(stage.gateway.listen(ANYWHERE), /the gateway is closed/)
    near.finish()
    await closing
    assert.equal((await near.ended()).code, 1000)
  })

  staged(
    'cuts what is left with 4491 when it is closed once more, and refuses who is being dialled with 503',
    async stage => {
      const server = await stage.raw(tcp)
      const never = { address: 'tcp://127.0.0.1:1', dial: () => NEVER }
      const address = await stage.open({ targets: { '/': server.address, '/slow': never } })
      const near = await stage.dial(address)
      const waiting = refused(`${address}/slow`)
      await firstValueFrom(stage.gateway.connections$.pipe(filter(connections => connections === 2)))
      const closing = stage.gateway.close()
      assert.deepEqual(await waiting, { status: 503, text: 'this gateway is going away' })
      assert.equal(near.end, undefined)
      await stage.gateway.close({ waitMs: 0 })
      assert.deepEqual(await near.ended(), { how: 'finished', code: 4491, reason: 'rpc_draining' })
      assert.equal((await (await server.peer(0)).ended()).how, 'finished')
      await closing
    },
  )

  staged('that is closed before it listens says so', async stage => {
    const listening = stage.open({ targets: 'tcp://127.0.0.1:1' })
    await stage.gateway.close()
    await assert.rejects(listening, /cannot listen at ws:.*: the gateway was closed meanwhile/)
  })

  staged("shares a user's HTTP server, and leaves its pages and its life alone", async stage => {
    const http = createServer((_, response) => response.end('page'))
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    stage.also(() => http.close().closeAllConnections())
    const target = await stage.serve('tcp://127.0.0.1:0')
    const address = await stage.open({ targets: { '/rpc': target } }, { server: http })
    assert.equal(address, `ws://127.0.0.1:${(http.address() as AddressInfo).port}`)
    assert.equal(
      await firstValueFrom(
        stage
          .client(connect(`${address}/rpc`))
          .use(Shop)
          .div([8, 2]),
      ),
      4,
    )
    assert.equal(await (await fetch(address.replace('ws:', 'http:'))).text(), 'page')
    await assert.rejects(
      stage.open({ targets: { '/rpc': target } }, { server: http }),
      /cannot listen at the HTTP server: the path \/rpc of this HTTP server is taken/,
    )
    await stage.gateway.close({ waitMs: 0 })
    assert.equal(http.listening, true)
  })

  staged('says what is wrong with what it is told', async stage => {
    const wrong: readonly [GatewayOptions, RegExp][] = [
      [{ targets: {} }, /a gateway needs a target/],
      [{ targets: 'nonsense' }, /"nonsense" is no target: expected tcp:\/\/host:port/],
      [{ targets: 'tcp://localhost' }, /"tcp:\/\/localhost" is no tcp address: expected tcp:\/\/host:port/],
      [{ targets: 'tcp://localhost:0' }, /port 0 is for listening/],
      [{ targets: 'unix:relative' }, /"unix:relative" is no unix address/],
      [{ targets: 'ws:///nowhere' }, /is no target/],
      [{ targets: { files: 'tcp://localhost:1' } }, /"files" is no path of a target: expected one such as \/files/],
      [{ targets: 'tcp://localhost:1', origins: ['https://a.example/'] }, /"https:\/\/a.example\/" is no origin/],
      [{ targets: 'tcp://localhost:1', origins: ['*'] }, /"\*" is no origin/],
    ]
    for (const [options, message] of wrong) assert.throws(() => new Gateway(options), { name: 'TypeError', message })
    const targets = 'tcp://127.0.0.1:1'
    const bad: readonly [string, RegExp][] = [
      ['tcp://127.0.0.1:0', /a gateway takes ws:\/\/ and wss:\/\//],
      ['ws://127.0.0.1:0/path', /a path stands at the target/],
      ['ws://', /is no ws address/],
      ['wss://127.0.0.1:0', /needs a certificate and its key/],
    ]
    for (const [at, message] of bad) await assert.rejects(stage.open({ targets }, at), { name: 'TypeError', message })
    const taken = await stage.open({ targets })
    await assert.rejects(stage.open({ targets }, taken), /cannot listen at ws:.*EADDRINUSE/)
  })
})

describe('over TLS', { skip: withoutOpenssl() }, () => {
  staged('a gateway takes wss, and lets nobody without it in', async stage => {
    const { cert, key } = certificate()
    const target = await stage.serve('tcp://127.0.0.1:0')
    const address = await stage.open(
      { targets: target, tls: { cert, key }, upgradeTimeoutMs: 1_000 },
      'wss://127.0.0.1:0',
    )
    assert.match(address, /^wss:\/\/127\.0\.0\.1:\d+$/)
    const calls = stage.client(clientOf(nodeWebSocketDialer(address, { tls: { ca: cert } }), {})).use(Shop)
    assert.equal(await firstValueFrom(calls.div([9, 3])), 3)
    for (const length of [0, 65_536, 16 * MIB]) {
      const blob = pattern(length)
      const answer = await firstValueFrom(calls.flip(undefined, { blob }))
      assert.equal(
        Buffer.compare(
          answer.blob,
          blob.map(byte => 255 - byte),
        ),
        0,
        `${length} bytes`,
      )
    }
    assert.match(stage.logged[0]!.address!, /^wss:/)
    const untrusting = stage.client(connect(address)).use(Shop)
    const error = await failure(untrusting.div([1, 1]))
    assert.equal(error.code, 'rpc_unreachable')
    assert.match(error.message, /self-signed certificate/)
    // One that says nothing at all, and one that does not speak TLS.
    for (const said of ['', 'GET / HTTP/1.1\r\n\r\n']) {
      const plain = connectSocket(Number(new URL(address).port), '127.0.0.1')
      plain.on('error', () => undefined).resume()
      plain.write(said)
      await once(plain, 'close')
    }
  })

  staged('a gateway that closes ends connections whose handshake is under way', async stage => {
    const { cert, key } = certificate()
    const address = await stage.open({ targets: 'tcp://127.0.0.1:1', tls: { cert, key } }, 'wss://127.0.0.1:0')
    const plain = connectSocket(Number(new URL(address).port), '127.0.0.1')
    plain.on('error', () => undefined).resume()
    await once(plain, 'connect')
    // A second connection that is answered shows that the first has been accepted.
    await assert.rejects(refused(address), /^Error: self-signed certificate/)
    const closed = once(plain, 'close')
    await stage.gateway.close({ waitMs: 0 })
    await closed
  })

  staged('a server of ours takes wss by the listener', async stage => {
    const { cert, key } = certificate()
    const server = new RpcServer({ services: [shop] })
    stage.also(() => server.close({ waitMs: 0 }))
    const { address } = await server.listen(webSocketListener('wss://127.0.0.1:0/rpc', { tls: { cert, key } }))
    const calls = stage.client(clientOf(nodeWebSocketDialer(address, { tls: { ca: cert } }), {})).use(Shop)
    assert.deepEqual(await firstValueFrom(calls.twice(undefined, of(1, 2)).pipe(toArray())), [2, 4])
    await assert.rejects(
      server.listen('wss://127.0.0.1:0'),
      /needs a certificate and its key, .* of listen\(\), webSocketListener\(\) or Gateway/,
    )
  })
})
