/**
 * What `razor decode` has to tell, in order. Each of these is a line of JSON as it stands; for people they are put in words.
 */
import type { U64 } from '../../protocol/bytes.ts'
import type { Direction } from '../capture/format.ts'

/** Milliseconds since the capture began; absent for bytes without a capture around them. */
interface Timed {
  readonly at?: number | undefined
}

/** The capture began. */
export interface CaptureEvent {
  readonly event: 'capture'
  /** When, as ISO text. */
  readonly began: string
}

/** A connection was opened. */
export interface OpenEvent extends Timed {
  readonly event: 'open'
  readonly connection: number
  readonly address?: string | undefined
  readonly transport?: string | undefined
  readonly recordedBy?: string | undefined
}

/** What the message of a frame says: the value, or where it is long its beginning as text, or why it cannot be told. */
export interface MessageView {
  readonly message?: unknown
  readonly messageBeginning?: string
  readonly messageProblem?: string
}

/** A whole frame. */
export interface FrameEvent extends Timed, MessageView {
  readonly event: 'frame'
  readonly connection: number
  readonly direction: Direction
  /** Where its head begins, in the bytes of its direction. */
  readonly offset: number
  /** Its name in PROTOCOL.md. */
  readonly frame: string
  readonly version: number
  readonly seq: U64
  readonly action?: number | string | undefined
  /** The frame in words, its message left out. */
  readonly text: string
  /** Head and bodies. */
  readonly bytes: number
  readonly messageBytes?: number | undefined
  readonly blobBytes?: number | undefined
  readonly window?: number | undefined
  readonly open?: true | undefined
  readonly timeoutMs?: number | undefined
  readonly consumed?: U64 | undefined
  readonly errno?: number | undefined
  readonly error?: string | undefined
  /** Of an item: what it costs. */
  readonly cost?: number | undefined
  /** Units that may still be sent in the direction of the item, or of the items that a CREDIT allows. */
  readonly credit?: number | undefined
  readonly problem?: string | undefined
}

/** A connection ended. */
export interface EndEvent extends Timed {
  readonly event: 'end'
  readonly connection: number
  readonly how: string
  readonly reason?: string | undefined
}

/** Something ends within a frame, or the recording did before the connection: worth a line, and nobody's fault. */
export interface NoteEvent extends Timed {
  readonly event: 'note'
  readonly connection?: number | undefined
  readonly direction?: Direction | undefined
  readonly note: string
}

/** Bytes that cannot be read; nothing behind them is, in that direction. */
export interface BrokenEvent extends Timed {
  readonly event: 'broken'
  readonly connection?: number | undefined
  readonly direction?: Direction | undefined
  /** Where it is, in the bytes of the direction; absent where the file itself is damaged, and says where. */
  readonly offset?: number | undefined
  readonly problem: string
}

/** How often and how long the sender of items stood without credit, seen from where it was recorded. */
export interface Stalls {
  readonly times: number
  readonly ms?: number | undefined
}

/** One direction of a call. */
export interface CallTraffic {
  readonly items: number
  /** Of whole frames. */
  readonly bytes: number
  readonly withoutCredit?: Stalls | undefined
}

/** A call, when it has ended or nothing more comes. */
export interface CallEvent {
  readonly event: 'call'
  readonly connection: number
  readonly seq: U64
  readonly action: number | string
  readonly shape: string
  readonly at?: number | undefined
  readonly ms?: number | undefined
  readonly up: CallTraffic
  readonly down: CallTraffic
  readonly canceled?: true | undefined
  readonly ended: string
}

/** The last line. */
export interface TotalEvent {
  readonly event: 'total'
  readonly connections: number
  readonly frames: number
  readonly bytes: number
  readonly calls: number
  readonly broken: number
}

export type DecodeEvent =
  | CaptureEvent
  | OpenEvent
  | FrameEvent
  | EndEvent
  | NoteEvent
  | BrokenEvent
  | CallEvent
  | TotalEvent
