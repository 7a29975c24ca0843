/**
 * The panel of the slow consumer: a producer on the server, this page as its consumer, and what is between them.
 */
import {
  asyncScheduler,
  BehaviorSubject,
  combineLatest,
  EMPTY,
  fromEvent,
  map,
  merge,
  type Observable,
  Subscription,
  startWith,
  switchMap,
  tap,
} from 'rxjs'
import { Gap } from '../../../flow/resubscribe.ts'
import { Demo } from '../contract.ts'
import { brakeView } from './brake-view.ts'
import { Chart } from './chart.ts'
import { element, say } from './elements.ts'
import { goesOn, type Shared } from './shared.ts'
import { type Consumption, slowly } from './slow-consumer.ts'
import { TimeSeries } from './time-series.ts'
import { bytes, count } from './words.ts'

/** What the producer would make, a second. */
const PER_SECOND = 2_000
/** Shown, at four points a second. */
const SHOWN_SECONDS = 60

type Policy = 'pausing' | 'latest' | 'conflated' | 'dropping'

/** Brings the panel to life. */
export function brakePanel(shared: Shared): Subscription {
  const { client, figures$, ticks$, looks$, failed } = shared
  const demo = client.use(Demo)
  const all = new Subscription()
  const isRunning$ = new BehaviorSubject(true)
  const consumption$ = new BehaviorSubject<Consumption>({ received: 0, consumed: 0 })
  const view = brakeView()
  const rates = new TimeSeries(2, SHOWN_SECONDS * 5)
  const memory = new TimeSeries(1, SHOWN_SECONDS * 5)
  const charts = [
    new Chart(element('brake-chart'), {
      title: 'Items a second',
      lines: [
        { name: 'made', colour: 'blue' },
        { name: 'consumed', colour: 'orange' },
      ],
      words: count,
      leastTop: 100,
    }),
    new Chart(element('memory-chart'), {
      title: 'Memory of the server process',
      lines: [{ name: 'resident', colour: 'green', isFilled: true }],
      words: bytes,
      isBytes: true,
      leastTop: 64 * 1024 * 1024,
    }),
  ] as const

  const recolour = (): void => {
    for (const chart of charts) chart.recolour()
  }
  const pace$ = paceOf(all, failed)
  const policy$ = policyOf()
  all.add(
    combineLatest([isRunning$, policy$])
      .pipe(
        switchMap(([isRunning, policy]) => {
          consumption$.next({ received: 0, consumed: 0 })
          view.restart()
          if (!isRunning) return EMPTY
          return demo[policy]({ perSecond: PER_SECOND }).pipe(goesOn, slowly(pace$, asyncScheduler))
        }),
      )
      .subscribe({ next: consumption => consumption$.next(consumption), error: failed }),
  )
  const run = element('brake-run', HTMLButtonElement)
  all.add(
    fromEvent(run, 'click').subscribe({
      next: () => {
        isRunning$.next(!isRunning$.value)
        say(run, isRunning$.value ? 'Stop' : 'Start')
      },
      error: failed,
    }),
  )
  all.add(
    figures$.subscribe({
      next: figures => {
        if (Gap.is(figures)) {
          view.broken()
          rates.gap(asyncScheduler.now())
          return
        }
        const numbers = view.take(figures, consumption$.value, client.stats().credit)
        rates.push(figures.at, numbers.madePerSecond, numbers.consumedPerSecond)
        memory.push(figures.at, figures.residentBytes)
      },
      error: failed,
    }),
  )
  all.add(
    merge(ticks$, looks$.pipe(tap(() => recolour()))).subscribe({
      next: () => {
        view.show(pace$.value, isRunning$.value)
        charts[0].draw(rates, SHOWN_SECONDS)
        charts[1].draw(memory, SHOWN_SECONDS)
      },
      error: failed,
    }),
  )
  return all
}

/** Items a second that the page consumes: `Infinity` where it does not hold back. */
function paceOf(all: Subscription, failed: (error: unknown) => void): BehaviorSubject<number> {
  const pace$ = new BehaviorSubject(Number.POSITIVE_INFINITY)
  const slide = element('pace-rate', HTMLInputElement)
  const text = element('pace-rate-text')
  const radios = [...document.querySelectorAll<HTMLInputElement>('input[name="pace"]')]
  const changes$: Observable<unknown> = merge(...[slide, ...radios].map(input => fromEvent(input, 'input')))
  all.add(
    changes$.pipe(startWith(undefined)).subscribe({
      next: () => {
        const isSlow = radios.some(({ checked, value }) => checked && value === 'slow')
        // From 1 to 10,000, by even factors.
        const perSecond = Math.round(10 ** (Number(slide.value) / 25))
        say(text, `${count(perSecond)} a second`)
        pace$.next(isSlow ? perSecond : Number.POSITIVE_INFINITY)
      },
      error: failed,
    }),
  )
  return pace$
}

function policyOf(): Observable<Policy> {
  const select = element('policy', HTMLSelectElement)
  return fromEvent(select, 'change').pipe(
    startWith(undefined),
    map(() => select.value as Policy),
  )
}
