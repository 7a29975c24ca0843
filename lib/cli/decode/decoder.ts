/**
 * Bytes of a capture, of a dump of one direction, or of hex text, in any slices: events out. What it holds is bounded, however
 * long the input is.
 */
import { type Direction, startsAsCapture } from '../capture/format.ts'
import { type CaptureEntry, CaptureError, CaptureReader } from '../capture/reader.ts'
import { ConnectionDecoder, type ConnectionEnd, type DecodeFacts } from './connection.ts'
import { directionOf, LOOK_BYTES } from './direction.ts'
import type { CallEvent, DecodeEvent } from './events.ts'
import { HexError, HexReader, startsAsHex } from './hex.ts'
import { hexOf, type MessageStyle } from './message.ts'

/** Bytes of frames that are not complete. */
const MAX_HELD_BYTES = 64 * 1024 * 1024
/** Connections that are open at a time; beyond it the oldest is taken for over. */
const MAX_CONNECTIONS = 16_384
/** Calls that ended, kept for the summary; beyond it those so far are told. */
const MAX_CALLS = 10_000
const MAGIC = 0x25

/** Which direction a dump has is not told and cannot be seen. */
export class DirectionUnknown extends Error {}

/** What is to be decoded, and where it goes. */
export interface DecoderOptions {
  readonly style: MessageStyle
  /** Of bytes without a capture around them. Default: found out. */
  readonly direction?: Direction | undefined
  /** The one connection that counts. Default: all. */
  readonly connection?: number | undefined
  readonly emit: (event: DecodeEvent) => void
}

type Source =
  | { readonly kind: 'capture'; readonly reader: CaptureReader }
  | { readonly kind: 'dump'; readonly hex: HexReader | undefined }

const UNFINISHED: ConnectionEnd = { isFault: false, calls: 'no end in this capture' }
const DUMP_END: ConnectionEnd = { isFault: true, calls: 'no end in these bytes' }

export class Decoder {
  readonly #options: DecoderOptions
  readonly #facts: Omit<DecodeFacts, 'oneWay'>
  readonly #connections = new Map<number, ConnectionDecoder>()
  #source: Source | undefined
  /** Of a dump whose direction is not known yet. */
  #looked: Uint8Array = new Uint8Array(0)
  #direction: Direction | undefined
  #calls: CallEvent[] = []
  readonly #total = { connections: 0, frames: 0, bytes: 0, calls: 0, broken: 0 }
  #lastAt: number | undefined
  /** The file itself is damaged. */
  #stuck = false

  constructor(options: DecoderOptions) {
    this.#options = options
    this.#direction = options.direction
    this.#facts = {
      style: options.style,
      budget: { freeBytes: MAX_HELD_BYTES },
      emit: event => this.#emit(event),
      ended: call => this.#ended(call),
    }
  }

  /** Places where bytes could not be read. */
  get broken(): number {
    return this.#total.broken
  }

  /** Takes the next bytes of the input, which never change afterwards. */
  push(chunk: Uint8Array): void {
    this.#total.bytes += chunk.length
    if (this.#stuck || chunk.length === 0) return
    this.#source ??= this.#sourceOf(chunk)
    if (this.#source === undefined) return
    try {
      if (this.#source.kind === 'dump') this.#dump(this.#source.hex?.push(chunk) ?? chunk)
      else for (const entry of this.#source.reader.push(chunk)) this.#entry(entry)
    } catch (error) {
      if (!(error instanceof CaptureError || error instanceof HexError)) throw error
      this.#damaged(error.message)
    }
  }

  /**
   * Nothing more comes: the summary. Throws {@link DirectionUnknown} where a short dump could be either direction. `isWhole`: that was
   * all; else somebody stopped reading, and what is not complete is nobody's fault.
   */
  end(isWhole = true): void {
    if (this.#total.bytes === 0 && isWhole) this.#damaged('it is empty')
    const source = this.#source
    if (source?.kind === 'dump') {
      if (this.#direction === undefined) this.#decide(true)
      const problem = source.hex?.end()
      if (problem !== undefined && isWhole) this.#damaged(problem)
    } else if (source !== undefined && !this.#stuck) {
      const problem = source.reader.end()
      if (problem !== undefined && isWhole) this.#emit({ event: 'broken', problem: `the file is cut: ${problem}` })
    }
    const end = source?.kind === 'dump' ? { ...DUMP_END, isFault: isWhole } : UNFINISHED
    for (const connection of this.#connections.values()) connection.end(end, this.#lastAt)
    this.#tellCalls()
    this.#emit({ event: 'total', ...this.#total })
  }

  /** What the first bytes show; the rest of a file that is nothing of the kind is not looked at. */
  #sourceOf(chunk: Uint8Array): Source | undefined {
    if (startsAsCapture(chunk)) return { kind: 'capture', reader: new CaptureReader() }
    if (chunk[0] === MAGIC || this.#direction !== undefined) {
      return { kind: 'dump', hex: startsAsHex(chunk[0]!) ? new HexReader() : undefined }
    }
    if (startsAsHex(chunk[0]!)) return { kind: 'dump', hex: new HexReader() }
    this.#damaged(
      `it begins with ${hexOf(chunk, 8)}: no capture (the text "razorcap"), no frames (25 4d) and no hex digits`,
    )
    return undefined
  }

  #dump(bytes: Uint8Array): void {
    if (this.#direction !== undefined) {
      this.#connection(1).push(this.#direction, bytes, undefined)
      return
    }
    this.#looked = Buffer.concat([this.#looked, bytes])
    if (this.#looked.length >= LOOK_BYTES) this.#decide(false)
  }

  #decide(isAll: boolean): void {
    if (this.#looked.length === 0) return
    this.#direction = directionOf(this.#looked)
    if (this.#direction === undefined) {
      const most = isAll ? 'these' : 'the first'
      throw new DirectionUnknown(`${most} ${this.#looked.length} bytes could go either way`)
    }
    const looked = this.#looked
    this.#looked = new Uint8Array(0)
    this.#dump(looked)
  }

  #entry(entry: CaptureEntry): void {
    if (entry.kind === 'began') {
      this.#emit({ event: 'capture', began: isoText(entry.unixMs) })
      return
    }
    this.#lastAt = entry.atMs
    if (entry.kind === 'stopped') {
      this.#emit({ event: 'note', at: entry.atMs, note: `the recording stopped here: ${entry.reason}` })
      return
    }
    const { connection, atMs } = entry
    if (this.#options.connection !== undefined && connection !== this.#options.connection) return
    if (entry.kind === 'bytes') this.#connection(connection).push(entry.direction, entry.bytes, atMs)
    else if (entry.kind === 'open') {
      const { address, transport, recordedBy } = entry.facts
      this.#emit({ event: 'open', at: atMs, connection, address, transport, recordedBy })
    } else {
      const { how = 'ended', reason } = entry.facts
      const end = { isFault: how === 'finished', calls: 'no end: the connection was over' }
      this.#connections.get(connection)?.end(end, atMs)
      this.#connections.delete(connection)
      this.#emit({ event: 'end', at: atMs, connection, how, reason })
    }
  }

  #connection(id: number): ConnectionDecoder {
    const known = this.#connections.get(id)
    if (known !== undefined) return known
    if (this.#connections.size >= MAX_CONNECTIONS) {
      const [[oldest, connection]] = this.#connections as unknown as [[number, ConnectionDecoder]]
      connection.end({ ...UNFINISHED, calls: `no end among ${MAX_CONNECTIONS} further connections` }, this.#lastAt)
      this.#connections.delete(oldest)
    }
    this.#total.connections++
    const connection = new ConnectionDecoder(id, { ...this.#facts, oneWay: this.#source?.kind === 'dump' })
    this.#connections.set(id, connection)
    return connection
  }

  #damaged(problem: string): void {
    this.#stuck = true
    this.#emit({ event: 'broken', problem })
  }

  #ended(call: CallEvent): void {
    this.#total.calls++
    this.#calls.push(call)
    if (this.#calls.length >= MAX_CALLS) this.#tellCalls()
  }

  #tellCalls(): void {
    for (const call of this.#calls) this.#options.emit(call)
    this.#calls = []
  }

  #emit(event: DecodeEvent): void {
    if (event.event === 'frame') this.#total.frames++
    if (event.event === 'broken') this.#total.broken++
    this.#options.emit(event)
  }
}

function isoText(unixMs: number): string {
  const date = new Date(unixMs)
  return Number.isNaN(date.getTime()) ? 'at no time that there is' : date.toISOString()
}
