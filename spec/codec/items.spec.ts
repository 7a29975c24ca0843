/**
 * Items on the wire: bytes as a blob, all else as a message, and back.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { bytesOf, type ItemParts, readItem } from '../../lib/codec/items.ts'
import { msgpack } from '../../lib/codec/msgpack.ts'
import { RpcError } from '../../lib/error.ts'
import { Body } from '../../lib/protocol/body.ts'
import { fromHex, toHex } from '../support/hex.ts'

const codec = msgpack()
const NONE = new Uint8Array(0)

/** The parts as the body of a frame. */
function came({ msg, blob }: ItemParts): Body {
  const body = new Body()
  body.place(msg)
  body.blob = blob
  return body
}

describe('an item that goes out', () => {
  it('is the blob of its frame where it is bytes, without a copy', () => {
    const item = fromHex('01 02 03')
    const parts = bytesOf(item)
    assert.equal(parts?.blob, item)
    assert.equal(parts?.msg.length, 0)
  })

  it('is the message c4 00 where it is no bytes at all', () => {
    const parts = bytesOf(new Uint8Array(0))
    assert.equal(toHex(parts!.msg), 'c400')
    assert.equal(parts?.blob.length, 0)
  })

  for (const [what, item] of [
    ['nothing', undefined],
    ['null', null],
    ['text', 'abc'],
    ['a list of numbers', [1, 2, 3]],
    ['a map', { a: 1 }],
    ['another typed array', new Uint16Array(2)],
    ['a bare ArrayBuffer', new ArrayBuffer(2)],
  ] as const) {
    it(`is encoded where it is ${what}`, () => assert.equal(bytesOf(item), undefined))
  }
})

describe('an item that came', () => {
  it('is its blob, without a copy', () => {
    const blob = fromHex('ff 00')
    assert.equal(readItem(codec, came({ msg: NONE, blob })), blob)
  })

  it('is no bytes at all for the message c4 00', () => {
    assert.deepEqual(readItem(codec, came({ msg: fromHex('c4 00'), blob: NONE })), new Uint8Array(0))
  })

  it('is unit without message and blob, and for nil', () => {
    assert.equal(readItem(codec, came({ msg: NONE, blob: NONE })), undefined)
    assert.equal(readItem(codec, came({ msg: fromHex('c0'), blob: NONE })) ?? undefined, undefined)
  })

  it('is what the codec makes of its message', () => {
    assert.deepEqual(readItem(codec, came({ msg: fromHex('81 a1 61 01'), blob: NONE })), { a: 1 })
  })

  it('fails as the codec does', () => {
    assert.throws(
      () => readItem(codec, came({ msg: fromHex('c1'), blob: NONE })),
      error => RpcError.is(error, 'rpc_decode'),
    )
  })

  it('is refused with both a message and a blob, which no item has', () => {
    assert.throws(
      () => readItem(codec, came({ msg: fromHex('01'), blob: fromHex('02 03') })),
      error => RpcError.is(error, 'rpc_decode') && /1 bytes of message and 2 bytes of blob/.test(error.message),
    )
  })

  it('comes back as it went, bytes of any length and values alike', () => {
    const item = fc.oneof(fc.uint8Array({ maxLength: 5 }), fc.string(), fc.integer(), fc.array(fc.boolean()))
    fc.assert(
      fc.property(item, value => {
        const parts = bytesOf(value) ?? { msg: codec.encode(value), blob: NONE }
        assert.ok(parts.msg.length === 0 || parts.blob.length === 0)
        assert.deepEqual(readItem(codec, came(parts)), value)
      }),
    )
  })
})
