/**
 * The drain, over real connections: what runs is answered, what is above GOAWAY never ran, and nobody can hold the server up for longer
 * than it wants to wait.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { interval, NEVER, Observable, reduce, Subject } from 'rxjs'
import { type Client, type ConnectOptions, RpcError, type RpcServer } from '../../lib/node/index.ts'
import { follow, NOTHING_LEFT, turn } from '../support/arena.ts'
import { request } from '../support/raw-frames.ts'
import { RawCaller, until, withServer } from '../support/stage.ts'
import { HALF_CLOSING } from '../support/transports.ts'
import {
  DOWN,
  offer,
  pack,
  upCancel,
  upComplete,
  upCredit,
  upHeaders,
  upHello,
  upNext,
  upRequest,
} from '../support/v2-frames.ts'

const byKind = (caller: RawCaller, kind: number) => caller.downs.filter(frame => frame.ver === 2 && frame.kind === kind)

/** A client that gives up at once where nobody listens, and sends nothing again. */
const ONCE: ConnectOptions = { retry: 'never', redial: 'background', backoffFirstMs: 1_000 }

/** The seq of the GOAWAY that `caller` got, or gets. */
async function told(caller: RawCaller): Promise<number> {
  await caller.peer.until(() => byKind(caller, DOWN.goAway).length > 0)
  return byKind(caller, DOWN.goAway)[0]!.seq
}

/** Every call, over and over, until it fails; each has a number of its own. */
class Load {
  readonly answered: number[] = []
  readonly failed: { readonly id: number; readonly error: RpcError }[] = []
  readonly #next: { id: number }

  constructor(ids: { id: number }) {
    this.#next = ids
  }

  async run(client: Client): Promise<void> {
    for (;;) {
      const id = this.#next.id++
      await turn() // memory would take every turn otherwise
      const { values, error } = await follow(client.call({ action: 'S.run', input: id })).over
      if (values.length === 1) this.answered.push(id)
      else if (RpcError.is(error)) return void this.failed.push({ id, error })
      else throw error
    }
  }
}

describe('a server that drains', () => {
  withServer(
    'answers calls and uploads that outlast the grace, and cancels streams and duplexes when it is over',
    () => {
      const held = new Subject<string>()
      let torn = 0
      return {
        handlers: {
          'S.hold': () => held,
          'S.sum': ({ items$ }) => items$.pipe(reduce((sum, item) => sum + Number(item), 0)),
          'S.numbers': () =>
            new Observable<number>(out => {
              out.add(() => torn++)
              out.add(interval(1).subscribe(out))
            }),
          'S.same': ({ items$ }) => items$,
        },
        run: async ({ client, server }) => {
          const caller = client()
          const items = new Subject<number>()
          const unary = follow(caller.call<{ value: unknown }>({ action: 'S.hold' }))
          const upload = follow(caller.call<{ value: unknown }>({ action: 'S.sum', items }))
          const watch = follow(caller.call({ action: 'S.numbers', window: 4096 }))
          const duplex = follow(caller.call({ action: 'S.same', items: NEVER, window: 16 }))
          await until(() => server.stats().calls === 4 && watch.values.length > 0)
          assert.equal(server.stats().streams, 3)
          let closed = false
          const closing = server.close({ graceMs: 20 }).then(() => {
            closed = true
          })
          await watch.failsWith('rpc_canceled', /draining/, 'yes')
          await duplex.failsWith('rpc_canceled', /draining/, 'yes')
          assert.deepEqual([torn, server.stats().calls, server.stats().streams], [1, 2, 1])
          items.next(1)
          items.next(2)
          items.complete()
          assert.equal((await upload.answers()).value, 3)
          assert.equal(closed, false)
          held.next('late')
          assert.equal((await unary.answers()).value, 'late')
          await closing
          assert.deepEqual(server.stats(), NOTHING_LEFT)
        },
      }
    },
  )

  withServer('takes or refuses each call under load, and runs none that it refused', () => {
    const ran = new Set<unknown>()
    return {
      handlers: {
        'S.run': ({ input }) => {
          ran.add(input)
          return Number(input) % 3 === 0 ? Promise.resolve(input) : input
        },
      },
      run: async ({ client, server }) => {
        const load = new Load({ id: 1 })
        const clients = [1, 2, 3].map(() => client(ONCE))
        const workers = clients.flatMap(caller => Array.from({ length: 16 }, () => load.run(caller)))
        await until(() => load.answered.length > 300)
        await server.close()
        await Promise.all(workers)
        assert.equal(load.failed.length, workers.length)
        for (const { id, error } of load.failed) {
          assert.ok(RpcError.is(error, 'rpc_draining', 'rpc_unreachable'), error.message)
          assert.deepEqual([error.executed, ran.has(id)], ['no', false], error.message)
        }
        assert.deepEqual(server.stats(), NOTHING_LEFT)
      },
    }
  })

  withServer('answers or refuses the calls of clients that are dialling', () => {
    const ran = new Set<unknown>()
    return {
      handlers: {
        'S.run': ({ input }) => {
          ran.add(input)
          return input
        },
      },
      run: async ({ client, server }) => {
        const waves = Array.from({ length: 30 }, (_, id) => id)
        const calls = []
        for (const id of waves) {
          calls.push(follow(client(ONCE).call({ action: 'S.run', input: id })))
          if (id === 20) void server.close()
          if (id % 3 === 0) await turn()
        }
        for (const [id, call] of calls.entries()) {
          const { error } = await call.over
          if (error !== undefined) assert.deepEqual([error.executed, ran.has(id)], ['no', false], error.message)
        }
        assert.ok(calls[29]!.error)
        await until(() => server.stats().connections === 0)
      },
    }
  })

  withServer('ends its streams sooner when it is closed again', () => ({
    handlers: { 'S.never': () => NEVER },
    run: async ({ client, server }) => {
      const watch = follow(client().call({ action: 'S.never', window: 1 }))
      const call = follow(client().call({ action: 'S.never' }))
      await until(() => server.stats().calls === 2)
      const first = server.close({ graceMs: 60_000 })
      const second = server.close({ graceMs: 0 })
      await watch.failsWith('rpc_canceled', /draining/, 'yes')
      assert.equal(server.stats().calls, 1)
      await server.close({ waitMs: 0 })
      await call.failsWith('rpc_io_err', /rpc_draining/, 'maybe')
      await Promise.all([first, second])
    },
  }))

  withServer('says goodbye once to a client that is still coming to terms', () => ({
    run: async ({ dial, server }) => {
      const silent = await dial()
      const offered = new RawCaller(await dial())
      offered.send(offer())
      await offered.got(1)
      await until(() => server.stats().connections === 2)
      await server.close()
      await silent.ended()
      assert.deepEqual(
        silent.answers.map(({ seq, blob }) => [seq, blob.toString()]),
        [[0n, 'rpc_draining']],
      )
      assert.equal(await told(offered), 1)
      await offered.isClosed(4491, 'rpc_draining')
      assert.deepEqual(
        offered.downs.map(({ kind }) => kind),
        [0, DOWN.goAway, DOWN.error],
      )
    },
  }))

  const admission = { decide: new Subject<void>(), ran: [] as unknown[], asked: 0 }
  withServer(
    'does not wait for who a client is, and runs nothing of it when it is known',
    () => {
      Object.assign(admission, { decide: new Subject<void>(), ran: [], asked: 0 })
      return {
        handlers: { 'S.echo': call => admission.ran.push(call.input) },
        run: async ({ dial, client, server }) => {
          const raw = new RawCaller(await dial())
          raw.send(offer())
          await raw.got(1)
          raw.send(upHello({ token: 'me' }), upRequest(2))
          const ours = follow(client({ token: () => 'us', retry: 'never' }).call({ action: 'S.echo', input: 'ours' }))
          await until(() => admission.asked === 2)
          await server.close()
          admission.decide.next()
          admission.decide.complete()
          assert.equal(await told(raw), 1)
          await raw.isClosed(4491, 'rpc_draining')
          await ours.failsWith('rpc_draining', /draining/, 'no')
          for (let i = 0; i < 5; i++) await turn()
          assert.deepEqual(admission.ran, [])
        },
      }
    },
    {
      options: {
        authenticate: () => {
          admission.asked++
          return new Promise(resolve => admission.decide.subscribe({ complete: () => resolve('somebody') }))
        },
      },
    },
  )

  withServer(
    'answers a client that has finished its direction',
    () => {
      const held = new Subject<string>()
      return {
        handlers: { 'S.hold': () => held },
        run: async ({ raw, server }) => {
          const caller = await raw()
          caller.send(upRequest(2, { action: 'S.hold' }))
          await until(() => server.stats().calls === 1)
          caller.peer.finish()
          for (let i = 0; i < 10; i++) await turn()
          const closing = server.close()
          assert.equal(await told(caller), 2)
          held.next('done')
          assert.equal((await caller.terminal(2)).kind, DOWN.done)
          assert.equal((await caller.peer.ended()).how, 'finished')
          await closing
        },
      }
    },
    { on: HALF_CLOSING },
  )

  withServer('is not held up by a client that does not read, which still learns how it ended', () => {
    let given = 0
    function* blocks() {
      const block = new Uint8Array(64 * 1024)
      for (;;) {
        given++
        yield block
      }
    }
    return {
      handlers: { 'S.blocks': () => blocks() },
      run: async ({ raw, server }) => {
        const caller = await raw()
        caller.peer.pause()
        caller.send(upRequest(2, { action: 'S.blocks', window: 4096 }))
        await until(() => given > 0)
        let seen = 0
        while (seen !== given) {
          seen = given
          for (let i = 0; i < 10; i++) await turn()
        }
        await server.close({ graceMs: 10 })
        assert.deepEqual(server.stats(), NOTHING_LEFT)
        caller.peer.resume()
        await caller.isClosed(4491, 'rpc_draining')
        const last = await caller.terminal(2)
        assert.deepEqual([last.kind, last.text], [DOWN.error, 'rpc_canceled: the server is draining'])
        assert.equal(await told(caller), 2)
      },
    }
  })

  withServer('skips what a client sends that goes on as if nothing was said, and cuts it off after waitMs', () => {
    const ran: unknown[] = []
    let torn = 0
    return {
      handlers: {
        'S.hold': ({ input }) => {
          ran.push(input)
          return new Observable(() => () => torn++)
        },
      },
      run: async ({ raw, server }) => {
        const caller = await raw()
        const call = { action: 'S.hold', msg: pack('taken') }
        caller.send(upRequest(2, call))
        await until(() => ran.length === 1)
        const closing = server.close({ graceMs: 20, waitMs: 400 })
        assert.equal(await told(caller), 2)
        let seq = 3
        for (let i = 0; i < 50; i++) {
          caller.send(upHeaders(seq, { a: 'b' }), upRequest(seq++, call), request({ action: 'S.hold', seq: seq++ }))
          caller.send(upRequest(seq, { ...call, open: true, window: 4 }), upNext(seq, i), upCredit(seq, 4, 0))
          caller.send(upComplete(seq), upCancel(seq++))
          if (i % 10 === 0) {
            caller.send(offer(seq))
            await caller.got(seq++)
          }
        }
        await closing
        await caller.isClosed(4491, 'rpc_draining')
        assert.deepEqual([ran, torn], [['taken'], 1])
        assert.equal(byKind(caller, DOWN.goAway).length, 1)
        const answered = caller.downs.filter(frame => frame.kind <= DOWN.next && frame.seq > 1)
        // The pongs.
        assert.equal(answered.length, 5)
      },
    }
  })

  let server: RpcServer | undefined
  withServer('may be closed by the handler of a stream, which it lets finish', () => ({
    handlers: {
      'S.bye': () => {
        void server!.close()
        return [1, 2, 3]
      },
    },
    run: async stage => {
      server = stage.server
      const watch = follow(stage.client().call({ action: 'S.bye', window: 1 }))
      await watch.over
      assert.deepEqual([watch.values.length, watch.error], [3, undefined])
      await stage.server.close()
    },
  }))
})

describe('a client that drains', () => {
  withServer('ends its streams, sends its uploads to the end, and waits for answers', () => {
    const held = new Subject<string>()
    let torn = 0
    return {
      handlers: {
        'S.hold': () => held,
        'S.sum': ({ items$ }) => items$.pipe(reduce((sum, item) => sum + Number(item), 0)),
        'S.never': () => new Observable(() => () => torn++),
      },
      run: async ({ client, server }) => {
        const caller = client()
        const items = new Subject<number>()
        const unary = follow(caller.call<{ value: unknown }>({ action: 'S.hold' }))
        const upload = follow(caller.call<{ value: unknown }>({ action: 'S.sum', items }))
        const watch = follow(caller.call({ action: 'S.never', window: 4 }))
        const duplex = follow(caller.call({ action: 'S.never', items: NEVER, window: 4 }))
        await until(() => server.stats().calls === 4)
        const closing = caller.close()
        await watch.failsWith('rpc_canceled', /./)
        await duplex.failsWith('rpc_canceled', /./)
        await follow(caller.call({ action: 'S.hold' })).failsWith('rpc_unreachable', /is closed/, 'no')
        await until(() => torn === 2)
        for (const item of [1, 2]) items.next(item)
        items.complete()
        assert.equal((await upload.answers()).value, 3)
        assert.equal(server.stats().connections, 1)
        held.next('late')
        assert.equal((await unary.answers()).value, 'late')
        await closing
        await until(() => server.stats().connections === 0)
      },
    }
  })

  withServer('stops waiting when it is closed again', () => ({
    handlers: { 'S.never': () => NEVER },
    run: async ({ client, server }) => {
      const caller = client()
      const call = follow(caller.call({ action: 'S.never' }))
      await until(() => server.stats().calls === 1)
      const closing = caller.close()
      await caller.close({ waitMs: 0 })
      await call.failsWith('rpc_canceled', /this end closed the connection/, 'maybe')
      await closing
    },
  }))
})
