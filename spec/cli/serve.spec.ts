/** `razor serve`: listens, says what to try, and stops in order. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { firstValueFrom } from 'rxjs'
import { WebSocket } from 'ws'
import { run } from '../../lib/cli/run.ts'
import { connect, RpcError, RpcServer } from '../../lib/node/index.ts'
import { FakeTerminal, hasty } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { begun$, release$ } from './fixture-services.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-serve-'))
const MODULE = fileURLToPath(new URL('./fixture-services.ts', import.meta.url))

after(async () => {
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

/** A running server, and the first address it listens at. */
const serve = (...words: string[]) => serveAt(new FakeTerminal(), ...words)

async function serveAt(terminal: FakeTerminal, ...words: string[]) {
  const code = run(['serve', '--listen', 'tcp://127.0.0.1:0', 'ws://127.0.0.1:0', ...words], terminal)
  const [, address = ''] = await Promise.race([
    terminal.out.until(/listening at (\S+).*Ctrl-C/s),
    code.then(() => assert.fail(terminal.err.text)),
  ])
  return { terminal, code, address }
}

describe('razor serve', () => {
  it('prints where it listens, and commands that work as they stand', async () => {
    const { terminal, code } = await serve()
    const commands = [...terminal.out.text.matchAll(/^ {2}razor (.*)$/gm)].map(([, line]) => line!)
    assert.equal(commands.length, 4)
    const printed: string[] = []
    for (const line of commands) {
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
      const shown = new FakeTerminal()
      const ended = run(words, shown)
      if (words[0] === 'watch') {
        await shown.out.until(/\n.*\n/)
        shown.signals$.next('SIGINT')
      }
      await ended
      printed.push(shown.out.text + shown.err.text)
    }
    assert.equal(printed[0], '3\n')
    assert.match(printed[1]!, /divide by zero/)
    assert.match(printed[2]!, /^\{"at":\d+,"load":/)
    assert.match(printed[3]!, /medianMs/)
    terminal.signals$.next('SIGTERM')
    assert.equal(await code, 0)
  })

  it('lets in programs, and pages of this machine or of those that --origin names', async () => {
    const statusOf = async (terminal: FakeTerminal, origin: string): Promise<number | undefined> => {
      const [address] = /ws:\S+/.exec(terminal.out.text)!
      const page = new WebSocket(address, { origin })
      page.on('error', () => undefined)
      const response = (await Promise.race([once(page, 'upgrade'), once(page, 'unexpected-response')])).at(-1)
      page.terminate()
      return response.statusCode
    }
    const [here, app] = ['http://localhost:5173', 'https://app.example']
    for (const { words, line, may } of [
      { words: [], line: /^pages of this machine may connect; --origin /m, may: [here] },
      { words: ['--origin', app], line: /^pages of https:\/\/app\.example may connect$/m, may: [app] },
      { words: ['--origin', 'loopback', app], line: /^pages of loopback, https:/m, may: [here, app] },
      { words: ['--origin', 'all'], line: /^pages of every origin may connect; --origin /m, may: [here, app] },
    ]) {
      const { terminal, code } = await serve(...words)
      assert.match(terminal.out.text, line)
      for (const origin of [here, app]) {
        assert.equal(await statusOf(terminal, origin), may.includes(origin) ? 101 : 403, `${words} ${origin}`)
        if (may.includes(origin)) continue
        await terminal.err.until(new RegExp(`warn 403: pages of ${origin} may not connect here`))
      }
      terminal.signals$.next('SIGINT')
      assert.equal(await code, 0)
    }
    const refused = new FakeTerminal()
    assert.equal(await run(['serve', '--origin', 'app.example'], refused), 2)
    assert.match(refused.err.text, /^razor: "app\.example" is no origin: expected scheme:.* or the word loopback\n$/)
  })

  it('answers running calls before it stops', async () => {
    const { terminal, code, address } = await serve('--module', MODULE)
    const client = connect(address)
    const begun = firstValueFrom(begun$)
    const answer = firstValueFrom(client.call({ action: 'Gate.wait' }))
    await begun
    terminal.signals$.next('SIGINT')
    await terminal.err.until(/waiting for 1 running call/)
    release$.next('done')
    assert.equal((await answer).value, 'done')
    assert.equal(await code, 0)
    await client.close()
  })

  it('stops in order at a signal that comes as soon as it says what stops it', { timeout: 10_000 }, async () => {
    const { terminal, code } = await serveAt(hasty())
    assert.equal(await code, 0)
    assert.equal(terminal.err.text, '\nstopping\n')
  })

  it('drops running calls at a second signal', async () => {
    const { terminal, code, address } = await serve('--module', MODULE)
    const client = connect(address)
    const begun = firstValueFrom(begun$)
    const answer = firstValueFrom(client.call({ action: 'Gate.wait' }))
    await begun
    terminal.signals$.next('SIGINT')
    await terminal.err.until(/waiting for 1 running call/)
    terminal.signals$.next('SIGINT')
    await assert.rejects(answer, error => RpcError.is(error, 'rpc_io_err'))
    assert.equal(await code, 0)
    assert.equal(release$.observed, false)
    await client.close()
  })

  it('serves what a module exports, each once', async () => {
    const { terminal, code } = await serve('--module', MODULE)
    const served = [...terminal.out.text.matchAll(/^serving (\w+):/gm)].map(([, name]) => name)
    assert.deepEqual(served.sort(), ['CalculatorService', 'Echo', 'Gate', 'Host'])
    terminal.signals$.next('SIGINT')
    await code
  })

  it('serves a folder only where it is told to', async () => {
    writeFileSync(join(folder, 'a.txt'), 'hello')
    const withFiles = await serve('--files', folder)
    const open = (address: string) => run(['call', address, '1', '{"path": "a.txt", "flags": 0}'], new FakeTerminal())
    assert.equal(await open(withFiles.address), 0)
    const tail = new FakeTerminal()
    writeFileSync(join(folder, 'log'), 'line\n')
    assert.equal(await run(['watch', withFiles.address, 'Host.tail', '{"path": "log"}', '--take', '1'], tail), 0)
    assert.equal(tail.out.text, '"line"\n')
    const without = await serve()
    const needed = new FakeTerminal()
    assert.equal(await run(['watch', without.address, 'Host.tail', '{"path": "log"}'], needed), 1)
    assert.match(needed.err.text, /Host\.tail needs a folder: .*--files DIR\n$/)
    const shown = new FakeTerminal()
    assert.equal(await run(['call', without.address, '1', '{}'], shown), 1)
    assert.match(shown.err.text, /^razor: rpc_method_notfound/)
    for (const { terminal, code } of [withFiles, without]) {
      terminal.signals$.next('SIGINT')
      await code
    }
  })

  it("lets a module's own Host take the place of its own", async () => {
    const own = join(folder, 'own.mjs')
    const library = new URL('../../lib/node/index.ts', import.meta.url).href
    writeFileSync(
      own,
      `import { implement, service, unary } from ${JSON.stringify(library)}
      export const host = implement(service('Host', { load: unary() }), { load: () => 'mine' })\n`,
    )
    const { terminal, code, address } = await serve('--module', own)
    const shown = new FakeTerminal()
    assert.equal(await run(['call', address, 'Host.load'], shown), 0)
    assert.equal(shown.out.text, '"mine"\n')
    assert.doesNotMatch(terminal.out.text, /watch/)
    terminal.signals$.next('SIGINT')
    await code
  })

  it('says on one line that a port is taken, and frees what it had', async () => {
    const other = new RpcServer({})
    const { address } = await other.listen('tcp://127.0.0.1:0')
    const terminal = new FakeTerminal()
    assert.equal(await run(['serve', '--listen', 'tcp://127.0.0.1:0', address], terminal), 1)
    assert.match(terminal.err.text, /^razor: cannot listen at tcp:.*EADDRINUSE.*--listen URL\n$/)
    await other.close()
  })

  it('says what to do where it cannot listen', async () => {
    const refusals: readonly [string, RegExp][] = [
      [`unix://${folder}/nowhere/sock`, /ENOENT.*; make its folder first, or choose another path with --listen URL\n$/],
      [
        'tcp://192.0.2.1:0',
        /EADDRNOTAVAIL.*; choose an address of this machine, and a port or a path .* --listen URL\n$/,
      ],
      ['tcp://nobody.invalid:0', /; no such host is known: mend its name\n$/],
    ]
    for (const [address, message] of refusals) {
      const terminal = new FakeTerminal()
      assert.equal(await run(['serve', '--listen', address], terminal), 1)
      assert.match(terminal.err.text, message)
      assert.match(terminal.err.text, /^razor: cannot listen at [^\n]*\n$/)
    }
  })

  it('exits with 2 where it cannot serve what it was told to', async () => {
    const empty = join(folder, 'empty.mjs')
    const broken = join(folder, 'broken.mjs')
    const clash = join(folder, 'clash.mjs')
    writeFileSync(empty, 'export const a = 1\n')
    writeFileSync(broken, 'throw new Error("broken\\nin two lines")\n')
    const calculator = new URL('../../lib/cli/services/calculator.ts', import.meta.url).href
    writeFileSync(clash, `export { calculator } from ${JSON.stringify(calculator)}\n`)
    const commands: readonly [readonly string[], RegExp][] = [
      [['--listen', 'foo:'], /^razor: cannot listen at foo:: known are .*; give another with --listen URL\n$/],
      [
        ['--listen', 'tcp://127.0.0.1:65536'],
        /^razor: cannot listen: "tcp:\/\/127\.0\.0\.1:65536" is no tcp address: .* port up to 65535, .*; give another/,
      ],
      [
        ['--listen', 'unix://a'],
        /^razor: cannot listen: "unix:\/\/a" is no unix .*; give another with --listen URL\n$/,
      ],
      [
        ['--listen', `unix:///${'a'.repeat(120)}`],
        /^razor: cannot listen: unix:\/\/\/a+: a path of 121 bytes is over the 107 .*; give another with --listen URL\n$/,
      ],
      [
        ['--listen', 'wss://127.0.0.1:0'],
        /^razor: cannot listen at wss:\/\/127\.0\.0\.1:0: put razor gateway with --cert /,
      ],
      [['--files', join(folder, 'nope')], /^razor: cannot serve --files .*ENOENT.*; name a folder that is there\n$/],
      [['--files', join(folder, 'a.txt')], /^razor: cannot serve --files .*no folder; name a folder that is there\n$/],
      [
        ['--module', join(folder, 'nope.mjs')],
        /^razor: there is no --module .*nope\.mjs: name a JavaScript module .*\n$/,
      ],
      [['--module', broken], /^razor: cannot load --module .*broken in two lines; see that node can run it\n$/],
      [['--module', empty], /^razor: --module .* exports nothing that implement\(\) made: export what it returns\n$/],
      [['--module', clash], /^razor: two methods have the action CalculatorService\.inc\n$/],
    ]
    for (const [words, message] of commands) {
      const terminal = new FakeTerminal()
      assert.equal(await run(['serve', '--listen', 'tcp://127.0.0.1:0', ...words], terminal), 2, words.join(' '))
      assert.match(terminal.err.text, message)
      assert.equal(terminal.out.text, '')
    }
  })
})
