/**
 * The default codec: what it writes for whom, and what it gives back.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { addExtension, Packr } from 'msgpackr'
import type { Codec } from '../../lib/codec/codec.ts'
import { MSGPACK, msgpack } from '../../lib/codec/msgpack.ts'
import { RpcError } from '../../lib/error.ts'
import { fromHex, requestMessage, responseMessage, toHex, vectors } from '../support/vectors.ts'
import { msgpackValues } from './arbitrary.ts'

const codec: Codec = msgpack()

function hex(value: unknown): string {
  return toHex(codec.encode(value))
}

function roundTrip(value: unknown): unknown {
  return codec.decode(codec.encode(value))
}

/** A frame's message as Rust wrote it, read back by its action's name. */
function recorded(name: string): unknown {
  const vector = vectors.find(one => one.name === name)
  assert.ok(vector, name)
  return codec.decode(requestMessage(vector))
}

describe('the msgpack codec and the Rust crates', () => {
  for (const vector of vectors) {
    const messages = [requestMessage(vector), responseMessage(vector)].filter(message => message.length > 0)
    if (messages.length === 0) continue
    const float32 = vector.name.includes('f32')
    it(`reads what Rust wrote and writes the same ${float32 ? 'number as a float64' : 'bytes'}: ${vector.name}`, () => {
      for (const message of messages) {
        const value = codec.decode(message)
        if (float32) assert.equal(codec.decode(codec.encode(value)), value)
        else assert.equal(toHex(codec.encode(value)), toHex(message))
      }
    })
  }

  it('reads the four shapes of an enum as its name or as an object of one entry', () => {
    const shape = (name: string) => (recorded(`EchoService.record with a ${name} variant`) as { shape: unknown }).shape
    assert.equal(shape('unit'), 'Empty')
    assert.deepEqual(shape('newtype'), { Circle: 1.5 })
    assert.deepEqual(shape('tuple'), { Rect: [0, 4294967295] })
    assert.deepEqual(shape('struct'), { Named: { title: 't'.repeat(40), sides: 255 } })
  })

  it('reads a struct as an object, a tuple as an array, unit and None as null, and a u64 as a bigint where it must', () => {
    const record = recorded('EchoService.record with a unit variant') as Record<string, unknown>
    assert.deepEqual(Object.keys(record), ['id', 'name', 'inner', 'note', 'shape', 'tags'])
    assert.equal(record['id'], 9007199254740993n)
    assert.deepEqual(recorded('EchoService.tuple'), [200, 't', true])
    assert.equal(recorded('EchoService.unit'), null)
    assert.equal(recorded('EchoService.u64 9007199254740992'), 9007199254740992n)
    assert.deepEqual(recorded('EchoService.bytes 5'), Uint8Array.of(21, 52, 83, 114, 145))
  })
})

describe('the msgpack codec', () => {
  it('writes each integer in its smallest form, unsigned where positive, number and bigint alike', () => {
    const forms: [bigint, string][] = [
      [0n, '00'],
      [127n, '7f'],
      [128n, 'cc80'],
      [255n, 'ccff'],
      [256n, 'cd0100'],
      [65535n, 'cdffff'],
      [65536n, 'ce00010000'],
      [4294967295n, 'ceffffffff'],
      [4294967296n, 'cf0000000100000000'],
      [9007199254740991n, 'cf001fffffffffffff'],
      [-1n, 'ff'],
      [-32n, 'e0'],
      [-33n, 'd0df'],
      [-128n, 'd080'],
      [-129n, 'd1ff7f'],
      [-32768n, 'd18000'],
      [-32769n, 'd2ffff7fff'],
      [-2147483648n, 'd280000000'],
      [-2147483649n, 'd3ffffffff7fffffff'],
      [-9007199254740991n, 'd3ffe0000000000001'],
    ]
    for (const [value, form] of forms) {
      assert.equal(hex(value), form)
      assert.equal(hex(Number(value)), form)
      assert.equal(hex({ a: [value] }), `81a16191${form}`)
      assert.equal(hex(new Map([[value, Number(value)]])), `81${form}${form}`)
    }
  })

  it('gives back every value as it was', () => {
    fc.assert(
      fc.property(msgpackValues, value => {
        assert.deepStrictEqual(roundTrip(value), value)
      }),
      { numRuns: 500 },
    )
  })

  it('reads an integer key as its decimal text', () => {
    const map = new Map<number | bigint | string, number>([
      [1, 1],
      [-5, 2],
      [2 ** 40, 3],
      [2n ** 63n, 4],
      ['x', 5],
    ])
    assert.deepEqual(roundTrip(map), { '1': 1, '-5': 2, '1099511627776': 3, '9223372036854775808': 4, x: 5 })
    for (const key of [1.5, Number.NaN, 2 ** 60, true, null, undefined, {}, Symbol('s')]) {
      assert.throws(() => codec.encode(new Map([[key, 1]])), /is a key that is neither text nor an integer/)
    }
  })

  it('writes class instances by their own properties, Sets as arrays, and never asks toJSON', () => {
    class Point {
      x = 1
      readonly #hidden = 2
      get double(): number {
        return this.#hidden
      }
      toJSON(): string {
        return 'no'
      }
    }
    class Names extends Array<string> {}
    assert.deepEqual(roundTrip(new Point()), { x: 1 })
    assert.deepEqual(roundTrip([new Set([1, new Set(['a'])])]), [[1, ['a']]])
    assert.deepEqual(roundTrip(Names.of('a', 'b')), ['a', 'b'])
    assert.deepEqual(roundTrip(Object.assign(Object.create(null), { a: 1 })), { a: 1 })
    assert.deepEqual(
      roundTrip({
        get now() {
          return 5
        },
        [Symbol('s')]: 1,
      }),
      { now: 5 },
    )
  })

  it('refuses what has no plain form, by the name of its class', () => {
    const cases: [unknown, string][] = [
      [/x/, 'RegExp'],
      [new Error('x'), 'Error'],
      [Promise.resolve(), 'Promise'],
      [new WeakMap(), 'WeakMap'],
      [new Number(1), 'Number'],
      [new Float64Array(1), 'Float64Array'],
      [new DataView(new ArrayBuffer(1)), 'DataView'],
      [new URL('ws://x'), 'URL'],
      [new SharedArrayBuffer(1), 'SharedArrayBuffer'],
      [[].values(), 'Array Iterator'],
    ]
    for (const [value, name] of cases) {
      assert.throws(
        () => codec.encode({ items: [value] }),
        (error: unknown) =>
          RpcError.is(error, 'rpc_encode') &&
          error.message === `value.items[0] is of the class ${name}, which has no plain form`,
      )
    }
    class Source {
      subscribe(): void {}
    }
    assert.throws(() => codec.encode({ a: new Source() }), /^RpcError: value\.a has a method subscribe/)
    assert.throws(() => codec.encode([new Date(Number.NaN)]), /^RpcError: value\[0\] is an invalid Date/)
  })

  it('writes dates as timestamps of 4, 8 or 12 bytes and keeps their milliseconds', () => {
    assert.equal(hex(new Date(0)), 'd6ff00000000')
    assert.equal(hex(new Date(1_700_000_000_000)), 'd6ff6553f100')
    assert.equal(hex(new Date(1_700_000_000_001)), 'd7ff003d09006553f100')
    assert.equal(hex(new Date(-1)), 'c70cff3b8b87c0ffffffffffffffff')
    for (const time of [
      0,
      1,
      999,
      -1,
      -999,
      -1000,
      2 ** 32 * 1000,
      2 ** 32 * 1000 - 1,
      8.64e15,
      -8.64e15,
      8.64e15 - 1,
    ]) {
      assert.deepEqual(roundTrip(new Date(time)), new Date(time))
    }
    // Forms that this codec does not write: 34 bits of seconds in 8 bytes, a lone second in 12.
    assert.deepEqual(codec.decode(fromHex('d7ff0000000200000000')), new Date(2 ** 33 * 1000))
    assert.deepEqual(codec.decode(fromHex('c70cff000000000000000000000001')), new Date(1000))
  })

  it('gives bytes as plain arrays of their own, whatever they were read from', () => {
    for (const size of [0, 3, 200, 70_000]) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => i)
      for (const form of [bytes, Buffer.from(bytes), bytes.buffer]) {
        for (const source of [codec.encode({ form, n: 2 ** 40 }), Buffer.from(codec.encode({ form, n: 1 }))]) {
          const { form: read } = codec.decode(source) as { form: Uint8Array }
          source.fill(0)
          assert.equal(Object.getPrototypeOf(read), Uint8Array.prototype)
          assert.deepEqual(read, bytes)
          assert.equal(read.buffer.byteLength, size)
        }
      }
    }
  })

  it('leaves the bytes it reads as they are', () => {
    const value = {
      wide: [2 ** 40, 2n ** 60n, -(2 ** 40)],
      mark: `\ufeff${'x'.repeat(100)}`,
      bytes: new Uint8Array(5000),
    }
    const bytes = codec.encode(value)
    const before = toHex(bytes)
    assert.deepEqual(codec.decode(bytes), value)
    assert.deepEqual(codec.decode(bytes), value)
    assert.equal(toHex(bytes), before)
  })

  it('leaves the value it writes as it is', () => {
    const value = Object.freeze({ a: Object.freeze([-0, undefined, 5n, Object.freeze({ b: undefined })]), c: 2 ** 40 })
    assert.deepEqual(roundTrip(value), { a: [-0, null, 5, { b: null }], c: 2 ** 40 })
    assert.deepEqual(value, { a: [-0, undefined, 5n, { b: undefined }], c: 2 ** 40 })
  })

  it('keeps a byte order mark, also where msgpackr has no native part', () => {
    const value = [
      '\ufeff',
      `\ufeff${'x'.repeat(61)}`,
      `\ufeff${'x'.repeat(62)}`,
      `\ufeff\ufeff${'é'.repeat(200)}`,
      { [`\ufeff${'k'.repeat(300)}`]: 2 ** 40 },
    ]
    assert.deepEqual(roundTrip(value), value)
    const program = `
      const { MSGPACK } = await import(${JSON.stringify(import.meta.resolve('../../lib/codec/msgpack.ts'))})
      process.stdout.write(Buffer.from(JSON.stringify(MSGPACK.decode(Buffer.from('${hex(value)}', 'hex')))))`
    const env = { ...process.env, MSGPACKR_NATIVE_ACCELERATION_DISABLED: 'true' }
    const out = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      env,
      encoding: 'utf8',
    })
    assert.deepEqual(JSON.parse(out), value)
  })

  it('encodes in place where the bytes fit, and hands them over where they do not', () => {
    fc.assert(
      fc.property(msgpackValues, fc.nat(20), fc.nat(40), (value, offset, room) => {
        const bytes = codec.encode(value)
        const target = new Uint8Array(offset + room).fill(0xee)
        const result = codec.encodeInto(value, target, offset)
        if (bytes.length <= room) {
          assert.equal(result, bytes.length)
          assert.deepEqual(target.subarray(offset, offset + bytes.length), bytes)
          assert.ok(target.subarray(offset + bytes.length).every(byte => byte === 0xee))
        } else assert.deepEqual(result, bytes)
        assert.ok(target.subarray(0, offset).every(byte => byte === 0xee))
      }),
    )
  })

  it('either reads arbitrary and damaged bytes or throws rpc_decode, and what it read it can write and read again', () => {
    const prototype = Reflect.ownKeys(Object.prototype)
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 })
    const damaged = fc.tuple(msgpackValues, flips, fc.nat(3)).map(([value, bytes, cut]) => {
      const message = codec.encode(value)
      for (const [at, byte] of bytes) message[at % message.length] = byte
      return message.subarray(0, Math.max(1, message.length - cut))
    })
    const tokens = fc.array(
      fc.constantFrom(...Array.from({ length: 256 }, (_, i) => i), 0x81, 0x82, 0x91, 0xa1, 0x61, 0xc4, 0xd6, 0xff),
    )
    const bytes = fc.oneof(
      damaged,
      fc.uint8Array({ maxLength: 60 }),
      tokens.map(all => Uint8Array.from(all)),
    )
    let read = 0
    fc.assert(
      fc.property(bytes, message => {
        let value: unknown
        try {
          value = codec.decode(message)
        } catch (error) {
          assert.ok(RpcError.is(error, 'rpc_decode'), String(error))
          assert.equal(error.cause, undefined, 'the check let through what the decoder cannot read')
          return
        }
        read++
        assert.deepStrictEqual(roundTrip(value), value)
      }),
      { numRuns: 3000 },
    )
    assert.ok(read > 100)
    assert.deepEqual(Reflect.ownKeys(Object.prototype), prototype)
  })

  it('takes limits of its own', () => {
    const small = msgpack({ maxDepth: 2, maxElements: 5, maxKeys: 1 })
    assert.deepEqual(small.decode(small.encode([[1, 2, 3]])), [[1, 2, 3]])
    for (const value of [[[[]]], [1, 2, 3, 4, 5], { a: 1, b: 2 }]) {
      assert.throws(() => small.encode(value), /maxDepth 2|maxElements 5|maxKeys 1/)
      assert.throws(() => small.decode(MSGPACK.encode(value)), /maxDepth 2|maxElements 5|maxKeys 1/)
    }
    assert.throws(() => msgpack({ maxEncodeBytes: 3 }).encode(['ab', 'cd']), /at least 4 bytes, over maxEncodeBytes 3/)
  })
})

describe('the msgpack codec beside other users of msgpackr', () => {
  const other = new Packr({ useRecords: false })

  it('leaves bytes alone that others packed, and its own stay what they are', () => {
    const theirs = Array.from({ length: 200 }, (_, i) => {
      const bytes = other.pack({ i, text: 'x'.repeat(i) })
      const ours = codec.encode({ i, text: i % 50 === 0 ? 'y'.repeat(500_000) : 'y' })
      return { i, bytes, ours }
    })
    for (const { i, bytes, ours } of theirs) {
      assert.deepEqual(other.unpack(bytes), { i, text: 'x'.repeat(i) })
      assert.equal((codec.decode(ours) as { i: number }).i, i)
    }
  })

  it('gives a large buffer up after use, also when encoding fails', () => {
    // What packing returns without a copy is a view of the buffer that all users share.
    const shared = () => other.pack(null).buffer.byteLength
    codec.encode(new Uint8Array(16 * 2 ** 20))
    assert.ok(shared() <= 256 * 1024)
    codec.encode('é'.repeat(2 ** 20))
    assert.ok(shared() <= 256 * 1024)
    let reads = 0
    const fickle = {
      big: new Uint8Array(2 ** 20),
      get late() {
        if (reads++ > 0) throw new Error('twice')
        return 1
      },
    }
    assert.throws(() => codec.encode(fickle), /^RpcError: value cannot be encoded: twice/)
    assert.ok(shared() <= 256 * 1024)
  })

  it('can be called from a getter of what it encodes, and from the extension of another packer', () => {
    const nested = {
      a: -0,
      get inner() {
        return codec.encode({ big: 'z'.repeat(400_000), n: 2 ** 40 }).length
      },
      b: 2 ** 40,
    }
    assert.deepEqual(roundTrip(nested), { a: -0, inner: 400_021, b: 2 ** 40 })
    // One inside whose numbers need no repair leaves those outside to be repaired: 2^40 is written as an integer.
    const plainInside = {
      a: 2 ** 40,
      get inner() {
        return codec.encode({}).length
      },
    }
    assert.deepEqual(codec.encode(plainInside), codec.encode({ a: 2 ** 40, inner: 1 }))
    const big = 'z'.repeat(400_000)
    const theirs = {
      before: 1,
      get size() {
        return codec.encode(big).length
      },
      after: [2, 'x'.repeat(100)],
    }
    assert.deepEqual(other.unpack(other.pack(theirs)), { before: 1, size: 400_005, after: [2, 'x'.repeat(100)] })
    class Wrapped {
      text = 'w'.repeat(400_000)
    }
    addExtension({
      Class: Wrapped,
      type: 0x21,
      pack: (wrapped: Wrapped) => codec.encode({ text: wrapped.text }),
      unpack: (bytes: Uint8Array) => codec.decode(bytes),
    })
    const value = { before: 1, wrapped: new Wrapped(), after: [2, 'x'.repeat(100)] }
    const expected = { ...value, wrapped: { text: 'w'.repeat(400_000) } }
    assert.deepEqual(other.unpack(other.pack(value)), expected)
    assert.deepEqual(other.unpack(other.pack(new Wrapped())), expected.wrapped)
    assert.deepEqual(roundTrip({ wrapped: new Wrapped() }), { wrapped: expected.wrapped })
  })
})
