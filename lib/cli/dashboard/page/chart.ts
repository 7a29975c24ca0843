/**
 * A line chart: a legend with the latest values in text, and a plot that is drawn while it can be seen.
 */
import { asyncScheduler } from 'rxjs'
import uPlot from 'uplot'
import { made, say } from './elements.ts'
import type { TimeSeries } from './time-series.ts'

/** One line. */
export interface Line {
  readonly name: string
  /** A class of the page's style that gives the colour, in light and dark. */
  readonly colour: 'blue' | 'orange' | 'green'
  readonly isFilled?: boolean
}

/** What a chart shows. */
export interface ChartOptions {
  readonly title: string
  readonly lines: readonly Line[]
  /** Writes a value, for the axis and the legend. */
  readonly words: (value: number) => string
  /** Are these bytes? Then the axis has round numbers of them. */
  readonly isBytes?: boolean
  /** The least top of the scale. */
  readonly leastTop: number
}

/** A chart in a figure of the page. */
export class Chart {
  readonly #options: ChartOptions
  readonly #figure: HTMLElement
  readonly #place: HTMLElement
  readonly #latest: readonly HTMLElement[]
  readonly #keys: readonly HTMLElement[]
  readonly #probe: { readonly axis: HTMLElement; readonly grid: HTMLElement }
  #plot: uPlot | undefined

  constructor(figure: HTMLElement, options: ChartOptions) {
    this.#options = options
    this.#figure = figure
    this.#latest = options.lines.map(() => made('strong', {}, '–'))
    this.#keys = options.lines.map((line, n) =>
      made('span', { class: `key ${line.colour}` }, made('i'), made('span', {}, line.name), this.#latest[n]!),
    )
    this.#probe = { axis: made('i', { class: 'axis' }), grid: made('i', { class: 'grid' }) }
    const title = made('strong', {}, options.title)
    this.#place = made('div', { class: 'plot', role: 'img', 'aria-label': `${options.title}, over time` })
    const keys = options.lines.length > 1 ? this.#keys : this.#latest
    // The keys are there in any case: they know the colours.
    const hidden = made('span', { hidden: '' }, ...(options.lines.length > 1 ? [] : this.#keys))
    if (options.lines.length === 1) this.#keys[0]!.append(made('i'))
    figure.append(made('figcaption', {}, title, ...keys, hidden, this.#probe.axis, this.#probe.grid), this.#place)
    new ResizeObserver(() => this.#fit()).observe(this.#place)
  }

  /** Shows the last so many seconds of a series. */
  draw(series: TimeSeries, seconds: number): void {
    const { words } = this.#options
    const now = asyncScheduler.now()
    const columns = series.since(seconds, now)
    this.#latest.forEach((place, n) => {
      const latest = columns[n + 1]?.at(-1)
      say(place, latest == null ? '–' : words(latest))
    })
    this.#plot ??= this.#made()
    this.#plot.setData(columns as uPlot.AlignedData, false)
    this.#plot.setScale('x', { min: now / 1000 - seconds, max: now / 1000 })
    this.#describe()
  }

  /** Draws it anew in the colours of now. */
  recolour(): void {
    this.#plot?.destroy()
    this.#plot = undefined
  }

  #describe(): void {
    const { title, lines } = this.#options
    const text = lines.map((line, n) => `${line.name} ${this.#latest[n]!.textContent}`).join(', ')
    this.#place.setAttribute('aria-label', `${title}: ${text}`)
  }

  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#place
    if (width > 0 && height > 0) this.#plot?.setSize({ width, height })
  }

  #made(): uPlot {
    const { lines, words, leastTop, isBytes } = this.#options
    const colour = (probe: HTMLElement): string => getComputedStyle(probe).color
    const axis = colour(this.#probe.axis)
    const grid = { stroke: colour(this.#probe.grid), width: 1 }
    const font = `11px ${getComputedStyle(this.#figure).fontFamily}`
    const common = { stroke: axis, font, ticks: { show: false }, gap: 6 }
    const steps = isBytes === true ? { incrs: POWERS_OF_TWO } : {}
    const options: uPlot.Options = {
      width: Math.max(50, this.#place.clientWidth),
      height: Math.max(50, this.#place.clientHeight),
      padding: [6, 22, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: true, auto: false },
        y: { range: (_, __, most) => [0, Math.max(leastTop, (most ?? 0) * 1.08)] },
      },
      axes: [
        { ...common, grid: { show: false }, space: 70, size: 22, values: (_, splits) => splits.map(clock) },
        {
          ...common,
          grid,
          space: 34,
          size: 62,
          values: (_, splits) => splits.map(value => round(words(value))),
          ...steps,
        },
      ],
      series: [
        {},
        ...lines.map((line, n) => {
          const stroke = colour(this.#keys[n]!)
          const fill = line.isFilled === true ? { fill: faded(stroke) } : {}
          return { label: line.name, stroke, width: 1.75, points: { show: false }, ...fill }
        }),
      ],
    }
    return new uPlot(options, [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData, this.#place)
  }
}

/** Steps of an axis of bytes. */
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, n) => 2 ** n)

/** `64.0 MiB` is `64 MiB` on an axis. */
function round(text: string): string {
  return text.replace(/\.0+(?= )/, '')
}

/** `09:41`, with seconds where it is not a whole minute. */
function clock(seconds: number): string {
  const text = new Date(seconds * 1000).toLocaleTimeString('en-GB')
  return text.endsWith(':00') ? text.slice(0, -3) : text
}

function faded(colour: string): string {
  const [, numbers] = /^rgb\((.*)\)$/.exec(colour) ?? []
  return numbers === undefined ? 'transparent' : `rgba(${numbers}, 0.12)`
}
