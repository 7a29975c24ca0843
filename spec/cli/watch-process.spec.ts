/** `razor watch` as a process: Ctrl-C, readers that do not read, readers that go. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { concatMap, filter, firstValueFrom, from, interval, map, pairwise, scan } from 'rxjs'
import { type Client, connect } from '../../lib/node/index.ts'
import { type Child, startNode } from '../support/child.ts'

const folder = fileURLToPath(new URL('../../', import.meta.url))
const RAZOR = ['--import', 'tsx', 'lib/cli/main.ts']
const MIB = 1024 * 1024

let server: Child
let url = ''
let client: Client

before(async () => {
  const module = fileURLToPath(new URL('./fixture-streams.ts', import.meta.url))
  server = startNode(folder, ...RAZOR, 'serve', '--listen', 'tcp://127.0.0.1:0', '--module', module)
  url = (await server.until(/^listening at (\S+)\n[^$]*Ctrl-C/))[1]!
  client = connect(url)
})
after(async () => {
  await client.close()
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
})

/** A watch whose output nobody reads before the spec does. */
function watch(
  t: TestContext,
  ...words: string[]
): { child: ChildProcess; ended: Promise<unknown[]>; err: () => string } {
  const child = spawn(process.execPath, [...RAZOR, 'watch', url, ...words], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  return { child, ended: once(child, 'exit'), err: () => err }
}

async function sums(): Promise<{ given: number; running: number }> {
  return (await firstValueFrom(client.call({ action: 'Streams.sum' }))).value as { given: number; running: number }
}
const idle = () => firstValueFrom(client.call({ action: 'Streams.idle' }))

/** Resolves when the handler has begun, and then has given nothing for half a second: a flood that is not held never stops. */
function held(given: number): Promise<number> {
  const same$ = interval(100).pipe(
    concatMap(() => from(sums())),
    pairwise(),
    scan((times, [a, b]) => (a.given === b.given && b.given > given ? times + 1 : 0), 0),
  )
  return firstValueFrom(
    same$.pipe(
      filter(times => times === 5),
      concatMap(sums),
      map(sum => sum.given - given),
    ),
  )
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

const skip = existsSync('/proc/self/status') ? false : 'needs /proc'

describe('the razor watch process', () => {
  it('ends at Ctrl-C with 0 and without a word, and tears the handler down', async () => {
    const child = startNode(folder, ...RAZOR, 'watch', url, 'Streams.numbers', '--window', '4')
    await child.until(/\n100\n/)
    child.signal('SIGINT')
    const { code, out, err } = await child.ended
    assert.equal(code, 0)
    assert.equal(err, '')
    assert.match(out, /^0\n1\n2\n/)
    await idle()
  })

  it('holds the handler, and its memory, while nobody reads; goes on when somebody does', {
    skip,
    timeout: 60_000,
  }, async t => {
    const before = (await sums()).given
    const { child, ended, err } = watch(t, 'Streams.texts', '{"bytes": 65536}', '--window', '64')
    await held(before)
    const [there, here] = [residentBytes(server.pid), residentBytes(child.pid!)]
    // The window is 16 items of 4 units, and the pipes between the two processes hold some more.
    const given = (await sums()).given - before
    assert.ok(given <= 40, `${given} items of 64 KiB were given`)
    assert.ok(there < 300 * MIB && here < 300 * MIB, `${there / MIB} MiB serve, ${here / MIB} MiB watch`)
    let read = 0
    child.stdout!.on('data', (chunk: Buffer) => {
      read += chunk.length
      if (read > 64 * MIB) child.stdout!.pause()
    })
    await held((await sums()).given + 500)
    const [thereNow, hereNow] = [residentBytes(server.pid), residentBytes(child.pid!)]
    const more = Math.round(Math.max(thereNow - there, hereNow - here) / MIB)
    assert.ok(more < 100, `${more} MiB more after 64 MiB went through`)
    child.kill('SIGINT')
    assert.deepEqual(await ended, [0, null])
    assert.equal(err(), '')
    await idle()
  })

  it('ends without a word when its reader goes away', async t => {
    const { child, ended, err } = watch(t, 'Streams.numbers')
    await once(child.stdout!, 'data')
    child.stdout!.destroy()
    assert.deepEqual(await ended, [0, null])
    assert.equal(err(), '')
    await idle()
  })
})
