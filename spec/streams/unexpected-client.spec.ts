/**
 * What a client of version 2 does with what it does not expect: PROTOCOL.md, "The unexpected". C-numbers are those of the table
 * of bad input.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { NEVER, Observable, Subject } from 'rxjs'
import { follow, type Outcome } from '../support/arena.ts'
import { response } from '../support/raw-frames.ts'
import { type ClientStage, type RawCallee, until, withClient } from '../support/stage.ts'
import { memory, tcp, ws } from '../support/transports.ts'
import {
  DOWN,
  downCancel,
  downCredit,
  downDone,
  downError,
  downHello,
  downNext,
  goAway,
  NONE,
  offer,
  pack,
  pong,
  UP,
  unpack,
  ups,
} from '../support/v2-frames.ts'

/** Where the slicing of bytes plays no part, two transports stand for all; a WebSocket tells the code. */
const on = [memory, ws]
const options = { maxMessageBytes: 2000, maxBlobBytes: 65_536 }
const FF = Uint8Array.of(0xc1)
const down = (kind: number, seq: number, msg: Uint8Array = NONE, blob: Uint8Array = NONE): Uint8Array =>
  response({ ver: 2, flag: kind, seq, msg, blob })

interface Calls {
  readonly callee: RawCallee
  readonly all: readonly Outcome[]
  readonly stream: Outcome
  readonly upload: Outcome
  readonly unary: Outcome
}

/** Three calls that are out: 2 is a stream with a window of 4 whose consumer gives none back, 3 an upload that was granted 2 and has sent 1, 4 is unary. */
async function threeCalls(stage: ClientStage, index = 0): Promise<Calls> {
  const { client } = stage
  const pace = { done: () => {} }
  const stream = follow(client.call({ action: 'S.stream', window: 4, pace }))
  const up$ = new Observable<number>(out => out.next(1))
  const upload = follow(client.call({ action: 'S.upload', items: up$ }))
  const callee = await stage.callee(index)
  await callee.got(UP.request, 2)
  const unary = follow(client.call({ action: 'S.unary' }))
  await callee.got(UP.request, 3)
  callee.send(downCredit(3, 2, 0))
  await callee.got(UP.next)
  return { callee, stream, upload, unary, all: [stream, upload, unary] }
}

type Breach = readonly [what: string, code: number, text: string, frames: Uint8Array[]]

const BREACHES: readonly Breach[] = [
  ['an item beyond the credit (C9)', 4420, 'rpc_flow', [1, 2, 3, 4, 5].map(item => downNext(2, item))],
  [
    'a small item behind one that used the credit up',
    4420,
    'rpc_flow',
    [downNext(2, new Uint8Array(65_536)), downNext(2, 1)],
  ],
  ['an item for an upload', 4420, 'rpc_flow', [downNext(3, 1)]],
  ['an item for a unary call', 4420, 'rpc_flow', [downNext(4, 1)]],
  ['CREDIT with a window of 0 (C8)', 4420, 'rpc_flow', [downCredit(3, 0, 1)]],
  ['CREDIT with a window above 2^31 - 1 (C8)', 4420, 'rpc_flow', [downCredit(3, 2 ** 31, 1)]],
  ['CREDIT for more than was sent (C8)', 4420, 'rpc_flow', [downCredit(3, 2, 2)]],
  ['kind 4', 4400, 'rpc_protocol', [down(4, 2)]],
  ['kind 8', 4400, 'rpc_protocol', [down(8, 2)]],
  ['kind 10, which is reserved', 4400, 'rpc_protocol', [down(10, 2)]],
  ['kind 255', 4400, 'rpc_protocol', [down(255, 2)]],
  ['HELLO twice', 4400, 'rpc_protocol', [downHello()]],
  ['a seq it never sent (C3)', 4400, 'rpc_protocol', [downNext(5, 1)]],
  ['a DONE for a seq it never sent (C3)', 4400, 'rpc_protocol', [downDone(5)]],
  ['a GOAWAY above what it sent', 4400, 'rpc_protocol', [goAway(5)]],
  ['NEXT with seq 0', 4400, 'rpc_protocol', [downNext(0, 1)]],
  ['CREDIT with seq 0', 4400, 'rpc_protocol', [downCredit(0, 1, 0)]],
  ['CANCEL with seq 0', 4400, 'rpc_protocol', [downCancel(0)]],
  ['a GOAWAY that is no map', 4400, 'rpc_protocol', [goAway(4, [])]],
  ['a GOAWAY that cannot be decoded', 4400, 'rpc_protocol', [down(DOWN.goAway, 4, FF)]],
  ['a GOAWAY over 4 KiB', 4400, 'rpc_protocol', [goAway(4, { reason: 'x'.repeat(4096) })]],
  ['CREDIT of 11 bytes', 4400, 'rpc_protocol', [down(DOWN.credit, 3, new Uint8Array(11))]],
  ['CREDIT with a blob', 4400, 'rpc_protocol', [down(DOWN.credit, 3, new Uint8Array(12), FF)]],
  ['CANCEL with a body', 4400, 'rpc_protocol', [down(DOWN.cancel, 3, pack(1))]],
  ['an errno with a blob', 4400, 'rpc_protocol', [response({ ver: 2, flag: 1, seq: 4, msgBytes: 3, blob: FF })]],
  ['an error with a message', 4400, 'rpc_protocol', [response({ ver: 2, flag: 2, seq: 4, msg: FF })]],
  ['a message over maxMessageBytes', 4413, 'rpc_too_large', [response({ ver: 2, flag: 3, seq: 2, msgBytes: 2001 })]],
  ['a blob over maxBlobBytes', 4413, 'rpc_too_large', [response({ ver: 2, flag: 3, seq: 2, blobBytes: 65_537 })]],
  ['a blob below 0', 4400, 'rpc_protocol', [response({ ver: 2, flag: 3, seq: 2, blobBytes: 2 ** 31 })]],
  ['version 3', 4406, 'rpc_invalid_ver', [response({ ver: 3, seq: 4 })]],
  ['version 0', 4406, 'rpc_invalid_ver', [response({ ver: 0, seq: 4 })]],
]

describe('closes a connection of version 2', () => {
  for (const [what, code, text, frames] of BREACHES) {
    withClient(
      `for ${what}, and ends every call of it once`,
      async stage => {
        const { callee, stream, all } = await threeCalls(stage)
        callee.send(...frames)
        for (const call of all) await call.failsWith('rpc_io_err', /./)
        assert.equal(stream.error!.executed, stream.values.length > 0 ? 'yes' : 'maybe')
        await callee.isClosed(code, text)
        const again = await threeCalls(stage, 1)
        again.callee.send(downDone(2), downDone(3, pack(3)), downDone(4, pack(4)))
        for (const call of again.all) assert.equal((await call.over).error, undefined)
      },
      { on, options },
    )
  }
})

const EARLY: readonly Breach[] = [
  ['a frame of version 2 instead of the pong', 4400, 'rpc_protocol', [downHello()]],
  ['a seq above the offer', 4400, 'rpc_protocol', [pong(2)]],
  ['a HELLO that is no map', 4400, 'rpc_protocol', [pong(), downHello([1])]],
  ['a HELLO that cannot be decoded', 4400, 'rpc_protocol', [pong(), down(DOWN.hello, 0, FF)]],
]

describe('closes a connection that has not come to terms', () => {
  for (const [what, code, text, frames] of EARLY) {
    withClient(
      `for ${what}`,
      async stage => {
        const call = follow(stage.client.call({ action: 'S.stream', window: 4 }))
        const peer = await stage.peer(0)
        await peer.until(() => ups(peer.received).length >= 1)
        peer.send(...frames)
        await call.over
        // What was not sent has found nobody to be sent to.
        await call.failsWith(call.error?.executed === 'no' ? 'rpc_unreachable' : 'rpc_io_err', /./)
        const end = await peer.ended()
        if (end.code !== undefined) assert.deepEqual([end.code, end.reason], [code, text])
      },
      { on },
    )
  }
})

for (const [what, answer] of [
  ['empty', response({ seq: 1 })],
  ['no map', pong(1, [2])],
  ['a map without v', pong(1, {})],
  ['a map with v 1', pong(1, { v: 1 })],
  ['a map with v 3, which was not offered', pong(1, { v: 3 })],
  ['a map whose v is text', pong(1, { v: '2' })],
  ['what cannot be decoded', response({ seq: 1, msg: FF })],
  ['an error', response({ seq: 1, flag: 2, blob: 'rpc_decode' })],
  ['an errno', response({ seq: 1, flag: 1, msgBytes: 22 })],
] as const) {
  withClient(
    `takes a server whose pong is ${what} for one of version 1`,
    async stage => {
      const call = follow(stage.client.call({ action: 'S.stream', window: 4 }))
      const unary = follow(stage.client.call({ action: 'S.unary' }))
      const peer = await stage.peer(0)
      await peer.until(() => ups(peer.received).length >= 1)
      peer.send(answer)
      await call.failsWith('rpc_unsupported', /./, 'no')
      await peer.until(() => ups(peer.received).length >= 2)
      peer.send(response({ seq: 2, msg: pack('v1') }))
      assert.equal((await unary.answers()).value, 'v1')
      assert.ok(ups(peer.received).every(({ ver }) => ver === 1))
    },
    { on },
  )
}

withClient('keeps to the limits of the pong, and ignores those that are none', async stage => {
  const { client } = stage
  const streams = Array.from({ length: 4 }, () => follow(client.call({ action: 'S.stream', window: 4000 })))
  const calls = Array.from({ length: 4 }, () => follow(client.call({ action: 'S.unary' })))
  const callee = await stage.callee(0, { calls: 3, streams: 2, window: 16, msg: -1, blob: 'x', keepMs: 5, what: {} })
  await callee.got(UP.request, 5)
  assert.deepEqual([client.stats().inFlight, client.stats().waiting], [5, 3])
  const sent = callee.of(UP.request)
  assert.deepEqual(
    sent.filter(({ action }) => action === 'S.stream').map(({ window, open, msLeft }) => [window, open, msLeft]),
    [
      [16, false, 0],
      [16, false, 0],
    ],
  )
  const answered = new Set<number>()
  while (answered.size < 8) {
    await callee.peer.until(() => callee.of(UP.request).some(({ seq }) => !answered.has(seq)))
    for (const { seq, action } of callee.of(UP.request)) {
      if (answered.has(seq)) continue
      answered.add(seq)
      callee.send(downDone(seq, action === 'S.unary' ? pack(1) : NONE))
    }
  }
  for (const call of [...streams, ...calls]) assert.equal((await call.over).error, undefined)
})

withClient('never sends what is over the limits of the pong, and says so to the one call', async stage => {
  const { client } = stage
  const big = 'x'.repeat(1000)
  const blob = new Uint8Array(3000)
  const early = [
    follow(client.call({ action: 'S.unary', input: big })),
    follow(client.call({ action: 'S.unary', blob })),
  ]
  const callee = await stage.callee(0, { msg: 500, blob: 2000 })
  const late = [
    follow(client.call({ action: 'S.unary', input: big })),
    follow(client.call({ action: 'S.unary', blob })),
  ]
  for (const call of [...early, ...late]) await call.failsWith('rpc_too_large', /over/, 'no')
  for (const [item, seq] of [
    [big, 0],
    [blob, 1],
  ] as const) {
    const upload = follow(client.call({ action: 'S.upload', items: [1, item, 2] }))
    const request = (await callee.got(UP.request, seq + 1))[seq]!
    callee.send(downCredit(request.seq, 9, 0))
    const [error] = await callee.got(UP.error, 1, request.seq)
    assert.match(error!.blob.toString(), /^rpc_too_large: .* over/)
    assert.equal(callee.of(UP.next, request.seq).length, 1)
    callee.send(downError(request.seq, 'user decides'))
    await upload.failsWith('user', /user decides/, 'yes')
  }
  assert.ok(callee.peer.bytes < 1500, `${callee.peer.bytes} bytes came`)
})

withClient('fails an upload whose item cannot be encoded by the ERROR it sends', async stage => {
  const upload = follow(stage.client.call({ action: 'S.upload', items: [1, () => {}, 2] }))
  const callee = await stage.callee()
  await callee.got(UP.request)
  callee.send(downCredit(2, 9, 0))
  const [error] = await callee.got(UP.error)
  assert.match(error!.blob.toString(), /^rpc_encode: /)
  callee.send(downError(2, 'rpc_canceled: the items failed'))
  await upload.failsWith('rpc_canceled', /the items failed/, 'yes')
  assert.equal(callee.of(UP.next).length, 1)
})

withClient('drops what comes for a call that is over, and goes on (C4)', async stage => {
  const { callee, stream, upload, unary } = await threeCalls(stage)
  callee.send(
    downDone(3, pack('first')),
    downDone(3, pack('second')),
    downCredit(3, 9, 9),
    downCancel(3),
    downNext(3, 1),
  )
  assert.equal(((await upload.answers()) as { value: unknown }).value, 'first')
  callee.send(downCredit(2, 0, 9), downCancel(2), downCredit(4, 1, 0), downCancel(4)) // these halves are not there
  callee.send(downNext(2, 'item'), downDone(2), downNext(2, 'late'), downError(2, 'late'))
  await stream.over
  callee.send(downDone(4, pack('last')))
  assert.equal(((await unary.answers()) as { value: unknown }).value, 'last')
  assert.deepEqual([stream.values, stream.ends, stream.error], [['item'], 1, undefined])
})

withClient(
  'drops what is under way for a call that was unsubscribed, uncounted, and however wrong',
  async stage => {
    const { callee, stream, upload, unary } = await threeCalls(stage)
    const before = stage.client.stats().lateAnswers
    stream.unsubscribe()
    upload.unsubscribe()
    await callee.got(UP.cancel, 2)
    const bad = down(DOWN.next, 2, FF)
    callee.send(
      ...new Array<Uint8Array>(1000).fill(bad),
      downCredit(3, 0, 77),
      downCancel(3),
      downDone(2, pack(1)),
      downDone(3),
    )
    callee.send(downDone(4, pack('last')))
    await unary.over
    assert.equal(stage.client.stats().lateAnswers, before)
    assert.deepEqual([stream.ends, upload.ends, stage.client.stats().inFlight], [0, 0, 0])
  },
  { options: { maxIdleFramesPerSecond: 100 } },
)

for (const [what, frame] of [
  ['frames for calls that are over', downNext(2, 1)],
  ['grants that move nothing', downCredit(3, 2, 0)],
  ['grants for a half that is not there', downCredit(4, 2, 0)],
] as const) {
  withClient(
    `gives a connection up on which too many ${what} come within a second`,
    async stage => {
      const { callee, unary } = await threeCalls(stage)
      callee.send(downDone(2))
      callee.send(...new Array<Uint8Array>(303).fill(frame))
      await unary.failsWith('rpc_io_err', /frames/)
      await callee.isClosed(4429, 'rpc_busy')
    },
    { on, options: { maxIdleFramesPerSecond: 100 } },
  )
}

withClient('fails a stream whose end has a body with rpc_decode', async stage => {
  const { callee, stream, unary } = await threeCalls(stage)
  callee.send(downNext(2, 'item'), downDone(2, pack(1)), downDone(4, pack('on')))
  await stream.failsWith('rpc_decode', /has a body of 1 bytes/, 'yes')
  assert.equal(((await unary.answers()) as { value: unknown }).value, 'on')
  assert.equal(callee.of(UP.cancel).length, 0)
})

withClient('fails a stream whose item cannot be decoded with rpc_decode, and cancels it', async stage => {
  const { callee, stream, unary } = await threeCalls(stage)
  callee.send(downNext(2, 'item'), down(DOWN.next, 2, FF), downNext(2, 'more'), downNext(2, 'more'))
  await stream.failsWith('rpc_decode', /S.stream was sent an item that cannot be decoded/, 'yes')
  await callee.got(UP.cancel, 1, 2)
  callee.send(downNext(2, 'more'), downError(2, 'rpc_canceled'), downDone(4, pack('on')))
  assert.equal(((await unary.answers()) as { value: unknown }).value, 'on')
  assert.deepEqual([stream.values, stream.ends], [['item'], 1])
})

withClient(
  'ends a stream whose item it has no room for with rpc_overflow, and keeps the connection',
  async stage => {
    const { client } = stage
    const pace = { done: () => {} }
    const stream = follow(client.call({ action: 'S.stream', window: 40, pace }))
    const other = follow(client.call({ action: 'S.stream', window: 40, pace: { done: () => {} } }))
    const callee = await stage.callee()
    await callee.got(UP.request, 2)
    const item = new Uint8Array(40_000)
    callee.send(downNext(2, item), downNext(2, item), downNext(3, item), downNext(3, 'small'), downNext(2, 'small'))
    await other.failsWith('rpc_overflow', /maxHeldBytes/)
    const [cancel] = await callee.got(UP.cancel)
    assert.equal(cancel!.seq, 3)
    callee.send(downError(3, 'rpc_canceled'))
    await until(() => stream.values.length === 3)
    pace.done()
    callee.send(downNext(2, item), downDone(2))
    await stream.over
    assert.deepEqual([stream.values.length, stream.error, other.values.length], [4, undefined, 0])
  },
  { options: { maxHeldBytes: 100_000 } },
)

withClient('goes on behind a call whose headers or argument cannot be sent', async stage => {
  const { client } = stage
  const first = follow(client.call({ action: 'S.unary' }))
  const callee = await stage.callee()
  callee.send(downDone((await callee.got(UP.request))[0]!.seq, pack(1)))
  await first.answers()
  const bad = { action: 'S.unary', input: () => {}, headers: { a: 'b' } }
  await follow(client.call(bad)).failsWith('rpc_encode', /./, 'no')
  const long = { action: 'S.unary', headers: { a: 'x'.repeat(5000) } }
  await follow(client.call(long)).failsWith('rpc_too_large', /headers/, 'no')
  const good = follow(client.call({ action: 'S.unary', headers: { a: 'b' } }))
  const [, request] = await callee.got(UP.request, 2)
  const [headers] = await callee.got(UP.headers)
  assert.deepEqual([headers!.seq, unpack(headers!.msg)], [request!.seq, { a: 'b' }])
  callee.send(downDone(request!.seq, pack(2)))
  await good.answers()
})

withClient('sends the time that is left of a call, and none where there is no end to it', async stage => {
  const { client } = stage
  const calls = [
    { action: 'S.unary', timeoutMs: 60_000 },
    { action: 'S.unary' },
    { action: 'S.stream', window: 1 },
    { action: 'S.stream', window: 1, timeoutMs: 60_000 },
    { action: 'S.stream', window: 1, timeoutMs: 1e12 },
    { action: 'S.stream', window: 1, deadline: Date.now() + 100 * 24 * 3600_000 },
    { action: 'S.upload', items: NEVER },
    { action: 'S.unary', deadline: Date.now() + 5000, timeoutMs: 60_000 },
  ].map(request => follow(client.call(request)))
  const callee = await stage.callee()
  const DAY = 24 * 3600_000
  const most = [60_000, 20_000, 0, 60_000, DAY, DAY, 20_000, 5000]
  const sent = (await callee.got(UP.request, calls.length)).sort((a, b) => a.seq - b.seq)
  const byAction = (action: string): number[] =>
    sent.filter(frame => frame.action === action).map(({ msLeft }) => msLeft)
  const expected = (action: string, limits: number[]): void => {
    for (const [i, ms] of byAction(action).entries()) {
      assert.ok(ms <= limits[i]! && ms >= limits[i]! * 0.7, `${action} has ${ms} of ${limits[i]}`)
    }
  }
  expected('S.unary', [most[0]!, most[1]!, most[7]!])
  expected('S.stream', [most[2]!, most[3]!, most[4]!, most[5]!])
  expected('S.upload', [most[6]!])
  for (const call of calls) call.unsubscribe()
  const canceled = await callee.got(UP.cancel, calls.length)
  callee.send(...canceled.map(({ seq }) => downError(seq, 'rpc_canceled')))
  await until(() => client.stats().inFlight === 0)
})

withClient(
  'refuses a window, a deadline and a timeout that are none before anything is sent',
  async ({ client }) => {
    for (const window of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => client.call({ action: 'S.stream', window }), TypeError, `window ${window}`)
    }
    assert.throws(() => client.call({ action: 'S.unary', deadline: Number.NaN }), TypeError)
    assert.throws(() => client.call({ action: 'S.unary', timeoutMs: Number.NaN }), TypeError)
    assert.throws(
      () => client.call({ action: 'S.unary', headers: { a: 1 } as unknown as Record<string, string> }),
      TypeError,
    )
    await follow(client.call({ action: 'S.stream', window: 1, deadline: Date.now() - 1 })).failsWith(
      'rpc_timeout',
      /./,
      'no',
    )
    await follow(client.call({ action: 'S.stream', window: 1, timeoutMs: 0 })).failsWith('rpc_timeout', /./, 'no')
  },
  { on: [memory] },
)

withClient(
  'frees the slot of a call that was given up when its server has no last word for it',
  async stage => {
    const call = follow(stage.client.call({ action: 'S.stream', window: 1 }))
    const callee = await stage.callee()
    await callee.got(UP.request)
    call.unsubscribe()
    await callee.got(UP.cancel)
    assert.equal(stage.client.stats().inFlight, 1)
    await until(() => stage.client.stats().inFlight === 0)
  },
  { on: [tcp], options: { taskTimeoutMs: 30, tickMs: 10 } },
)

withClient(
  'gives a connection up whose server does not answer the offer',
  async stage => {
    const call = follow(stage.client.call({ action: 'S.unary' }))
    const peer = await stage.peer(0)
    await peer.until(() => ups(peer.received).length >= 1)
    await call.failsWith('rpc_unreachable', /did not answer the offer/, 'no')
    assert.equal((await peer.ended()).how, 'finished')
  },
  { on: [memory, tcp], options: { connectTimeoutMs: 50 } },
)

void [Subject, offer]
