/**
 * The panel of unary calls: so many a second, and how long they take.
 */
import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  endWith,
  fromEvent,
  ignoreElements,
  last,
  map,
  merge,
  mergeMap,
  type Observable,
  range,
  Subscription,
  startWith,
  switchMap,
  tap,
} from 'rxjs'
import { RpcError } from '../../../error.ts'
import { CalculatorService } from '../../services/calculator-contract.ts'
import { Chart } from './chart.ts'
import { dueCalls } from './due-calls.ts'
import { element, say } from './elements.ts'
import { Latencies } from './latencies.ts'
import type { Shared } from './shared.ts'
import { TimeSeries } from './time-series.ts'
import { count, milliseconds } from './words.ts'

/** Calls whose durations count. */
const LATEST = 1_000
const SHOWN_SECONDS = 60
/** Calls of a burst that are under way at once: those beyond what the server grants wait in the client. */
const BURST = 1_000

/** Brings the panel to life. */
export function callsPanel({ client, ticks$, looks$, failed }: Shared): Subscription {
  const calculator = client.use(CalculatorService)
  const latencies = new Latencies(LATEST)
  const series = new TimeSeries(2, SHOWN_SECONDS * 5)
  const chart = new Chart(element('calls-chart'), {
    title: 'Time a call takes',
    lines: [
      { name: 'median', colour: 'blue' },
      { name: 'p99', colour: 'orange' },
    ],
    words: milliseconds,
    leastTop: 2,
  })
  const place = element('failed')
  let failures = 0
  const call$ = defer(() => {
    const began = performance.now()
    return calculator.add([1, 2]).pipe(
      tap(() => latencies.add(performance.now() - began)),
      catchError((error: unknown) => {
        failures++
        say(place, count(failures))
        place.title = `the last one with ${RpcError.from(error).code}`
        return EMPTY
      }),
    )
  })
  const slide = element('calls-rate', HTMLInputElement)
  const perSecond$ = fromEvent(slide, 'input').pipe(
    startWith(undefined),
    map(() => Number(slide.value)),
    tap(perSecond => say(element('calls-rate-text'), count(perSecond))),
  )
  const all = new Subscription()
  all.add(
    dueCalls(perSecond$)
      .pipe(mergeMap(due => range(0, due).pipe(mergeMap(() => call$))))
      .subscribe({ error: failed }),
  )
  all.add(bursts(call$).subscribe({ next: text => say(element('burst-text'), text), error: failed }))
  all.add(
    merge(ticks$, looks$.pipe(tap(() => chart.recolour()))).subscribe({
      next: () => {
        const found = latencies.percentiles()
        for (const name of ['p50', 'p90', 'p99'] as const) {
          say(element(name), found === undefined ? '–' : milliseconds(found[name]))
        }
        if (found !== undefined) series.push(asyncScheduler.now(), found.p50, found.p99)
        chart.draw(series, SHOWN_SECONDS)
      },
      error: failed,
    }),
  )
  return all
}

/** A burst for each click: what became of it, in words. */
function bursts(call$: Observable<unknown>): Observable<string> {
  return fromEvent(element('burst'), 'click').pipe(
    switchMap(() => {
      const began = performance.now()
      let answered = 0
      return range(0, BURST).pipe(
        mergeMap(() => call$),
        tap(() => answered++),
        ignoreElements(),
        endWith(undefined),
        last(),
        map(() => {
          const took = milliseconds(performance.now() - began)
          return `${count(answered)} of ${count(BURST)} calls at once, answered within ${took}.`
        }),
        startWith('Calling.'),
      )
    }),
  )
}
