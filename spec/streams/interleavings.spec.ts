/**
 * The nasty interleavings of version 2, each under the number it has in PROTOCOL.md, with raw peers that make frames cross
 * exactly.
 */
import assert from 'node:assert/strict'
import { interval, lastValueFrom, map, NEVER, Observable, of, Subject, take, toArray } from 'rxjs'
import { Paced, pacedMap, type RpcError, type ServerCall } from '../../lib/node/index.ts'
import { follow, type Outcome, turn } from '../support/arena.ts'
import { loggerTo } from '../support/logged.ts'
import { request, response } from '../support/raw-frames.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { RawCaller, until, withClient, withServer } from '../support/stage.ts'
import {
  creditOf,
  DOWN,
  downCancel,
  downCredit,
  downDone,
  downError,
  downNext,
  goAway,
  offer,
  pack,
  UP,
  unpack,
  upCancel,
  upComplete,
  upCredit,
  upError,
  upHeaders,
  upHello,
  upNext,
  upRequest,
  ups,
} from '../support/v2-frames.ts'

/** What a stream or duplex of the client gives. */
const stream = (window = 4): { action: string; window: number } => ({ action: 'S.stream', window })

withClient('1: takes an empty pong for version 1, and the pong of an upgraded server for version 2', async stage => {
  const { client } = stage
  const first = follow(client.call(stream()))
  const headed = follow(client.call({ action: 'S.echo', headers: { a: 'b' } }))
  const peer = await stage.peer(0)
  await peer.until(() => ups(peer.received).length >= 1)
  peer.send(response({ seq: 1 }))
  await first.failsWith('rpc_unsupported', /version 2/, 'no')
  await headed.failsWith('rpc_unsupported', /headers/, 'no')
  await follow(client.call(stream())).failsWith('rpc_unsupported', /version 2/, 'no')
  const unary = follow(client.call({ action: 'S.echo', input: 1 }))
  await peer.until(() => ups(peer.received).length >= 2)
  const [asked, call] = ups(peer.received)
  assert.deepEqual([asked!.ver, asked!.kind, call!.ver, call!.kind], [1, 2, 1, 0])
  assert.ok(ups(peer.received).every(frame => frame.ver === 1))
  peer.send(response({ seq: call!.seq, msg: pack(5) }))
  assert.equal((await unary.answers()).value, 5)
  const last = follow(client.call({ action: 'S.echo', input: 2 }))
  peer.reset()
  await last.failsWith('rpc_io_err', /./)
  const second = follow(client.call(stream()))
  const callee = await stage.callee(1)
  const [sent] = await callee.got(UP.request)
  callee.send(downNext(sent!.seq, 'a'), downDone(sent!.seq))
  await second.over
  assert.deepEqual([second.values, second.error], [['a'], undefined])
})

withServer('2: answers a CANCEL of a call of version 1 with one terminal of version 1', () => {
  let torn = 0
  const answer$ = new Subject<number>()
  return {
    handlers: {
      'S.hold': () => new Observable(() => () => torn++),
      'S.late': () => answer$,
    },
    run: async stage => {
      const peer = await stage.dial()
      peer.send(offer(1), request({ action: 'S.hold', seq: 2 }), request({ action: 'S.late', seq: 3 }))
      const caller = await callerOfSent(peer)
      answer$.next(7)
      await caller.terminal(3)
      caller.send(upCancel(2), upCancel(3))
      const canceled = await caller.terminal(2)
      assert.deepEqual([canceled.ver, canceled.kind, canceled.text], [1, DOWN.error, 'rpc_canceled'])
      assert.equal(torn, 1)
      await caller.lives(4)
      assert.deepEqual(
        caller.of(3).map(({ ver, kind, msg }) => [ver, kind, unpack(msg)]),
        [[1, DOWN.done, 7]],
      )
      assert.equal(caller.of(2).length, 1)
    },
  }
})

/** A peer that has sent its offer says HELLO. */
async function callerOfSent(peer: RawPeer): Promise<RawCaller> {
  const caller = new RawCaller(peer)
  await caller.got(1)
  caller.send(upHello())
  await caller.got(0)
  return caller
}

{
  const ran: string[] = []
  let refuse: (reason: Error) => void = () => {}
  const options = {
    dispatch: (call: ServerCall): unknown => ran.push(String(call.action)),
    authenticate: (): unknown =>
      new Promise((_, reject) => {
        refuse = reject
      }),
  }
  withServer(
    '3: runs none of the calls behind the HELLO of a client that is turned away, and each of them says so',
    () => ({
      run: async stage => {
        const client = stage.client({ token: () => 'wrong' })
        const calls = Array.from({ length: 50 }, (_, i) => follow(client.call({ action: 'S.echo', input: i })))
        const streams = Array.from({ length: 5 }, () => follow(client.call(stream())))
        await until(() => client.stats().inFlight === 55)
        const raw = await stage.dial()
        refuse(new Error('not you'))
        for (const call of [...calls, ...streams]) await call.failsWith('rpc_unauthenticated', /./, 'no')
        raw.send(offer())
        await raw.until(() => raw.bytes > 0)
        const frames = Array.from({ length: 50 }, (_, i) => upRequest(i + 2))
        const before = refuse
        raw.send(Buffer.concat([upHello({ token: 'wrong' }), ...frames]))
        await until(() => refuse !== before, 'the second HELLO')
        refuse(new Error('nor you'))
        await new RawCaller(raw).isClosed(4401, 'rpc_unauthenticated')
        assert.deepEqual(ran, [])
      },
    }),
    { options },
  )
}

withClient('4: frees the slot of an unsubscribed stream once where its DONE crosses the CANCEL', async stage => {
  const { client } = stage
  const one = follow(client.call(stream()))
  const two = follow(client.call(stream()))
  const three = follow(client.call(stream()))
  const callee = await stage.callee(0, { streams: 1 })
  const [first] = await callee.got(UP.request)
  callee.send(downNext(first!.seq, 1))
  await until(() => one.values.length === 1)
  one.unsubscribe()
  await callee.got(UP.cancel)
  assert.equal(callee.of(UP.request).length, 1)
  callee.send(downNext(first!.seq, 2), downDone(first!.seq))
  const [, second] = await callee.got(UP.request, 2)
  assert.deepEqual([client.stats().inFlight, client.stats().waiting], [1, 1])
  callee.send(downDone(second!.seq))
  await two.over
  const [, , third] = await callee.got(UP.request, 3)
  callee.send(downDone(third!.seq))
  await three.over
  assert.deepEqual([one.values, one.ends, two.ends, three.ends], [[1], 0, 1, 1])
  assert.equal(callee.of(UP.cancel).length, 1)
})

withServer('4: drops the CANCEL that crosses its DONE', () => ({
  handlers: { 'S.stream': () => [1, 2] },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.stream', window: 4 }))
    await caller.terminal(2)
    caller.send(upCancel(2))
    await caller.lives(3)
    assert.deepEqual(
      caller.of(2).map(frame => frame.kind),
      [DOWN.next, DOWN.next, DOWN.done],
    )
  },
}))

withServer(
  '5: never has more than its window of handlers out, however often its client unsubscribes',
  () => {
    const settle: (() => void)[] = []
    let running = 0
    let most = 0
    let ran = 0
    return {
      handlers: {
        'S.slow': () => {
          ran++
          most = Math.max(most, ++running)
          return new Promise<void>(resolve => {
            settle.push(() => {
              running--
              resolve()
            })
          })
        },
      },
      run: async stage => {
        const complaints: string[] = []
        const client = stage.client({ logger: loggerTo(({ message }) => complaints.push(message)) })
        const outcomes: Outcome[] = []
        for (let round = 0; round < 10; round++) {
          const before = ran
          const calls = Array.from({ length: 1000 }, () => follow(client.call({ action: 'S.slow' })))
          outcomes.push(...calls)
          await until(() => ran === before + 16)
          for (const call of calls) call.unsubscribe()
          assert.equal(client.stats().inFlight, 16)
          for (const act of settle.splice(0)) act()
          await until(() => client.stats().inFlight === 0)
        }
        assert.deepEqual(complaints, [])
        assert.deepEqual([most, ran], [16, 160])
        assert.ok(outcomes.every(({ ends, values }) => ends === 0 && values.length === 0))
        assert.ok(!stage.log.some(({ error }) => error?.code === 'rpc_busy'))
      },
    }
  },
  { options: { maxCallsPerConnection: 16 } },
)

withServer('6: drops what crosses its CANCEL, and still has its last word', () => {
  const answer$ = new Subject<string>()
  return {
    handlers: {
      'S.duplex': call => {
        call.items$.pipe(take(1)).subscribe({ error: assert.fail })
        return answer$
      },
    },
    run: async stage => {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.duplex', window: 4, open: true }))
      await caller.got(2)
      caller.send(upNext(2, 0), upNext(2, 1), upNext(2, 2), upNext(2, 3), upComplete(2))
      await caller.got(2, 2)
      await caller.lives(3)
      answer$.next('still')
      answer$.complete()
      await caller.terminal(2)
      assert.deepEqual(
        caller.of(2).map(frame => frame.kind),
        [DOWN.credit, DOWN.cancel, DOWN.next, DOWN.done],
      )
    },
  }
})

withClient('6: stops its source at a CANCEL and sends no COMPLETE; the answer still comes', async stage => {
  let torn = 0
  const source$ = new Observable<number>(out => {
    out.next(1)
    return () => torn++
  })
  const call = follow(stage.client.call({ action: 'S.upload', items: source$ }))
  const callee = await stage.callee()
  const { seq } = (await callee.got(UP.request))[0]!
  callee.send(downCredit(seq, 4, 0))
  await callee.got(UP.next)
  callee.send(downCancel(seq))
  await until(() => torn === 1)
  callee.send(downCancel(seq), downCredit(seq, 4, 1), downDone(seq, pack('enough')))
  assert.equal((await call.answers()).value, 'enough')
  assert.deepEqual([callee.of(UP.complete).length, callee.of(UP.next).length], [0, 1])
})

withServer('7: drops the items that are under way when an upload is answered early', () => ({
  handlers: { 'S.upload': call => call.items$.pipe(take(1)), 'S.echo': call => call.input },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.upload', open: true }))
    await caller.got(2)
    caller.send(...[1, 2, 3, 4, 5, 6].map(item => upNext(2, item)), upComplete(2), upRequest(3, { msg: pack('on') }))
    assert.equal(unpack((await caller.terminal(3)).msg), 'on')
    const [credit, done, ...more] = caller.of(2)
    assert.deepEqual(creditOf(credit!), { window: 1024, consumed: 0 })
    assert.deepEqual([done!.kind, unpack(done!.msg), more.length], [DOWN.done, 1, 0])
  },
}))

withServer('8: drops a CREDIT that crosses its DONE', () => ({
  handlers: { 'S.stream': () => of(1) },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.stream', window: 1 }))
    await caller.terminal(2)
    caller.send(upCredit(2, 1, 1))
    await caller.lives(3)
  },
}))

withClient('8: drops a CREDIT that crosses its COMPLETE', async stage => {
  const call = follow(stage.client.call({ action: 'S.upload', items: of(1) }))
  const callee = await stage.callee()
  const { seq } = (await callee.got(UP.request))[0]!
  callee.send(downCredit(seq, 1, 0))
  await callee.got(UP.complete)
  callee.send(downCredit(seq, 1, 1), downDone(seq, pack('all')))
  assert.equal((await call.answers()).value, 'all')
})

for (const [what, before] of [
  ['before any CREDIT', false],
  ['behind a COMPLETE', true],
] as const) {
  withServer(`9: closes a connection on which an item comes ${what}`, () => {
    let torn = 0
    return {
      handlers: {
        'S.upload': call => (before ? new Observable(() => call.items$.subscribe({ error: () => {} })) : NEVER),
        'S.hold': () => new Observable(() => () => torn++),
      },
      run: async stage => {
        const caller = await stage.raw()
        caller.send(upRequest(2, { action: 'S.hold' }), upRequest(3, { action: 'S.upload', open: true }))
        if (before) {
          await caller.got(3)
          caller.send(upComplete(3))
        }
        caller.send(upNext(3, 1))
        await caller.isClosed(4420, 'rpc_flow')
        await until(() => torn === 1)
        assert.match(stage.log.at(-1)!.message, before ? /half had ended/ : /without credit/)
      },
    }
  })
}

withClient('9: ends every call of a connection that its server closes for a breach', async stage => {
  const upload = follow(stage.client.call({ action: 'S.upload', items: NEVER }))
  const other = follow(stage.client.call({ action: 'S.echo' }))
  const callee = await stage.callee()
  await callee.got(UP.request, 2)
  callee.send(downError(0, 'rpc_flow'))
  callee.peer.finish()
  for (const call of [upload, other]) await call.failsWith('rpc_io_err', /rpc_flow/, 'maybe')
  assert.equal(((await other.over).error!.cause as RpcError).code, 'rpc_flow')
})

withServer('10: lets one item go for a CREDIT that comes twice, and shrinks no limit for a late one', () => {
  let n = 0
  const numbers = function* (): Generator<number> {
    for (;;) yield n++
  }
  return {
    handlers: { 'S.stream': () => numbers() },
    run: async stage => {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.stream', window: 1 }))
      await caller.got(2)
      caller.send(upCredit(2, 1, 1), upCredit(2, 1, 1), upCredit(2, 1, 0))
      await caller.got(2, 2)
      await caller.lives(3)
      assert.equal(caller.of(2).length, 2)
      caller.send(upCredit(2, 1, 2))
      await caller.got(2, 3)
      await caller.lives(4)
      assert.deepEqual([caller.of(2).length, n], [3, 3])
    },
  }
})

withServer('11: sends a large item through a small window, and the next when all of it is consumed', () => ({
  handlers: {
    'S.stream': function* () {
      yield new Uint8Array(16 * 1024 * 1024).fill(7)
      for (let i = 0; ; i++) yield i
    },
  },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.stream', window: 4 }))
    await caller.peer.until(() => caller.peer.bytes > 16 * 1024 * 1024)
    await caller.got(2)
    caller.send(upCredit(2, 4, 1023))
    await caller.lives(3)
    assert.equal(caller.of(2).length, 4, 'limit 1,027 after 1,023 consumed: three more')
    caller.send(upCredit(2, 4, 1024))
    await caller.got(2, 5)
    await caller.lives(4)
    assert.deepEqual(
      caller.of(2).map(({ msg, blob }) => (blob.length > 0 ? blob.length : unpack(msg))),
      [16 * 1024 * 1024, 0, 1, 2, 3],
    )
  },
}))

withServer('12: answers the calls that a paced consumer of the same connection waits for', () => ({
  handlers: {
    'S.numbers': () => Array.from({ length: 3000 }, (_, i) => i),
    'S.double': call => of((call.input as number) * 2),
  },
  run: async stage => {
    const client = stage.client()
    const numbers = new Paced<number>((out, pace) => {
      const sub = client.call<number>({ action: 'S.numbers', window: 256, ...(pace && { pace }) }).subscribe(out)
      return sub
    })
    const double = (n: number): Observable<number> =>
      client.call({ action: 'S.double', input: n }).pipe(map(({ value }) => value as number))
    const doubled = await lastValueFrom(pacedMap(double, 256)(numbers).pipe(toArray()))
    assert.equal(doubled.length, 3000)
    assert.equal(
      doubled.reduce((sum, n) => sum + n, 0),
      3000 * 2999,
    )
  },
}))

withClient('13: settles what GOAWAY excludes as never run, once, and lets the rest go on', async stage => {
  const { client } = stage
  const calls = Array.from({ length: 7 }, (_, i) =>
    follow(client.call<{ value: unknown }>({ action: 'S.echo', input: i })),
  )
  const callee = await stage.callee()
  const requests = await callee.got(UP.request, 7)
  assert.deepEqual(
    requests.map(({ seq }) => seq),
    [2, 3, 4, 5, 6, 7, 8],
  )
  callee.send(goAway(6, { reason: 'rpc_draining', graceMs: 10 }))
  for (const call of calls.slice(5)) await call.failsWith('rpc_draining', /did not take/, 'no')
  callee.send(goAway(5), downDone(6, pack('six')))
  assert.equal((await calls[4]!.answers()).value, 'six')
  const elsewhere = follow(client.call<{ value: unknown }>({ action: 'S.echo' }))
  const next = await stage.callee(1)
  const [again] = await next.got(UP.request)
  next.send(downDone(again!.seq, pack('anew')))
  assert.equal((await elsewhere.answers()).value, 'anew')
  for (const seq of [2, 3, 4, 5]) callee.send(downDone(seq, pack(seq)))
  for (const [i, call] of calls.slice(0, 4).entries()) assert.equal((await call.answers()).value, i + 2)
  await callee.peer.ended()
  assert.equal(callee.of(UP.request).length, 7)
})

withServer('13: skips the calls that come behind its GOAWAY, and goes on with those before', () => {
  const ran: unknown[] = []
  const answer$ = new Subject<string>()
  return {
    handlers: {
      'S.hold': call => {
        ran.push(call.input)
        return answer$
      },
    },
    run: async stage => {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.hold', msg: pack('taken') }))
      await until(() => ran.length === 1)
      const closed = stage.server.close()
      await caller.peer.until(() => caller.downs.some(frame => frame.kind === DOWN.goAway))
      const away = caller.downs.find(frame => frame.kind === DOWN.goAway)!
      assert.deepEqual([away.seq, unpack(away.msg)], [2, { reason: 'rpc_draining', graceMs: 10_000 }])
      caller.send(upHeaders(3, {}), upRequest(3, { action: 'S.hold' }), request({ action: 'S.hold', seq: 4 }), offer(5))
      await caller.got(5)
      answer$.next('done')
      await caller.isClosed(4491, 'rpc_draining')
      await closed
      assert.deepEqual([caller.of(2).length, caller.of(3).length, caller.of(4).length], [2, 0, 0])
      assert.deepEqual(ran, ['taken'])
    },
  }
})

withServer('14: ends an endless stream when the grace is over, in front of what waits for credit', () => {
  let torn = 0
  return {
    handlers: {
      'S.stream': call => {
        call.overflow = 'latest'
        return new Observable(out => {
          out.add(() => torn++)
          out.add(interval(1).subscribe(out))
        })
      },
    },
    run: async stage => {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.stream', window: 4 }))
      await caller.got(2, 4)
      const client = stage.client()
      const ours = follow(client.call({ ...stream(1), window: 4096 }))
      await until(() => ours.values.length > 0)
      const closed = stage.server.close({ graceMs: 20 })
      const last = await caller.terminal(2)
      assert.deepEqual([last.kind, last.text.split(':')[0]], [DOWN.error, 'rpc_canceled'])
      assert.deepEqual(
        caller
          .of(2)
          .slice(0, 4)
          .map(frame => frame.kind),
        [3, 3, 3, 3],
      )
      assert.equal(
        caller.of(2).length,
        caller.downs.some(frame => frame.kind === DOWN.goAway && frame.seq === 2) ? 6 : 5,
      )
      await ours.failsWith('rpc_canceled', /./, 'yes')
      await caller.isClosed(4491, 'rpc_draining')
      await closed
      assert.equal(torn, 2)
    },
  }
})

withServer('15: lets its DONE win over the ERROR that crosses it', () => ({
  handlers: { 'S.upload': call => call.items$.pipe(take(1)) },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.upload', open: true }))
    await caller.got(2)
    caller.send(upNext(2, 'a'), upError(2, 'too late'))
    assert.equal(unpack((await caller.terminal(2)).msg), 'a')
    await caller.lives(3)
  },
}))

withServer('15: fails the items with the ERROR of the client, and lets the handler decide', () => ({
  handlers: {
    'S.upload': call =>
      new Observable(out => call.items$.subscribe({ error: (error: RpcError) => out.next(error.message) })),
  },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.upload', open: true }))
    await caller.got(2)
    caller.send(upNext(2, 'a'), upError(2, 'disk is full'))
    assert.match(String(unpack((await caller.terminal(2)).msg)), /disk is full/)
  },
}))

withClient('15: tells its caller of the DONE that crosses its ERROR', async stage => {
  const source$ = new Subject<number>()
  const call = follow(stage.client.call({ action: 'S.upload', items: source$ }))
  const callee = await stage.callee()
  const { seq } = (await callee.got(UP.request))[0]!
  source$.error(new Error('disk is full'))
  const [error] = await callee.got(UP.error)
  assert.equal(error!.blob.toString(), 'disk is full')
  callee.send(downDone(seq, pack('never mind')))
  assert.equal((await call.answers()).value, 'never mind')
})

withServer('16: closes a connection on which headers are not followed by their request', () => ({
  handlers: { 'S.stream': () => NEVER },
  run: async stage => {
    for (const between of [upCredit(2, 4, 0), offer(4), upRequest(4), upHeaders(4, {}), upCancel(3)]) {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.stream', window: 4 }), upHeaders(3, { a: 'b' }), between)
      caller.send(upRequest(3))
      await caller.isClosed(4400, 'rpc_protocol')
      assert.match(stage.log.at(-1)!.message, /headers of 3 are not followed by their request/)
    }
  },
}))

withClient(
  '17: settles a call by its own clock, and takes the timeout of the server for the end of the slot only',
  async stage => {
    const first = follow(stage.client.call({ ...stream(), timeoutMs: 5 }))
    const second = follow(stage.client.call(stream()))
    const callee = await stage.callee(0, { streams: 1 })
    const { seq } = (await callee.got(UP.request))[0]!
    await first.failsWith('rpc_timeout', /within 5 ms/, 'maybe')
    await callee.got(UP.cancel)
    assert.equal(stage.client.stats().inFlight, 1)
    assert.equal(callee.of(UP.request).length, 1)
    callee.send(downError(seq, 'rpc_timeout'))
    const [, next] = await callee.got(UP.request, 2)
    callee.send(downDone(next!.seq))
    await second.over
    assert.deepEqual([first.ends, second.ends, second.error], [1, 1, undefined])
  },
  { options: { tickMs: 20 } },
)

withClient('19: says of an upload that the server was too busy for that nothing of it ran', async stage => {
  let torn = 0
  const source$ = new Observable<number>(out => {
    for (let i = 0; i < 10; i++) out.next(i)
    return () => torn++
  })
  const call = follow(stage.client.call({ action: 'S.upload', items: source$ }))
  const callee = await stage.callee()
  const { seq } = (await callee.got(UP.request))[0]!
  callee.send(downError(seq, 'rpc_busy: 1024 such calls run on the connection'))
  await call.failsWith('rpc_busy', /1024 such calls/, 'no')
  assert.equal(torn, 1)
  assert.deepEqual(
    callee.ups.map(({ ver, kind }) => [ver, kind]),
    [
      [1, 2],
      [2, UP.hello],
      [2, UP.request],
    ],
  )
  await turn()
})
