/** The chapter on testing shows the spec that is run here, letter for letter, and all letters there are. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

const here = (path: string): URL => new URL(path, import.meta.url)
const readme = readFileSync(here('../../README.md'), 'utf8')
const chapter = readme.slice(readme.indexOf('## Testing'))
const lettersOf = (text: string): string[] => [...text.matchAll(/`(\w)`/g)].map(([, letter]) => letter!)

describe('the chapter on testing', () => {
  it('shows the example, which is under 25 lines', () => {
    const example = readFileSync(here('example.spec.ts'), 'utf8')
      .replace('../../lib/index.ts', 'razor-rx')
      .replace('../../lib/testing/index.ts', 'razor-rx/testing')
    assert.ok(chapter.includes(`\`\`\`ts\n${example}\`\`\``))
    assert.ok(example.trimEnd().split('\n').length < 25)
  })

  it('lists every fault', () => {
    const faults = readFileSync(here('../../lib/testing/faults.ts'), 'utf8')
    const [, letters = ''] = /export type FaultLetter = (.*)/.exec(faults) ?? []
    const rows = chapter.split('\n').filter(line => /^\| (`\w` ?)+\| [^|]+ \|$/.test(line))
    assert.deepEqual(
      rows.flatMap(lettersOf).sort(),
      [...letters.matchAll(/'(\w)'/g)].map(([, letter]) => letter).sort(),
    )
  })

  it('lists every letter of the wire', () => {
    const text = readFileSync(here('../../lib/testing/frame-text.ts'), 'utf8')
    const known = new Set([...text.matchAll(/kind: '(\w)'|: \['(\w)',/g)].map(([, kind, other]) => kind ?? other))
    const rows = chapter.split('\n').filter(line => line.startsWith('| ') && line.includes(' | | '))
    assert.deepEqual(new Set(rows.flatMap(lettersOf)), known)
  })
})
