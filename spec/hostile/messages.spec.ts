/**
 * Hostile MessagePack through the wire: as an argument it is answered `rpc_decode`, as an answer it fails its call with
 * `rpc_decode`; the connection goes on either way.
 */
import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { atClient, atServer, BOTH_VERSIONS, follow } from '../support/arena.ts'
import { concat, fromHex } from '../support/hex.ts'
import { bufferBytes, liveBufferBytes } from '../support/memory-use.ts'
import { request } from '../support/raw-frames.ts'
import { callerOf } from '../support/stage.ts'
import { memory } from '../support/transports.ts'
import { upRequest } from '../support/v2-frames.ts'

const MIB = 1024 * 1024
const utf8 = new TextEncoder()

function repeat(count: number, hex: string): Uint8Array {
  const unit = Buffer.from(fromHex(hex))
  return new Uint8Array(Buffer.alloc(count * unit.length, unit))
}

/** A map32 with these keys, and nil for each. */
function mapOf(keys: readonly string[]): Uint8Array {
  const head = Buffer.alloc(5, 0xdf)
  head.writeUInt32BE(keys.length, 1)
  const entries = keys.map(key => Buffer.concat([Buffer.of(0xd9, key.length), Buffer.from(key), Buffer.of(0xc0)]))
  return new Uint8Array(Buffer.concat([head, ...entries]))
}

const hostile: readonly (readonly [row: string, what: string, bytes: () => Uint8Array, message: RegExp])[] = [
  ['B1', 'an array of 4 Gi', () => fromHex('dd ffffffff 00'), /claims 4294967295 values/],
  ['B1', 'a map of 4 Gi', () => fromHex('df ffffffff 00'), /claims 8589934590 values/],
  ['B1', 'a string of 4 GiB', () => fromHex('db ffffffff 00'), /claims 4294967295 bytes/],
  ['B1', 'binary of 4 GiB', () => fromHex('c6 ffffffff 00'), /claims 4294967295 bytes/],
  ['B1', 'an extension of 4 GiB', () => fromHex('c9 ffffffff 00'), /claims 4294967295 bytes/],
  ['B2', '24,000 chained arrays', () => repeat(24_000, 'dc ffff'), /claims 65535 values/],
  ['B3', 'depth 65', () => concat([repeat(65, '91'), fromHex('c0')]), /65 deep, over maxDepth 64/],
  ['B3', 'depth 1,000,000', () => concat([repeat(1_000_000, '91'), fromHex('c0')]), /65 deep, over maxDepth 64/],
  [
    'B4',
    'a mebi of empty maps',
    () => concat([fromHex('dd 000ffff0'), repeat(0xffff0, '80')]),
    /1048561 values or more, over maxElements 100000/,
  ],
  [
    'B5',
    '100,000 keys',
    () => mapOf(Array.from({ length: 100_000 }, (_, i) => String(i))),
    /has 100000 keys, over maxKeys 10000/,
  ],
  ['B6', 'the big integer extension', () => fromHex('c7 08 42 0102030405060708'), /extension 66/],
  [
    'B6',
    'a big integer as key',
    () => concat([fromHex('81 c9 000f0000 42'), repeat(0xf0000, '01'), fromHex('c0')]),
    /key/,
  ],
  ['B7', 'a record', () => fromHex('d4 72 40 91 a1 61 01'), /extension 114|follow/],
  ['B8', 'a cycle', () => fromHex('d6 69 00000001 91 d6 70 00000001'), /extension 105|follow/],
  ['B9', 'a regular expression', () => fromHex('c7 04 78 92 a1 61 a0'), /extension 120/],
  ['B9', 'a set', () => fromHex('d4 73 90'), /extension 115/],
  [
    'B9',
    'an error named constructor',
    () => concat([fromHex('c7 0c 65 ab'), utf8.encode('constructor')]),
    /extension 101/,
  ],
  ['B9', 'an extension of type 0', () => fromHex('d4 00 00'), /extension 0/],
  [
    'B11',
    'the key __proto__',
    () => concat([fromHex('81 a9'), utf8.encode('__proto__'), fromHex('81 a1 78 01')]),
    /__proto__/,
  ],
  [
    'B11',
    'the key constructor',
    () => concat([fromHex('81 ab'), utf8.encode('constructor'), fromHex('c0')]),
    /constructor/,
  ],
  ['B13', 'a key that stands twice', () => fromHex('82 a1 61 01 a1 61 02'), /key "a" stands twice/],
  ['B14', 'text that is no UTF-8', () => fromHex('a2 c3 28'), /not UTF-8/],
  ['B14', 'a lone surrogate', () => fromHex('a3 ed a0 80'), /not UTF-8/],
  ['B14', 'an overlong form', () => fromHex('a2 c0 80'), /not UTF-8/],
  ['B17', 'the byte c1', () => fromHex('c1'), /0xc1/],
  ['B17', 'an array as key', () => fromHex('81 90 c0'), /neither a string nor an integer/],
  ['B18', 'a trailing byte', () => fromHex('c0 c0'), /1 bytes follow the value/],
  ['B18', 'a value that is cut short', () => fromHex('93 01 02'), /claims 3 values|cut short/],
]

let prototype: PropertyKey[]
before(() => {
  prototype = Reflect.ownKeys(Object.prototype)
})
after(() => assert.deepEqual(Reflect.ownKeys(Object.prototype), prototype))

describe('a server, given a hostile message', () => {
  for (const [row, what, bytes, message] of hostile) {
    atServer(`answers ${what} with rpc_decode and keeps the connection (${row})`, async arena => {
      const peer = await arena.raw()
      const msg = bytes()
      peer.send(request({ seq: 1, msg }), request({ seq: 2, action: 7, msg }), request({ seq: 3, msg: fromHex('2a') }))
      const answers = await peer.answered(3)
      assert.deepEqual(
        answers.map(each => [each.flag, each.blob.toString(), each.msg.toString('hex')]),
        [
          [2, 'rpc_decode', ''],
          [2, 'rpc_decode', ''],
          [0, '', '2a'],
        ],
      )
      assert.match(arena.logged, message)
      assert.deepEqual(arena.lab.inputs, [42])
      assert.deepEqual(Reflect.ownKeys(Object.prototype), prototype)
    })

    atServer(
      `answers ${what} with rpc_decode, and what is wrong with it, in version 2 (${row})`,
      async arena => {
        const caller = await callerOf(await arena.raw())
        caller.send(upRequest(2, { action: 'Lab.echo', msg: bytes() }))
        caller.send(upRequest(3, { action: 'Lab.echo', msg: fromHex('2a') }))
        const [refused, good] = [await caller.terminal(2), await caller.terminal(3)]
        assert.match(refused.text, /^rpc_decode: the argument of Lab.echo: /)
        assert.match(refused.text, message)
        assert.ok(refused.blob.length <= 1024, `${refused.blob.length} bytes`)
        assert.equal(good.msg.toString('hex'), '2a')
        assert.deepEqual(arena.lab.inputs, [42])
      },
      { on: [memory] },
    )
  }

  atServer('answers a named action without a message with rpc_decode, and a numeric one as unit (B18)', async arena => {
    const peer = await arena.raw()
    const none = new Uint8Array(0)
    peer.send(request({ seq: 1, msg: none }), request({ seq: 2, action: 7, msg: none }))
    const [named, numeric] = await peer.answered(2)
    assert.deepEqual([named!.blob.toString(), numeric!.flag, numeric!.msg.length], ['rpc_decode', 0, 0])
    assert.match(arena.logged, /Lab.echo was called with an empty message; unit is c0/)
  })

  atServer('refuses a message that is cut at any byte (B18)', async arena => {
    const peer = await arena.raw()
    const whole = fromHex(
      '84 a1 61 93 01 cd 1234 c3 a1 62 cf 0020000000000000 a1 63 c4 02 ffff a1 64 cb 3ff8000000000000',
    )
    for (let cut = 1; cut <= whole.length; cut++) peer.send(request({ seq: cut, msg: whole.subarray(0, cut) }))
    const answers = await peer.answered(whole.length)
    assert.ok(
      answers.slice(0, -1).every(each => each.blob.toString() === 'rpc_decode'),
      'one was taken',
    )
    const { a, b, c, d } = arena.lab.inputs[0] as Record<string, unknown>
    assert.deepEqual([a, b, c, d], [[1, 0x1234, true], 2n ** 53n, Uint8Array.of(255, 255), 1.5])
    assert.equal(arena.lab.inputs.length, 1)
  })

  atServer('keeps nothing of the messages that it refuses (B1, B2)', async arena => {
    const peer = await arena.raw()
    const bytes = [fromHex('c6 ffffffff 00'), fromHex('dd ffffffff 00'), repeat(24_000, 'dc ffff')]
    const before = liveBufferBytes()
    let seq = 0
    for (let round = 0; round < 100; round++) {
      for (const msg of bytes) peer.send(request({ seq: ++seq, msg }))
      await peer.until(() => peer.bytes === seq * 30)
      // An error keeps what was on its stack, the message included.
      arena.log.length = 0
    }
    const grown = bufferBytes() - before
    assert.ok(grown < 48 * MIB, `${grown} bytes`)
    const kept = liveBufferBytes() - before
    assert.ok(kept < 4 * MIB, `${kept} bytes`)
  })

  atServer('keeps floats and large integers exact both ways (B15, B17)', async arena => {
    const client = arena.client()
    for (const value of [
      Number.NaN,
      Infinity,
      -Infinity,
      -0,
      2n ** 64n - 1n,
      -(2n ** 63n),
      2 ** 53 - 1,
      2n ** 53n,
      2 ** 32,
    ]) {
      const reply = await follow(client.call({ action: 'Lab.echo', input: value })).answers()
      assert.ok(Object.is(reply.value, value), `${value} came back as ${String(reply.value)}`)
    }
    assert.equal(arena.logged, '')
  })
})

describe('a client, given a hostile message', () => {
  for (const [row, what, bytes, message] of hostile) {
    atClient(
      `fails the call with rpc_decode at ${what}, and keeps the connection (${row})`,
      async ({ client, agreed, answer }) => {
        const calls = [
          follow(client.call({ action: 'Lab.value' })),
          follow(client.call({ action: 'Lab.coded', errors: 'coded' })),
          follow(client.call({ action: 'Lab.good' })),
        ]
        const peer = await agreed(0)
        const [first, second, third] = await peer.wasAsked(3)
        const msg = bytes()
        peer.send(
          answer({ seq: first!.seq, msg }),
          answer({ seq: second!.seq, flag: 2, blob: msg }),
          answer({ seq: third!.seq, msg: fromHex('2a') }),
        )
        await calls[0]!.failsWith('rpc_decode', message, 'yes')
        await calls[0]!.failsWith('rpc_decode', /the answer of Lab.value cannot be decoded/)
        await calls[1]!.failsWith('rpc_decode', message, 'yes')
        await calls[1]!.failsWith('rpc_decode', /the error of Lab.coded cannot be decoded/)
        assert.equal(((await calls[2]!.answers()) as { value: unknown }).value, 42)
        assert.equal(peer.end, undefined)
        assert.deepEqual(Reflect.ownKeys(Object.prototype), prototype)
      },
      { versions: BOTH_VERSIONS },
    )
  }
})
