/**
 * What the head of a frame says besides its kind, and what its bodies carry.
 */
import {
  FLAG_ERRNO,
  FLAG_ERROR,
  FLAG_OK,
  type RequestFrame,
  type ResponseFrame,
  RPC_VERSION_1,
} from '../../protocol/heads.ts'
import {
  DOWN_CREDIT,
  DOWN_GOAWAY,
  DOWN_HELLO,
  DOWN_NEXT,
  readCreditBody,
  UP_CREDIT,
  UP_ERROR,
  UP_HEADERS,
  UP_HELLO,
  UP_NEXT,
  UP_REQUEST,
} from '../../protocol/heads-v2.ts'
import { errorText, textOf } from '../../testing/frame-text.ts'
import type { Meaning } from '../../testing/ledger.ts'
import type { Direction } from '../capture/format.ts'
import type { Placed } from './direction-reader.ts'
import type { FrameEvent, MessageView } from './events.ts'
import { controlView, hexOf, type MessageStyle, viewOf } from './message.ts'

/** Characters of an error's text that are shown. */
const SHOWN_ERROR = 1024

type Told = 'messageBytes' | 'blobBytes' | 'window' | 'open' | 'timeoutMs' | 'consumed' | 'errno' | 'error'

/** The part of an event that depends on the kind. */
export interface FrameFields extends Pick<FrameEvent, Told>, MessageView {
  /** Whose credit is of interest behind this frame. */
  readonly creditOf?: Direction
}

/** Of a frame from a client. */
export function upFields(placed: Placed<RequestFrame>, meaning: Meaning, style: MessageStyle): FrameFields {
  const { frame } = placed
  const { ver, format } = frame
  const sizes = sizesOf(placed)
  if (meaning.isPing || meaning.isOffer) return sizes
  if (ver === RPC_VERSION_1) return { ...sizes, ...messageOf(placed, style) }
  switch (format) {
    case UP_HELLO:
    case UP_HEADERS:
      return { ...sizes, ...controlView(frame.msg, style) }
    case UP_REQUEST:
      return {
        ...sizes,
        ...messageOf(placed, style),
        window: frame.window,
        ...(frame.open && { open: true as const }),
        timeoutMs: frame.msLeft > 0 ? frame.msLeft : undefined,
      }
    case UP_NEXT:
      return { ...sizes, ...messageOf(placed, style), creditOf: 'up' }
    case UP_CREDIT:
      return { window: frame.window, consumed: frame.consumed, creditOf: 'down' }
    case UP_ERROR:
      return { error: errorText(frame.blob) }
    default:
      return sizes
  }
}

/** Of a frame from a server. */
export function downFields(placed: Placed<ResponseFrame>, meaning: Meaning, style: MessageStyle): FrameFields {
  const { frame } = placed
  const { flag } = frame
  const sizes = sizesOf(placed)
  if (flag === FLAG_ERRNO) return { errno: frame.errno }
  if (flag === FLAG_ERROR) return { ...sizes, ...(frame.skipped ? notHeld(placed) : errorOf(frame.blob, style)) }
  if (meaning.isOffer || flag === DOWN_HELLO || flag === DOWN_GOAWAY) {
    return { ...sizes, ...(frame.msg.length > 0 && controlView(frame.msg, style)) }
  }
  if (flag === FLAG_OK || flag === DOWN_NEXT) {
    const creditOf = flag === DOWN_NEXT ? { creditOf: 'down' as const } : {}
    return { ...sizes, ...messageOf(placed, style), ...creditOf }
  }
  return flag === DOWN_CREDIT ? { ...readCreditBody(frame.msg), creditOf: 'up' } : sizes
}

function sizesOf({ messageBytes, blobBytes }: Placed<unknown>): Pick<FrameFields, 'messageBytes' | 'blobBytes'> {
  return { messageBytes: messageBytes || undefined, blobBytes: blobBytes || undefined }
}

function messageOf(placed: Placed<RequestFrame | ResponseFrame>, style: MessageStyle): MessageView {
  const { skipped, msg } = placed.frame
  if (skipped) return notHeld(placed)
  return msg.length > 0 ? viewOf(msg, style) : {}
}

/** A text, or a value that the codec wrote: only the contract knows, but such a value is seldom text. */
function errorOf(blob: Uint8Array, style: MessageStyle): FrameFields {
  const text = textOf(blob)
  if (text !== undefined) return { error: style.full ? text : text.slice(0, SHOWN_ERROR) }
  const view = viewOf(blob, style)
  return view.messageProblem === undefined ? view : { error: hexOf(blob) }
}

/** A large blob alone is passed over, and nothing is missed. */
function notHeld({ bytes, messageBytes }: Placed<unknown>): MessageView {
  return messageBytes > 0 ? { messageProblem: `the frame of ${bytes} bytes was too large to hold` } : {}
}
