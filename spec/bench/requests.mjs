/**
 * The traffic, the same for every system: `{ id, path }` up, `{ ok, id }` down; a blob call carries 64 KiB besides. Items are
 * `{ i, v }`.
 */
import { randomBytes } from 'node:crypto'

export const BLOB_BYTES = 64 * 1024

/** The bytes of every blob call. Never changed, so a system may send them without a copy. */
export const BLOB = randomBytes(BLOB_BYTES)

// Made beforehand: the systems are measured, not string concatenation.
const PATHS = Array.from({ length: 64 }, (_, i) => `/srv/data/${i}/report-${i * 37}.txt`)

export function request(id) {
  return { id, path: PATHS[id & 63] }
}

/** What every server does with a unary call. */
export function answerUnary({ id, path }) {
  return { ok: path.length > 0, id }
}

/** What every server does with a blob call. */
export function answerBlob({ id, path }, blob) {
  return { ok: path.length > 0 && blob.length === BLOB_BYTES, id }
}

/**
 * Proves that the answers are those of the calls, whatever their order, without a closure per call: every answer must be
 * `ok`, and the ids that came must add up to the ids that went.
 */
export class Tally {
  sent = 0
  answered = 0
  #idSum = 0

  /** The next request. */
  next() {
    const id = this.sent++
    this.#idSum += id
    return request(id)
  }

  take(answer) {
    if (answer.ok !== true) throw new Error(`call ${answer.id} was answered ok: ${answer.ok}`)
    this.#idSum -= answer.id
    this.answered++
  }

  /** How many calls were answered; throws where one is missing or was answered twice. */
  finish() {
    if (this.answered !== this.sent || this.#idSum !== 0) {
      throw new Error(`${this.answered} answers to ${this.sent} calls, ids off by ${this.#idSum}`)
    }
    return this.answered
  }
}

/** The item of every stream and of the shared source. */
export function item(i) {
  return { i, v: i * 0.5 }
}

/** Counts items, and proves that none is missing, doubled or out of place: each `i` is one above the last. */
export class ItemTally {
  count = 0
  #last

  take({ i }) {
    if (this.#last !== undefined && i !== this.#last + 1) throw new Error(`item ${i} came after ${this.#last}`)
    this.#last = i
    this.count++
  }
}
