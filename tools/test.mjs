/**
 * `npm test`: everything that can be checked, in an order that fails early. `npm test -- --only GROUP` runs one part, or several
 * with commas. Where nothing may be skipped (`CI` or `RAZOR_NO_SKIP` is set) a skipped spec is a failure.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

const TSC = 'node_modules/typescript/bin/tsc'
const TYPEDOC = 'tools/reference/node_modules/typedoc/bin/typedoc'
const NO_SKIPS = Boolean(process.env.CI || process.env.RAZOR_NO_SKIP)
/** Where V8 leaves what ran, for the coverage report. */
const COVERAGE = resolve('coverage/tmp')
/** A group that runs this long hangs. */
const MOST_MS = 15 * 60_000
/** A file of specs that runs this long hangs: a spec that failed may leave a server open. */
const MOST_MS_OF_A_FILE = 4 * 60_000

/** Groups of commands: each a title and arguments for Node. */
const COMMANDS = {
  style: [['biome', 'node_modules/@biomejs/biome/bin/biome', 'check', '.']],
  types: [
    ['the browser-safe part', TSC, '-p', 'tsconfig.json', '--noEmit'],
    ['all of lib', TSC, '-p', 'tsconfig.node.json', '--noEmit'],
    ['specs and type specs', TSC, '-p', 'tsconfig.types.json'],
    ['what the front ends need', 'tools/nested.mjs', 'demo/front-ends'],
    ['the front ends', TSC, '-p', 'demo/front-ends/tsconfig.json'],
  ],
  docs: [
    ['links', 'tools/links.mjs'],
    ['what the reference needs', 'tools/nested.mjs', 'tools/reference'],
    ['the reference of every export', TYPEDOC, '--options', 'tools/reference'],
  ],
  build: [['dist', 'tools/build.mjs']],
  package: [
    ['for browsers', 'tools/browser.mjs'],
    ['for those who install it', 'tools/consumers.mjs'],
  ],
}

/**
 * Groups of specs: their places under spec/, how many files at a time, whether they count for coverage. `unit` has all places
 * that no other group names. Specs that measure memory, or share one compiler of another language, run alone.
 */
const SPECS = {
  unit: { places: [], atOnce: 2, covers: true },
  e2e: { places: ['e2e/'], atOnce: 2, covers: true },
  hostile: { places: ['hostile/'], atOnce: 1, covers: false },
  streams: { places: ['streams/'], atOnce: 1, covers: false },
  faults: { places: ['faults/'], atOnce: 1, covers: false },
  interop: { places: ['interop/'], atOnce: 1, covers: false },
  cli: { places: ['cli/', 'demo', 'readme', 'docs'], atOnce: 1, covers: false },
  browser: { places: ['browser/'], atOnce: 1, covers: false },
}

/** The least that unit and e2e specs must cover. */
const COVERED = ['--lines', '85', '--branches', '80', '--functions', '80']

const GROUPS = [...Object.keys(COMMANDS), ...Object.keys(SPECS), 'coverage']
const sum = { passed: 0, failed: 0, skipped: 0 }
const failures = []

/** Runs Node and shows what it says. Gives the exit code and the last line. */
function node(args, env = {}) {
  return new Promise(done => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    const hanging = setTimeout(() => {
      console.log(`  stopped after ${MOST_MS / 60_000} minutes`)
      child.kill('SIGKILL')
    }, MOST_MS)
    let end = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      process.stdout.write(text)
      end = (end + text).slice(-1000)
    })
    child.on('close', code => {
      clearTimeout(hanging)
      done({ code, last: end.trimEnd().split('\n').at(-1) })
    })
  })
}

async function commands(group) {
  for (const [title, ...args] of COMMANDS[group]) {
    console.log(`- ${title}`)
    const { code } = await node(args)
    if (code !== 0) failures.push(`${group} (${title})`)
  }
}

function specFiles(group) {
  const { places } = SPECS[group]
  const others = Object.values(SPECS).flatMap(spec => spec.places)
  return readdirSync('spec', { recursive: true, encoding: 'utf8' })
    .map(path => path.replaceAll(sep, '/'))
    .filter(path => path.endsWith('.spec.ts') && !path.includes('/target/'))
    .filter(path =>
      group === 'unit' ? !others.some(at => path.startsWith(at)) : places.some(at => path.startsWith(at)),
    )
    .sort()
    .map(path => join('spec', path))
}

async function specs(group) {
  const files = specFiles(group)
  if (files.length === 0) {
    console.log('  no specs')
    return
  }
  const { atOnce, covers } = SPECS[group]
  const reporter = pathToFileURL(resolve('tools/reporter.mjs')).href
  const how = [
    '--test',
    `--test-concurrency=${atOnce}`,
    `--test-timeout=${MOST_MS_OF_A_FILE}`,
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
  ]
  const env = covers && chosen.includes('coverage') ? { NODE_V8_COVERAGE: COVERAGE } : {}
  const { code, last } = await node(['--import', 'tsx', ...how, ...files], env)
  const [, passed, failed, skipped] = /passed (\d+), failed (\d+), skipped (\d+)$/.exec(last) ?? []
  sum.passed += Number(passed ?? 0)
  sum.failed += Number(failed ?? 1)
  sum.skipped += Number(skipped ?? 0)
  if (code !== 0 || failed !== '0') failures.push(group)
  else if (NO_SKIPS && skipped !== '0') failures.push(`${group} (${skipped} skipped where nothing may be)`)
}

async function coverage() {
  if (!existsSync(COVERAGE)) {
    console.log('  nothing ran that counts')
    return
  }
  const whole = Object.keys(SPECS).every(group => !SPECS[group].covers || chosen.includes(group))
  const what = ['--include', 'lib/**', '--exclude', 'lib/cli/**', '--exclude-after-remap']
  if (whole) what.push('--check-coverage', ...COVERED)
  const where = [
    '--temp-directory',
    COVERAGE,
    '--reports-dir',
    'coverage',
    '--reporter',
    'text-summary',
    '--reporter',
    'lcovonly',
  ]
  const { code } = await node(['node_modules/c8/bin/c8.js', 'report', ...where, ...what])
  if (code !== 0) failures.push('coverage')
}

function chosenGroups() {
  const [word, list, ...more] = process.argv.slice(2)
  if (word === undefined) return GROUPS
  const groups = list?.split(',') ?? []
  if (word === '--only' && more.length === 0 && groups.length > 0 && groups.every(group => GROUPS.includes(group))) {
    return groups
  }
  console.error(`usage: npm test [-- --only GROUP[,GROUP]...], with groups ${GROUPS.join(' ')}`)
  process.exit(2)
}

const chosen = chosenGroups()
if (chosen.includes('coverage')) rmSync('coverage', { recursive: true, force: true })
const started = performance.now()
for (const group of GROUPS) {
  if (!chosen.includes(group)) continue
  const from = performance.now()
  console.log(`\n== ${group}`)
  if (group in COMMANDS) await commands(group)
  else if (group in SPECS) await specs(group)
  else await coverage()
  console.log(`== ${group}: ${((performance.now() - from) / 1000).toFixed(1)} s`)
}

console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s in all`)
for (const failure of failures) console.log(`failed: ${failure}`)
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = failures.length === 0 ? 0 : 1
