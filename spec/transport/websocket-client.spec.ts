/** The browser's WebSocket dialer and link, over a WebSocket made of plain objects, in virtual time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { map, take, timer } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { RpcError } from '../../lib/error.ts'
import type { Link } from '../../lib/transport/link.ts'
import {
  type WebSocketConstructor,
  type WebSocketDialerOptions,
  webSocketDialer,
} from '../../lib/transport/websocket-client.ts'
import { WebSocketLink } from '../../lib/transport/websocket-link.ts'
import { Tap } from '../support/tap.ts'

/** A WebSocket as a browser has it: no pause, no drain event, no reason in an error. */
class FakeWebSocket {
  static made: FakeWebSocket[] = []
  binaryType = 'blob'
  bufferedAmount = 0
  protocol = 'razor'
  readyState = 0
  readonly sent: Uint8Array[] = []
  readonly closes: [number | undefined, string | undefined][] = []
  readonly url: string
  readonly protocols: string[] | undefined
  readonly #listeners: [string, (event: any) => void][] = []

  constructor(url: string, protocols?: string[]) {
    this.url = url
    this.protocols = protocols
    FakeWebSocket.made.push(this)
  }

  addEventListener(type: string, listener: (event: any) => void): void {
    this.#listeners.push([type, listener])
  }

  fire(type: string, event: object = {}): void {
    for (const [of, listener] of this.#listeners) if (of === type) listener(event)
  }

  open(): void {
    this.readyState = 1
    this.fire('open')
  }

  send(bytes: Uint8Array): void {
    this.sent.push(bytes)
    this.bufferedAmount += bytes.length
  }

  close(code?: number, reason?: string): void {
    if (this.readyState > 1) return
    this.readyState = 2
    this.closes.push([code, reason])
  }
}

const constructor_ = FakeWebSocket as unknown as WebSocketConstructor

function dialFake(options: WebSocketDialerOptions = {}): {
  socket: FakeWebSocket
  links: Link[]
  errors: Error[]
  stop: () => void
} {
  const links: Link[] = []
  const errors: Error[] = []
  const dialling = webSocketDialer('ws://h/', { WebSocket: constructor_, ...options })
    .dial()
    .subscribe({ next: link => links.push(link), error: error => errors.push(error) })
  return { socket: FakeWebSocket.made.at(-1)!, links, errors, stop: () => dialling.unsubscribe() }
}

function openFake(): { socket: FakeWebSocket; tap: Tap } {
  const { socket, links } = dialFake()
  socket.open()
  return { socket, tap: new Tap(links[0]!) }
}

describe("the dialer over a browser's WebSocket", () => {
  it('makes no socket before it is subscribed, and one for each subscription', () => {
    const before = FakeWebSocket.made.length
    const dial$ = webSocketDialer('ws://h/', { WebSocket: constructor_ }).dial()
    assert.equal(FakeWebSocket.made.length, before)
    dial$.subscribe({ error: assert.fail })
    dial$.subscribe({ error: assert.fail })
    assert.equal(FakeWebSocket.made.length, before + 2)
  })

  it('offers the subprotocol razor, or nothing', () => {
    assert.deepEqual(dialFake().socket.protocols, ['razor'])
    assert.equal(dialFake({ subprotocol: 'none' }).socket.protocols, undefined)
    assert.equal(dialFake().socket.binaryType, 'arraybuffer')
    assert.equal(dialFake({ binaryType: 'nodebuffer' }).socket.binaryType, 'nodebuffer')
  })

  it('closes a socket that opened without the subprotocol', () => {
    const { socket, links, errors } = dialFake()
    socket.protocol = ''
    socket.open()
    assert.equal(links.length, 0)
    assert.match(errors[0]!.message, /cannot reach ws:\/\/h\/: the subprotocol razor was not accepted/)
    assert.equal(socket.closes.length, 1)
  })

  it('says what it can about a refused connection', () => {
    const { socket, errors } = dialFake()
    socket.fire('error')
    socket.fire('close', { code: 1006, reason: '' })
    assert.equal(errors.length, 1)
    assert.ok(RpcError.is(errors[0], 'rpc_unreachable'))
    assert.match(errors[0].message, /cannot reach ws:\/\/h\/: the connection was refused/)
  })

  it('names every address that was tried where the platform does', () => {
    const { socket, errors } = dialFake()
    socket.fire('error', { message: '', error: new AggregateError([new Error('no a'), new Error('no b')]) })
    assert.match(errors[0]!.message, /no a; no b$/)
  })

  it('closes the socket when it is unsubscribed first, even one that opens nevertheless', () => {
    const { socket, links, stop } = dialFake()
    stop()
    assert.equal(socket.closes.length, 1)
    socket.open()
    assert.equal(links.length, 0)
    assert.equal(socket.readyState, 2)
  })

  it('does nothing when it is unsubscribed afterwards', () => {
    const { socket, links, stop } = dialFake()
    socket.open()
    stop()
    assert.equal(links.length, 1)
    assert.deepEqual(socket.closes, [])
  })

  it('says that a platform has no WebSocket', { skip: 'WebSocket' in globalThis }, () => {
    webSocketDialer('ws://h/')
      .dial()
      .subscribe({
        next: () => assert.fail('got through'),
        error: error => assert.match(error.message, /no global WebSocket; pass one as \{ WebSocket \}/),
      })
  })

  it('reports what the constructor throws', () => {
    const { errors } = dialFake({
      WebSocket: class {
        constructor() {
          throw new Error('blocked by policy')
        }
      } as unknown as WebSocketConstructor,
    })
    assert.match(errors[0]!.message, /blocked by policy$/)
  })
})

describe("a link over a browser's WebSocket", () => {
  it('hands out array buffers as bytes', () => {
    const { socket, tap } = openFake()
    socket.fire('message', { data: Uint8Array.of(1, 2).buffer })
    assert.deepEqual(tap.chunks, [Uint8Array.of(1, 2)])
  })

  it('polls bufferedAmount only while bytes are unsent and drained$ is subscribed', () => {
    const scheduler = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected))
    scheduler.run(({ expectObservable }) => {
      const socket = new FakeWebSocket('ws://h/')
      socket.readyState = 1
      const link = new WebSocketLink(socket, 'ws://h/', scheduler)
      expectObservable(
        link.drained$.pipe(
          map(() => 'd'),
          take(1),
        ),
      ).toBe('35ms (d|)')
      timer(5).subscribe({ next: () => link.send(new Uint8Array(9)), error: assert.fail })
      timer(32).subscribe({
        next: () => {
          socket.bufferedAmount = 0
        },
        error: assert.fail,
      })
    })
  })

  it('leaves no timer where nobody waits, and stops it when the waiting ends', () => {
    const scheduler = new TestScheduler(assert.deepEqual)
    scheduler.run(({ flush }) => {
      const socket = new FakeWebSocket('ws://h/')
      socket.readyState = 1
      const link = new WebSocketLink(socket, 'ws://h/', scheduler)
      link.send(new Uint8Array(9))
      assert.equal(scheduler.actions.length, 0)
      const waiting = link.drained$.subscribe({ error: assert.fail })
      assert.equal(scheduler.actions.length, 1)
      waiting.unsubscribe()
      flush()
      assert.equal(scheduler.actions.length, 0)
    })
  })

  it('stops polling when the link ends, and completes drained$', () => {
    const { socket, tap } = openFake()
    tap.link.send(new Uint8Array(9))
    socket.fire('close', { code: 1006, reason: '' })
    assert.equal(tap.drainedCompleted, true)
    assert.equal(tap.link.unsentBytes, 0)
    assert.match((tap.ends[0] as Error).message, /ws:\/\/h\/: connection lost: closed with code 1006$/)
  })

  it('completes for the codes of a program, and fails for those that say a rule was broken', () => {
    for (const code of [1000, 1001, 1005, 3000, 4400, 4999]) {
      const { socket, tap } = openFake()
      socket.fire('close', { code, reason: '' })
      assert.deepEqual(tap.ends, ['complete'])
    }
    for (const code of [1002, 1003, 1006, 1007, 1008, 1009, 1011, 1015]) {
      const { socket, tap } = openFake()
      socket.fire('close', { code, reason: 'why' })
      assert.ok(RpcError.is(tap.ends[0], 'rpc_io_err'))
      assert.match(tap.ends[0].message, new RegExp(`closed with code ${code}, "why"`))
    }
  })

  it('closes with 4400 on a text message, fails, and takes nothing more', () => {
    const { socket, tap } = openFake()
    socket.fire('message', { data: 'text' })
    socket.fire('message', { data: Uint8Array.of(1).buffer })
    socket.fire('close', { code: 4400, reason: '' })
    assert.deepEqual(socket.closes, [[4400, 'rpc_protocol']])
    assert.equal(tap.ends.length, 1)
    assert.equal(tap.bytes, 0)
    tap.link.send(new Uint8Array(1))
    assert.equal(socket.sent.length, 0)
  })

  it('leaves out close codes that a program may not send, and cuts the text at a code point', () => {
    for (const [code, text, expected] of [
      [4413, 'rpc_too_large', [4413, 'rpc_too_large']],
      [1006, 'x', [undefined, undefined]],
      [undefined, undefined, [undefined, undefined]],
      [4500, 'a'.repeat(124), [4500, 'a'.repeat(123)]],
      [4500, `${'a'.repeat(120)}😀`, [4500, 'a'.repeat(120)]],
    ] as const) {
      const { socket, tap } = openFake()
      tap.link.close(code, text)
      assert.deepEqual(socket.closes, [expected])
      assert.deepEqual(tap.ends, ['complete'])
    }
  })

  it('fails, rather than lose bytes, where nobody subscribed in time', () => {
    const { socket, links } = dialFake()
    socket.open()
    socket.fire('message', { data: Uint8Array.of(1).buffer })
    const tap = new Tap(links[0]!)
    assert.match((tap.ends[0] as Error).message, /nobody had subscribed to chunks\$/)
    assert.equal(socket.closes.length, 1)
  })
})
