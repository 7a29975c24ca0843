/**
 * Looks over the shoulder of one of our ends and says what it wrote that it must never write to a Rust peer: PROTOCOL.md,
 * "What the Rust peers do". Reads the heads by itself, without the library.
 */
import assert from 'node:assert/strict'
import { map, type Observable, tap } from 'rxjs'
import { ForwardedLink } from '../../lib/cli/forwarded-link.ts'
import type { Dialer, Link, Listener } from '../../lib/transport/link.ts'

const MAGIC = 19_749
const REQUEST_HEAD_BYTES = 32
const RESPONSE_HEAD_BYTES = 20
const NAMED = 0x8000_0000
/** Of each body so much is kept: enough for action names and short error texts. */
const KEPT_BYTES = 1024
/** So many frames are kept in either list; all are looked at. */
const KEPT_FRAMES = 10_000

/** What Rust knows as an internal error, and so must not come as a handler's text. */
const CODES = [
  'rpc_unreachable',
  'rpc_io_err',
  'rpc_timeout',
  'rpc_method_notfound',
  'rpc_service_notfound',
  'rpc_encode',
  'rpc_decode',
  'rpc_internal_err',
  'rpc_invalid_ver',
]
/** The one new text that a Rust client may be told: it never gets on with that call, so nothing is lost where it takes it for the handler's. */
const UNSUPPORTED = 'rpc_unsupported'
const NOTICES = [
  'rpc_protocol',
  'rpc_invalid_ver',
  'rpc_timeout',
  'rpc_too_large',
  'rpc_busy',
  'rpc_draining',
  'rpc_internal_err',
]

/** A request head with the name that follows it. */
export interface SeenRequest {
  readonly ver: number
  readonly format: number
  readonly action: number | string
  readonly seq: bigint
  readonly clientId: bigint
  readonly msgBytes: number
  readonly blobBytes: number
}

/** A response head; `body` is the beginning of what follows it, as text. */
export interface SeenResponse {
  readonly ver: number
  readonly flag: number
  /** The field itself: a length, or the number of an errno. */
  readonly msgField: number
  readonly seq: bigint
  /** Signed, as Rust reads it. */
  readonly blobBytes: number
  readonly body: string
}

type ReadHead<F> = (head: DataView, body: Uint8Array) => F

/** Cuts bytes into frames and hands over their heads. */
class Frames<F> {
  readonly #headBytes: number
  readonly #bodyBytes: (head: DataView) => number
  readonly #read: ReadHead<F>
  readonly #seen: (frame: F) => void
  readonly #head: Uint8Array
  readonly #body = new Uint8Array(KEPT_BYTES)
  #have = 0
  #length: number

  constructor(headBytes: number, bodyBytes: (head: DataView) => number, read: ReadHead<F>, seen: (frame: F) => void) {
    this.#headBytes = headBytes
    this.#bodyBytes = bodyBytes
    this.#read = read
    this.#seen = seen
    this.#head = new Uint8Array(headBytes)
    this.#length = headBytes
  }

  /** All that came so far is whole frames. */
  get atBorder(): boolean {
    return this.#have === 0
  }

  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      const take = Math.min(
        chunk.length - at,
        (this.#have < this.#headBytes ? this.#headBytes : this.#length) - this.#have,
      )
      const piece = chunk.subarray(at, at + take)
      if (this.#have < this.#headBytes) this.#head.set(piece, this.#have)
      else {
        const from = this.#have - this.#headBytes
        if (from < KEPT_BYTES) this.#body.set(piece.subarray(0, KEPT_BYTES - from), from)
      }
      this.#have += take
      at += take
      const head = new DataView(this.#head.buffer)
      if (this.#have === this.#headBytes) this.#length = this.#headBytes + this.#bodyBytes(head)
      if (this.#have < this.#headBytes || this.#have < this.#length) continue
      const kept = Math.min(this.#length - this.#headBytes, KEPT_BYTES)
      this.#have = 0
      this.#seen(this.#read(head, this.#body.slice(0, kept)))
    }
  }
}

function nameBytes(head: DataView): number {
  const action = head.getUint32(4, true)
  return action >= NAMED ? action - NAMED : 0
}

function requests(seen: (frame: SeenRequest) => void): Frames<SeenRequest> {
  return new Frames(
    REQUEST_HEAD_BYTES,
    head => nameBytes(head) + head.getUint32(24, true) + head.getUint32(28, true),
    (head, body) => {
      assert.equal(head.getUint16(0, true), MAGIC, 'magic of a request')
      const action = head.getUint32(4, true)
      return {
        ver: head.getUint8(2),
        format: head.getUint8(3),
        action: action >= NAMED ? new TextDecoder().decode(body.subarray(0, nameBytes(head))) : action,
        seq: head.getBigUint64(8, true),
        clientId: head.getBigUint64(16, true),
        msgBytes: head.getUint32(24, true),
        blobBytes: head.getUint32(28, true),
      }
    },
    seen,
  )
}

function responses(seen: (frame: SeenResponse) => void): Frames<SeenResponse> {
  return new Frames(
    RESPONSE_HEAD_BYTES,
    head => (head.getUint8(3) === 1 ? 0 : head.getUint32(4, true)) + head.getUint32(16, true),
    (head, body) => {
      assert.equal(head.getUint16(0, true), MAGIC, 'magic of a response')
      return {
        ver: head.getUint8(2),
        flag: head.getUint8(3),
        msgField: head.getUint32(4, true),
        seq: head.getBigUint64(8, true),
        blobBytes: head.getInt32(16, true),
        body: new TextDecoder().decode(body),
      }
    },
    seen,
  )
}

/** Watches all links of a dialer, as the client that writes requests, or of a listener, as the server that answers them. */
export class WireWatch {
  /** What went over all links, in order, the first ten thousand frames each way. */
  readonly requests: SeenRequest[] = []
  readonly responses: SeenResponse[] = []
  /** Links that were opened. */
  links = 0
  /** Offers of version 2 that a client made: the first frame of a link, or none. They and their answers are in neither list. */
  offers = 0
  readonly #faults: string[] = []

  dialer(inner: Dialer): Dialer {
    return { address: inner.address, dial: () => inner.dial().pipe(map(link => this.#client(link))) }
  }

  listener(inner: Listener): Listener {
    return {
      listen: () =>
        inner.listen().pipe(map(bound => ({ ...bound, links$: bound.links$.pipe(map(link => this.#server(link))) }))),
    }
  }

  /** Fails with all that was wrong. */
  check(): void {
    assert.deepEqual(this.#faults, [], 'written to a Rust peer')
  }

  #client(link: Link): Link {
    this.links++
    let lastSeq = 0n
    let offer: bigint | undefined
    const up = requests(frame => {
      const { seq, action } = frame
      if (lastSeq === 0n && frame.format === 2 && action === 0) {
        offer = seq
        this.offers++
      } else {
        this.#keep(this.requests, frame)
        this.#expect(frame.format === 0, `request ${seq} has format ${frame.format}`)
      }
      this.#expect(frame.ver === 1, `request ${seq} has version ${frame.ver}`)
      this.#expect(seq > lastSeq, `request ${seq} follows ${lastSeq}`)
      this.#expect(action !== '', `request ${seq} has an empty name`)
      this.#expect(typeof action === 'number' || frame.msgBytes > 0, `${action} has an empty message`)
      this.#expect(frame.msgBytes < 2 ** 31, `request ${seq} has a message of ${frame.msgBytes} bytes`)
      this.#expect(frame.blobBytes < 2 ** 31, `request ${seq} has a blob of ${frame.blobBytes} bytes`)
      if (action === 0) this.#expect(frame.msgBytes + frame.blobBytes === 0, `ping ${seq} has a body`)
      lastSeq = seq
    })
    const down = responses(frame => {
      if (frame.seq !== offer) this.#keep(this.responses, frame)
    })
    return new WatchedLink(link, up, down, fault => this.#faults.push(fault))
  }

  #server(link: Link): Link {
    this.links++
    const live = new Set<bigint>()
    let over = false
    const up = requests(frame => {
      live.add(frame.seq)
      this.#keep(this.requests, frame)
    })
    const down = responses(frame => {
      this.#keep(this.responses, frame)
      const { seq, flag, msgField, blobBytes, body } = frame
      const notice = seq === 0n
      this.#expect(frame.ver === 1, `response ${seq} has version ${frame.ver}`)
      this.#expect(!over, `response ${seq} comes behind the notice`)
      this.#expect(flag <= 2, `response ${seq} has flag ${flag}`)
      this.#expect(blobBytes >= 0, `response ${seq} has a blob of ${blobBytes} bytes`)
      if (flag === 1) this.#expect(msgField <= 1_048_575 && blobBytes === 0, `response ${seq} has errno ${msgField}`)
      if (flag === 2) {
        this.#expect(msgField === 0, `error response ${seq} has a message of ${msgField} bytes`)
        const known = (notice ? NOTICES : CODES).includes(body)
        const handlers = !body.startsWith('rpc_') || body === UNSUPPORTED
        this.#expect(notice ? known : known || handlers, `response ${seq} has the text ${body}`)
      }
      if (notice) {
        this.#expect(flag === 2, `a notice has flag ${flag}`)
        over = true
      } else this.#expect(live.delete(seq), `response ${seq} was not asked for, or came twice`)
    })
    return new WatchedLink(link, down, up, fault => this.#faults.push(fault))
  }

  #expect(right: boolean, fault: string): void {
    if (!right) this.#faults.push(fault)
  }

  #keep<F>(frames: F[], frame: F): void {
    if (frames.length < KEPT_FRAMES) frames.push(frame)
  }
}

/** The same link, with a look at both directions. */
class WatchedLink extends ForwardedLink {
  override readonly chunks$: Observable<Uint8Array>
  readonly #out: Frames<unknown>
  readonly #fault: (fault: string) => void

  constructor(inner: Link, out: Frames<any>, back: Frames<any>, fault: (fault: string) => void) {
    super(inner)
    this.chunks$ = inner.chunks$.pipe(tap(chunk => back.push(chunk)))
    this.#out = out
    this.#fault = fault
  }

  override send(bytes: Uint8Array, corked = false): void {
    this.#out.push(bytes)
    // Rust gives a frame up whose body comes 5 s behind its head.
    if (!corked && !this.#out.atBorder) this.#fault('a frame was begun and the rest of it did not follow at once')
    super.send(bytes, corked)
  }
}
