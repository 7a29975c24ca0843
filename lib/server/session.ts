/**
 * How a server and a client come to terms: the offer, HELLO and who the client is, and the headers that stand before a request.
 * PROTOCOL.md, "Negotiation".
 */

import { Subscription } from 'rxjs'
import { RpcError } from '../error.ts'
import { longTimer } from '../flow/long-timer.ts'
import type { U64 } from '../protocol/bytes.ts'
import { type CloseCode, ProtocolError } from '../protocol/close.ts'
import { asLimit, asTexts, type PongMap, readControl } from '../protocol/control.ts'
import type { Framer } from '../protocol/frames.ts'
import { type RequestFrame, RPC_VERSION_1, RPC_VERSION_2 } from '../protocol/heads.ts'
import { DOWN_GOAWAY, DOWN_HELLO, UP_HEADERS, UP_HELLO, UP_REQUEST } from '../protocol/heads-v2.ts'
import type { LinkWriter } from '../transport/writer.ts'
import type { ServerFacts } from './config.ts'
import { isPromiseLike } from './dispatch.ts'
import { type SendLimits, writeAnswer, writeDown } from './write.ts'

/** What a session tells its connection. */
export interface SessionEvents {
  /** Nothing more is to be read until {@link SessionEvents.decided}. */
  readonly deciding: () => void
  /** The client is let in. */
  readonly decided: () => void
  /** The client is turned away, or broke a rule. */
  readonly refused: (error: ProtocolError) => void
}

const MAX_HEADERS = 64

/** The session of one connection. */
export class ServerSession implements SendLimits {
  /** What the two ends agreed on. */
  version: number = RPC_VERSION_1
  /** What the client calls itself, as its offer said. */
  clientId: U64 = 0
  /** What `authenticate` gave. */
  principal: unknown
  maxMessageBytes: number
  maxBlobBytes: number
  readonly #facts: ServerFacts
  readonly #address: string
  readonly #writer: LinkWriter
  readonly #framer: Framer<RequestFrame>
  readonly #events: SessionEvents
  #greeted = false
  #admitted: boolean
  #headers: { readonly seq: U64; readonly texts: Readonly<Record<string, string>> } | undefined

  constructor(
    facts: ServerFacts,
    address: string,
    writer: LinkWriter,
    framer: Framer<RequestFrame>,
    events: SessionEvents,
  ) {
    this.#facts = facts
    this.#address = address
    this.#writer = writer
    this.#framer = framer
    this.#events = events
    this.#admitted = facts.authenticate === undefined
    this.maxMessageBytes = facts.config.maxMessageBytes
    this.maxBlobBytes = facts.config.maxBlobBytes
  }

  /** Calls of this client may run. */
  get admitted(): boolean {
    return this.#admitted
  }

  /** Where the client has to say who it is, it has `authTimeoutMs` for it, unless the result is unsubscribed. */
  awaitHello(): Subscription {
    if (this.#admitted) return Subscription.EMPTY
    const { authTimeoutMs } = this.#facts.config
    const late = new ProtocolError(4401, `the client has not said who it is within authTimeoutMs ${authTimeoutMs}`)
    return longTimer(authTimeoutMs).subscribe({
      next: () => this.#admitted || this.#events.refused(late),
      error: error => this.#turnAway(error),
    })
  }

  /** Tells the client that no call above `lastSeq` is taken. */
  sayGoAway(lastSeq: U64, graceMs: number): void {
    writeDown(this.#writer, DOWN_GOAWAY, lastSeq, this.#facts.control.encode({ reason: 'rpc_draining', graceMs }))
    this.#writer.flush()
  }

  /** Takes the offer, where this server speaks a version above 1: answers it with what the client may do. */
  offered(ping: RequestFrame): boolean {
    const { config, control } = this.#facts
    if (ping.format < RPC_VERSION_2 || config.version < RPC_VERSION_2) return false
    const pong: PongMap = {
      v: RPC_VERSION_2,
      msg: config.maxMessageBytes,
      blob: config.maxBlobBytes,
      calls: config.maxCallsPerConnection,
      streams: config.maxStreamsPerConnection,
      window: config.maxWindow,
    }
    writeAnswer(this.#writer, control, this, { seq: ping.seq, ver: RPC_VERSION_1 }, pong)
    this.version = RPC_VERSION_2
    this.clientId = ping.clientId
    this.#framer.agreed = RPC_VERSION_2
    return true
  }

  /** Throws a `ProtocolError` for a frame that may not come now. */
  check(frame: RequestFrame): void {
    const isV2 = frame.ver === RPC_VERSION_2
    if (isV2 && !this.#greeted && frame.format !== UP_HELLO) {
      throw new ProtocolError(4400, `the first frame of version 2 has kind ${frame.format}, not HELLO`)
    }
    const headers = this.#headers
    if (headers === undefined) return
    if (!isV2 || frame.format !== UP_REQUEST || frame.seq !== headers.seq) {
      throw new ProtocolError(4400, `the headers of ${headers.seq} are not followed by their request`)
    }
  }

  /** Takes a HELLO or HEADERS: `true`. Throws a `ProtocolError` for one that is wrong. */
  takes(frame: RequestFrame): boolean {
    if (frame.ver !== RPC_VERSION_2) return false
    if (frame.format === UP_HELLO) this.#hello(frame)
    else if (frame.format === UP_HEADERS) this.#headers = { seq: frame.seq, texts: this.#texts(frame) }
    else return false
    return true
  }

  /** The headers that stood before a request, once. */
  takeHeaders(seq: U64): Readonly<Record<string, string>> | undefined {
    const headers = this.#headers
    if (headers?.seq !== seq) return undefined
    this.#headers = undefined
    return headers.texts
  }

  #hello(frame: RequestFrame): void {
    if (this.#greeted) throw new ProtocolError(4400, 'a second HELLO came')
    this.#greeted = true
    const map = this.#map(frame, 'HELLO')
    // Nil is how an absent value is written where a language has no map without the key.
    const token = map['token'] ?? undefined
    const meta = asTexts(map['meta'] ?? {})
    const msg = asLimit(map['msg'])
    const blob = asLimit(map['blob'])
    if (
      (token !== undefined && typeof token !== 'string') ||
      meta === undefined ||
      Number.isNaN(msg) ||
      Number.isNaN(blob)
    ) {
      throw new ProtocolError(4400, 'the map of HELLO has a value of the wrong type')
    }
    this.maxMessageBytes = Math.min(this.maxMessageBytes, msg ?? this.maxMessageBytes)
    this.maxBlobBytes = Math.min(this.maxBlobBytes, blob ?? this.maxBlobBytes)
    const { authenticate } = this.#facts
    if (authenticate === undefined) {
      this.#admit(undefined)
      return
    }
    this.#events.deciding()
    try {
      const principal = authenticate({ token, meta, address: this.#address })
      if (!isPromiseLike(principal)) this.#admit(principal)
      else
        principal.then(
          value => this.#admit(value),
          error => this.#turnAway(error),
        )
    } catch (error) {
      this.#turnAway(error)
    }
  }

  #admit(principal: unknown): void {
    this.principal = principal
    this.#admitted = true
    writeDown(this.#writer, DOWN_HELLO, 0, this.#facts.control.encode({}))
    this.#writer.flush()
    this.#events.decided()
  }

  #turnAway(error: unknown): void {
    const { code, message } = RpcError.from(error)
    const close: CloseCode = code === 'rpc_forbidden' ? 4403 : 4401
    this.#events.refused(new ProtocolError(close, `the client is turned away: ${message}`, { cause: error }))
  }

  #texts(frame: RequestFrame): Readonly<Record<string, string>> {
    const texts = asTexts(this.#map(frame, 'HEADERS'))
    if (texts === undefined) throw new ProtocolError(4400, `the headers of ${frame.seq} are not text to text`)
    const keys = Object.keys(texts).length
    if (keys > MAX_HEADERS)
      throw new ProtocolError(4400, `request ${frame.seq} has ${keys} headers, over ${MAX_HEADERS}`)
    return texts
  }

  #map(frame: RequestFrame, name: string): Readonly<Record<string, unknown>> {
    return readControl(bytes => this.#facts.control.decode(bytes), frame.msg, name)
  }
}
