/**
 * Hostile MessagePack, and hostile values: each is refused with its code, at no cost worth mentioning.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { msgpack } from '../../lib/codec/msgpack.ts'
import { RpcError } from '../../lib/error.ts'
import { fromHex, toHex } from '../support/vectors.ts'

const codec = msgpack()

function refuses(bytes: Uint8Array | string, message: RegExp): void {
  const input = typeof bytes === 'string' ? fromHex(bytes.replaceAll(' ', '')) : bytes
  assert.throws(
    () => codec.decode(input),
    (error: unknown) => {
      assert.ok(RpcError.is(error, 'rpc_decode'), String(error))
      assert.match(error.message, message)
      assert.ok(error.message.length < 300)
      return true
    },
  )
}

function refusesValue(value: unknown, message: RegExp): void {
  for (const act of [() => codec.encode(value), () => codec.encodeInto(value, new Uint8Array(64), 0)]) {
    assert.throws(act, (error: unknown) => {
      assert.ok(RpcError.is(error, 'rpc_encode'), String(error))
      assert.match(error.message, message)
      return true
    })
  }
}

/** Bytes of heap and buffers that `act` adds, as far as they can be told. */
function added(act: () => void): number {
  const use = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  act()
  collectGarbage()
  const before = use()
  act()
  return use() - before
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

function repeat(length: number, ...bytes: number[]): Uint8Array {
  const all = new Uint8Array(length * bytes.length)
  for (let i = 0; i < all.length; i++) all[i] = bytes[i % bytes.length]!
  return all
}

function concat(...parts: (Uint8Array | number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map(part => Buffer.from(part))))
}

function mapOf(keys: readonly string[]): Uint8Array {
  const parts: (Uint8Array | number[])[] = [
    [0xdf, keys.length >>> 24, keys.length >>> 16, keys.length >>> 8, keys.length],
  ]
  for (const key of keys) parts.push([0xd9, key.length], Buffer.from(key), [0xc0])
  return new Uint8Array(Buffer.concat(parts.map(part => Buffer.from(part))))
}

describe('hostile MessagePack', () => {
  let prototype: PropertyKey[]
  before(() => {
    prototype = Reflect.ownKeys(Object.prototype)
  })
  after(() => assert.deepEqual(Reflect.ownKeys(Object.prototype), prototype))

  for (const [name, byte] of Object.entries({ array32: 'dd', map32: 'df', str32: 'db', bin32: 'c6', ext32: 'c9' })) {
    it(`refuses a ${name} that claims 4 Gi without allocating for it (B1)`, () => {
      refuses(`${byte} ffffffff 00`, /claims \d{10} (values|bytes).*, 1 bytes are left/)
      refuses(`${byte} ffffffff`, /claims \d{10}/)
      refuses(`${byte} ffff`, /cut short: 4 bytes are needed at byte 0, 2 are left/)
      const bytes = fromHex(`${byte}ffffffff00`)
      assert.ok(added(() => assert.throws(() => codec.decode(bytes))) < 2 ** 20)
    })
  }

  it('refuses 24,000 chained arrays of 65,535 at the second claim (B2)', () => {
    const bytes = repeat(24_000, 0xdc, 0xff, 0xff)
    refuses(bytes, /an array at byte 3 claims 65535 values \(and 65534 are due around it\), 71994 bytes are left/)
    assert.ok(added(() => assert.throws(() => codec.decode(bytes))) < 2 ** 20)
  })

  it('reads 64 levels, and refuses 65, 10,000 and 1,000,000 without recursion (B3)', () => {
    assert.equal(toHex(codec.encode(codec.decode(concat(repeat(63, 0x91), [0x90])))), `${'91'.repeat(63)}90`)
    for (const depth of [65, 10_000, 1_000_000]) {
      refuses(concat(repeat(depth, 0x91), [0xc0]), /an array at byte 64 is 65 deep, over maxDepth 64/)
      refuses(concat(repeat(depth, 0x81, 0xa1, 0x61), [0xc0]), /a map at byte 192 is 65 deep, over maxDepth 64/)
    }
  })

  it('refuses a mebi of empty maps by their number (B4)', () => {
    refuses(
      concat([0xdd, 0, 0x0f, 0xff, 0xf0], repeat(0xffff0, 0x80)),
      /1048561 values or more, over maxElements 100000/,
    )
    const rows = concat(
      [0xdc, 0x01, 0x00],
      ...Array.from({ length: 256 }, () => concat([0xdc, 0x10, 0x00], repeat(4096, 0x80))),
    )
    refuses(rows, /values or more, over maxElements 100000/)
  })

  it('refuses 100,000 keys in a map, and 10,001; reads 10,000 of them, colliding or not, in no time (B5)', () => {
    refuses(
      mapOf(Array.from({ length: 100_000 }, (_, i) => `k${i}`)),
      /map at byte 0 has 100000 keys, over maxKeys 10000/,
    )
    refuses(mapOf(Array.from({ length: 10_001 }, (_, i) => `k${i}`)), /10001 keys/)
    const colliding = Array.from({ length: 10_000 }, (_, i) => String(i * 65_536))
    assert.equal(Object.keys(codec.decode(mapOf(colliding)) as object).length, 10_000)
    // One bucket for a hash that adds or xors: the same letters in another order.
    const anagrams = Array.from(
      { length: 10_000 },
      (_, i) => `${'a'.repeat(i % 100)}b${'a'.repeat(99 - (i % 100))}${(i / 100) | 0}`,
    )
    assert.equal(Object.keys(codec.decode(mapOf(anagrams)) as object).length, 10_000)
  })

  it('takes time in proportion to the keys of a map, however many are allowed (B5)', () => {
    const roomy = msgpack({ maxKeys: 80_000, maxElements: 200_000 })
    const bytes = mapOf(Array.from({ length: 80_000 }, (_, i) => `k${100_000 + i}`))
    const start = performance.now()
    assert.equal(Object.keys(roomy.decode(bytes) as object).length, 80_000)
    // Comparing each with each takes many times that; this takes a hundredth of it.
    assert.ok(performance.now() - start < 10_000)
  })

  it('keeps nothing of a message that it refused (B5)', () => {
    const keys = mapOf(Array.from({ length: 5_000 }, (_, i) => `key number ${i}`))
    keys[keys.length - 1] = 0xc1
    const refuse = () => refuses(keys, /is 0xc1/)
    for (let i = 0; i < 5; i++) refuse()
    const grown = added(() => {
      for (let i = 0; i < 200; i++) refuse()
      collectGarbage()
    })
    assert.ok(grown < 8 * 2 ** 20, `${grown} bytes`)
  })

  it('refuses the big integer extension, as a value and as a key of a mebibyte (B6)', () => {
    refuses('c7 09 42 010000000000000000', /extension 66 at byte 0: only timestamps/)
    const big = concat([0xc9, 0, 0x10, 0, 0, 0x42], repeat(2 ** 20, 0x7f))
    refuses(big, /extension 66/)
    refuses(concat([0x81], big, [0xc0]), /map key at byte 1 is an extension/)
  })

  it('refuses records, and keeps no state from which their short ids would mean anything (B7)', () => {
    const record = 'd4 72 40 91 a1 61 01'
    refuses(record, /extension 114 at byte 0/)
    refuses(`92 ${record} 40 02`, /extension 114 at byte 1/)
    refuses('d5 72 40 00 91 a1 61 01', /extension 114/)
    assert.equal(codec.decode(fromHex('40')), 64)
    assert.deepEqual(codec.decode(fromHex('9240417f'.slice(0, 6))), [64, 65])
  })

  it('refuses references, cyclic and dangling (B8)', () => {
    refuses('d6 69 00000001 91 d6 70 00000001', /extension 105 at byte 0/)
    refuses('d6 70 00000009', /extension 112 at byte 0/)
  })

  it('refuses every extension but the timestamp, in every form (B9)', () => {
    const text = 'ab636f6e7374727563746f72'
    for (const inner of [
      '78 00 92 a1 78 a0',
      '73 00 91 01',
      `65 00 93 ${text} a0 c0`,
      '74 00',
      '62 00',
      '00 00',
      '7f 00',
      '80 00',
    ]) {
      refuses(`d4 ${inner}`, /extension -?\d+ at byte 0: only timestamps/)
    }
    for (let type = 0; type < 255; type++) {
      const id = type.toString(16).padStart(2, '0')
      for (const [form, length] of Object.entries({
        d4: 1,
        d5: 2,
        d6: 4,
        d7: 8,
        d8: 16,
        c701: 1,
        c80001: 1,
        c900000001: 1,
      })) {
        refuses(`${form} ${id} ${'00'.repeat(length)}`, /only timestamps/)
      }
    }
    refuses('d4 ff 00', /timestamp at byte 0 has 1 bytes, not 4, 8 or 12/)
    refuses('c7 00 ff', /timestamp at byte 0 has 0 bytes/)
    refuses('d7 ff ffffffff 00000000', /has 1073741823 nanoseconds, over 999999999/)
    refuses('c7 0c ff 3b9aca00 0000000000000000', /1000000000 nanoseconds/)
    refuses('c7 0c ff 00000000 000007dba8218001', /8640000000001 seconds is outside of what a Date holds/)
    refuses('c7 0c ff 00000000 7fffffffffffffff', /outside of what a Date holds/)
    refuses('c7 0c ff 00000000 8000000000000000', /outside of what a Date holds/)
  })

  it('refuses the keys __proto__, constructor and prototype, at any depth, read and written (B11)', () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const bytes = Buffer.from(key)
      const object = concat([0x81, 0xa0 | bytes.length], bytes, [0x81, 0xa1, 0x78, 1])
      refuses(object, new RegExp(`map key "${key}" at byte 1 is refused`))
      refuses(concat([0x91], object), /is refused/)
      refuses(concat([0x81, 0xd9, bytes.length], bytes, [1]), /is refused/)
      refuses(concat([0x81, 0xdb, 0, 0, 0, bytes.length], bytes, [1]), /is refused/)
      refusesValue(JSON.parse(`{"a":{"${key}":1}}`), /^value\.a\.\w+ is a key that no decoder takes$/)
      refusesValue(new Map([[key, 1]]), /is a key that no decoder takes/)
      assert.equal(codec.decode(concat([0xa0 | bytes.length], bytes)), key)
    }
    assert.deepEqual(codec.decode(concat([0x81, 0xa9], Buffer.from('__proto_x'), [1])), { __proto_x: 1 })
  })

  it('refuses a key that stands twice, in maps of any size and in any spelling (B13)', () => {
    refuses('82 a1 61 01 a1 61 02', /key "a" stands twice in a map, again at byte 4/)
    refuses('82 a1 61 01 d9 01 61 02', /stands twice/)
    refuses('82 a0 01 a0 02', /key "" stands twice/)
    refuses('82 a0 01 d9 00 02', /key "" stands twice/)
    refuses('82 01 c0 cc 01 c0', /key 1 stands twice/)
    refuses('82 a1 31 c0 01 c0', /key 1 stands twice/)
    refuses('82 01 c0 a1 31 c0', /key "1" stands twice/)
    refuses('82 d3 ffffffffffffffff c0 ff c0', /key -1 stands twice/)
    for (const size of [2, 15, 16, 17, 18, 300, 10_000]) {
      const keys = Array.from({ length: size - 1 }, (_, i) => `key${i}`)
      assert.equal(Object.keys(codec.decode(mapOf(keys)) as object).length, size - 1)
      for (const twice of [keys[0]!, keys[keys.length - 1]!]) refuses(mapOf([...keys, twice]), /stands twice/)
    }
    refusesValue(
      new Map<unknown, unknown>([
        [1, 'a'],
        ['1', 'b'],
      ]),
      /^value\["1"\] is a key twice/,
    )
  })

  it('takes the same key in a map and in the map inside it or beside it', () => {
    const value = { a: { a: { a: 1 }, b: 2 }, b: [{ a: 1 }, { a: 2 }], c: 0 }
    assert.deepEqual(codec.decode(codec.encode(value)), value)
    refuses('82 a1 61 81 a1 61 01 a1 61 02', /key "a" stands twice in a map, again at byte 7/)
  })

  it('refuses text that is not UTF-8: cut, overlong, surrogates, beyond U+10FFFF (B14)', () => {
    const wrong = [
      '80',
      'bf',
      'c0af',
      'c1bf',
      'c3',
      'c328',
      'e0809f',
      'e09fbf',
      'eda080',
      'edbfbf',
      'e282',
      'f0808080',
      'f08fbfbf',
    ]
    for (const text of [...wrong, 'f4908080', 'f5808080', 'f09f92', 'fe', 'ff']) {
      for (const before of ['', '61', '61'.repeat(70), '61'.repeat(201)]) {
        const bytes = Buffer.from(before + text, 'hex')
        refuses(concat([0xd9, bytes.length], bytes), /is not UTF-8: byte \d+ is 0x[0-9a-f]{2}/)
        refuses(concat([0x81, 0xd9, bytes.length], bytes, [1]), /is not UTF-8/)
        if (before.length > 2)
          refuses(concat([0xda, (bytes.length + 99) >> 8, bytes.length + 99], bytes, repeat(99, 0x61)), /is not UTF-8/)
      }
    }
    for (const text of [
      '\u0080',
      '\u07ff',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '\u{10000}',
      '\u{10ffff}',
      '\ufeffx',
    ]) {
      assert.equal(codec.decode(codec.encode(text)), text)
    }
    refusesValue({ list: ['ok', '\ud800'] }, /^value\.list\[1\] has a lone surrogate/)
    refusesValue({ ['\udc00']: 1 }, /has a lone surrogate/)
  })

  it('keeps integers beyond the safe ones exact, as bigints (B15)', () => {
    const cases: [string, unknown][] = [
      ['cf001fffffffffffff', 2 ** 53 - 1],
      ['cf0020000000000000', 2n ** 53n],
      ['cf0020000000000001', 2n ** 53n + 1n],
      ['cfffffffffffffffff', 2n ** 64n - 1n],
      ['d3ffe0000000000001', -(2 ** 53) + 1],
      ['d3ffe0000000000000', -(2n ** 53n)],
      ['d38000000000000000', -(2n ** 63n)],
    ]
    for (const [hex, value] of cases) {
      assert.deepEqual(codec.decode(fromHex(hex)), value)
      assert.deepEqual(codec.decode(fromHex(`92${hex}${hex}`)), [value, value])
      assert.equal(toHex(codec.encode(value)), hex)
    }
    assert.equal(codec.decode(fromHex('d30000000100000000')), 2 ** 32)
    assert.equal(codec.decode(fromHex('cf0000000000000005')), 5)
    refusesValue({ n: 2n ** 64n }, /^value\.n is a bigint outside of/)
    refusesValue(-(2n ** 63n) - 1n, /^value is a bigint outside of/)
  })

  it('writes integers of 2^32 and more in the smallest form, and undefined as nil (B16)', () => {
    assert.equal(toHex(codec.encode(2 ** 32)), 'cf0000000100000000')
    assert.equal(toHex(codec.encode(-(2 ** 31) - 1)), 'd3ffffffff7fffffff')
    assert.equal(toHex(codec.encode(1_700_000_000_000)), 'cf0000018bcfe56800')
    assert.equal(toHex(codec.encode(undefined)), 'c0')
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    assert.equal(toHex(codec.encode({ a: undefined, b: [undefined, , 1] })), '82a161c0a16293c0c001')
  })

  it('keeps NaN, the infinities and -0 exact, and refuses 0xc1 and keys that are containers (B17)', () => {
    for (const value of [Number.NaN, Infinity, -Infinity, -0, 1e300, 2 ** 53, 5e-324]) {
      assert.ok(Object.is(codec.decode(codec.encode(value)), value))
      assert.equal(codec.encode(value)[0], 0xcb)
    }
    assert.deepEqual(codec.decode(codec.encode({ a: -0, b: [-0, 0, -0] })), { a: -0, b: [-0, 0, -0] })
    refuses('c1', /byte 0 is 0xc1/)
    refuses('92 01 c1', /byte 2 is 0xc1/)
    refuses('81 c1 01', /map key at byte 1 is 0xc1/)
    for (const key of [
      '80',
      '90',
      '91 01',
      'c0',
      'c2',
      'c3',
      'ca 3f800000',
      'cb 3ff0000000000000',
      'c4 01 00',
      'd6 ff 00000000',
    ]) {
      refuses(`81 ${key} 01`, /map key at byte 1 is .*, neither a string nor an integer/)
    }
  })

  it('refuses trailing bytes, an empty message, and a message cut at any byte (B18)', () => {
    refuses('01 00', /1 bytes follow the value, which ends at byte 1/)
    refuses('c0 c0', /1 bytes follow/)
    refuses('80 00 00', /2 bytes follow/)
    refuses('', /no bytes, where one value is expected/)
    const value = {
      id: 2n ** 60n,
      at: new Date(1.5e12 + 7),
      list: [1, -200, 70_000, 1.5, 2 ** 40, true, null],
      text: 'é'.repeat(40),
      bytes: new Uint8Array(300),
      old: new Date(-1),
      inner: new Map([[1, 'x']]),
      long: 'y'.repeat(70_000),
    }
    const bytes = codec.encode(value)
    const cuts = [...Array(700).keys(), bytes.length - 1, bytes.length - 100].filter(cut => cut < bytes.length)
    for (const cut of cuts) refuses(bytes.subarray(0, cut), cut === 0 ? /no bytes/ : /cut short|claims/)
    codec.decode(bytes)
  })

  it('refuses cycles, functions, throwing getters and too much to write, saying where (B20)', () => {
    const cycle: Record<string, unknown> = { items: [{ name: 'x' }] }
    ;(cycle['items'] as unknown[]).push({ up: cycle['items'] })
    refusesValue(cycle, /^value\.items contains itself$/)
    const self: unknown[] = []
    self.push(self, self)
    refusesValue(self, /^value contains itself$/)
    const loop = new Map<string, unknown>()
    loop.set('me', { again: loop })
    refusesValue(loop, /^value contains itself$/)

    let deep: unknown = 1
    for (let i = 0; i < 100_000; i++) deep = { d: deep }
    refusesValue(deep, /^value\.d\.d\.d\.d\.d\.d\.d\.d…\.d\.d\.d\.d is deeper than maxDepth 64$/)

    refusesValue({ items: [1, 2, 3, { fn: () => 1 }] }, /^value\.items\[3\]\.fn is a function$/)
    refusesValue(Symbol('s'), /^value is a symbol$/)
    const cause = new Error('no disk')
    const broken = {
      a: {
        get b(): never {
          throw cause
        },
      },
    }
    refusesValue(broken, /^value\.a\.b cannot be read: no disk$/)
    assert.throws(
      () => codec.encode(broken),
      (error: RpcError) => error.cause === cause,
    )
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    refusesValue([proxy], /^value\[0\] cannot be read/)
    const liar = new Proxy([], { get: (_, key) => (key === 'length' ? 1e12 : 0) })
    refusesValue(liar, /^value makes it 1000000000001 values or more, over maxElements 100000$/)

    refusesValue(new Array(100_000), /^value makes it 100001 values or more/)
    const wide = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`k${i}`, i]))
    refusesValue({ wide }, /^value\.wide has 10001 keys, over maxKeys 10000$/)
    // One piece many times over: 99 × 8 MiB that exist only once.
    const piece = new Uint8Array(8 * 2 ** 20)
    refusesValue(Array(99).fill(piece), /^value\[8\] makes it at least 75497472 bytes, over maxEncodeBytes 67108864$/)
    refusesValue(Array(99).fill('x'.repeat(2 ** 23)), /over maxEncodeBytes/)
    assert.equal(toHex(codec.encode({ ok: true })), '81a26f6bc3')
  })
})
