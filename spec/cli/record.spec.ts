/** `--record`: what real commands write into a capture, and what becomes of it where the disk or the command fails. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { defer, firstValueFrom, ignoreElements } from 'rxjs'
import { recordedDialer } from '../../lib/cli/capture/recorded-link.ts'
import { type Disk, Recorder } from '../../lib/cli/capture/recorder.ts'
import { run } from '../../lib/cli/run.ts'
import { calculator } from '../../lib/cli/services/calculator.ts'
import { clientOf } from '../../lib/connect.ts'
import { type Client, connect, RpcServer } from '../../lib/node/index.ts'
import { tcpDialer } from '../../lib/node/tcp.ts'
import { startNode } from '../support/child.ts'
import { decodeFile, type Line } from '../support/decoded.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { concat } from '../support/hex.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { vectors } from '../support/vectors.ts'
import { streams } from './fixture-streams.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-record-'))
const here = fileURLToPath(new URL('../../', import.meta.url))
const MODULE = fileURLToPath(new URL('./fixture-streams.ts', import.meta.url))
const RAZOR = ['--import', 'tsx', 'lib/cli/main.ts']
const server = new RpcServer({ services: [calculator, streams] })
let url = ''
let client: Client
let files = 0

before(async () => {
  url = (await server.listen('tcp://127.0.0.1:0')).address
  client = connect(url)
})
after(async () => {
  await client.close()
  await server.close()
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

const newFile = (): string => join(folder, `${++files}.capture`)

/** A terminal whose clock goes. */
const timed = (): FakeTerminal => Object.assign(new FakeTerminal(), { now: () => performance.now() })

async function razor(terminal: FakeTerminal, ...words: readonly string[]) {
  const code = await run(words, terminal)
  return { code, out: terminal.out.text, err: terminal.err.text }
}

const roundTrip = () => firstValueFrom(client.call({ action: 'CalculatorService.inc', input: 1 }))
/** The frames of one connection: direction, where they begin, and what they are. */
const framesOf = (lines: readonly Line[], connection = 1): unknown[] =>
  lines
    .filter(line => line['event'] === 'frame' && line['connection'] === connection)
    .map(({ direction, offset, bytes, text, message }) => ({ direction, offset, bytes, text, message }))
const each = (frames: unknown[], way: string): unknown[] => frames.filter(frame => (frame as Line)['direction'] === way)

/** A disk that takes nothing until it is told to. */
class SlowDisk implements Disk {
  #take: () => void = () => undefined

  writev(...[, pieces, , done]: Parameters<Disk['writev']>): void {
    this.#take = () => done(null, concat(pieces).length)
  }

  writeSync(): number {
    return assert.fail('nothing is written at once')
  }

  async takeAll(recorder: Recorder): Promise<void> {
    let isClosed = false
    const closed = recorder.close().then(() => {
      isClosed = true
    })
    while (!isClosed) {
      const take = this.#take
      this.#take = () => undefined
      take()
      await new Promise(resolve => setImmediate(resolve))
    }
    await closed
  }
}

/** A running server with a recording. */
async function serving(...words: string[]) {
  const file = newFile()
  const terminal = timed()
  const code = run(['serve', ...words, '--module', MODULE, '--record', file], terminal)
  await Promise.race([terminal.out.until(/Ctrl-C/), code.then(() => assert.fail(terminal.err.text))])
  const addresses = [...terminal.out.text.matchAll(/^listening at (\S+)$/gm)].map(([, address]) => address!)
  const stop = async (): Promise<void> => {
    terminal.signals$.next('SIGTERM')
    assert.equal(await code, 0)
  }
  return { file, addresses, terminal, stop }
}

describe('razor call --record', () => {
  it('keeps all frames of the call, in a file for nobody else', async () => {
    const file = newFile()
    const words = ['call', url, 'CalculatorService.add', '[1, 2]', '--header', 'a=b']
    assert.deepEqual(await razor(timed(), ...words, '--record', file), { code: 0, out: '3\n', err: '' })
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const { code, of, lines } = await decodeFile(file)
    assert.equal(code, 0)
    assert.deepEqual(
      of('frame').map(({ frame, message }) => [frame, frame === 'pong' ? message['v'] : message]),
      [
        ['offer', undefined],
        ['pong', 2],
        ['HELLO', of('frame')[2]!['message']],
        ['HEADERS', { a: 'b' }],
        ['REQUEST', [1, 2]],
        ['HELLO', {}],
        ['DONE', 3],
      ],
    )
    assert.deepEqual(of('open')[0]!['address'], url)
    assert.equal(of('end')[0]!['how'], 'closed')
    assert.equal(of('call')[0]!['ended'], 'DONE')
    const times = lines.flatMap(({ event, at }) => (event === 'call' || at === undefined ? [] : [at as number]))
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    )
  })

  it('keeps what was sent of a call that failed, also where nobody listened', async () => {
    const file = newFile()
    assert.equal((await razor(timed(), 'call', url, 'CalculatorService.div', '[1, 0]', '--record', file)).code, 1)
    assert.equal((await decodeFile(file)).of('call')[0]!['ended'], 'ERROR divide by zero')
    const empty = newFile()
    assert.equal((await razor(timed(), 'call', 'tcp://127.0.0.1:1', 'A.b', '--record', empty)).code, 1)
    const { code, of } = await decodeFile(empty)
    assert.deepEqual([code, of('total')[0]!['frames']], [0, 0])
  })

  it('never writes over a file, nor where it may not, and calls nobody then', async () => {
    const file = newFile()
    writeFileSync(file, 'precious')
    const there = await razor(timed(), 'call', url, 'CalculatorService.inc', '1', '--record', file)
    assert.equal(there.code, 2)
    assert.equal(there.out, '')
    assert.match(there.err, /^razor: --record .*: there is such a file; remove it, or name another\n$/)
    assert.equal(readFileSync(file, 'utf8'), 'precious')
    const nowhere = await razor(timed(), 'call', url, 'A.b', '--record', join(folder, 'no', 'file'))
    assert.equal(nowhere.code, 2)
    assert.match(nowhere.err, /^razor: --record .*ENOENT.*; name a file in a folder that you may write to\n$/)
  })
})

describe('razor watch --record', () => {
  it('shows how a slow reader holds the handler: at both ends the stream stands without credit', async () => {
    const { file: far, addresses, stop } = await serving('--listen', 'tcp://127.0.0.1:0')
    const near = newFile()
    const terminal = timed()
    // Each line is taken only when a call has been answered meanwhile.
    terminal.out.behind = defer(roundTrip).pipe(ignoreElements())
    const words = ['watch', addresses[0]!, 'Streams.numbers', '--window', '2', '--take', '12', '--record', near]
    assert.equal((await razor(terminal, ...words)).code, 0)
    await stop()
    for (const file of [near, far]) {
      const { code, of } = await decodeFile(file)
      assert.equal(code, 0)
      const [call] = of('call')
      assert.deepEqual([call!['action'], call!['shape'], call!['canceled']], ['Streams.numbers', 'stream', true])
      const { items, withoutCredit } = call!['down']
      assert.ok(items >= 12 && items <= 14, `${items} items`)
      assert.ok(withoutCredit.times >= 5, `${withoutCredit.times} times`)
      assert.ok(withoutCredit.ms > 0)
      assert.ok(of('frame').every(({ problem }) => problem === undefined))
    }
  })
})

describe('razor serve --record', () => {
  it('keeps all connections apart, byte for byte as their clients saw them', async () => {
    const listen = ['--listen', 'tcp://127.0.0.1:0', `unix://${join(folder, 's')}`, 'ws://127.0.0.1:0/rpc']
    const { file, addresses, stop } = await serving(...listen)
    const near: string[] = []
    for (const address of addresses) {
      near.push(newFile())
      const words = ['call', address, 'CalculatorService.inc', String(near.length), '--repeat', '3']
      assert.equal((await razor(timed(), ...words, '--record', near.at(-1)!)).code, 0)
    }
    await stop()
    const { code, lines, of } = await decodeFile(file)
    assert.equal(code, 0)
    assert.deepEqual(
      of('open').map(({ transport, recordedBy }) => [transport, recordedBy]),
      [
        ['tcp', 'server'],
        ['unix', 'server'],
        ['ws', 'server'],
      ],
    )
    // Whoever is first: the client lets go, and the server stops.
    const ends = of('end').map(({ how }) => how)
    assert.ok(ends.length === 3 && ends.every(how => how === 'finished' || how === 'closed'), String(ends))
    for (const [at, capture] of near.entries()) {
      const seen = framesOf((await decodeFile(capture)).lines)
      assert.equal(seen.length, 10)
      // Behind these the server may have said that it stops.
      for (const way of ['up', 'down']) {
        const whole = each(seen, way)
        assert.deepEqual(each(framesOf(lines, at + 1), way).slice(0, whole.length), whole)
      }
    }
    assert.equal((await decodeFile(file, '--connection', '2')).of('call').length, 3)
  })

  it('keeps calls of version 1 as the Rust crates write them', async () => {
    const recorded = vectors.filter(({ name }) => /^CalculatorService\.(inc|add|div|repeat|io_error)/.test(name))
    const { file, addresses, stop } = await serving('--listen', 'tcp://127.0.0.1:0')
    const { hostname, port } = new URL(addresses[0]!)
    const socket = connectSocket({ host: hostname, port: Number(port), allowHalfOpen: true })
    const came: Buffer[] = []
    socket.on('data', chunk => came.push(chunk))
    socket.end(concat(recorded.map(({ request }) => request)))
    await once(socket, 'end')
    await stop()
    const { code, of } = await decodeFile(file)
    assert.equal(code, 0)
    const seen = of('frame').map(({ direction, version, seq, bytes }) => `${direction} v${version} ${seq} ${bytes}`)
    const written = recorded.flatMap(({ request, response }, at) => [
      `up v1 ${at + 1} ${request.length}`,
      `down v1 ${at + 1} ${response.length}`,
    ])
    assert.deepEqual(seen.sort(), written.sort())
    assert.equal(Buffer.concat(came).length, concat(recorded.map(({ response }) => response)).length)
    assert.equal(of('call').length, recorded.length)
  })
})

describe('razor gateway --record', () => {
  it('keeps what goes through it, as the server behind sees it', async () => {
    const [file, near] = [newFile(), newFile()]
    const terminal = timed()
    const code = run(['gateway', '--listen', 'ws://127.0.0.1:0', '--to', `/in=${url}`, '--record', file], terminal)
    const [, address = ''] = await terminal.out.until(/^listening at (\S+) for [^$]*Ctrl-C/)
    const words = ['call', address, 'CalculatorService.add', '[1, 2]', '--record', near]
    assert.deepEqual(await razor(timed(), ...words), { code: 0, out: '3\n', err: '' })
    terminal.signals$.next('SIGTERM')
    assert.equal(await code, 0)
    const { code: decoded, of, lines } = await decodeFile(file)
    assert.equal(decoded, 0)
    assert.equal(of('open')[0]!['address'], url)
    const seen = framesOf((await decodeFile(near)).lines)
    for (const way of ['up', 'down']) assert.deepEqual(each(framesOf(lines), way), each(seen, way))
  })
})

describe('a recording that is cut short', () => {
  it('has what was sent until Ctrl-C', async () => {
    const file = newFile()
    const terminal = timed()
    const code = run(['call', url, 'CalculatorService.sleep_ms', '60000', '--record', file], terminal)
    while (server.stats().calls === 0) await roundTrip()
    terminal.signals$.next('SIGINT')
    assert.equal(await code, 1)
    assert.match(terminal.err.text, /^razor: SIGINT came before the answer; the recording has what was sent/)
    const { code: decoded, of } = await decodeFile(file)
    assert.equal(decoded, 0)
    assert.match(of('call')[0]!['action'], /sleep_ms/)
    assert.equal(of('call')[0]!['canceled'], true)
  })

  it('is whole at a signal and where the reader goes away, as a process', { timeout: 60_000 }, async () => {
    const [interrupted, left] = [newFile(), newFile()]
    const watch = (file: string) => startNode(here, ...RAZOR, 'watch', url, 'Streams.numbers', '--record', file)
    const child = watch(interrupted)
    await child.until(/\n100\n/)
    child.signal('SIGTERM')
    assert.deepEqual([(await child.ended).code, (await child.ended).err], [0, ''])
    const reader = spawn(process.execPath, [...RAZOR, 'watch', url, 'Streams.numbers', '--record', left], {
      cwd: here,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(reader.stdout, 'data')
    reader.stdout.destroy()
    assert.deepEqual(await once(reader, 'exit'), [0, null])
    for (const file of [interrupted, left]) {
      const { code, of } = await decodeFile(file)
      assert.equal(code, 0)
      assert.equal(of('call')[0]!['action'], 'Streams.numbers')
      assert.ok(of('frame').length > 3)
    }
  })

  it('has everything also where the process ends in the middle of a turn, and of a write', {
    timeout: 60_000,
  }, async () => {
    const file = newFile()
    const script = `
      import { Recorder } from './lib/cli/capture/recorder.ts'
      import { processTerminal } from './lib/cli/terminal.ts'
      const recorder = new Recorder(${JSON.stringify(file)}, processTerminal())
      for (let n = 0; n < 100; n++) recorder.bytes(2, 1, new Uint8Array(100_000).fill(n))
      setImmediate(() => setImmediate(() => {
        recorder.bytes(2, 1, Buffer.from('the last'))
        process.exit(3)
      }))`
    const { code, err } = await startNode(here, '--import', 'tsx', '--input-type=module', '-e', script).ended
    assert.deepEqual([code, err], [3, ''])
    const bytes = readFileSync(file)
    assert.equal(bytes.length, 24 + 100 * (20 + 100_000) + 20 + 8)
    assert.ok(bytes.subarray(-8).equals(Buffer.from('the last')))
    for (let n = 0; n < 100; n++) assert.equal(bytes[24 + n * 100_020 + 50_000], n)
  })

  it('stops with a warning where the disk does not keep up, and holds up no call', async () => {
    const file = newFile()
    const terminal = timed()
    const disk = new SlowDisk()
    const recorder = new Recorder(file, terminal, disk, 2 * 1024 * 1024)
    const recorded = clientOf(recordedDialer(recorder, tcpDialer(url)), {})
    for (let n = 0; n < 5; n++) {
      const input = ['x'.repeat(500_000), 1]
      const { value } = await firstValueFrom(recorded.call({ action: 'CalculatorService.repeat', input }))
      assert.equal((value as string).length, 500_000)
    }
    assert.match(
      terminal.err.text,
      /^razor: the recording to .* has stopped: the disk did not keep up, and more than 2 MiB were waiting for it\. The file has what came before; record to a faster disk, or less at a time\.\n$/,
    )
    await recorded.close()
    await disk.takeAll(recorder)
  })

  it('tells so in the file, for whoever decodes it', async () => {
    const file = newFile()
    const recorder = new Recorder(file, timed(), undefined, 1000)
    recorder.facts(1, 1, { address: 'tcp://a:1', transport: 'tcp', recordedBy: 'client' })
    recorder.bytes(2, 1, vectors[0]!.request)
    recorder.bytes(2, 1, new Uint8Array(2000))
    recorder.bytes(2, 1, vectors[1]!.request)
    await recorder.close()
    const { code, of } = await decodeFile(file)
    assert.deepEqual([code, of('frame').length], [0, 1])
    assert.match(of('note')[0]!['note'], /^the recording stopped here: the disk did not keep up/)
  })

  it('stops with a warning where the disk is full, once, and the calls go on', async () => {
    const terminal = timed()
    const disk: Disk = {
      writev: (_fd, _pieces, _position, done) => {
        setImmediate(() => done(new Error('ENOSPC: no space left on device, write'), 0))
      },
      writeSync: () => assert.fail('nothing is written at once'),
    }
    const recorder = new Recorder(newFile(), terminal, disk)
    const recorded = clientOf(recordedDialer(recorder, tcpDialer(url)), {})
    for (let n = 0; n < 3; n++) {
      const { value } = await firstValueFrom(recorded.call({ action: 'CalculatorService.inc', input: n }))
      assert.equal(value, n + 1)
    }
    await recorded.close()
    await recorder.close()
    assert.match(
      terminal.err.text,
      /^razor: the recording to .* has stopped: ENOSPC.*; make room, or record to another disk\.\n$/,
    )
  })

  it('loses nothing to a disk that takes a few bytes at a time', async () => {
    const file = newFile()
    const taken = Buffer.alloc(200_000)
    const disk: Disk = {
      writev: (_fd, pieces, position, done) => {
        const some = concat(pieces).subarray(0, 7777)
        taken.set(some, position)
        setImmediate(() => done(null, some.length))
      },
      writeSync: () => assert.fail('nothing is written at once'),
    }
    const recorder = new Recorder(file, timed(), disk)
    const bodies = [10, 30_000, 0, 16_384, 16_385, 50_000, 1].map((length, n) => new Uint8Array(length).fill(n + 1))
    for (const body of bodies) recorder.bytes(2, 1, body)
    await recorder.close()
    let at = 24
    for (const body of bodies) {
      assert.equal(taken.readUInt32LE(at + 16), body.length)
      assert.ok(taken.subarray(at + 20, at + 20 + body.length).equals(body))
      at += 20 + body.length
    }
  })

  it('holds no more than it may: a disk that takes nothing costs its limit', async () => {
    const terminal = timed()
    const disk = new SlowDisk()
    const recorder = new Recorder(newFile(), terminal, disk, 4 * 1024 * 1024)
    for (let n = 0; n < 100_000; n++) recorder.bytes(2, 1, new Uint8Array(1000))
    assert.equal(terminal.err.text.split('\n').length, 2)
    assert.ok(recorder.waitingBytes <= 4.2 * 1024 * 1024, `${recorder.waitingBytes} bytes`)
    await disk.takeAll(recorder)
    assert.equal(recorder.waitingBytes, 0)
  })
})
