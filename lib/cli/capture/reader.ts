/**
 * Reads a capture as it comes, in chunks of any size: of a long record's bytes each part is given on as soon as it is there.
 */
import { ChunkBuffer } from '../../protocol/chunk-buffer.ts'
import {
  CAPTURE_VERSION,
  type Direction,
  DOWN,
  END,
  type EndFacts,
  FILE_HEAD_BYTES,
  MAX_FACTS_BYTES,
  OPEN,
  type OpenFacts,
  RECORD_HEAD_BYTES,
  type RecordHead,
  readFileHead,
  readRecordHead,
  STOPPED,
  startsAsCapture,
  UP,
} from './format.ts'

/** What a capture says, in order. */
export type CaptureEntry =
  | { readonly kind: 'began'; readonly unixMs: number }
  | { readonly kind: 'open'; readonly connection: number; readonly atMs: number; readonly facts: Partial<OpenFacts> }
  | {
      readonly kind: 'bytes'
      readonly connection: number
      readonly atMs: number
      readonly direction: Direction
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'end'; readonly connection: number; readonly atMs: number; readonly facts: Partial<EndFacts> }
  | { readonly kind: 'stopped'; readonly atMs: number; readonly reason: string }

const decoder = new TextDecoder()

/** The file is damaged; the message says where and what was expected. */
export class CaptureError extends Error {}

/** Takes the bytes of a file, and gives what they say. After it threw a {@link CaptureError} it is not used again. */
export class CaptureReader {
  readonly #buffer = new ChunkBuffer()
  #began = false
  #record: RecordHead | undefined
  /** Bytes of the record that are still to come. */
  #left = 0
  #offset = 0

  /** What is wrong with a file that ends here; `undefined` where nothing is. */
  end(): string | undefined {
    const held = this.#buffer.length
    if (!this.#began) return `it ends at byte ${held}, within its head of ${FILE_HEAD_BYTES} bytes`
    if (this.#record === undefined && held === 0) return undefined
    const missing =
      this.#record === undefined ? `head of ${RECORD_HEAD_BYTES} bytes` : `body, ${this.#left - held} bytes early`
    return `it ends at byte ${this.#offset + held}, within a record's ${missing}`
  }

  /** Takes the next bytes of the file, and gives what they say. */
  *push(chunk: Uint8Array): Generator<CaptureEntry> {
    this.#buffer.push(chunk)
    for (;;) {
      if (!this.#began) {
        if (this.#buffer.length < FILE_HEAD_BYTES) return
        yield this.#begin()
      } else if (this.#record === undefined) {
        if (this.#buffer.length < RECORD_HEAD_BYTES) return
        this.#head()
      } else {
        const entry = this.#body(this.#record)
        if (entry === undefined) return
        if (entry !== 'passed over') yield entry
      }
    }
  }

  #take(bytes: number): Uint8Array {
    this.#offset += bytes
    return this.#buffer.take(bytes)
  }

  #begin(): CaptureEntry {
    const head = this.#take(FILE_HEAD_BYTES)
    if (!startsAsCapture(head)) throw new CaptureError('it does not begin with the text "razorcap"')
    const { version, beganUnixMs } = readFileHead(head, 0)
    if (version !== CAPTURE_VERSION) {
      throw new CaptureError(`it is of version ${version} of the format, and this program reads ${CAPTURE_VERSION}`)
    }
    this.#began = true
    return { kind: 'began', unixMs: beganUnixMs }
  }

  #head(): void {
    const at = this.#offset
    const record = readRecordHead(this.#take(RECORD_HEAD_BYTES), 0)
    const isFacts = record.kind === OPEN || record.kind === END || record.kind === STOPPED
    if (isFacts && record.bytes > MAX_FACTS_BYTES) {
      throw new CaptureError(
        `at byte ${at} a record of kind ${record.kind} claims ${record.bytes} bytes, at most ${MAX_FACTS_BYTES} are expected`,
      )
    }
    if (record.kind === 0) throw new CaptureError(`at byte ${at} stands kind 0, where a record was expected`)
    this.#record = record
    this.#left = record.bytes
  }

  /** What there is of the record at hand, or `undefined` where bytes are missing. */
  #body(record: RecordHead): CaptureEntry | 'passed over' | undefined {
    const { kind, connection } = record
    const atMs = record.atMicros / 1000
    if (kind === OPEN || kind === END || kind === STOPPED) {
      if (this.#buffer.length < record.bytes) return undefined
      this.#record = undefined
      const facts = this.#facts(record)
      if (kind === OPEN) return { kind: 'open', connection, atMs, facts }
      if (kind === END) return { kind: 'end', connection, atMs, facts }
      return { kind: 'stopped', atMs, reason: String(facts['reason'] ?? 'no reason was given') }
    }
    if (this.#left > 0 && this.#buffer.length === 0) return undefined
    const bytes = this.#take(Math.min(this.#left, this.#buffer.length))
    this.#left -= bytes.length
    if (this.#left === 0) this.#record = undefined
    if (kind !== UP && kind !== DOWN) return 'passed over'
    return { kind: 'bytes', connection, atMs, direction: kind === UP ? 'up' : 'down', bytes }
  }

  #facts({ kind, bytes }: RecordHead): Record<string, never> {
    const at = this.#offset
    const text = decoder.decode(this.#take(bytes))
    try {
      const facts: unknown = JSON.parse(text)
      if (typeof facts === 'object' && facts !== null) return facts as Record<string, never>
    } catch {
      // Told below, with where it stands.
    }
    throw new CaptureError(`at byte ${at} the facts of a record of kind ${kind} are no JSON object`)
  }
}
