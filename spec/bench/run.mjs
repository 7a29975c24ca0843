/**
 * The benchmark: `npm run bench -- [options]`. Systems are measured in turns within one run, client and server in processes of
 * their own on loopback, and compared round by round: on a noisy machine only the ratios mean something.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { BARS } from './bars.mjs'
import { machine, machineLines } from './machine.mjs'
import { MEASURES } from './measures.mjs'
import { checkBars, summarize, tables } from './report.mjs'
import { runRound } from './round.mjs'
import { SYSTEMS } from './systems.mjs'

const HELP = `npm run bench -- [options]
  --rounds N      rounds; the medians are taken over them (default 5)
  --seconds S     length of one measurement (default 1)
  --only A,B      only systems and measures whose name contains one of the words, as in: --only ws,unary
                  systems: ${SYSTEMS.map(s => s.name).join(', ')}
                  measures: ${MEASURES.map(m => m.name).join(', ')}
  --pin S[:C]     server on core(s) S, client on C, both on S without C (Linux, taskset); p50 means little without it
  --json FILE     every result of every round as JSON
  --check         exit with 1 where a bar of bars.mjs is missed`

function readOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      only: { type: 'string' },
      pin: { type: 'string' },
      json: { type: 'string' },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const rounds = Number(values.rounds)
  const seconds = Number(values.seconds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${values.rounds} is not a whole number above 0`)
  if (!(seconds > 0 && seconds <= 600)) throw new Error(`--seconds ${values.seconds} is not between 0 and 600`)
  const [server, client = server] = values.pin?.split(':') ?? []
  return { ...values, rounds, seconds, pin: { server, client }, ...choose(values.only) }
}

/** Words that name no system leave all systems in, and words that name no measure all measures. */
function choose(only) {
  const words = only?.split(',').map(word => word.trim()) ?? []
  const pick = list => {
    const picked = list.filter(({ name }) => words.some(word => name.includes(word)))
    return picked.length > 0 ? picked : list
  }
  for (const word of words) {
    const known = [...SYSTEMS, ...MEASURES].some(({ name }) => word !== '' && name.includes(word))
    if (!known) throw new Error(`--only: no system or measure has "${word}" in its name`)
  }
  return { systems: pick(SYSTEMS), measures: pick(MEASURES) }
}

async function main() {
  const options = readOptions()
  if (options.help) return console.log(HELP)
  const { systems, measures, seconds, pin } = options
  const info = machine()
  for (const line of machineLines(info)) console.log(line)
  const pinned = pin.server === undefined ? '' : `, server on ${pin.server}, client on ${pin.client}`
  console.log(`rounds: ${options.rounds}, ${seconds} s a measurement${pinned}\n`)

  const rounds = []
  for (let index = 0; index < options.rounds; index++) {
    const onProgress = what => showProgress(`round ${index + 1} of ${options.rounds}: ${what}`)
    rounds.push(await runRound({ index, systems, measures, seconds, pin, onProgress }))
  }
  showProgress('')

  const summary = summarize(rounds, systems)
  for (const line of tables(summary)) console.log(line)
  const bars = options.check ? checkBars(BARS, rounds) : undefined
  for (const line of bars ? ['', ...bars.lines] : []) console.log(line)
  if (options.json) {
    const settings = { rounds: options.rounds, seconds, pin }
    await writeFile(options.json, `${JSON.stringify({ machine: info, settings, summary, rounds }, undefined, 1)}\n`)
  }
  if (bars && !bars.ok) process.exitCode = 1
}

function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

try {
  await main()
} catch (error) {
  console.error(`bench: ${error.message}`)
  process.exitCode = 1
}
