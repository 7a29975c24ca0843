/** `razor gateway`: what it prints, how it stops, and what it says where it cannot start. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { firstValueFrom } from 'rxjs'
import { run } from '../../lib/cli/run.ts'
import { connect, implement, RpcServer, service, unary } from '../../lib/node/index.ts'
import { certificate, withoutOpenssl } from '../support/certificate.ts'
import { FakeTerminal, hasty } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { tcp, ws } from '../support/transports.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-gateway-'))
const Sums = service('Sums', { add: unary<[number, number], number>() })

after(async () => {
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

/** A running gateway, and the addresses it prints. */
const gateway = (...words: string[]) => gatewayAt(new FakeTerminal(), ...words)

async function gatewayAt(terminal: FakeTerminal, ...words: string[]) {
  const code = run(['gateway', '--listen', 'ws://127.0.0.1:0', ...words], terminal)
  await Promise.race([terminal.out.until(/Ctrl-C/), code.then(() => assert.fail(terminal.err.text))])
  const addresses = [...terminal.out.text.matchAll(/listening at (\S+) for/g)].map(([, address]) => address!)
  return { terminal, code, addresses }
}

/** What a command that does not start says, and its exit code. */
async function fails(...words: string[]): Promise<{ code: number; said: string }> {
  const terminal = new FakeTerminal()
  const code = await run(['gateway', ...words], terminal)
  assert.equal(terminal.out.text, '')
  return { code, said: terminal.err.text }
}

describe('razor gateway', () => {
  it('prints what stands where, and a command that works as it stands', async () => {
    const server = new RpcServer({ services: [implement(Sums, { add: ([a, b]) => a + b })] })
    const { address: target } = await server.listen('tcp://127.0.0.1:0')
    const { address: other } = await server.listen(`unix://${join(folder, 'sock')}`)
    const { terminal, code, addresses } = await gateway('--to', target, `/u=${other}`)
    assert.match(terminal.out.text, /every origin may connect; --origin https:\/\/app\.example lets in those of one/)
    assert.match(addresses[0]!, /^ws:\/\/127\.0\.0\.1:\d+\/$/)
    assert.match(addresses[1]!, /^ws:\/\/127\.0\.0\.1:\d+\/u$/)
    for (const address of addresses) {
      const client = connect(address)
      assert.equal(await firstValueFrom(client.use(Sums).add([1, 2])), 3)
      await client.close()
    }
    const [, line = ''] = /^ {2}razor (.*)$/m.exec(terminal.out.text)!
    const shown = new FakeTerminal()
    assert.equal(await run([...line.split(' '), '--count', '1'], shown), 0, shown.err.text)
    terminal.signals$.next('SIGTERM')
    assert.equal(await code, 0)
    assert.match(terminal.err.text, /\nstopping.*\ncarried 3 connections, refused 0; \d+ B up, \d+ B down\n$/s)
    await server.close()
  })

  it('says with --verbose who came and how it ended, and without it only who was refused', async () => {
    const server = await tcp.serveRaw()
    for (const verbose of [true, false]) {
      const words = ['--to', server.address, '/down=tcp://127.0.0.1:1', ...(verbose ? ['--verbose'] : [])]
      const { terminal, code, addresses } = await gateway(...words)
      const near = await ws.dialRaw(addresses[0]!)
      near.send(Buffer.from('abc'))
      const far = await server.peer(server.peers.length - 1)
      await far.until(() => far.bytes === 3)
      near.finish()
      await near.ended()
      await assert.rejects(ws.dialRaw(addresses[1]!), /502/)
      await terminal.err.until(
        /warn 502 for \/down: cannot reach tcp:\/\/127\.0\.0\.1:1: .* \(ws:\/\/127\.0\.0\.1:\d+\)\n/,
      )
      terminal.signals$.next('SIGINT')
      assert.equal(await code, 0)
      const lines = /^info opened \/ .*\ninfo ended \/: the client finished; 3 B up, 0 B down \(ws:/m
      assert.equal(lines.test(terminal.err.text), verbose, terminal.err.text)
    }
    await server.close()
  })

  it('lets open connections go on after a signal, and ends when they have', async () => {
    const server = await tcp.serveRaw()
    const { terminal, code, addresses } = await gateway('--to', server.address)
    const near = await ws.dialRaw(addresses[0]!)
    const far = await server.peer(0)
    terminal.signals$.next('SIGTERM')
    await terminal.err.until(/stopping, waiting for 1 open connection; once more cuts them/)
    await assert.rejects(ws.dialRaw(addresses[0]!), /ECONNREFUSED/)
    far.send(Buffer.from('still'))
    await near.until(() => near.bytes === 5)
    near.finish()
    assert.equal(await code, 0)
    await server.close()
  })

  it('stops in order at a signal that comes as soon as it says what stops it', { timeout: 10_000 }, async () => {
    const { terminal, code } = await gatewayAt(hasty(), '--to', 'tcp://127.0.0.1:1')
    assert.equal(await code, 0)
    assert.match(terminal.err.text, /^\nstopping\ncarried 0 connections, /)
  })

  it('cuts them at a second signal, or when --wait is over', async () => {
    const server = await tcp.serveRaw()
    for (const words of [[], ['--wait', '1']]) {
      const { terminal, code, addresses } = await gateway('--to', server.address, ...words)
      const near = await ws.dialRaw(addresses[0]!)
      terminal.signals$.next('SIGTERM')
      await terminal.err.until(/once more cuts them/)
      if (words.length === 0) terminal.signals$.next('SIGTERM')
      assert.deepEqual(await near.ended(), { how: 'finished', code: 4491, reason: 'rpc_draining' })
      assert.equal(await code, 0)
    }
    await server.close()
  })

  it('takes its limits and its origins', async () => {
    const server = await tcp.serveRaw()
    const words = [
      '--max-connections',
      '1',
      '--idle-timeout',
      '60000',
      '--buffer',
      '1000',
      '--origin',
      'https://a.example',
    ]
    const { terminal, code, addresses } = await gateway('--to', server.address, ...words)
    assert.match(terminal.out.text, /^pages of https:\/\/a\.example may connect$/m)
    const near = await ws.dialRaw(addresses[0]!)
    await assert.rejects(ws.dialRaw(addresses[0]!), /503/)
    near.finish()
    terminal.signals$.next('SIGINT')
    assert.equal(await code, 0)
    assert.match(terminal.err.text, /warn 503 for \/: 1 connections are open, maxServerConnections is 1/)
    await server.close()
  })

  it('says on one line what makes no sense, and what to do', async () => {
    const to = ['--to', 'tcp://127.0.0.1:1']
    const secure = ['--listen', 'wss://127.0.0.1:0', ...to]
    const wrong: readonly [string[], RegExp][] = [
      [[], /^razor: required option '--to <target...>' not specified; razor gateway --help shows its use\n$/],
      [['--to', 'nonsense'], /^razor: "nonsense" is no target: expected tcp:\/\/host:port, unix:\/\/\/path, .*\n$/],
      [['--to', '/a=b'], /^razor: "b" is no target: expected .*\n$/],
      [
        ['--to', 'tcp://x:1', 'tcp://y:1'],
        /^razor: --to names the path \/ twice: give each target a path, \/path=URL\n$/,
      ],
      [[...to, '--listen', 'tcp://127.0.0.1:1'], /^razor: cannot listen at tcp:.*; give another with --listen URL\n$/],
      [[...to, '--listen', 'ws://127.0.0.1:0/x'], /^razor: .*a path stands at the target.*\n$/],
      [[...to, '--origin', 'app.example'], /^razor: "app.example" is no origin: expected scheme:\/\/host.*\n$/],
      [
        [...to, '--idle-timeout', '1s'],
        /^razor: .*Expected a whole number from 1 to 86400000; razor gateway --help shows its use\n$/,
      ],
      [secure, /^razor: wss:.* needs --cert FILE and --key FILE, both in PEM\n$/],
      [[...secure, '--cert', 'c.pem'], /^razor: wss:.* needs --cert FILE and --key FILE/],
      [
        [...to, '--cert', 'c.pem', '--key', 'k.pem'],
        /^razor: --cert and --key are for wss:\/\/: give --listen wss:\/\/host:port\n$/,
      ],
      [
        [...secure, '--cert', join(folder, 'none.pem'), '--key', 'k.pem'],
        /^razor: cannot read --cert .*none\.pem: ENOENT.*; give the path of a PEM file\n$/,
      ],
    ]
    for (const [words, message] of wrong) {
      const { code, said } = await fails(...words)
      assert.equal(code, 2, words.join(' '))
      assert.match(said, message)
    }
  })

  it('says that a port is taken, and that an address is not of this machine', async () => {
    const server = await ws.serveRaw()
    const to = ['--to', 'tcp://127.0.0.1:1']
    const taken = await fails(...to, '--listen', server.address)
    assert.equal(taken.code, 1)
    assert.match(
      taken.said,
      /^razor: cannot listen at ws:.*EADDRINUSE.*: stop it, or choose another address with --listen URL\n$/,
    )
    const foreign = await fails(...to, '--listen', 'ws://192.0.2.1:0')
    assert.equal(foreign.code, 1)
    assert.match(
      foreign.said,
      /^razor: cannot listen at ws:.*EADDRNOTAVAIL.*; choose an address of this machine, .*--listen URL\n$/,
    )
    await server.close()
  })

  it('speaks TLS with a certificate and its key, and says what is wrong with others', {
    skip: withoutOpenssl(),
  }, async () => {
    const [mine, other] = [certificate(), certificate()]
    const server = await tcp.serveRaw()
    const secure = ['--to', server.address, '--listen', 'wss://127.0.0.1:0']
    const broken = join(folder, 'broken.pem')
    writeFileSync(broken, 'no certificate')
    for (const cert of [other.certFile, broken]) {
      const { code, said } = await fails(...secure, '--cert', cert, '--key', mine.keyFile)
      assert.equal(code, 2)
      assert.match(
        said,
        /^razor: --cert .* and --key .* do not make a pair \(.*\): give a PEM certificate and its own key\n$/,
      )
    }
    const terminal = new FakeTerminal()
    const code = run(['gateway', ...secure, '--cert', mine.certFile, '--key', mine.keyFile], terminal)
    await Promise.race([
      terminal.out.until(/listening at wss:.*Ctrl-C/s),
      code.then(() => assert.fail(terminal.err.text)),
    ])
    terminal.signals$.next('SIGTERM')
    assert.equal(await code, 0)
    await server.close()
  })
})
