/**
 * What a server of version 2 does with what it does not expect: PROTOCOL.md, "The unexpected". C-numbers are those of the table
 * of bad input.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { map, NEVER, Observable, Subject, take } from 'rxjs'
import {
  CallRefused,
  duplex,
  implement,
  type Paced,
  type ServerCall,
  service,
  stream,
  unary,
  upload,
} from '../../lib/node/index.ts'
import { follow, turn } from '../support/arena.ts'
import { request } from '../support/raw-frames.ts'
import { type Handlers, RawCaller, type ServerStage, type Setting, until, withServer } from '../support/stage.ts'
import { memory, tcp } from '../support/transports.ts'
import {
  creditOf,
  DOWN,
  downs,
  NONE,
  offer,
  pack,
  type SeenDown,
  UP,
  unpack,
  up,
  upCancel,
  upComplete,
  upCredit,
  upError,
  upHeaders,
  upHello,
  upNext,
  upRequest,
} from '../support/v2-frames.ts'

/** Where the slicing of bytes plays no part, one transport with sockets stands for all. */
const on = [memory, tcp]
const shared$ = new Subject<object>()
const FF = Uint8Array.of(0xc1)

/** Two calls that run: 2 is a stream that has sent 4 items and has no credit, 3 an upload that was granted 4 and gives none back. */
function running(): { readonly handlers: Handlers; readonly torn: () => number } {
  let torn = 0
  const kept = (call: ServerCall): Observable<unknown> =>
    new Observable(() => {
      const items = (call.items$ as Paced<unknown>).paced(items$ => items$).subscribe({ error: () => {} })
      return () => {
        torn++
        items.unsubscribe()
      }
    })
  const numbers = function* (): Generator<number> {
    try {
      for (let i = 0; ; i++) yield i
    } finally {
      torn++
    }
  }
  return {
    handlers: { 'S.stream': () => numbers(), 'S.upload': kept, 'S.echo': call => call.input, 'S.never': () => NEVER },
    torn: () => torn,
  }
}

async function withCalls(stage: ServerStage): Promise<RawCaller> {
  const caller = await stage.raw()
  caller.send(upRequest(2, { action: 'S.stream', window: 4 }), upRequest(3, { action: 'S.upload', open: true }))
  await caller.got(2, 4)
  await caller.got(3)
  return caller
}

type Breach = readonly [what: string, code: number, text: string, frames: Uint8Array[]]

const BREACHES: readonly Breach[] = [
  ['an item beyond the credit (C9)', 4420, 'rpc_flow', [0, 1, 2, 3, 4].map(item => upNext(3, item))],
  [
    'a small item behind one that used the credit up',
    4420,
    'rpc_flow',
    [upNext(3, new Uint8Array(65_536)), upNext(3, 1)],
  ],
  ['an item after COMPLETE (C9)', 4420, 'rpc_flow', [upComplete(3), upNext(3, 1)]],
  ['COMPLETE twice (C9)', 4420, 'rpc_flow', [upComplete(3), upComplete(3)]],
  ['ERROR after COMPLETE', 4420, 'rpc_flow', [upComplete(3), upError(3, 'x')]],
  ['an item for a stream', 4420, 'rpc_flow', [upNext(2, 1)]],
  ['COMPLETE for a stream', 4420, 'rpc_flow', [upComplete(2)]],
  ['an item for a unary call', 4420, 'rpc_flow', [upRequest(4, { action: 'S.never' }), upNext(4, 1)]],
  ['CREDIT with a window of 0 (C8)', 4420, 'rpc_flow', [upCredit(2, 0, 1)]],
  ['CREDIT with a window above maxWindow (C8)', 4420, 'rpc_flow', [upCredit(2, 4097, 1)]],
  ['CREDIT for more than was sent (C8)', 4420, 'rpc_flow', [upCredit(2, 4, 5)]],
  ['CREDIT for 2^64 - 1 (C8)', 4420, 'rpc_flow', [upCredit(2, 4, 2n ** 64n - 1n)]],
  ['a request with a window above maxWindow', 4420, 'rpc_flow', [upRequest(4, { action: 'S.stream', window: 4097 })]],
  ['kind 0', 4400, 'rpc_protocol', [up(0, { seq: 4 })]],
  ['kind 9', 4400, 'rpc_protocol', [up(9, { seq: 4 })]],
  ['kind 10, which is reserved', 4400, 'rpc_protocol', [up(10, { seq: 3 })]],
  ['kind 255', 4400, 'rpc_protocol', [up(255, { seq: 3 })]],
  ['HELLO twice', 4400, 'rpc_protocol', [upHello()]],
  ['bit 31 at 4 in NEXT', 4400, 'rpc_protocol', [up(UP.next, { seq: 3, field: 0x8000_0000, msg: pack(1) })]],
  ['bit 31 at 4 in CREDIT', 4400, 'rpc_protocol', [up(UP.credit, { seq: 2, field: 0x8000_0004, word: 1n })]],
  ['bit 31 at 4 in CANCEL', 4400, 'rpc_protocol', [up(UP.cancel, { seq: 2, field: 0x8000_0000 })]],
  ['REQUEST with seq 0', 4400, 'rpc_protocol', [upRequest(0)]],
  ['HEADERS with seq 0', 4400, 'rpc_protocol', [upHeaders(0, {})]],
  ['NEXT with seq 0', 4400, 'rpc_protocol', [upNext(0, 1)]],
  ['CREDIT with seq 0', 4400, 'rpc_protocol', [upCredit(0, 4, 0)]],
  ['CANCEL with seq 0', 4400, 'rpc_protocol', [upCancel(0)]],
  ['a seq in use', 4409, 'rpc_protocol', [upRequest(3)]],
  ['a seq below the highest', 4400, 'rpc_protocol', [upRequest(7), upRequest(6)]],
  ['HEADERS with a seq in use', 4409, 'rpc_protocol', [upHeaders(3, {})]],
  ['headers that are no map', 4400, 'rpc_protocol', [upHeaders(4, ['a'])]],
  ['headers that are not text', 4400, 'rpc_protocol', [upHeaders(4, { a: 1 })]],
  ['headers that cannot be decoded', 4400, 'rpc_protocol', [up(UP.headers, { seq: 4, msg: FF })]],
  [
    'too many headers',
    4400,
    'rpc_protocol',
    [upHeaders(4, Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])))],
  ],
  ['too long headers', 4400, 'rpc_protocol', [upHeaders(4, { a: 'x'.repeat(4096) })]],
  ['COMPLETE with a body', 4400, 'rpc_protocol', [up(UP.complete, { seq: 3, msg: pack(1) })]],
  ['CANCEL with a body', 4400, 'rpc_protocol', [up(UP.cancel, { seq: 3, blob: pack(1) })]],
  ['CREDIT with a body', 4400, 'rpc_protocol', [up(UP.credit, { seq: 2, field: 4, msg: pack(1) })]],
  ['a message over maxMessageBytes', 4413, 'rpc_too_large', [up(UP.next, { seq: 3, msgBytes: 2001 })]],
  ['a blob over maxBlobBytes', 4413, 'rpc_too_large', [up(UP.next, { seq: 3, blobBytes: 65_537 })]],
  ['a blob of 2 GiB', 4400, 'rpc_protocol', [up(UP.next, { seq: 3, blobBytes: 2 ** 31 })]],
  ['a text of an ERROR over 1 KiB', 4413, 'rpc_too_large', [up(UP.error, { seq: 3, blobBytes: 1025 })]],
  ['version 3', 4406, 'rpc_invalid_ver', [up(UP.request, { ver: 3, seq: 4 })]],
]

describe('closes a connection of version 2', () => {
  for (const [what, code, text, frames] of BREACHES) {
    const { handlers, torn } = running()
    const setting: Setting<object> = {
      on,
      options: { window: 4, maxMessageBytes: 2000, maxBlobBytes: 65_536 },
    }
    let before = 0
    withServer(
      `for ${what}`,
      () => ({
        handlers,
        run: async stage => {
          const caller = await withCalls(stage)
          const other = await withCalls(stage)
          caller.send(...frames)
          await caller.isClosed(code, text)
          await until(() => torn() === before + 2)
          other.send(upCredit(2, 4, 4))
          await other.got(2, 8)
          await other.lives(9)
          before += 4
        },
      }),
      setting,
    )
  }
})

const EARLY: readonly Breach[] = [
  ['a frame of version 2 before the offer', 4400, 'rpc_protocol', [upRequest(2)]],
  ['HELLO before the offer', 4400, 'rpc_protocol', [upHello()]],
  ['version 0', 4406, 'rpc_invalid_ver', [up(UP.request, { ver: 0, seq: 4 })]],
  ['a call before HELLO', 4400, 'rpc_protocol', [offer(), upRequest(2)]],
  ['HEADERS before HELLO', 4400, 'rpc_protocol', [offer(), upHeaders(2, {})]],
  ['an offer that is not the first frame', 4400, 'rpc_protocol', [request({ seq: 1 }), offer(2), upHello()]],
  ['a HELLO with a seq', 4400, 'rpc_protocol', [offer(), up(UP.hello, { seq: 2, msg: pack({}) })]],
  ['an empty HELLO', 4400, 'rpc_protocol', [offer(), up(UP.hello, { msg: NONE })]],
  ['a HELLO that is an array', 4400, 'rpc_protocol', [offer(), upHello([])]],
  ['a HELLO that is bytes', 4400, 'rpc_protocol', [offer(), upHello(Uint8Array.of(1))]],
  ['a HELLO that cannot be decoded', 4400, 'rpc_protocol', [offer(), up(UP.hello, { msg: FF })]],
  ['a HELLO with a blob', 4400, 'rpc_protocol', [offer(), up(UP.hello, { msg: pack({}), blob: FF })]],
  ['a HELLO over 4 KiB', 4400, 'rpc_protocol', [offer(), upHello({ token: 'x'.repeat(4096) })]],
  ['a token that is no text', 4400, 'rpc_protocol', [offer(), upHello({ token: 7 })]],
  ['a meta that is no map of texts', 4400, 'rpc_protocol', [offer(), upHello({ meta: { a: 1 } })]],
  ['a limit below 1', 4400, 'rpc_protocol', [offer(), upHello({ msg: 0 })]],
  ['a limit that is no number', 4400, 'rpc_protocol', [offer(), upHello({ blob: 'x' })]],
]

describe('closes a connection that has not come to terms', () => {
  for (const [what, code, text, frames] of EARLY) {
    withServer(
      `for ${what}`,
      () => ({
        handlers: running().handlers,
        run: async stage => {
          const peer = await stage.dial()
          peer.send(Buffer.concat(frames))
          await new RawCaller(peer).isClosed(code, text)
        },
      }),
      { on },
    )
  }

  withServer('and answers a version it does not know to its seq first', () => ({
    run: async stage => {
      const peer = await stage.dial()
      peer.send(up(UP.request, { ver: 3, seq: 4 }))
      await peer.ended()
      assert.deepEqual(
        downs(peer.received).map(({ ver, seq, text }) => [ver, seq, text]),
        [
          [1, 4, 'rpc_invalid_ver'],
          [1, 0, 'rpc_invalid_ver'],
        ],
      )
    },
  }))
})

withServer('ignores what it does not know in the maps of a client', () => ({
  handlers: { 'S.headers': call => call.headers },
  run: async stage => {
    const caller = await stage.raw({ session: 'x', parts: 7, what: { ever: [] } })
    caller.send(
      upHeaders(2, { a: 'b', 'x-é': 'ü' }),
      upRequest(2, { action: 'S.headers' }),
      upRequest(3, { action: 'S.headers' }),
    )
    assert.deepEqual(unpack((await caller.terminal(2)).msg), { a: 'b', 'x-é': 'ü' })
    assert.deepEqual(unpack((await caller.terminal(3)).msg), {})
  },
}))

withServer('drops frames for seqs that are not live, and goes on (C7)', () => ({
  handlers: running().handlers,
  run: async stage => {
    const caller = await withCalls(stage)
    caller.send(upRequest(4, { msg: pack('x') }))
    await caller.terminal(4)
    for (const seq of [4, 99]) {
      caller.send(upNext(seq, 1), upComplete(seq), upError(seq, 'x'), upCredit(seq, 0, 9), upCancel(seq), upCancel(seq))
    }
    caller.send(upCredit(3, 0, 9)) // the upload's answer has no items
    await caller.lives(5)
    caller.send(upCancel(2), upCancel(2), upCredit(2, 4, 4), upCancel(3), upNext(3, 1))
    assert.match((await caller.terminal(2)).text, /^rpc_canceled/)
    assert.match((await caller.terminal(3)).text, /^rpc_canceled/)
    await caller.lives(6)
  },
}))

for (const [what, frame] of [
  ['frames for no call', upNext(99, 1)],
  ['grants that move nothing', upCredit(2, 4, 0)],
  ['grants for a half that is not there', upCredit(3, 4, 0)],
] as const) {
  withServer(
    `closes a connection on which too many ${what} come within a second`,
    () => ({
      handlers: running().handlers,
      run: async stage => {
        const caller = await withCalls(stage)
        caller.send(...new Array<Uint8Array>(100).fill(frame))
        await caller.lives(8)
        // A second may begin anew in between, and does so once at most.
        caller.send(...new Array<Uint8Array>(202).fill(frame))
        await caller.isClosed(4429, 'rpc_busy')
      },
    }),
    { on, options: { maxIdleFramesPerSecond: 100, window: 4 } },
  )
}

withServer(
  'counts nothing that was under way when it ended a call, and all that comes behind',
  () => ({
    handlers: {
      'S.first': call => call.items$.pipe(take(1)),
      'S.some': () => [1, 2],
      'S.echo': call => call.input,
    },
    run: async stage => {
      const caller = await stage.raw()
      const items = Array.from({ length: 31 }, (_, item) => item)
      for (let seq = 2; seq < 22; seq++) {
        caller.send(upRequest(seq, { action: 'S.first', open: true }))
        await caller.got(seq)
        caller.send(...items.map(item => upNext(seq, item)), upComplete(seq))
        await caller.terminal(seq)
      }
      for (let seq = 22; seq < 222; seq++) {
        caller.send(upRequest(seq, { action: 'S.some', window: 3 }))
        await caller.terminal(seq)
        caller.send(upCredit(seq, 3, 2))
      }
      await caller.lives(230)
      const client = stage.client()
      for (let i = 0; i < 20; i++) {
        const endless = {
          *[Symbol.iterator]() {
            for (let n = 0; ; n++) yield n
          },
        }
        await follow(client.call({ action: 'S.first', items: endless })).answers()
      }
      assert.equal(stage.server.stats().connections, 2)
    },
  }),
  { options: { maxIdleFramesPerSecond: 100 } },
)

withServer('fails the one call whose item cannot be decoded, and drops what else is under way for it', () => {
  let torn = 0
  return {
    handlers: {
      'S.upload': call => new Observable(() => call.items$.subscribe({ error: () => {} }).add(() => torn++)),
      'S.async': async call => {
        try {
          for await (const _ of call.items$ as Paced<unknown>);
        } finally {
          torn++
          await turn()
        }
      },
      'S.echo': call => call.input,
    },
    run: async stage => {
      const caller = await stage.raw()
      caller.send(upRequest(2, { action: 'S.upload', open: true }), upRequest(3, { action: 'S.async', open: true }))
      await caller.got(2)
      await caller.got(3)
      for (const seq of [2, 3]) {
        const bad = up(UP.next, { seq, msg: FF })
        caller.send(upNext(seq, 1), bad, bad, upNext(seq, 2), upComplete(seq), upError(seq, 'x'))
      }
      for (const seq of [2, 3]) {
        const last = await caller.terminal(seq)
        assert.deepEqual([last.kind, last.text.split(':')[0]], [DOWN.error, 'rpc_decode'])
      }
      await caller.lives(4)
      assert.equal(torn, 2)
    },
  }
})

withServer('reads an item without message and blob as unit, and an empty bin as no bytes', () => ({
  handlers: { 'S.duplex': call => call.items$.pipe(map(item => [item === undefined, item])) },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.duplex', open: true, window: 9 }))
    await caller.got(2)
    caller.send(
      up(UP.next, { seq: 2 }),
      upNext(2, null),
      up(UP.next, { seq: 2, msg: Uint8Array.of(0xc4, 0) }),
      upNext(2, Uint8Array.of(9)),
      upComplete(2),
    )
    await caller.terminal(2)
    assert.deepEqual(
      caller
        .of(2)
        .filter(({ kind }) => kind === DOWN.next)
        .map(({ msg }) => unpack(msg)),
      [
        [true, null],
        [false, null],
        [false, new Uint8Array(0)],
        [false, Uint8Array.of(9)],
      ],
    )
  },
}))

const Shapes = service('S', {
  unary: unary(),
  stream: stream(),
  upload: upload(),
  duplex: duplex(),
})

{
  let ran = 0
  const run = (): never => {
    ran++
    throw new Error('ran')
  }
  withServer(
    'refuses a call of another shape than its contract says, and runs nothing',
    () => ({
      run: async stage => {
        const caller = await stage.raw()
        const shapes: Readonly<Record<string, object>> = {
          unary: {},
          stream: { window: 1 },
          upload: { open: true },
          duplex: { open: true, window: 1 },
        }
        let seq = 2
        for (const method of Object.keys(shapes)) {
          for (const [shape, call] of Object.entries(shapes)) {
            if (shape === method) continue
            caller.send(upRequest(++seq, { action: `S.${method}`, ...call }))
            const last = await caller.terminal(seq)
            assert.match(last.text, new RegExp(`^rpc_unsupported: S.${method} is of kind ${method}.*${shape}`))
          }
          if (method === 'unary') continue
          caller.send(request({ seq: ++seq, action: `S.${method}` }))
          const last = await caller.terminal(seq)
          assert.deepEqual([last.ver, last.text], [1, 'rpc_unsupported'])
        }
        assert.equal(ran, 0)
      },
    }),
    { options: { services: [implement(Shapes, { unary: run, stream: run, upload: run, duplex: run })] } },
  )
}

describe('has room for maxHeldBytes only', () => {
  const options = { maxHeldBytes: 100_000, window: 1024, maxCallsPerConnection: 2000 }

  withServer(
    'and answers a request beyond it with rpc_busy, its body unread',
    () => ({
      handlers: running().handlers,
      run: async stage => {
        const caller = await stage.raw()
        const blob = new Uint8Array(60_000)
        caller.send(upRequest(2, { action: 'S.never', blob }), upRequest(3, { action: 'S.echo', blob }))
        assert.match((await caller.terminal(3)).text, /^rpc_busy: maxHeldBytes 100000/)
        caller.send(upRequest(4, { msg: pack('small') }), upCancel(2))
        assert.equal(unpack((await caller.terminal(4)).msg), 'small')
        await caller.terminal(2)
        caller.send(upRequest(5, { action: 'S.echo', blob, msg: pack('room') }))
        assert.equal(unpack((await caller.terminal(5)).msg), 'room')
      },
    }),
    { options },
  )

  withServer(
    'and ends the call whose item is beyond it with rpc_overflow, the connection kept',
    () => {
      const done: (() => void)[] = []
      return {
        handlers: {
          ...running().handlers,
          'S.slow': call =>
            new Observable<never>(() =>
              (call.items$ as Paced<unknown>)
                .paced((items$, oneDone) => {
                  done.push(oneDone)
                  return items$
                })
                .subscribe({ error: () => {} }),
            ),
        },
        run: async stage => {
          const caller = await stage.raw()
          const call = { action: 'S.slow', open: true }
          caller.send(upRequest(2, call), upRequest(3, call))
          await caller.got(3)
          const item = new Uint8Array(40_000)
          caller.send(upNext(2, item), upNext(2, item), upNext(3, item), upNext(3, 'more'), upNext(2, 'small'))
          assert.match((await caller.terminal(3)).text, /^rpc_overflow/)
          await caller.lives(4)
          assert.equal(caller.of(2).length, 1, 'the other upload goes on')
          done[0]!()
          caller.send(upNext(2, item))
          await caller.lives(5)
          assert.equal(caller.of(2).length, 1, 'an item that is done with makes room')
          caller.send(upCancel(2))
          await caller.terminal(2)
          caller.send(upRequest(6, call))
          await caller.got(6)
          caller.send(upNext(6, item), upNext(6, item))
          await caller.lives(7)
          assert.equal(caller.of(6).length, 1, 'and so does the end of a call')
        },
      }
    },
    { options },
  )
})

describe('answers what is over its limit of calls with rpc_busy, before anything runs (C5)', () => {
  const codes = (frames: readonly SeenDown[]): string[] => frames.map(({ text }) => text.split(':')[0]!)
  for (const [what, options, call] of [
    ['maxCallsPerConnection', { maxCallsPerConnection: 3 }, { action: 'S.hold' }],
    ['maxStreamsPerConnection', { maxStreamsPerConnection: 3 }, { action: 'S.hold', window: 1 }],
    ['maxCalls', { maxCalls: 3 }, { action: 'S.hold' }],
  ] as const) {
    let ran = 0
    const ends: Subject<never>[] = []
    withServer(
      what,
      () => {
        ran = 0
        ends.length = 0
        return {
          handlers: {
            'S.hold': () => {
              ran++
              const end = new Subject<never>()
              ends.push(end)
              return end
            },
            'S.echo': call_ => call_.input,
          },
          run: async stage => {
            const caller = await stage.raw()
            caller.send(...Array.from({ length: 100 }, (_, i) => upRequest(i + 2, call)))
            const refused = await Promise.all(Array.from({ length: 97 }, (_, i) => caller.terminal(i + 5)))
            assert.deepEqual(new Set(codes(refused)), new Set(['rpc_busy']))
            assert.match(refused[0]!.text, new RegExp(`${what} is 3`))
            assert.equal(ran, 3)
            ends[0]!.complete()
            caller.send(upRequest(200, call))
            await caller.terminal(2)
            await caller.lives(201)
            assert.equal(ran, 4)
            assert.equal(caller.of(200).length, 0)
          },
        }
      },
      { options },
    )
  }
})

withServer('sends nothing over the limits of the HELLO of its client', () => ({
  handlers: {
    'S.answer': () => 'x'.repeat(1000),
    'S.stream': () => [1, { text: 'x'.repeat(1000) }, 2],
    'S.bytes': () => [new Uint8Array(2001)],
    'S.shared': () => shared$,
  },
  run: async stage => {
    const caller = await stage.raw({ msg: 500, blob: 2000 })
    const stream_ = { action: 'S.stream', window: 9 }
    caller.send(
      upRequest(2, { action: 'S.answer' }),
      upRequest(3, stream_),
      upRequest(4, { ...stream_, action: 'S.bytes' }),
    )
    for (const seq of [2, 3, 4]) assert.match((await caller.terminal(seq)).text, /^rpc_too_large/)
    assert.equal(caller.of(3).length, 2)
    for (let seq = 5; seq < 9; seq++) caller.send(upRequest(seq, { action: 'S.shared', window: 9 }))
    await caller.lives(9)
    const item = { text: 'y'.repeat(1000) }
    shared$.next({ small: true })
    shared$.next(item)
    for (let seq = 5; seq < 9; seq++) assert.match((await caller.terminal(seq)).text, /^rpc_too_large/)
    assert.ok(caller.peer.bytes < 5000, `${caller.peer.bytes} bytes came`)
  },
}))

withServer('gives up a stream whose handler gives no items, with rpc_internal_err', () => ({
  handlers: {
    'S.stream': () => 7,
    'S.text': () => 'abc',
    'S.throws': () => {
      throw new CallRefused('rpc_busy', 'no')
    },
  },
  run: async stage => {
    const caller = await stage.raw()
    caller.send(upRequest(2, { action: 'S.stream', window: 1 }), upRequest(3, { action: 'S.text', window: 1 }))
    for (const seq of [2, 3]) assert.equal((await caller.terminal(seq)).text, 'rpc_internal_err')
  },
}))

void creditOf
