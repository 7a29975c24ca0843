/**
 * From the results of the rounds to what is printed: medians, ratios taken within each round, tables, and the bars.
 */
import { COLUMNS } from './measures.mjs'

/** The middle value; the mean of the middle two for an even count. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function valueIn(round, system, column) {
  const result = round[system]?.[column.measure]
  return result && column.value(result)
}

/** Median, least and greatest of one column over the rounds; divided, in each round, by that of `against` where given. */
export function overRounds(rounds, system, column, against) {
  const values = []
  for (const round of rounds) {
    const own = valueIn(round, system, column)
    const base = against === undefined ? 1 : valueIn(round, against, column)
    if (own !== undefined && base !== undefined) values.push(own / base)
  }
  return values.length && { median: median(values), least: Math.min(...values), greatest: Math.max(...values) }
}

/** One row per system, and one per system and what it is held against. Plain data: it goes into the JSON as well. */
export function summarize(rounds, systems) {
  const row = (system, against) => ({
    system,
    ...(against && { against }),
    columns: Object.fromEntries(COLUMNS.map(c => [c.name, overRounds(rounds, system, c, against) || null])),
  })
  const names = systems.map(s => s.name)
  const ratios = systems.flatMap(s => s.against.filter(a => names.includes(a)).map(a => row(s.name, a)))
  return { values: names.map(name => row(name)), ratios }
}

/** The two tables as text. */
export function tables({ values, ratios }) {
  const shown = COLUMNS.filter(c => values.some(row => row.columns[c.name]))
  const head = shown.map(c => c.name)
  const lines = table('median', head, values, row => shown.map(c => number(row.columns[c.name]?.median, c.digits)))
  if (ratios.length === 0) return lines
  const cell = r => (r ? `${number(r.median, 2)} (${number(r.least, 2)}-${number(r.greatest, 2)})` : '-')
  return [...lines, '', ...table('ratio', head, ratios, row => shown.map(c => cell(row.columns[c.name])))]
}

function number(value, digits) {
  if (value === undefined) return '-'
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function table(title, head, rows, cells) {
  const label = row => (row.against ? `${row.system} / ${row.against}` : row.system)
  const grid = [[title, ...head], ...rows.map(row => [label(row), ...cells(row)])]
  const widths = grid[0].map((_, i) => Math.max(...grid.map(line => line[i].length)))
  const write = line => line.map((text, i) => (i ? text.padStart(widths[i]) : text.padEnd(widths[i]))).join('  ')
  return grid.map(write)
}

/** One line per bar, and whether all that were measured hold. Nothing measured at all is a failure, not a pass. */
export function checkBars(bars, rounds) {
  let measured = 0
  let failed = 0
  const lines = bars.map(({ system, against, column, atLeast, atMost }) => {
    const name = `${system} / ${against}, ${column}`
    const found = COLUMNS.find(c => c.name === column)
    if (!found) throw new Error(`a bar names the column ${column}, which measures.mjs does not have`)
    const ratio = overRounds(rounds, system, found, against)
    if (!ratio) return `not measured  ${name}`
    measured++
    const holds = atLeast === undefined ? ratio.median <= atMost : ratio.median >= atLeast
    if (!holds) failed++
    const bar = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
    return `${holds ? 'holds       ' : 'MISSED      '}  ${name}: ${number(ratio.median, 2)}, ${bar}`
  })
  return { lines, ok: measured > 0 && failed === 0 }
}
