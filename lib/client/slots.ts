/**
 * The slots of one kind of call on one connection: a window, and the queue in front of it.
 */
import { Subscription } from 'rxjs'
import { SlidingWindow } from '../flow/sliding-window.ts'
import type { Pumpable, Turns } from '../flow/turns.ts'
import type { ClientTask } from './task.ts'

/** Slots for calls, or for streams. */
export class Slots implements Pumpable {
  /** Tasks that wait for a slot, oldest first; other connections may take them as well. */
  readonly queue: Set<ClientTask>
  #window: SlidingWindow<ClientTask> | undefined
  #size = 0
  #taken = 0

  constructor(queue: Set<ClientTask>) {
    this.queue = queue
  }

  /** Slots that are taken. */
  get taken(): number {
    return this.#taken
  }

  /** There is a slot for one more, now. */
  get free(): boolean {
    return this.#taken < this.#size
  }

  /**
   * Gives `size` slots to the tasks that wait, and to those that come, for as long as the result is not unsubscribed, and while the
   * link is not behind.
   */
  start(size: number, link: Turns, send: (task: ClientTask) => void, failed: (error: unknown) => void): Subscription {
    this.#size = size
    const open = (): boolean => {
      if (link.open) return true
      link.wait(this)
      return link.open
    }
    const emit = (task: ClientTask): void => {
      this.#taken++
      task.holdsSlot = true
      if (task.over) {
        this.release(task) // it left within the turn it came in
        return
      }
      try {
        send(task)
      } catch (error) {
        failed(error)
      }
    }
    const window = new SlidingWindow<ClientTask>(size, this.queue, emit, open)
    this.#window = window
    window.fill()
    return new Subscription(() => window.close())
  }

  /** Goes on: the link has drained. */
  pump(): void {
    this.#window?.fill()
  }

  /** A task comes in: it is sent at once, or waits. */
  enter(task: ClientTask): void {
    if (this.#window === undefined) this.queue.add(task)
    else this.#window.enter(task)
  }

  /** The task is over: what it has here is free. */
  release(task: ClientTask): void {
    if (this.queue.size > 0) this.queue.delete(task)
    if (!task.holdsSlot) return
    task.holdsSlot = false
    this.#taken--
    this.#window?.release()
  }
}
