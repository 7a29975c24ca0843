/** `Host`: this machine's figures, files as streams, an echo. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { concat, firstValueFrom, lastValueFrom, NEVER, of, take, toArray } from 'rxjs'
import { host } from '../../../lib/cli/services/host.ts'
import { Host, type Sample } from '../../../lib/cli/services/host-contract.ts'
import { type FigureLibrary, importLibrary, MissingLibrary } from '../../../lib/cli/services/machine.ts'
import { expectNoLeaks } from '../../support/leaks.ts'
import { failure, serve } from '../../support/serve.ts'

const base = mkdtempSync(join(tmpdir(), 'razor-host-'))
const root = join(base, 'root')
const inside = (name: string): string => join(root, name)

beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
})
after(async () => {
  rmSync(base, { recursive: true })
  await expectNoLeaks()
})

/** Figures that a spec knows, and how often they were asked for. */
class Figures implements FigureLibrary {
  samples = 0

  async currentLoad() {
    return { currentLoad: 12.3456, cpus: [{ load: 25 }, { load: 0.001 }] }
  }

  async mem() {
    this.samples++
    return { total: 1000, active: 600, available: 400, swaptotal: 10, swapused: 1 }
  }

  async networkStats() {
    return [{ iface: 'lo', rx_bytes: 5, tx_bytes: 6, rx_sec: null, tx_sec: 1.6 }]
  }

  async fsStats(): Promise<{ rx_sec: number | null; wx_sec: number | null } | null> {
    return { rx_sec: 1000.4, wx_sec: 2000.6 }
  }

  async processes() {
    const list = Array.from({ length: 300 }, (_, pid) => ({
      pid,
      name: `p${pid}`,
      user: 'me',
      cpu: pid % 7,
      memRss: pid,
    }))
    return { all: 300, running: 2, list }
  }
}

const listenAt = 'tcp://127.0.0.1:0'

describe('the figures of Host', () => {
  it('are those of this machine', async t => {
    const { client } = await serve(t, { listenAt, services: [host()] })
    const machine = client.use(Host)
    const load = await firstValueFrom(machine.load())
    assert.equal(load.averages.length, 3)
    assert.ok(load.percent >= 0 && load.percent <= 100)
    const samples = await lastValueFrom(machine.metrics({ everyMs: 100 }).pipe(take(2), toArray()))
    const [first, second] = samples as [Sample, Sample]
    assert.ok(second.at > first.at)
    assert.ok(first.memory.totalBytes > first.memory.activeBytes && first.memory.activeBytes > 0)
    assert.ok(first.network.length > 0)
    const { all, top } = await firstValueFrom(machine.processes({ everyMs: 1_000 }))
    assert.equal(top.length, 10)
    assert.ok(all >= 10 && top.every(({ pid, name }) => pid > 0 && name !== ''))
  })

  it('say what they count, and in which unit', async t => {
    const { client } = await serve(t, { services: [host({ library: async () => new Figures() })] })
    const { at, load, memory, network, disk } = await firstValueFrom(client.use(Host).metrics({ everyMs: 1_000 }))
    assert.equal(typeof at, 'number')
    assert.equal(load.percent, 12.35)
    assert.deepEqual(load.corePercents, [25, 0])
    assert.deepEqual(memory, {
      totalBytes: 1000,
      activeBytes: 600,
      availableBytes: 400,
      swapTotalBytes: 10,
      swapUsedBytes: 1,
    })
    assert.deepEqual(network, [
      { name: 'lo', receivedBytes: 5, sentBytes: 6, receivedBytesPerSecond: null, sentBytesPerSecond: 2 },
    ])
    assert.deepEqual(disk, { readBytesPerSecond: 1000, writtenBytesPerSecond: 2001 })
  })

  it('name the busiest processes, as many as were asked for', async t => {
    const { client } = await serve(t, { services: [host({ library: async () => new Figures() })] })
    const machine = client.use(Host)
    const { all, running, top } = await firstValueFrom(machine.processes({ everyMs: 1_000, top: 2 }))
    assert.deepEqual([all, running], [300, 2])
    assert.deepEqual(top, [
      { pid: 293, name: 'p293', user: 'me', cpuPercent: 6, memoryBytes: 293 * 1024 },
      { pid: 286, name: 'p286', user: 'me', cpuPercent: 6, memoryBytes: 286 * 1024 },
    ])
    assert.equal((await firstValueFrom(machine.processes({ everyMs: 1_000, top: 100 }))).top.length, 100)
  })

  it('are looked at once for all watchers of one rate', async t => {
    const figures = new Figures()
    const { client } = await serve(t, { services: [host({ library: async () => figures })] })
    const watch = () => firstValueFrom(client.use(Host).metrics({ everyMs: 3_600_000 }))
    const samples = await Promise.all(Array.from({ length: 20 }, watch))
    assert.equal(figures.samples, 1)
    assert.equal(new Set(samples.map(({ at }) => at)).size, 1)
  })

  it('are refused at a rate out of bounds', async t => {
    const { client } = await serve(t, { services: [host({ library: async () => new Figures() })] })
    const machine = client.use(Host)
    for (const everyMs of [0, -1, 99, 100.5, 3_600_001, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.equal((await failure(machine.metrics({ everyMs }))).code, 'rpc_decode', String(everyMs))
    }
    assert.equal((await failure(machine.processes({ everyMs: 999 }))).code, 'rpc_decode')
    assert.equal((await failure(machine.processes({ everyMs: 1_000, top: 101 }))).code, 'rpc_decode')
  })

  it('say what to install where the package is missing, and nothing else needs it', async t => {
    const library = async (): Promise<FigureLibrary> => {
      throw new MissingLibrary(new Error('not found'))
    }
    const { client, logged } = await serve(t, { services: [host({ library })] })
    const machine = client.use(Host)
    for (const call of [machine.load(), machine.metrics({ everyMs: 100 }), machine.processes({ everyMs: 1_000 })]) {
      const { code, message } = await failure(call)
      assert.equal(code, 'user')
      assert.match(message, /npm install systeminformation/)
    }
    assert.deepEqual(await lastValueFrom(machine.echo(undefined, [1]).pipe(toArray())), [1])
    assert.deepEqual(logged, [])
    assert.equal(typeof (await importLibrary()).mem, 'function')
  })
})

describe('Host without a folder', () => {
  it('says that it needs one', async t => {
    const { client } = await serve(t, { services: [host()] })
    const machine = client.use(Host)
    assert.match((await failure(machine.tail({ path: 'a' }))).message, /Host\.tail needs a folder: .*--files DIR/)
    assert.match((await failure(machine.store({ name: 'a' }, []))).message, /Host\.store needs a folder: .*--files DIR/)
  })
})

describe('Host.tail', () => {
  it('gives ten lines unless told, then what is appended', async t => {
    const { client, server } = await serve(t, { listenAt, services: [host({ folder: root })] })
    writeFileSync(inside('log'), Array.from({ length: 20 }, (_, n) => `${n}\n`).join(''))
    const got: string[] = []
    for await (const line of client.use(Host).tail({ path: 'log' })) {
      got.push(line)
      if (got.length === 10) appendFileSync(inside('log'), '20\n')
      if (got.length === 11) break
    }
    assert.deepEqual(got, ['10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20'])
    await client.close()
    assert.equal(server.stats().calls, 0)
  })

  it('fails with what went wrong, and without a path of the server', async t => {
    const { client } = await serve(t, { services: [host({ folder: root })] })
    const machine = client.use(Host)
    symlinkSync(base, inside('out'))
    const failures = [
      ['nope', /failed: cannot follow nope: ENOENT$/],
      ['../root', /failed: cannot follow \.\.\/root: \.\.\/root leads out of the folder$/],
      ['out/x', /ENOENT$|leads out of the folder$/],
      ['.', /is a folder$/],
    ] as const
    for (const [path, message] of failures) {
      const error = await failure(machine.tail({ path }))
      assert.match(error.message, message)
      assert.ok(!error.message.includes(base))
    }
    assert.equal((await failure(machine.tail({ path: '.', lines: 10_001 }))).code, 'rpc_decode')
  })

  it('follows 64 files at once, and no more', async t => {
    const { client } = await serve(t, { services: [host({ folder: root })] })
    const machine = client.use(Host)
    writeFileSync(inside('log'), 'a\n')
    const follow = () => machine.tail({ path: 'log' })[Symbol.asyncIterator]()
    const all = Array.from({ length: 64 }, follow)
    for (const each of all) assert.equal((await each.next()).value, 'a')
    assert.match((await failure(machine.tail({ path: 'log' }))).message, /runs 64 times already/)
    for (const each of all) await each.return?.()
  })
})

describe('Host.store', () => {
  const MIB = 1024 * 1024

  it('stores 16 MiB, all of it or nothing', async t => {
    const { client } = await serve(t, { listenAt, services: [host({ folder: root })] })
    const sent = Buffer.from(Uint32Array.from({ length: 4 * MIB }, (_, n) => n * 2654435761).buffer)
    function* pieces() {
      for (let at = 0; at < sent.length; at += 100_000) {
        yield new Uint8Array(sent.subarray(at, at + 100_000))
        assert.equal(readdirSync(root).includes('file'), false)
      }
    }
    assert.deepEqual(await firstValueFrom(client.use(Host).store({ name: 'file' }, pieces())), { bytes: 16 * MIB })
    assert.ok(readFileSync(inside('file')).equals(sent))
    assert.deepEqual(readdirSync(root), ['file'])
  })

  it('replaces a file, follows no symlink, and stores an empty one', async t => {
    const { client } = await serve(t, { services: [host({ folder: root })] })
    const store = (name: string, ...texts: string[]) =>
      firstValueFrom(
        client.use(Host).store(
          { name },
          texts.map(text => new TextEncoder().encode(text)),
        ),
      )
    writeFileSync(inside('file'), 'an older one')
    writeFileSync(join(base, 'secret'), 'secret')
    symlinkSync(join(base, 'secret'), inside('link'))
    assert.deepEqual(await store('/file', 'a', '', 'b'), { bytes: 2 })
    assert.equal(readFileSync(inside('file'), 'utf8'), 'ab')
    await store('link', 'mine')
    assert.equal(readFileSync(join(base, 'secret'), 'utf8'), 'secret')
    assert.equal(readFileSync(inside('link'), 'utf8'), 'mine')
    assert.deepEqual(await store('empty'), { bytes: 0 })
    assert.equal(statSync(inside('empty')).size, 0)
  })

  it('leaves nothing of an upload that was cut off', async t => {
    const { client, server } = await serve(t, { listenAt, services: [host({ folder: root })] })
    const cut = new AbortController()
    function* pieces() {
      for (let n = 0; ; n++) {
        yield new Uint8Array(100_000)
        const [part] = readdirSync(root)
        if (n > 10 && part !== undefined && statSync(inside(part)).size > 0) cut.abort()
      }
    }
    const stored = client.use(Host).store({ name: 'file' }, pieces(), { signal: cut.signal })
    assert.equal((await failure(stored)).code, 'rpc_canceled')
    await server.close()
    assert.deepEqual(readdirSync(root), [])
  })

  it('leaves nothing where the connection is lost, or the source fails', async t => {
    const { client, server } = await serve(t, { listenAt, services: [host({ folder: root })] })
    const store = (items: Parameters<ReturnType<typeof client.use<typeof Host.methods>>['store']>[1]) =>
      client.use(Host).store({ name: 'file' }, items)
    async function* failing() {
      yield new Uint8Array(1000)
      throw new Error('no more')
    }
    assert.match((await failure(store(failing()))).message, /cannot store file: the client's items failed: .*no more/)
    const begun = failure(store(concat(of(new Uint8Array(1000)), NEVER)))
    while (readdirSync(root).length === 0) await new Promise(resolve => setImmediate(resolve))
    await client.close({ waitMs: 0 })
    await begun
    await server.close()
    assert.deepEqual(readdirSync(root), [])
  })

  it('refuses what is no bytes, and a name that is no file of the folder', async t => {
    const { client } = await serve(t, { services: [host({ folder: root })] })
    const machine = client.use(Host)
    mkdirSync(inside('folder'))
    const bytes = [new Uint8Array(1)]
    assert.equal((await failure(machine.store({ name: 'a' }, ['text'] as never))).code, 'rpc_decode')
    for (const name of ['folder', '', '.', 'a/..', '/']) {
      assert.match((await failure(machine.store({ name }, bytes))).message, /is a folder$/, name)
    }
    for (const name of ['../a', '/../../a']) {
      assert.match((await failure(machine.store({ name }, bytes))).message, /leads out of the folder$/)
    }
    assert.match((await failure(machine.store({ name: 'nope/a' }, bytes))).message, /cannot store nope\/a: ENOENT$/)
    assert.deepEqual(readdirSync(root), ['folder'])
  })
})

describe('Host.echo', () => {
  it('gives everything back, in order, at the pace of its taker', async t => {
    const { client } = await serve(t, { listenAt, services: [host()] })
    const sent = [1, 'a', null, Uint8Array.of(1, 2), { b: [2n ** 63n] }]
    const back = await lastValueFrom(client.use(Host).echo(undefined, sent).pipe(toArray()))
    assert.deepEqual(back, sent)
    let asked = 0
    function* endless() {
      for (;;) yield asked++
    }
    let taken = 0
    for await (const item of client.use(Host).echo(undefined, endless(), { window: 4 })) {
      assert.equal(item, taken++)
      if (taken === 2_000) break
    }
    assert.ok(asked < 2_000 + 3 * 1_024, `${asked} items were asked for`)
  })
})
