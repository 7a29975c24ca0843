/** `razor serve --graceful` and SIGUSR2, with processes. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { firstValueFrom, Subject, startWith } from 'rxjs'
import { run } from '../../lib/cli/run.ts'
import { Host } from '../../lib/cli/services/host-contract.ts'
import { connect } from '../../lib/node/index.ts'
import { type Child, startNode } from '../support/child.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { signal } from '../support/restartable.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LIBRARY = new URL('../../lib/node/index.ts', import.meta.url).href
const folder = mkdtempSync(join(tmpdir(), 'razor-graceful-'))
const pidFile = join(folder, 'pid')
const module = join(folder, 'module.mjs')
const listenAt = ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0', `unix://${folder}/socket`]

after(async () => {
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

/** The module that is served says which version it is. */
function writeVersion(version: number): void {
  writeFileSync(
    module,
    `import { implement, service, unary } from ${JSON.stringify(LIBRARY)}
    export const version = implement(service('Version', { get: unary() }), { get: () => ${version} })\n`,
  )
}

async function serve(t: TestContext): Promise<{ server: Child; addresses: string[] }> {
  const words = ['serve', '--listen', ...listenAt, '--module', module, '--graceful', '--pid-file', pidFile]
  const server = startNode(ROOT, '--import', 'tsx', 'lib/cli/main.ts', ...words)
  t.after(() => {
    for (const pid of pidsOf(server)) signal(pid, 'SIGKILL')
  })
  await server.untilErr(/^serving as pid/m)
  const addresses = [...server.printed.matchAll(/listening at (\S+)/g)].map(([, address]) => address!)
  return { server, addresses }
}

const pidsOf = ({ pid, complained }: Child): number[] => [
  pid,
  ...[...complained.matchAll(/handing over to pid (\d+)/g)].map(([, next]) => Number(next)),
]

async function version(address: string): Promise<unknown> {
  const client = connect(address)
  try {
    return (await firstValueFrom(client.call({ action: 'Version.get' }))).value
  } finally {
    await client.close()
  }
}

const servingPid = (): number => Number(readFileSync(pidFile, 'utf8'))

describe('razor serve --graceful', () => {
  it('hands over at SIGUSR2, says so, and drains', { timeout: 120_000 }, async t => {
    writeVersion(1)
    const { server, addresses } = await serve(t)
    assert.equal(servingPid(), server.pid)
    const client = connect(addresses[0]!)
    t.after(() => client.close({ waitMs: 0 }))
    const items = new Subject<string>()
    const echoed: unknown[] = []
    const begun = new Subject<void>()
    const ended = new Promise<void>((resolve, reject) => {
      const answers = client.use(Host).echo(undefined, items.pipe(startWith('before')))
      answers.subscribe({ next: item => begun.next(void echoed.push(item)), error: reject, complete: resolve })
    })
    await firstValueFrom(begun)
    writeVersion(2)
    server.signal('SIGUSR2')
    const [, next] = await server.untilErr(/^handing over to pid (\d+)\n[\s\S]*^pid \1 is ready; draining 1 call\n/m)
    assert.equal(servingPid(), Number(next))
    for (const address of addresses) assert.equal(await version(address), 2)
    items.next('after')
    items.complete()
    await ended
    assert.deepEqual(echoed, ['before', 'after'])
    signal(Number(next), 'SIGTERM')
    assert.equal((await server.ended).code, 0)
    assert.equal(existsSync(pidFile), false)
    assert.equal(existsSync(join(folder, 'socket')), false)
  })

  it('goes on serving where the new process fails, and says how that ended', { timeout: 120_000 }, async t => {
    writeVersion(1)
    const { server, addresses } = await serve(t)
    writeFileSync(module, 'throw new Error("not yet")\n')
    server.signal('SIGUSR2')
    await server.untilErr(/^the new process ended with exit code 2 before it was ready; this one goes on serving\n/m)
    for (const address of addresses) assert.equal(await version(address), 1)
    assert.equal(servingPid(), server.pid)
    server.signal('SIGTERM')
    const { code, err } = await server.ended
    assert.equal(code, 0)
    assert.match(err, /^razor: cannot load --module .*not yet; see that node can run it$/m)
    assert.match(err, /^stopping; draining 0 calls$/m)
  })

  it('alone takes a pid file, and takes no recording', async () => {
    const refusals: readonly [readonly string[], RegExp][] = [
      [['--pid-file', pidFile], /^razor: --pid-file needs --graceful\n$/],
      [
        ['--graceful', '--pid-file', join(folder, 'none', 'pid')],
        /^razor: cannot write --pid-file .*none\/pid: ENOENT.*; name one in a folder that you may write to\n$/,
      ],
      [['--graceful', '--record', join(folder, 'record')], /^razor: --record is for one process, and --graceful .*\n$/],
    ]
    for (const [words, message] of refusals) {
      const terminal = new FakeTerminal()
      assert.equal(await run(['serve', '--listen', 'tcp://127.0.0.1:0', ...words], terminal), 2)
      assert.match(terminal.err.text, message)
    }
    assert.equal(existsSync(join(folder, 'record')), false)
  })
})
