/**
 * `tcp limit`: razor v1 frames by hand, for its client and its server. As fast as it reads well: heads through one DataView
 * per buffer, messages copied behind them, everything of a turn in one write.
 */
import { Packr } from 'msgpackr'

export const REQUEST_HEAD_BYTES = 32
export const RESPONSE_HEAD_BYTES = 20

/** The magic and version 1; the fourth byte (format or flag) is or-ed in. */
const START = 0x01_4d25
const SLAB_BYTES = 64 * 1024

export const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true })

/** Puts frames one behind the other and writes them together. A part of a slab that was written is never written to again. */
export class FrameWriter {
  #socket
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #view = new DataView(this.#slab.buffer)
  #start = 0
  #end = 0

  constructor(socket) {
    this.#socket = socket
  }

  /** `action` is the name's bytes. The blob goes to the socket as it is, behind its head. */
  request(seq, action, message, blob) {
    const body = packr.pack(message)
    const at = this.#take(REQUEST_HEAD_BYTES + action.length + body.length)
    this.#view.setUint32(at, START, true)
    this.#view.setUint32(at + 4, (0x8000_0000 | action.length) >>> 0, true)
    this.#setSeq(at + 8, seq)
    this.#view.setUint32(at + 16, 0, true)
    this.#view.setUint32(at + 20, 0, true)
    this.#view.setUint32(at + 24, body.length, true)
    this.#view.setUint32(at + 28, blob === undefined ? 0 : blob.length, true)
    this.#slab.set(action, at + REQUEST_HEAD_BYTES)
    this.#slab.set(body, at + REQUEST_HEAD_BYTES + action.length)
    if (blob === undefined) return
    this.#socket.cork()
    this.flush()
    this.#socket.write(blob)
    this.#socket.uncork()
  }

  /** A success. */
  response(seq, message) {
    const body = packr.pack(message)
    const at = this.#take(RESPONSE_HEAD_BYTES + body.length)
    this.#responseHead(at, 0, body.length, seq, 0)
    this.#slab.set(body, at + RESPONSE_HEAD_BYTES)
  }

  /** An error text: flag 2, the text as blob. */
  failure(seq, text) {
    const bytes = Buffer.from(text)
    const at = this.#take(RESPONSE_HEAD_BYTES + bytes.length)
    this.#responseHead(at, 2, 0, seq, bytes.length)
    this.#slab.set(bytes, at + RESPONSE_HEAD_BYTES)
  }

  flush() {
    if (this.#end === this.#start) return
    this.#socket.write(this.#slab.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #responseHead(at, flag, messageBytes, seq, blobBytes) {
    this.#view.setUint32(at, START | (flag << 24), true)
    this.#view.setUint32(at + 4, messageBytes, true)
    this.#setSeq(at + 8, seq)
    this.#view.setUint32(at + 16, blobBytes, true)
  }

  #setSeq(at, seq) {
    this.#view.setUint32(at, seq >>> 0, true)
    this.#view.setUint32(at + 4, Math.floor(seq / 2 ** 32), true)
  }

  /** Where the next `bytes` go. The messages here are small: a frame always fits into an empty slab. */
  #take(bytes) {
    if (this.#end + bytes > SLAB_BYTES) {
      this.flush()
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#view = new DataView(this.#slab.buffer)
      this.#start = this.#end = 0
    }
    const at = this.#end
    this.#end += bytes
    return at
  }
}

/**
 * Gives a function that takes chunks and calls `onFrame(chunk, view, at)` for each whole frame in them. Chunks of a frame that
 * is not whole yet are kept in a list and joined once.
 */
export function frameReader(headBytes, frameBytes, onFrame) {
  let held = []
  let heldBytes = 0
  let needBytes = 0
  return chunk => {
    if (held.length > 0) {
      held.push(chunk)
      heldBytes += chunk.length
      if (heldBytes < needBytes) return
      chunk = Buffer.concat(held, heldBytes)
      held = []
    }
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = 0
    while (true) {
      const left = chunk.length - at
      needBytes = left < headBytes ? headBytes : frameBytes(view, at)
      if (left < needBytes) break
      onFrame(chunk, view, at)
      at += needBytes
    }
    if (at === chunk.length) return
    held = [at === 0 ? chunk : chunk.subarray(at)]
    heldBytes = chunk.length - at
  }
}

export function requestBytes(view, at) {
  checkStart(view, at)
  return REQUEST_HEAD_BYTES + actionBytes(view, at) + view.getUint32(at + 24, true) + view.getUint32(at + 28, true)
}

export function responseBytes(view, at) {
  checkStart(view, at)
  return RESPONSE_HEAD_BYTES + view.getUint32(at + 4, true) + view.getUint32(at + 16, true)
}

/** The length of an action's name; these systems use no numbers. */
export function actionBytes(view, at) {
  return view.getUint32(at + 4, true) & 0x7fff_ffff
}

export function seqOf(view, at) {
  return view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 2 ** 32
}

function checkStart(view, at) {
  const start = view.getUint32(at, true) & 0xff_ffff
  if (start !== START) throw new Error(`a frame starts with ${start.toString(16)} and not with ${START.toString(16)}`)
}
