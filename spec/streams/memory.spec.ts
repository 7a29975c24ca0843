/**
 * A consumer that is slow costs no memory, at either end: a million items to one that needs 10 ms for each of the first thousand.
 * `RAZOR_MEMORY_ITEMS` says how many.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startNode } from '../support/child.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import type { Memory } from './processes/numbers.ts'

const ITEMS = Number(process.env['RAZOR_MEMORY_ITEMS'] ?? 1_000_000)
const SLOW_ITEMS = 1_000
const MOST_GROWTH = 32 * 1024 * 1024
const root = fileURLToPath(new URL('../../', import.meta.url))
const script = (name: string): string => fileURLToPath(new URL(`processes/${name}.ts`, import.meta.url))

interface Report {
  readonly items: number
  readonly ordered: boolean
  readonly client: Memory
  readonly server: Memory
}

async function run(how: 'paced' | 'blocking'): Promise<Report> {
  const source = spawn(process.execPath, ['--import', 'tsx', script('source')], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    let out = ''
    let address: string | undefined
    for await (const text of source.stdout.setEncoding('utf8')) {
      out += String(text)
      address = /serving at (\S+)\n/.exec(out)?.[1]
      if (address !== undefined) break
    }
    const words = ['--import', 'tsx', script('consumer'), address!, how, String(ITEMS), String(SLOW_ITEMS)]
    const { code, out: said, err } = await startNode(root, ...words).ended
    assert.equal(code, 0, `${how}: ${err}`)
    return JSON.parse(said) as Report
  } finally {
    source.stdin.end()
    if (source.exitCode === null) await once(source, 'exit')
  }
}

it('keeps memory where it was, loses nothing and keeps the order for a consumer that is slow', {
  timeout: 180_000,
}, async () => {
  const reports = await Promise.all([run('paced'), run('blocking')])
  for (const [i, { items, ordered, client, server }] of reports.entries()) {
    const how = i === 0 ? 'with pacedMap' : 'blocking in next'
    assert.deepEqual([items, ordered], [ITEMS, true], how)
    for (const [who, { idle, most }] of Object.entries({ client, server })) {
      const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
      assert.ok(most - idle < MOST_GROWTH, `${how}, the ${who} grew from ${mib(idle)} to ${mib(most)}`)
    }
  }
  await expectNoLeaks()
})
