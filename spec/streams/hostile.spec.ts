/**
 * Clients of version 2 that mean harm, or just vanish: C6, C10 and C12 of the table of bad input.
 */
import assert from 'node:assert/strict'
import { interval, NEVER, Observable, Subject } from 'rxjs'
import { loggerTo } from '../support/logged.ts'
import { bufferBytes, liveBufferBytes } from '../support/memory-use.ts'
import { until, withServer } from '../support/stage.ts'
import { memory, tcp, unix, ws } from '../support/transports.ts'
import { DOWN, upCancel, upCredit, upNext, upRequest } from '../support/v2-frames.ts'

const MIB = 1024 * 1024
let gone = 0

for (const [what, call] of [
  ['unary calls', {}],
  ['streams', { window: 4 }],
  ['uploads', { open: true }],
] as const) {
  withServer(
    `holds the slots of ${what} that are canceled as fast as they are made, until their handlers have ended (C6)`,
    () => {
      let running = 0
      let most = 0
      const settle: (() => void)[] = []
      return {
        handlers: {
          'S.slow': () => {
            most = Math.max(most, ++running)
            return new Promise(resolve => {
              settle.push(() => {
                running--
                resolve([])
              })
            })
          },
        },
        run: async stage => {
          const caller = await stage.raw()
          let seq = 2
          for (let round = 0; round < 10; round++) {
            const frames: Uint8Array[] = []
            for (let i = 0; i < 500; i++, seq++)
              frames.push(upRequest(seq, { action: 'S.slow', ...call }), upCancel(seq))
            caller.send(...frames)
          }
          await caller.isClosed(4429, 'rpc_busy')
          assert.ok(most <= 256, `${most} handlers ran at once`)
          const refused = caller.downs.filter(({ kind, text }) => kind === DOWN.error && text.startsWith('rpc_busy: '))
          assert.ok(refused.length >= 1000)
          for (const act of settle) act()
          await until(() => running === 0)
        },
      }
    },
    {
      on: [memory, tcp],
      options: { maxCallsPerConnection: 256, maxStreamsPerConnection: 256, maxIdleFramesPerSecond: 1000 },
    },
  )
}

withServer(
  'keeps nothing of calls that were canceled while they waited for a reader (C6)',
  () => {
    let ran = 0
    return {
      handlers: {
        'S.big': () => new Uint8Array(900_000),
        'S.waits': () => ++ran,
      },
      run: async stage => {
        const caller = await stage.raw()
        caller.peer.pause()
        let seq = 2
        for (let i = 0; i < 20; i++, seq++) caller.send(upRequest(seq, { action: 'S.big' }))
        await until(() => stage.server.stats().calls > 0)
        const before = liveBufferBytes()
        const msg = new Uint8Array(200_000).fill(0xc0)
        for (let i = 0; i < 500; i++, seq++) {
          caller.send(upRequest(seq, { action: 'S.waits', msg }), upCancel(seq))
          if (i % 10 === 0) await new Promise(setImmediate)
        }
        await until(() => gone === 500)
        const grown = liveBufferBytes() - before
        assert.ok(grown < 16 * MIB, `${grown} bytes are kept`)
        assert.equal(ran, 0)
      },
    }
  },
  {
    on: [memory],
    options: {
      highWaterMarkBytes: 64 * 1024,
      // An error that is kept keeps what was on its stack.
      logger: loggerTo(({ message }) => {
        if (/the caller has gone/.test(message)) gone++
      }),
    },
  },
)

withServer(
  'pauses the source of a client that gives credit and does not read, and gives that client up (C10)',
  () => {
    let pulled = 0
    let torn = 0
    const item = new Uint8Array(64 * 1024)
    return {
      handlers: {
        'S.bytes': function* () {
          try {
            for (;;) {
              pulled++
              yield item.slice()
            }
          } finally {
            torn++
          }
        } as never,
        'S.pushed': call => {
          call.overflow = 'latest'
          return new Observable(out => {
            out.add(interval(1).subscribe(() => out.next(item.slice())))
            out.add(() => torn++)
          })
        },
      },
      run: async stage => {
        const caller = await stage.raw()
        const before = bufferBytes()
        caller.peer.pause()
        caller.send(
          upRequest(2, { action: 'S.bytes', window: 4096 }),
          upRequest(3, { action: 'S.bytes', window: 4096 }),
          upRequest(4, { action: 'S.pushed', window: 4096 }),
        )
        await until(() => stage.server.stats().connections === 0, 'the end of the connection')
        assert.equal(torn, 3)
        assert.match(stage.log.at(-1)!.message, /unsent|drain|leave/)
        // What the system itself takes of a socket is not this process's, and at most some MiB.
        assert.ok(pulled * item.length < 32 * MIB, `${pulled} items were pulled`)
        const grown = bufferBytes() - before
        assert.ok(grown < 40 * MIB, `${grown} bytes of buffers`)
      },
    }
  },
  { on: [memory, tcp, unix, ws], options: { drainTimeoutMs: 300, tickMs: 50, maxWindow: 4096 } },
)

withServer('pauses the source of a client that never gives credit, for as long as it likes (C10)', () => {
  let pulled = 0
  return {
    handlers: {
      'S.numbers': function* () {
        for (;;) yield pulled++
      } as never,
    },
    run: async stage => {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.numbers', window: 8 }))
      await caller.got(2, 8)
      for (let seq = 3; seq < 20; seq++) await caller.lives(seq)
      assert.equal(pulled, 8)
      caller.send(upCredit(2, 8, 8))
      await caller.got(2, 16)
      caller.send(upCancel(2))
      await caller.terminal(2)
    },
  }
})

withServer(
  'tears every handler of a client down that vanishes with 10,000 subscriptions (C12)',
  () => {
    let live = 0
    const heard = new Subject<number>()
    return {
      handlers: {
        'S.live': call =>
          new Observable(out => {
            live++
            out.add(heard.subscribe(out))
            if (call.shape !== 'stream') out.add(call.items$.subscribe({ error: () => {} }))
            out.add(() => live--)
          }),
        'S.unary': () =>
          new Observable(() => {
            live++
            return () => live--
          }),
      },
      run: async stage => {
        const callers = await Promise.all(Array.from({ length: 10 }, () => stage.raw()))
        for (const caller of callers) {
          caller.send(
            ...Array.from({ length: 500 }, (_, i) => upRequest(i + 2, { action: 'S.live', window: 4 })),
            ...Array.from({ length: 250 }, (_, i) => upRequest(i + 600, { action: 'S.live', window: 4, open: true })),
            ...Array.from({ length: 250 }, (_, i) => upRequest(i + 1000, { action: 'S.unary' })),
          )
        }
        await until(() => live === 10_000)
        heard.next(1)
        for (const caller of callers) caller.peer.reset()
        await until(() => live === 0)
        assert.equal(heard.observed, false)
        await until(() => stage.server.stats().connections === 0)
        assert.equal(stage.server.stats().calls, 0)
      },
    }
  },
  { on: [memory, tcp] },
)

withServer('lets the calls of other connections go on next to one that floods its upload (C11)', () => ({
  handlers: {
    'S.sink': call => {
      call.window = 8
      return new Observable(() => call.items$.subscribe({ error: () => {} }))
    },
    'S.echo': call => call.input,
    'S.never': () => NEVER,
  },
  run: async stage => {
    const flood = await stage.raw()
    flood.send(upRequest(2, { action: 'S.sink', open: true }))
    await flood.got(2)
    const item = upNext(2, new Uint8Array(16_000))
    const other = await stage.raw()
    let sent = 0
    for (let seq = 2; seq < 40; seq++) {
      const credit = flood.of(2).filter(({ kind }) => kind === DOWN.credit)
      const limit = credit.length === 0 ? 0 : 8 + Number(credit.at(-1)!.msg.readBigUInt64LE(4))
      while (sent < limit) {
        flood.send(item)
        sent++
      }
      other.send(upRequest(seq))
      await other.terminal(seq)
    }
    assert.ok(sent > 8)
  },
}))
