/**
 * The panel of the machine: processors, memory, network and disks, an hour of them at most.
 */
import {
  asyncScheduler,
  fromEvent,
  map,
  merge,
  type Observable,
  Subscription,
  startWith,
  tap,
  withLatestFrom,
} from 'rxjs'
import { Gap } from '../../../flow/resubscribe.ts'
import type { Sample } from '../../services/host-contract.ts'
import { Chart } from './chart.ts'
import { element, made, say } from './elements.ts'
import { TimeSeries } from './time-series.ts'
import { bytes, bytesPerSecond, percent } from './words.ts'

/** Points that are kept: an hour of them, one a second. */
export const KEPT = 3_600

/** What the panel needs. */
export interface MachineSources {
  readonly samples$: Observable<Sample | Gap>
  readonly ticks$: Observable<unknown>
  readonly looks$: Observable<void>
  failed(error: unknown): void
}

const SERIES = ['cpu', 'ram', 'network', 'disk'] as const

/** Brings the panel to life. */
export function machinePanel({ samples$, ticks$, looks$, failed }: MachineSources): Subscription {
  const series = {
    cpu: new TimeSeries(1, KEPT),
    ram: new TimeSeries(1, KEPT),
    network: new TimeSeries(2, KEPT),
    disk: new TimeSeries(2, KEPT),
  }
  const charts = chartsOfMachine()
  const cores = element('cores')
  const all = new Subscription()
  let isNew = true
  all.add(
    samples$.subscribe({
      next: sample => {
        isNew = true
        if (Gap.is(sample)) {
          for (const name of SERIES) series[name].gap(asyncScheduler.now())
          return
        }
        const { at, load, memory, network, disk } = sample
        series.cpu.push(at, load.percent)
        series.ram.push(at, memory.activeBytes)
        series.network.push(at, sum(network, 'receivedBytesPerSecond'), sum(network, 'sentBytesPerSecond'))
        series.disk.push(at, disk?.readBytesPerSecond, disk?.writtenBytesPerSecond)
        if (document.visibilityState === 'visible') showCores(cores, load.corePercents)
      },
      error: failed,
    }),
  )
  const select = element('span', HTMLSelectElement)
  const span$ = fromEvent(select, 'change').pipe(
    startWith(undefined),
    map(() => Number(select.value)),
  )
  const redraw = (): void => {
    isNew = true
  }
  const recolour = (): void => {
    redraw()
    for (const name of SERIES) charts[name].recolour()
  }
  all.add(
    merge(ticks$, looks$.pipe(tap(recolour)), span$.pipe(tap(redraw)))
      .pipe(withLatestFrom(span$))
      .subscribe({
        next: ([, seconds]) => {
          if (!isNew) return
          isNew = false
          for (const name of SERIES) charts[name].draw(series[name], seconds)
        },
        error: failed,
      }),
  )
  return all
}

function chartsOfMachine(): Record<(typeof SERIES)[number], Chart> {
  const filled = { colour: 'blue', isFilled: true } as const
  return {
    cpu: new Chart(element('cpu-chart'), {
      title: 'Processors',
      lines: [{ name: 'busy', ...filled }],
      words: percent,
      leastTop: 100,
    }),
    ram: new Chart(element('ram-chart'), {
      title: 'Memory in use',
      lines: [{ name: 'in use', colour: 'green', isFilled: true }],
      words: bytes,
      isBytes: true,
      leastTop: 512 * 1024 * 1024,
    }),
    network: ratesChart('network-chart', 'Network', 'in', 'out'),
    disk: ratesChart('disk-chart', 'Disks', 'read', 'written'),
  }
}

/** Bytes a second, both ways. */
function ratesChart(id: string, title: string, one: string, other: string): Chart {
  return new Chart(element(id), {
    title,
    lines: [
      { name: one, colour: 'blue' },
      { name: other, colour: 'orange' },
    ],
    words: bytesPerSecond,
    isBytes: true,
    leastTop: 10 * 1024,
  })
}

function sum(network: Sample['network'], of: 'receivedBytesPerSecond' | 'sentBytesPerSecond'): number | undefined {
  const known = network.flatMap(each => each[of] ?? [])
  return known.length === 0 ? undefined : known.reduce((all, each) => all + each, 0)
}

/** A bar for each processor. */
function showCores(place: HTMLElement, percents: readonly number[]): void {
  while (place.children.length > percents.length) place.lastElementChild!.remove()
  percents.forEach((busy, n) => {
    place.children[n] ?? place.append(core(n))
    const [, bar, text] = place.children[n]!.children as unknown as HTMLElement[]
    ;(bar!.firstElementChild as HTMLElement).style.transform = `scaleX(${busy / 100})`
    say(text!, percent(busy))
  })
}

function core(n: number): HTMLElement {
  return made('li', {}, made('span', {}, `CPU ${n}`), made('span', { class: 'bar' }, made('i')), made('b'))
}
