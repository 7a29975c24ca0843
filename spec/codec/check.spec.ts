/**
 * The look at MessagePack bytes before decoding: what it finds, and that it accepts every legal form. What it refuses is in
 * hostile.spec.ts.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check, FOUND_BINARY, FOUND_MARK, FOUND_WIDE } from '../../lib/codec/check.ts'
import { DECODE_LIMITS } from '../../lib/codec/codec.ts'
import { RpcError } from '../../lib/error.ts'
import { fromHex } from '../support/vectors.ts'

function found(hex: string): number {
  return check(fromHex(hex.replaceAll(' ', '')), DECODE_LIMITS)
}

describe('check', () => {
  it('accepts every type byte of plain data, with the shortest body it can have', () => {
    const bodies: Record<string, string> = {
      ca: '3f800000',
      cb: '3ff0000000000000',
      cc: 'ff',
      cd: 'ffff',
      ce: 'ffffffff',
      cf: 'ffffffffffffffff',
      d0: 'ff',
      d1: 'ffff',
      d2: 'ffffffff',
      d3: '8000000000000000',
      d6: 'ff00000000',
      d7: 'ff0000000000000000',
      d9: '00',
      da: '0000',
      db: '00000000',
      dc: '0000',
      dd: '00000000',
      de: '0000',
      df: '00000000',
      c4: '00',
      c5: '0000',
      c6: '00000000',
      c7: `0cff${'00'.repeat(12)}`,
      c8: '0004ff00000000',
      c9: '00000004ff00000000',
    }
    const refused = ['c1', 'd4', 'd5', 'd8']
    for (let byte = 0; byte < 256; byte++) {
      const head = byte.toString(16).padStart(2, '0')
      if (refused.includes(head)) continue
      let body = bodies[head] ?? ''
      if (byte >= 0x80 && byte < 0x90) for (let i = 0; i < byte - 0x80; i++) body += `a1${(0x61 + i).toString(16)}c0`
      else if (byte >= 0x90 && byte < 0xa0) body = 'c0'.repeat(byte - 0x90)
      else if (byte >= 0xa0 && byte < 0xc0) body = '61'.repeat(byte - 0xa0)
      assert.doesNotThrow(() => found(head + body), head)
      assert.throws(() => found(`${head}${body}00`), /1 bytes follow the value/, head)
      if (body !== '') assert.throws(() => found(head + body.slice(0, -2)), RpcError, head)
    }
  })

  it('finds binary, integers that need not be bigints, and byte order marks, wherever they stand', () => {
    assert.equal(found('82 a1 61 01 a1 62 93 a0 cb 0000000000000000 cf ffffffffffffffff'), 0)
    assert.equal(found('81 a1 61 91 c4 00'), FOUND_BINARY)
    for (const safe of [
      'cf 0000000000000000',
      'cf 001fffffffffffff',
      'd3 0000000000000001',
      'd3 ffe0000000000001',
      'd3 ffffffffffffffff',
    ]) {
      assert.equal(found(`91 ${safe}`), FOUND_WIDE)
      assert.equal(found(`81 ${safe} c0`), FOUND_WIDE)
    }
    for (const unsafe of [
      'cf 0020000000000000',
      'cf ffffffffffffffff',
      'cf ffe0000000000001',
      'd3 ffe0000000000000',
      'd3 0020000000000000',
    ]) {
      assert.equal(found(unsafe), 0)
    }
    assert.equal(found('81 a3 efbbbf a4 61efbbbf'), FOUND_MARK)
    assert.equal(found('93 c4 01 ff a4 efbbbf61 cf 0000000000000001'), FOUND_BINARY | FOUND_WIDE | FOUND_MARK)
  })

  it('counts values as the limits do, up to the last', () => {
    const limits = { maxDepth: 2, maxElements: 6, maxKeys: 2 }
    const run = (hex: string) => () => check(fromHex(hex.replaceAll(' ', '')), limits)
    assert.equal(run('82 a1 61 c0 a1 62 90')(), 0)
    assert.throws(run('82 a1 61 c0 a1 62 91 c0 c0'), /bytes follow/)
    assert.throws(run('82 a1 61 c0 a1 62 92 c0 c0'), /7 values or more, over maxElements 6/)
    assert.throws(run('83 a1 61 c0 a1 62 c0 a1 63 c0'), /map at byte 0 has 3 keys, over maxKeys 2/)
    assert.throws(run('91 91 91 c0'), /an array at byte 2 is 3 deep, over maxDepth 2/)
    assert.throws(() => check(fromHex('c0'), { ...limits, maxElements: 0 }), /more values than maxElements 0/)
    assert.throws(() => check(fromHex('90'), { ...limits, maxDepth: 0 }), /1 deep, over maxDepth 0/)
  })

  it('starts afresh after a message that it refused', () => {
    const good = '82 a1 61 81 a1 61 01 a1 62 02'
    const bad = [
      '82 a1 61 81 a1 61 81 a1 61 c1',
      `de 0020 ${'a1 61 c0'.repeat(2)}${'00'.repeat(99)}`,
      '82 01 81 01 81 01 c1',
    ]
    for (const hex of bad) {
      assert.throws(() => found(hex), RpcError)
      assert.equal(found(good), 0)
    }
  })
})
