/**
 * One connection as its pool sees it.
 */
import type { ClientStream } from './stream.ts'

/** A connection of a pool, from its dial to its end. */
export class Member {
  /** Absent for the moment in which it is made. */
  stream: ClientStream | undefined
  /** When the ends agreed, by the clock of the scheduler. */
  agreedAt: number | undefined
  /** A call was answered over it. */
  hasAnswered = false
  /** It takes no further calls, or is over. */
  gone = false
  #sent = 0
  #quietTicks = 0

  /** It is being dialled, or takes calls. */
  get usable(): boolean {
    return !this.gone && (this.stream?.usable ?? true)
  }

  get ready(): boolean {
    return this.agreedAt !== undefined && this.usable
  }

  /** Looks whether it was of use since the last look; gives how many looks in a row it was not. */
  look(): number {
    const { stream } = this
    const quiet = stream?.idle === true && stream.sent === this.#sent
    this.#quietTicks = quiet ? this.#quietTicks + 1 : 0
    this.#sent = stream?.sent ?? 0
    return this.#quietTicks
  }
}
