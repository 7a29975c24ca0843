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

const UNCONNECTED = { text: 'No connection: the flow goes on as soon as there is one.', mood: 'plain' }

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
  /** Nothing is known without a connection. */
  let latest: (FlowFigures & { readonly credit: number; readonly resident: number }) | undefined
  return {
    restart: () => {
      flow.restart()
      recent.length = 0
    },
    broken: () => {
      latest = undefined
      recent.length = 0
      flow.restart()
    },
    take: (figures, consumption, credit) => {
      const { made, dropped, waiting } = figures.producers
      const flowing = flow.take({ at: figures.at, made, dropped, isWaiting: waiting > 0, consumption })
      recent.push(flowing)
      if (recent.length > REMEMBERED) recent.shift()
      const second = recent.slice(-LEVELLED)
      const level = (of: (each: FlowFigures) => number): number =>
        second.reduce((sum, each) => sum + of(each), 0) / second.length
      latest = {
        ...flowing,
        madePerSecond: level(each => each.madePerSecond),
        consumedPerSecond: level(each => each.consumedPerSecond),
        credit,
        resident: figures.residentBytes,
      }
      return latest
    },
    show: (pace, isRunning) => {
      const known = latest
      const number = (id: string, words: (each: NonNullable<typeof latest>) => string): void =>
        say(place(id), known === undefined ? '–' : words(known))
      number('pipe-made', each => count(each.madePerSecond))
      number('pipe-consumed', each => count(each.consumedPerSecond))
      number('waiting', each => `${count(each.waiting)} items`)
      number('credit', each => count(each.credit))
      number('dropped', each => count(each.dropped))
      number('server-memory', each => bytes(each.resident))
      const waiting = known?.waiting ?? 0
      say(
        place('pipe-text'),
        `${count(waiting)} of ${PRODUCER_WINDOW} wait here${waiting < PRODUCER_WINDOW ? '' : ', no credit left'}`,
      )
      fill.style.transform = `scaleX(${Math.min(1, waiting / PRODUCER_WINDOW)})`
      const { text, mood } = known === undefined ? UNCONNECTED : verdict(recent, pace, isRunning)
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
