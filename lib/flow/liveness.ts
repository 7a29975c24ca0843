/**
 * Is the far end still there, and does it get on? Counted in ticks, not by the clock: a process that was stopped or busy
 * for a while comes back to one tick, reads what has arrived, and judges afterwards.
 */

/** What one tick sees of a link. */
export interface LinkFigures {
  /** All bytes that ever came. */
  readonly receivedBytes: number
  /** All whole frames that ever came. */
  readonly frames: number
  /** Bytes held of a frame that is not complete, and its length; both 0 at a frame border. */
  readonly heldBytes: number
  readonly frameBytes: number
  /** All bytes that were ever written, and those of them that have not left. */
  readonly writtenBytes: number
  readonly unsentBytes: number
  /** Reading stands still by our own doing, so nothing can be expected. */
  readonly paused: boolean
}

/** The figures of a link from its reader and its writer. */
export function figuresOf(
  reader: Pick<LinkFigures, 'receivedBytes' | 'frames' | 'heldBytes' | 'frameBytes'>,
  writer: Pick<LinkFigures, 'writtenBytes' | 'unsentBytes'>,
  paused: boolean,
): LinkFigures {
  const { receivedBytes, frames, heldBytes, frameBytes } = reader
  const { writtenBytes, unsentBytes } = writer
  return { receivedBytes, frames, heldBytes, frameBytes, writtenBytes, unsentBytes, paused }
}

/** Times in milliseconds, sizes in bytes; each time rounds up to whole ticks. */
export interface LivenessLimits {
  readonly tickMs: number
  /** An incomplete frame must get on within this. Default 5,000. */
  readonly readTimeoutMs: number
  /** Unsent bytes must go down within this. Default 10,000. */
  readonly drainTimeoutMs: number
  /** More unsent bytes than this are too many. Default 64 MiB. */
  readonly maxUnsentBytes: number
  /** Without any byte for this long the link counts as lost. Default: server 120,000, client 55,000. */
  readonly silenceMs: number
  /** An incomplete frame must be whole within this and a second for each 64 KiB of it. Default 30,000. */
  readonly frameTimeoutMs?: number
}

/**
 * Why a link is given up. `stalled`: a frame does not get on, or takes too long. `undrained`: the far end does not take what
 * is sent. `silent`: nothing comes any more.
 */
export interface Verdict {
  readonly kind: 'stalled' | 'undrained' | 'silent'
  readonly message: string
}

/** The slowest sender of a large frame that is waited for. */
const BYTES_PER_SECOND = 64 * 1024

/** A link that has just been opened. */
const OPENED: LinkFigures = {
  receivedBytes: 0,
  frames: 0,
  heldBytes: 0,
  frameBytes: 0,
  writtenBytes: 0,
  unsentBytes: 0,
  paused: false,
}

/**
 * Looks at a link's figures once a tick. What must not last is counted from tick to tick, and only where it was so at both;
 * so nothing is judged before its time.
 */
export class Liveness {
  readonly #limits: LivenessLimits
  #last = OPENED
  #silentTicks = 0
  #mutedTicks = 0
  #stalledTicks = 0
  #frameTicks = 0
  #undrainedTicks = 0

  constructor(limits: LivenessLimits) {
    this.#limits = limits
  }

  /**
   * How long nothing has come, in milliseconds, to the tick. Stands still while reading does, and while our own output is
   * leaving: an answer cannot be expected yet.
   */
  get silentMs(): number {
    return this.#silentTicks * this.#limits.tickMs
  }

  /** How long nothing has come, or nothing was written, in milliseconds, to the tick. */
  get quietMs(): number {
    return Math.max(this.#silentTicks, this.#mutedTicks) * this.#limits.tickMs
  }

  /** Counts a tick; returns why the link should be given up, or `undefined`. The figures are kept until the next one. */
  tick(figures: LinkFigures): Verdict | undefined {
    const last = this.#last
    this.#last = figures
    this.#mutedTicks = figures.writtenBytes > last.writtenBytes ? 0 : this.#mutedTicks + 1
    const sent = figures.writtenBytes - figures.unsentBytes
    const wentOut = sent > last.writtenBytes - last.unsentBytes
    this.#undrainedTicks = last.unsentBytes > 0 && !wentOut ? this.#undrainedTicks + 1 : 0

    const cameOn = figures.receivedBytes > last.receivedBytes
    const sameFrame = last.heldBytes > 0 && figures.heldBytes > 0 && figures.frames === last.frames
    if (!sameFrame) this.#frameTicks = this.#stalledTicks = 0
    if (cameOn) this.#silentTicks = this.#stalledTicks = 0
    if (!figures.paused && !last.paused) {
      if (sameFrame) this.#frameTicks++
      if (sameFrame && !cameOn) this.#stalledTicks++
      if (!cameOn && figures.unsentBytes === 0 && last.unsentBytes === 0) this.#silentTicks++
    }
    return this.#undrained(figures) ?? this.#stalled(figures) ?? this.#silent()
  }

  #undrained({ unsentBytes }: LinkFigures): Verdict | undefined {
    const { tickMs, drainTimeoutMs, maxUnsentBytes } = this.#limits
    if (unsentBytes > maxUnsentBytes) {
      return { kind: 'undrained', message: `${unsentBytes} unsent bytes are over maxUnsentBytes ${maxUnsentBytes}` }
    }
    if (this.#undrainedTicks * tickMs < drainTimeoutMs) return undefined
    const message = `none of ${unsentBytes} unsent bytes left within drainTimeoutMs ${drainTimeoutMs}`
    return { kind: 'undrained', message }
  }

  #stalled({ heldBytes, frameBytes }: LinkFigures): Verdict | undefined {
    const { tickMs, readTimeoutMs, frameTimeoutMs = 30_000 } = this.#limits
    const seen = `${heldBytes} of ${frameBytes} bytes of a frame`
    if (this.#stalledTicks * tickMs >= readTimeoutMs) {
      return { kind: 'stalled', message: `${seen} came, and none in readTimeoutMs ${readTimeoutMs}` }
    }
    const allowedMs = frameTimeoutMs + (frameBytes / BYTES_PER_SECOND) * 1000
    if (this.#frameTicks * tickMs < allowedMs) return undefined
    return { kind: 'stalled', message: `${seen} came within ${Math.round(allowedMs)} ms` }
  }

  #silent(): Verdict | undefined {
    const { silenceMs } = this.#limits
    if (this.silentMs < silenceMs) return undefined
    return { kind: 'silent', message: `no byte came for ${silenceMs} ms` }
  }
}
