/**
 * How a client and a server come to terms, and how the server takes its leave: offer, HELLO, notice, GOAWAY. PROTOCOL.md,
 * "Negotiation" and "Drain".
 */
import { isRpcCode, RpcError } from '../error.ts'
import type { U64 } from '../protocol/bytes.ts'
import { ProtocolError } from '../protocol/close.ts'
import { readControl } from '../protocol/control.ts'
import type { Framer } from '../protocol/frames.ts'
import { EMPTY_BYTES, FLAG_ERROR, type ResponseFrame, RPC_VERSION_1, RPC_VERSION_2 } from '../protocol/heads.ts'
import { DOWN_GOAWAY, DOWN_HELLO, UP_HELLO } from '../protocol/heads-v2.ts'
import type { LinkWriter } from '../transport/writer.ts'
import { type Agreement, agreementV1, hello, readPong } from './agreement.ts'
import type { ClientFacts } from './config.ts'
import { writeOffer, writeUp } from './write.ts'

/** What a session tells its stream. */
export interface SessionEvents {
  /** The ends have agreed: calls may go. Called once. */
  readonly agreed: () => void
  /** The server said that it closes, and why: nothing new is sent here. It may say so again. */
  readonly leaving: (notice: RpcError) => void
  /** A frame for the connection had nothing to do. */
  readonly idle: () => void
  /** The server takes no calls above this seq, and did not run those it was sent. Called at most once. */
  readonly goAway: (highestSeq: U64) => void
}

/** The session of one connection. */
export class ClientSession {
  /** Version 1 until the server has answered the offer. */
  agreement: Agreement
  /** Why the server closes the connection, where it said so. */
  notice: RpcError | undefined
  readonly #facts: ClientFacts
  readonly #address: string
  readonly #writer: LinkWriter
  readonly #framer: Framer<ResponseFrame>
  readonly #events: SessionEvents
  #offerSeq = 0
  #greeted = false
  #leaving = false

  constructor(
    facts: ClientFacts,
    address: string,
    writer: LinkWriter,
    framer: Framer<ResponseFrame>,
    events: SessionEvents,
  ) {
    this.#facts = facts
    this.#address = address
    this.#writer = writer
    this.#framer = framer
    this.#events = events
    this.agreement = agreementV1(facts.config)
  }

  /** Offers version 2 by a ping with this seq; nothing else is written until it is answered. */
  offer(seq: number): void {
    this.#offerSeq = seq
    writeOffer(this.#writer, seq, this.#facts.clientId)
    this.#writer.flush()
  }

  /** Throws where the offer has not been answered: `connectTimeoutMs` is over, from the dial on. */
  checkAnswered(): void {
    if (this.#offerSeq === 0) return
    const { connectTimeoutMs } = this.#facts.config
    throw new ProtocolError(
      4408,
      `${this.#address} did not answer the offer within connectTimeoutMs ${connectTimeoutMs}`,
    )
  }

  /** Takes what is the session's: `true`. Throws a `ProtocolError` for what breaks the connection. */
  takes(frame: ResponseFrame): boolean {
    if (frame.seq !== 0 && frame.seq === this.#offerSeq) this.#agree(frame)
    else if (frame.ver === RPC_VERSION_2 && frame.flag === DOWN_GOAWAY) this.#goAway(frame)
    else if (frame.seq !== 0) return false
    else if (frame.flag === FLAG_ERROR) this.#noticed(frame)
    else if (frame.ver === RPC_VERSION_2) this.#hello(frame)
    else this.#events.idle()
    return true
  }

  #agree(pong: ResponseFrame): void {
    const { config, control, token, meta } = this.#facts
    this.#offerSeq = 0
    this.agreement = readPong(pong, control, config)
    if (this.agreement.version !== RPC_VERSION_1) {
      this.#framer.agreed = RPC_VERSION_2
      writeUp(this.#writer, UP_HELLO, 0, 0, 0, control.encode(hello(config, token?.(), meta)), EMPTY_BYTES)
    }
    this.#events.agreed()
    this.#writer.flush()
  }

  #hello(frame: ResponseFrame): void {
    if (frame.flag !== DOWN_HELLO) throw new ProtocolError(4400, `frame of kind ${frame.flag} has seq 0`)
    if (this.#greeted) throw new ProtocolError(4400, 'a second HELLO came')
    this.#greeted = true
    this.#map(frame, 'HELLO')
  }

  #goAway(frame: ResponseFrame): void {
    this.#map(frame, 'GOAWAY')
    if (this.#leaving) return
    this.#leaving = true
    this.#events.goAway(frame.seq)
  }

  #map(frame: ResponseFrame, name: string): Readonly<Record<string, unknown>> {
    return readControl(bytes => this.#facts.control.decode(bytes), frame.msg, name)
  }

  #noticed(frame: ResponseFrame): void {
    const text = new TextDecoder().decode(frame.blob)
    const code = text.split(': ', 1)[0]!
    this.notice = new RpcError(isRpcCode(code) ? code : 'rpc_io_err', `${this.#address} closes the connection: ${text}`)
    this.#events.leaving(this.notice)
  }
}
