/** Restarts without a gap, with processes: what is handed over, what goes on, and what a failed start leaves alone. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { filter, firstValueFrom, interval, lastValueFrom, mergeMap, Subject, take, takeUntil } from 'rxjs'
import { type Client, type ConnectOptions, connect, RpcError } from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { type Plan, programIn, Restartable, Restarting, signal } from '../support/restartable.ts'
import { failure } from '../support/serve.ts'

/** Only a bound for a hang: each process is a start of Node and a compiler. */
const TIMEOUT = { timeout: 120_000 }

const TCP = 'tcp://127.0.0.1:0'
const WS = 'ws://127.0.0.1:0/rpc'
const unixIn = (folder: string) => `unix://${folder}/socket`
const everywhere = (folder: string) => [TCP, unixIn(folder), WS]

after(expectNoLeaks)

function client(t: TestContext, address: string, options: ConnectOptions = {}): Client {
  const made = connect(address, options)
  t.after(() => made.close({ waitMs: 0 }))
  return made
}

/** Who answers a client that was not there before. */
async function who(address: string, options: ConnectOptions = {}) {
  const fresh = connect(address, options)
  try {
    return await firstValueFrom(fresh.use(Restartable).who())
  } finally {
    await fresh.close()
  }
}

describe('a hand-over', () => {
  it('goes to the program as it is on disk by then, at the same addresses, on each transport', TIMEOUT, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: everywhere(folder) }))
    const before = await chain.addresses()
    chain.change({ version: 2 })
    const first = chain.pid
    const second = await chain.restart()
    assert.deepEqual(await chain.addresses(), before)
    for (const address of before) {
      for (const version of [1, 2] as const) {
        const { pid, version: answers } = await who(address, { version })
        assert.deepEqual({ pid, answers }, { pid: second, answers: 2 })
      }
    }
    assert.notEqual(first, second)
    chain.signal('SIGTERM')
    const { out } = await chain.over
    assert.match(out, new RegExp(`^${first}: over$`, 'm'))
    assert.match(out, new RegExp(`^${second}: over$`, 'm'))
    assert.equal(existsSync(join(chain.folder, 'socket')), false)
  })

  it('leaves the calls that run to the old process, and new ones go to the new one', TIMEOUT, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: everywhere(folder) }))
    const uploads = (await chain.addresses()).map(address => {
      const items = new Subject<number>()
      const caller = client(t, address).use(Restartable)
      return { caller, items, sum: firstValueFrom(caller.sum(undefined, items)) }
    })
    for (const { caller, items } of uploads) {
      await firstValueFrom(caller.who())
      items.next(1)
    }
    chain.change({ version: 2 })
    const first = chain.pid
    const handedOver = chain.says(first, 'pid \\d+ is ready; draining 3 calls')
    await chain.restart()
    await handedOver
    for (const { caller } of uploads) assert.equal((await firstValueFrom(caller.who())).version, 2)
    for (const { items, sum } of uploads) {
      items.next(2)
      items.complete()
      assert.deepEqual(await sum, { sum: 3, version: 1 })
    }
    await chain.says(first, 'over')
    chain.signal('SIGTERM')
    await chain.over
  })

  it('ends streams after graceMs with rpc_canceled', TIMEOUT, async t => {
    const chain = await Restarting.start(t, () => ({ listen: [TCP], graceMs: 50 }))
    const [address = ''] = await chain.addresses()
    const items: number[] = []
    const { forever } = client(t, address).use(Restartable)
    const begun = new Subject<void>()
    const ended = new Promise<unknown>(resolve => {
      forever().subscribe({
        next: version => {
          items.push(version)
          begun.next()
        },
        error: resolve,
      })
    })
    await firstValueFrom(begun)
    await chain.restart()
    const error = await ended
    assert.ok(RpcError.is(error, 'rpc_canceled'), String(error))
    assert.deepEqual(items, [1])
  })

  it('takes a new address along, and gives up one that is no longer listened at', TIMEOUT, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: [TCP, unixIn(folder)] }))
    const [tcp = '', unix = ''] = await chain.addresses()
    chain.change({ listen: [WS, tcp] })
    const second = await chain.restart()
    const [ws = '', same] = await chain.addresses()
    assert.equal(same, tcp)
    for (const address of [ws, tcp]) assert.equal((await who(address)).pid, second)
    const error = await failure(client(t, unix, { retry: 'never' }).use(Restartable).who())
    assert.equal(error.code, 'rpc_unreachable')
    assert.deepEqual(readdirSync(chain.folder), ['plan.json'])
  })

  it('takes the HTTP server of a user along', TIMEOUT, async t => {
    const chain = await Restarting.start(t, () => ({ listen: [TCP], http: TCP }))
    const address = (await chain.addresses())[1]!.replace('tcp:', 'http:')
    const text = async () => (await fetch(address, { headers: { connection: 'close' } })).text()
    assert.equal(await text(), 'version 1')
    chain.change({ version: 2 })
    await chain.restart()
    assert.equal(await text(), 'version 2')
  })

  it('lets the upgrade of a WebSocket that is under way through', TIMEOUT, async t => {
    const chain = await Restarting.start(t, () => ({ listen: [WS] }))
    const { port } = new URL((await chain.addresses())[0]!)
    const socket = connectSocket(Number(port), '127.0.0.1')
    t.after(() => socket.destroy())
    let answer = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text
    })
    socket.write('GET /rpc HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n')
    // Whoever answers this has been accepted after it.
    await who((await chain.addresses())[0]!)
    const restarted = chain.restart()
    const [, second] = await chain.says(chain.pid, 'handing over to pid (\\d+)')
    await chain.says(Number(second), 'serving as pid')
    socket.write('sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
    await once(socket, 'data')
    assert.match(answer, /^HTTP\/1.1 101 /)
    await restarted
  })

  it('leaves nothing open from process to process', TIMEOUT, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: everywhere(folder), pidFile: join(folder, 'pid') }))
    const [address = ''] = await chain.addresses()
    const open: number[] = []
    for (let n = 0; n < 4; n++) {
      await chain.restart()
      open.push((await who(address)).open)
    }
    assert.deepEqual(
      open,
      open.map(() => open[0]),
    )
    chain.signal('SIGTERM')
    await chain.over
    assert.deepEqual(readdirSync(chain.folder), ['plan.json'])
  })
})

describe('a start that fails', () => {
  const faults: readonly [string, Partial<Plan>, string][] = [
    ['exits at once', { fault: 'exits' }, 'the new process ended with exit code 1 before it was ready'],
    ['closes its server and exits', { fault: 'closes and exits' }, 'the new process ended with exit code 3 before'],
    ['crashes with the sockets in hand', { fault: 'crashes' }, 'the new process was ended by SIGKILL before it was'],
    [
      'says what is not for it to say',
      { fault: 'chatters' },
      'the new process wrote "hello\\\\n" to file descriptor 3',
    ],
    ['cannot listen', { listen: [TCP, 'unix:///dev/null'] }, 'the new process ended with exit code 1 before it was'],
    ['cannot write its pid file', { pidFile: '/dev/null/pid' }, 'the new process ended with exit code 1 before it was'],
  ]

  it(
    'leaves the old process serving, and its files alone, however it fails; a later one may succeed',
    TIMEOUT,
    async t => {
      const chain = await Restarting.start(t, folder => ({ listen: everywhere(folder), pidFile: join(folder, 'pid') }))
      const { pid } = chain
      const plan = { listen: everywhere(chain.folder), pidFile: join(chain.folder, 'pid') }
      const addresses = await chain.addresses()
      const files = readdirSync(chain.folder)
      for (const [name, change, reason] of faults) {
        chain.change({ version: 2, ...change })
        chain.signal('SIGUSR2')
        await chain.says(pid, `${reason}.*; this one goes on serving`)
        for (const address of addresses) assert.equal((await who(address)).pid, pid, name)
        assert.deepEqual(readdirSync(chain.folder), files, name)
        assert.equal(readFileSync(plan.pidFile, 'utf8'), `${pid}\n`)
        chain.change({ fault: undefined, ...plan })
      }
      const next = await chain.restart()
      assert.notEqual(next, pid)
      for (const address of addresses) assert.equal((await who(address)).pid, next)
      assert.equal(readFileSync(plan.pidFile, 'utf8'), `${next}\n`)
    },
  )

  it('takes readyTimeoutMs at most', TIMEOUT, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: [unixIn(folder)], readyTimeoutMs: 3_000 }))
    const [address = ''] = await chain.addresses()
    chain.change({ fault: 'is ready at SIGHUP' })
    chain.signal('SIGUSR2')
    await chain.says(
      chain.pid,
      'the new process was not ready within readyTimeoutMs 3000, and was killed; this one goes',
    )
    assert.equal((await who(address)).pid, chain.pid)
  })

  it('is over for a process that killing did not reach, too', TIMEOUT, async t => {
    // The shell is what is killed.
    const command = (folder: string) => ['sh', '-c', '"$0" "$@"; true', ...programIn(folder)] as const
    const plan = (folder: string) => ({ listen: [unixIn(folder)], readyTimeoutMs: 5_000, command: command(folder) })
    const chain = await Restarting.start(t, plan)
    const [address = ''] = await chain.addresses()
    chain.change({ fault: 'is ready at SIGHUP' })
    chain.signal('SIGUSR2')
    const [, late] = await chain.prints(new RegExp(`^(?!${chain.pid}:)(\\d+): listening at`, 'm'))
    await chain.says(chain.pid, 'was not ready within')
    signal(Number(late), 'SIGHUP')
    assert.equal((await who(address)).pid, chain.pid)
    chain.signal('SIGTERM')
    const { err } = await chain.over
    assert.match(err, /too late: the process before this one goes on serving/)
  })

  it('is one of a program that is not there, or that gets no sockets', TIMEOUT, async t => {
    const chain = await Restarting.start(t, () => ({ listen: [TCP], command: ['/nowhere'] }))
    const [address = ''] = await chain.addresses()
    chain.signal('SIGUSR2')
    await chain.says(chain.pid, 'cannot start /nowhere: .*ENOENT; this one goes on serving')
    assert.equal((await who(address)).pid, chain.pid)
    const command = (folder: string) => ['sh', '-c', 'exec "$0" "$@" 3>&- 4>&-', ...programIn(folder)] as const
    const other = await Restarting.start(t, folder => ({ listen: [TCP], command: command(folder) }))
    other.signal('SIGUSR2')
    await other.says(other.pid, 'the new process ended with exit code 1 before it was ready')
    other.signal('SIGTERM')
    assert.match(
      (await other.over).err,
      /file descriptor 3 is no socket: the command of the new process has to pass on/,
    )
  })
})

describe('a process that can be restarted', () => {
  it('starts one new process at a time, which accepts nothing before it is ready', TIMEOUT, async t => {
    const chain = await Restarting.start(t, () => ({ listen: [TCP] }))
    chain.change({ fault: 'is ready at SIGHUP' })
    chain.signal('SIGUSR2')
    const [, second] = await chain.says(chain.pid, 'handing over to pid (\\d+)')
    const [, address = ''] = await chain.says(Number(second), 'listening at (\\S+)')
    for (let n = 0; n < 20; n++) assert.equal((await who(address)).pid, chain.pid)
    chain.signal('SIGUSR2')
    await chain.says(chain.pid, `no new process is started: pid ${second} is being started`)
    // Stopped meanwhile, it takes the other one with it: all ends.
    chain.signal('SIGTERM')
    const { out } = await chain.over
    assert.match(out, /stopping; draining 0 calls/)
    assert.doesNotMatch(out, /is ready/)
  })

  it('drains at SIGTERM, starts none meanwhile, and is over at the second one', TIMEOUT, async t => {
    const chain = await Restarting.start(t, () => ({ listen: [TCP] }))
    const first = chain.pid
    const caller = client(t, (await chain.addresses())[0]!).use(Restartable)
    const sum = failure(caller.sum(undefined, new Subject<number>()))
    await firstValueFrom(caller.who())
    await chain.restart()
    signal(first, 'SIGUSR2')
    await chain.says(first, 'no new process is started: this process is draining')
    signal(first, 'SIGINT')
    assert.notEqual((await sum).code, 'rpc_timeout')
    await chain.says(first, 'over')
    const other = client(t, (await chain.addresses())[0]!).use(Restartable)
    const rest = failure(other.sum(undefined, new Subject<number>()))
    await firstValueFrom(other.who())
    chain.signal('SIGTERM')
    await chain.says(chain.pid, 'stopping; draining 1 call$')
    chain.signal('SIGTERM')
    assert.notEqual((await rest).code, 'rpc_timeout')
    await chain.over
  })

  it('removes its pid file only while it is its own', TIMEOUT, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: [TCP], pidFile: join(folder, 'pid') }))
    const path = join(chain.folder, 'pid')
    assert.equal(readFileSync(path, 'utf8'), `${chain.pid}\n`)
    writeFileSync(path, '1\n')
    chain.signal('SIGTERM')
    await chain.over
    assert.equal(readFileSync(path, 'utf8'), '1\n')
  })
})

/** Connects and hangs up; rejects where it is refused or reset. */
async function knock(address: string): Promise<void> {
  const { hostname, port, pathname } = new URL(address)
  const socket = connectSocket(
    address.startsWith('unix:') ? { path: pathname } : { host: hostname, port: Number(port) },
  )
  await once(socket, 'connect')
  socket.resume().end()
  await once(socket, 'close')
}

describe('ten restarts under load', () => {
  it('fail no call and refuse no connection', { timeout: 240_000 }, async t => {
    const chain = await Restarting.start(t, folder => ({ listen: everywhere(folder) }))
    const addresses = await chain.addresses()
    const answered = new Map<number, number>()
    const progress = new Subject<number>()
    let stopped = false
    const count = ({ version }: { version: number }): void => {
      answered.set(version, (answered.get(version) ?? 0) + 1)
      progress.next(version)
    }
    const lasting = async (address: string, version: 1 | 2): Promise<void> => {
      const caller = client(t, address, { version }).use(Restartable)
      while (!stopped) count(await firstValueFrom(caller.who()))
    }
    const fleeting = async (address: string, version: 1 | 2): Promise<void> => {
      while (!stopped) count(await who(address, { version }))
    }
    const versions = [1, 2] as const
    const callers = addresses.flatMap(address => versions.flatMap(v => [lasting(address, v), fleeting(address, v)]))
    const stop = new Subject<void>()
    const knocking$ = interval(10).pipe(
      takeUntil(stop),
      mergeMap(() => Promise.all(addresses.map(knock))),
    )
    const load = Promise.all([...callers, lastValueFrom(knocking$)])
    const failed = load.then(() => assert.fail('the load ended by itself'))
    for (let version = 2; version <= 11; version++) {
      chain.change({ version })
      const served = progress.pipe(
        filter(by => by === version),
        take(50),
      )
      await Promise.race([chain.restart().then(() => lastValueFrom(served)), failed])
    }
    stopped = true
    stop.next()
    await load
    assert.deepEqual(
      [...answered.keys()].sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    )
    chain.signal('SIGTERM')
    await chain.over
  })
})
