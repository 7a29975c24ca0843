/**
 * What a producer and its consumer say, put together: how fast each is, and what is between them. A pure fold.
 */
import type { Counted } from './rates.ts'
import { rate } from './rates.ts'
import type { Consumption } from './slow-consumer.ts'

/** What both ends have said at one moment. */
export interface FlowPoint {
  readonly at: number
  /** Of the producers of the connection. */
  readonly made: number
  readonly dropped: number
  readonly isWaiting: boolean
  readonly consumption: Consumption
}

/** What follows of it. */
export interface FlowFigures {
  readonly madePerSecond: number
  readonly consumedPerSecond: number
  /** Came, and the consumer is not done with them. */
  readonly waiting: number
  /** Lost since the flow began. */
  readonly dropped: number
  readonly isWaiting: boolean
}

/** Folds points; counts that start anew, as after a lost connection, do no harm. */
export class Flow {
  #before: FlowPoint | undefined
  #droppedBefore: number | undefined

  /** A new flow begins. */
  restart(): void {
    this.#before = undefined
    this.#droppedBefore = undefined
  }

  /** Takes a point. */
  take(point: FlowPoint): FlowFigures {
    const before = this.#before ?? point
    this.#before = point
    if (this.#droppedBefore === undefined || point.dropped < before.dropped) this.#droppedBefore = point.dropped
    const counted = (each: FlowPoint, count: number): Counted => ({ at: each.at, count })
    const { received, consumed } = point.consumption
    return {
      madePerSecond: rate(counted(before, before.made), counted(point, point.made)),
      consumedPerSecond: rate(counted(before, before.consumption.consumed), counted(point, consumed)),
      waiting: received - consumed,
      dropped: point.dropped - this.#droppedBefore,
      isWaiting: point.isWaiting,
    }
  }
}
