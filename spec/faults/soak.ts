/**
 * The matrix of faults for a long time: round after round, each with another seed. `npm run soak -- [--minutes 60] [--seed 1]
 * [--ms 3000] [--only TEXT]`: for how long, the first seed, how long calls are made in each place, and which places by a part of
 * their name. Prints the table every ten minutes and at the end, and what was wrong at once, with the seed that repeats it. Ends with 1
 * where something was.
 */
import { parseArgs } from 'node:util'
import { CELLS, wrongs } from '../support/chaos/cells.ts'
import { type Outcome, table, total } from '../support/chaos/table.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { liveBytes } from '../support/memory-use.ts'

/** An hour's growth that is not worth a word: code that is compiled, and caches that fill. */
const MOST_GROWTH_BYTES = 32 * 1024 * 1024
const TABLE_EVERY_MS = 10 * 60_000
/** The table goes on with that many findings, so that a broken build does not fill the memory. */
const MOST_FINDINGS = 100

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    ms: { type: 'string', default: '3000' },
    only: { type: 'string', default: '' },
  },
})
const [minutes, firstSeed, durationMs] = [values.minutes, values.seed, values.ms].map(Number) as [
  number,
  number,
  number,
]
const cells = CELLS.filter(({ name }) => name.includes(values.only))
if (!(minutes > 0 && durationMs > 0 && Number.isInteger(firstSeed)) || cells.length === 0) {
  console.error(`usage: npm run soak -- [--minutes N] [--seed N] [--ms N] [--only TEXT], where TEXT is in one of:`)
  for (const { name } of CELLS) console.error(`  ${name}`)
  process.exit(2)
}

/** By their name, all rounds as one. */
const sums = new Map<string, Outcome>()
const wrong: string[] = []
const complain = (text: string): void => {
  if (wrong.length < MOST_FINDINGS) wrong.push(text)
  process.exitCode = 1
  console.error(text)
}

function add(outcome: Outcome): void {
  const { name } = outcome
  const before = sums.get(name)
  const sum = before === undefined ? outcome : total([before, outcome])
  const findings = sum.joined.findings.slice(0, MOST_FINDINGS)
  sums.set(name, { ...sum, name, seed: firstSeed, joined: { ...sum.joined, findings } })
}

const began = performance.now()
const until = began + minutes * 60_000
let shownAt = began
let level: number | undefined
let seed = firstSeed
for (; performance.now() < until; seed++) {
  for (const cell of cells) {
    if (performance.now() >= until) break
    try {
      const outcomes = await cell.run(seed, durationMs)
      for (const outcome of outcomes) add(outcome)
      for (const text of wrongs(cell, outcomes)) complain(text)
      await expectNoLeaks()
    } catch (error) {
      complain(`${cell.name}, seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`)
    }
    if (performance.now() - shownAt < TABLE_EVERY_MS) continue
    shownAt = performance.now()
    console.log(`\n${table([...sums.values()])}`)
  }
  // After the first round, which compiles.
  level ??= liveBytes()
}
const growth = liveBytes() - (level ?? 0)
console.log(`\n${table([...sums.values()])}\n`)
console.log(
  `seeds ${firstSeed} to ${seed - 1}, ${((performance.now() - began) / 60_000).toFixed(1)} minutes, ${growth} bytes more than after the first round`,
)
if (growth > MOST_GROWTH_BYTES) complain(`memory grew by ${growth} bytes`)
for (const text of wrong) console.log(`WRONG ${text}`)
