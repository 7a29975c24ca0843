/**
 * The numbers of the slow consumer's panel, and what they mean in words.
 */
import { type Figures, PRODUCER_WINDOW } from '../contract.ts'
import { element, say, tone } from './elements.ts'
import { Flow, type FlowFigures } from './flow-figures.ts'
import type { Consumption } from './slow-consumer.ts'
import { bytes, count } from './words.ts'

/** What the panel shows. */
export interface BrakeView {
  /** The producer starts anew. */
  restart(): void
  /** The connection broke off. */
  broken(): void
  /** Takes what both ends say. */
  take(figures: Figures, consumption: Consumption, credit: number): FlowFigures
  /** Puts the latest numbers on the page. */
  show(pace: number, isRunning: boolean): void
}

const NOTHING: FlowFigures = { madePerSecond: 0, consumedPerSecond: 0, waiting: 0, dropped: 0, isWaiting: false }

const BROKEN = { text: 'The connection is lost: the flow goes on as soon as there is another.', mood: 'plain' }

/** Over how many points the rates are levelled, a second, and what is said of them, so that it does not come and go with each grant. */
const LEVELLED = 4
const REMEMBERED = 8

/** Finds its places on the page. */
export function brakeView(): BrakeView {
  const place = (id: string): HTMLElement => element(id)
  const fill = place('pipe-fill')
  const state = place('brake-state')
  const flow = new Flow()
  const recent: FlowFigures[] = []
  let latest = NOTHING
  let isBroken = false
  let credit = 0
  let resident = 0
  return {
    restart: () => {
      flow.restart()
      recent.length = 0
    },
    broken: () => {
      isBroken = true
      latest = NOTHING
      recent.length = 0
      flow.restart()
    },
    take: (figures, consumption, given) => {
      isBroken = false
      const { made, dropped, waiting } = figures.producers
      latest = flow.take({ at: figures.at, made, dropped, isWaiting: waiting > 0, consumption })
      recent.push(latest)
      if (recent.length > REMEMBERED) recent.shift()
      const second = recent.slice(-LEVELLED)
      const level = (of: (each: FlowFigures) => number): number =>
        second.reduce((sum, each) => sum + of(each), 0) / second.length
      latest = {
        ...latest,
        madePerSecond: level(each => each.madePerSecond),
        consumedPerSecond: level(each => each.consumedPerSecond),
      }
      credit = given
      resident = figures.residentBytes
      return latest
    },
    show: (pace, isRunning) => {
      const { madePerSecond, consumedPerSecond, waiting, dropped } = latest
      say(place('pipe-made'), count(madePerSecond))
      say(place('pipe-consumed'), count(consumedPerSecond))
      say(place('waiting'), `${count(waiting)} items`)
      say(place('credit'), count(credit))
      say(place('dropped'), count(dropped))
      say(place('server-memory'), bytes(resident))
      say(
        place('pipe-text'),
        `${count(waiting)} of ${PRODUCER_WINDOW} wait here${waiting < PRODUCER_WINDOW ? '' : ', no credit left'}`,
      )
      fill.style.transform = `scaleX(${Math.min(1, waiting / PRODUCER_WINDOW)})`
      const { text, mood } = isBroken ? BROKEN : verdict(recent, pace, isRunning)
      say(state, text)
      tone(state, mood)
    },
  }
}

/** What one sees, in a sentence. */
function verdict(
  recent: readonly FlowFigures[],
  pace: number,
  isRunning: boolean,
): { readonly text: string; readonly mood: string } {
  const said = (text: string, mood = 'plain') => ({ text, mood })
  if (!isRunning) return said('Stopped: the server makes nothing.')
  if (pace === Number.POSITIVE_INFINITY) return said('The page keeps up: nothing waits.')
  if (recent.every(({ waiting }) => waiting < PRODUCER_WINDOW / 2))
    return said('The page is slow: items begin to wait.')
  if (recent.some(({ dropped }) => dropped > 0)) {
    return said('The page is slow: the server drops what this policy may lose, and counts it.')
  }
  if (!recent.some(({ isWaiting }) => isWaiting)) return said('The page is slow, and not yet behind.')
  return said('The page is slow, so the server makes no more than it takes. Nothing is lost, nothing piles up.', 'good')
}
