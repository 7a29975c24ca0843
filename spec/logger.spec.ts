/**
 * What a user's logger gets of the library's entries, and what becomes of one that is broken.
 */
import assert from 'node:assert/strict'
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { describe, it, type TestContext } from 'node:test'
import { firstValueFrom } from 'rxjs'
import { RpcError } from '../lib/error.ts'
import { type Link, type Logger, memoryListener, RpcServer, type RpcServerOptions } from '../lib/index.ts'
import { logTo } from '../lib/logger.ts'
import { connect } from '../lib/node/index.ts'
import { expectNoLeaks } from './support/leaks.ts'
import { type Logged, loggerTo } from './support/logged.ts'
import { failure } from './support/serve.ts'

const broken = new RpcError('rpc_internal_err', 'the disk is full', { action: 'Host.store' })

/** Keeps its level in itself, as loggers do: its methods are of no use without their object. */
class OwnLogger {
  readonly lines: unknown[] = []
  #write(level: string, rest: unknown[]): void {
    this.lines.push([level, ...rest])
  }
  debug(...rest: unknown[]): void {
    this.#write('debug', rest)
  }
  info(...rest: unknown[]): void {
    this.#write('info', rest)
  }
  warn(...rest: unknown[]): void {
    this.#write('warn', rest)
  }
  error(...rest: unknown[]): void {
    this.#write('error', rest)
  }
}

/** A logger of which each method throws. */
const throwing: Logger = {
  debug: refuse,
  info: refuse,
  warn: refuse,
  error: refuse,
}
function refuse(): never {
  throw new Error('no space left')
}

describe('a logger', () => {
  it('gets the fields, and then the message, at the level of the entry', () => {
    const logger = new OwnLogger()
    const log = logTo(logger)
    log({ level: 'warn', message: 'the link was lost', address: 'tcp://127.0.0.1:1' })
    log({ level: 'debug', message: 'refused', action: 7 })
    log({ level: 'info', message: 'opened' })
    assert.deepEqual(logger.lines, [
      ['warn', { address: 'tcp://127.0.0.1:1' }, 'the link was lost'],
      ['debug', { action: 7 }, 'refused'],
      ['info', {}, 'opened'],
    ])
  })

  it('gets errors under the key err, the very object', () => {
    const logger = new OwnLogger()
    logTo(logger)({ level: 'error', message: 'Host.store failed', action: 'Host.store', error: broken })
    assert.deepEqual(logger.lines, [['error', { action: 'Host.store', err: broken }, 'Host.store failed']])
    assert.equal((logger.lines as [string, { err: unknown }][])[0]![1].err, broken)
  })

  it('may be the console, which prints the fields and the message', () => {
    let printed = ''
    const stream = new Writable({
      write(chunk, _encoding, written) {
        printed += String(chunk)
        written()
      },
    })
    const log = logTo(new Console(stream))
    log({ level: 'warn', message: 'the link was lost', address: 'tcp://127.0.0.1:1', error: broken })
    for (const part of ['tcp://127.0.0.1:1', 'the disk is full', 'the link was lost'])
      assert.ok(printed.includes(part), printed)
  })

  it('that throws does no harm', () => {
    const log = logTo(throwing)
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log({ level, message: 'x' })
  })

  it('that lacks a method is refused at once', () => {
    const { warn, ...rest } = loggerTo(() => {})
    assert.ok(warn)
    assert.throws(() => logTo(rest as Logger), { name: 'TypeError', message: /warn\(fields, message\)/ })
    assert.throws(() => new RpcServer({ logger: console.log as never }), TypeError)
  })

  it('need not be there', () => {
    logTo(undefined)({ level: 'error', message: 'nobody hears' })
  })
})

/** A server whose one handler is broken, and a client of it. */
async function brokenServer(t: TestContext, options: RpcServerOptions): Promise<ReturnType<typeof connect>> {
  const server = new RpcServer({ dispatch: dispatch(), ...options })
  const { address } = await server.listen('memory:logged')
  const client = connect(address)
  t.after(async () => {
    await client.close()
    await server.close()
    await expectNoLeaks()
  })
  return client
}

function dispatch(): NonNullable<RpcServerOptions['dispatch']> {
  return call => {
    if (call.action === 1) throw new Error('hunter2')
    return call.input
  }
}

describe('the logger of a client', () => {
  it('gets what no call is told, and does no harm where it throws', async t => {
    const far: Link[] = []
    const bound = memoryListener('memory:client-logged')
      .listen()
      .subscribe({
        next: ({ links$ }) => links$.subscribe({ next: link => far.push(link), error: assert.fail }),
        error: assert.fail,
      })
    const entries: Logged[] = []
    const collecting = loggerTo(entry => entries.push(entry))
    const clients = [collecting, throwing].map(logger =>
      connect('memory:client-logged', { logger, version: 1, redial: 'on-call' }),
    )
    t.after(async () => {
      for (const client of clients) await client.close({ waitMs: 0 })
      bound.unsubscribe()
      await expectNoLeaks()
    })
    for (const [i, client] of clients.entries()) {
      const failed = failure(client.call({ action: 1 }))
      far[i]!.chunks$.subscribe({ error: assert.fail })
      far[i]!.send(new Uint8Array(64)) // no frame
      assert.equal((await failed).code, 'rpc_io_err')
    }
    const [{ level, address, message }] = entries as [Logged]
    assert.deepEqual([level, address], ['warn', 'memory:client-logged'])
    assert.match(message, /magic/)
  })
})

describe('the logger of a server', () => {
  it('gets what the caller is not told', async t => {
    const entries: Logged[] = []
    const client = await brokenServer(t, { logger: loggerTo(entry => entries.push(entry)) })
    const error = await failure(client.call({ action: 1 }))
    assert.equal(error.code, 'rpc_internal_err')
    assert.ok(!error.message.includes('hunter2'))
    assert.equal(entries.length, 1)
    const [{ level, action, address, error: logged }] = entries as [Logged]
    assert.deepEqual([level, action], ['error', 1])
    assert.match(String(address), /^memory:/)
    assert.match(String(logged?.message), /hunter2/)
  })

  it('that throws does not change the answer, nor the next one', async t => {
    const client = await brokenServer(t, { logger: throwing })
    assert.equal((await failure(client.call({ action: 1 }))).code, 'rpc_internal_err')
    const { value } = await firstValueFrom(client.call({ action: 2, input: 'still here' }))
    assert.equal(value, 'still here')
  })
})
