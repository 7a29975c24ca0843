/**
 * A reporter of node:test that says only what someone has to read: failures in full, skips with their reason, what a spec file
 * printed, and at the end how many there were. Its last line is read by tools/test.mjs.
 */
import { relative } from 'node:path'
import { inspect } from 'node:util'

/** The counts that node:test gives at the end, each as a diagnostic such as `pass 12`. Its count of skips leaves suites out. */
const COUNT = /^(pass|fail|cancelled) (\d+)$/

export default async function* report(events) {
  const counts = { pass: 0, fail: 0, cancelled: 0 }
  let skipped = 0
  /** The names of the suites and tests that are open: files report one after another. */
  let way = []
  let slowest = { name: 'none', ms: 0 }
  for await (const { type, data } of events) {
    const place = data?.file === undefined ? '' : relative('.', data.file)
    if (type === 'test:start') {
      way = [...way.slice(0, data.nesting), data.name]
    } else if (type === 'test:pass' || type === 'test:fail') {
      const name = `${place}: ${[...way.slice(0, data.nesting), data.name].join(' > ')}`
      const { duration_ms: ms, error, type: kind } = data.details
      if (kind !== 'suite' && data.nesting > 0 && ms > slowest.ms) slowest = { name, ms }
      const [mark, given] = isGiven(data.skip) ? ['skipped', data.skip] : ['todo', data.todo]
      if (isGiven(given)) {
        skipped++
        yield `  ${mark} ${name}${typeof given === 'string' && given !== '' ? `: ${given}` : ''}\n`
      } else if (type === 'test:fail' && error?.failureType !== 'subtestsFailed') {
        yield `  FAILED ${name}\n${indented(inspect(error?.cause ?? error, { depth: 6 }))}\n`
      }
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield indented(data.message.trimEnd(), '  | ')
    } else if (type === 'test:diagnostic' && data.nesting === 0) {
      const [, name, count] = COUNT.exec(data.message) ?? []
      if (name !== undefined) counts[name] = Number(count)
    }
  }
  if (slowest.ms > 0) yield `  slowest: ${slowest.name} (${(slowest.ms / 1000).toFixed(1)} s)\n`
  const { pass, fail, cancelled } = counts
  yield `  passed ${pass}, failed ${fail + cancelled}, skipped ${skipped}\n`
}

/** `skip` and `todo` are a reason, or just `true`; an empty reason is one, too. */
function isGiven(reason) {
  return reason !== undefined && reason !== false
}

function indented(text, margin = '    ') {
  return `${text.replace(/^/gm, margin)}\n`
}
