/**
 * Calls that cannot be sent yet: how many there may be, and how many bytes they may hold.
 */
import type { ClientFacts } from './config.ts'
import type { ClientTask } from './task.ts'
import { encodeRequest } from './write.ts'

/** The two limits of what waits in a queue, for a slot or for a connection. */
export class Waiting {
  readonly #facts: ClientFacts
  #count = 0
  #bytes = 0

  constructor(facts: ClientFacts) {
    this.#facts = facts
  }

  /** Calls that wait. */
  get count(): number {
    return this.#count
  }

  /** Bytes they hold. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Lets a task wait, or refuses it with `rpc_overflow`. What waits is encoded now: so its bytes can be counted, and it is
   * sent as it was when it was subscribed to.
   */
  admit(task: ClientTask): void {
    const { codec, config } = this.#facts
    if (this.#count >= config.maxWaitingCalls) {
      task.refuse('rpc_overflow', `${this.#count} calls wait already, maxWaitingCalls is ${config.maxWaitingCalls}`)
      return
    }
    if (this.#bytes >= config.maxWaitingBytes) {
      task.refuse(
        'rpc_overflow',
        `waiting calls hold ${this.#bytes} bytes, maxWaitingBytes is ${config.maxWaitingBytes}`,
      )
      return
    }
    try {
      task.encoded = encodeRequest(codec, task.request, config)
    } catch (error) {
      task.refuseWith(error)
      return
    }
    task.waits = true
    task.waitingBytes = task.encoded.length + (task.request.blob?.length ?? 0)
    this.#bytes += task.waitingBytes
    this.#count++
  }

  /** The task waits no longer: it is sent now, or over. */
  leave(task: ClientTask): void {
    if (!task.waits) return
    task.waits = false
    this.#bytes -= task.waitingBytes
    this.#count--
  }
}
